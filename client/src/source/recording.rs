// SPDX-License-Identifier: GPL-2.0

//! A recording as a source: as if it happened now, without the waiting.

use super::{Look, Readiness, Sampler, Source, SourceError};
use crate::machine::Machine;
use crate::users::Users;
use abi::header::{Header, ABI_VERSION};
use abi::samples::{SAMPLE_BYTES, SAMPLE_WORDS};
use abi::stream::Stream;
use format::chunked::{ChunkError, Span};
use format::columns::Counted;
use format::comments::Delays;
use format::recording::{self, Block, Piece, Reader};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::time::Duration;

/// Most records that a look returns.
const BATCH: usize = 4096;

/// A file of samples.
#[derive(Debug)]
pub struct Recording<R = BufReader<File>> {
    reader: Reader<R>,
    header: Header,
    machine: Machine,
    counted: Counted,
    block: Option<Block>,
    batch: Vec<[u64; SAMPLE_WORDS]>,
    /// Lost before the next record, and not told yet.
    pending_loss: u64,
    lost: u64,
    position: u64,
    completed: u64,
    sampler: Sampler,
    over: bool,
}

/// A file that is no recording. The message begins with its name.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be opened.
    #[error("{path}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        source: ChunkError,
    },
}

impl Recording {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is no recording of samples.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let name = || path.display().to_string();
        let file = File::open(path).map_err(|source| RecordingError::Open { path: name(), source })?;
        Self::new(BufReader::with_capacity(1 << 16, file))
            .map_err(|source| RecordingError::Format { path: name(), source })
    }
}

impl<R: Read> Recording<R> {
    /// Reads from the first byte of a recording.
    ///
    /// # Errors
    ///
    /// It is no recording of samples.
    pub fn new(from: R) -> Result<Self, ChunkError> {
        let reader = Reader::new(from)?;
        let about = reader.header();
        let header = Header {
            stream: Stream::Samples,
            record_bytes: SAMPLE_BYTES as u64,
            capacity: 1,
            hz: about.hz,
            rate_hz: about.rate_hz,
            start_monotonic_ns: about.start_monotonic_ns,
            start_realtime_ns: about.start_realtime_ns,
            start_jiffies: about.start_jiffies,
            features: 0,
        };
        let machine = Machine {
            host: about.host.clone(),
            kernel: about.kernel.clone(),
            cpus: about.cpus,
            delays: Delays::read(&about.delays),
            wall_clock_offset_ns: about.wall_clock_offset_ns.map(i128::from),
            source: about.source.clone(),
        };
        Ok(Recording {
            counted: about.counted(),
            reader,
            header,
            machine,
            block: None,
            batch: Vec::with_capacity(BATCH),
            pending_loss: 0,
            lost: 0,
            position: 0,
            completed: 0,
            sampler: Sampler::default(),
            over: false,
        })
    }

    /// What the recording says about itself.
    pub fn about(&self) -> &recording::Header {
        self.reader.header()
    }

    /// The users whose registrations are in it.
    pub fn users(&self) -> Users {
        self.about().users.clone().map_or(Users::All, Users::Of)
    }

    /// Fills the batch, up to the next loss.
    fn fill(&mut self) -> io::Result<()> {
        self.batch.clear();
        self.lost = self.lost.saturating_add(std::mem::take(&mut self.pending_loss));
        while self.batch.len() < BATCH {
            let Some(block) = &mut self.block else {
                match self.reader.next_block()? {
                    Some(block) => self.block = Some(block),
                    None => {
                        self.over = true;
                        return Ok(());
                    }
                }
                continue;
            };
            match block.next_piece() {
                Ok(Some(Piece::Record(words))) => self.batch.push(words),
                Ok(Some(Piece::Lost(records))) if self.batch.is_empty() => {
                    self.lost = self.lost.saturating_add(records);
                }
                Ok(Some(Piece::Lost(records))) => {
                    self.pending_loss = records;
                    return Ok(());
                }
                Ok(None) => {
                    self.completed = self.completed.max(block.state.completed);
                    self.sampler = Sampler { ns: block.state.sampling_ns, records: block.state.sampling_records };
                    self.block = None;
                }
                Err(error) => {
                    self.reader.spoil(error);
                    self.block = None;
                }
            }
        }
        Ok(())
    }
}

impl<R: Read + Seek> Recording<R> {
    /// The chunks of the file from here on, and where they are.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn index(&mut self) -> io::Result<Vec<(u64, Span)>> {
        self.reader.index()
    }

    /// Reads on from a chunk of [`Recording::index`].
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.reader.seek(offset)?;
        self.block = None;
        self.pending_loss = 0;
        self.over = false;
        Ok(())
    }
}

impl<R: Read> Source for Recording<R> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn counted(&self) -> Counted {
        self.counted
    }

    fn look(&mut self) -> Result<Look<'_>, SourceError> {
        self.fill().map_err(SourceError::Recording)?;
        self.position = self.position.saturating_add(self.batch.len() as u64);
        Ok(Look {
            records: &self.batch,
            lost: self.lost,
            pending: !self.over,
            completed: self.completed,
            none_left: false,
            over: self.over,
        })
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn is_whole(&self) -> bool {
        // What was registered before the recording began has no first record in it.
        false
    }

    fn committed(&self) -> u64 {
        self.position
    }

    fn registered(&self) -> u64 {
        0
    }

    fn sampler(&self) -> Sampler {
        self.sampler
    }

    fn readiness(&mut self) -> io::Result<Readiness<'_>> {
        Ok(Readiness { descriptor: None, timeout: Duration::ZERO })
    }

    fn notice(&self) -> Option<String> {
        self.reader.notice()
    }
}

/// What a recording of `source` says about itself. `users` are those whose registrations are kept, `command` is the program that
/// is run for it.
pub fn header_of(source: &dyn Source, users: &Users, command: &[String]) -> recording::Header {
    let (header, machine) = (source.header(), source.machine());
    recording::Header {
        host: machine.host.clone(),
        kernel: machine.kernel.clone(),
        cpus: machine.cpus,
        abi: ABI_VERSION,
        hz: header.hz,
        rate_hz: header.rate_hz,
        start_monotonic_ns: header.start_monotonic_ns,
        start_realtime_ns: header.start_realtime_ns,
        start_jiffies: header.start_jiffies,
        wall_clock_offset_ns: machine.wall_clock_offset_ns.and_then(|offset| i64::try_from(offset).ok()),
        delays: machine.delays.to_string(),
        source: machine.source.clone(),
        absent: source.counted().absent().map(str::to_owned).collect(),
        users: match users {
            Users::All => None,
            Users::Of(users) => Some(users.clone()),
        },
        command: command.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::recording::Writer;

    fn words(sequence: u64) -> [u64; SAMPLE_WORDS] {
        std::array::from_fn(|index| if index == 0 || index == 1 { sequence } else { 1 })
    }

    fn file() -> Vec<u8> {
        let about =
            recording::Header { abi: ABI_VERSION, hz: 250, rate_hz: 20, host: "a".into(), ..Default::default() };
        let mut file = vec![];
        let mut writer = Writer::new(&mut file, &about).unwrap();
        for sequence in 0..5_000 {
            writer.push(&words(sequence));
        }
        writer.lose(7);
        writer.push(&words(5_007));
        writer.write_all().unwrap();
        writer.push(&words(5_008));
        writer.finish().unwrap();
        file
    }

    #[test]
    fn a_recording_is_read_as_the_ring_was_losses_in_their_place() {
        let bytes = file();
        let mut source = Recording::new(&bytes[..]).unwrap();
        let mut seen = vec![];
        loop {
            let look = source.look().unwrap();
            seen.push((look.records.len(), look.lost));
            if look.over {
                break;
            }
        }
        assert_eq!(seen, [(4_096, 0), (904, 0), (2, 7)]);
        assert_eq!((source.position(), source.notice()), (5_002, None));
        assert_eq!((source.header().hz, source.machine().host.as_str()), (250, "a"));
    }

    #[test]
    fn reading_goes_on_from_any_chunk() {
        let mut source = Recording::new(std::io::Cursor::new(file())).unwrap();
        let index = source.index().unwrap();
        while !source.look().unwrap().over {}
        source.seek(index[1].0).unwrap();
        let look = source.look().unwrap();
        assert_eq!((look.records, look.over), (&[words(5_008)][..], true));
    }
}
