// SPDX-License-Identifier: GPL-2.0

//! The file around the chunks.

use super::varint::{put, Input};
use super::{checkpoint, columns};
use crate::event::Timed;
use crate::state::State;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

const MAGIC: [u8; 8] = *b"mp3sched";
/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;
const CHUNK: [u8; 4] = *b"chnk";
const CHUNK_HEADER: usize = 40;
/// The chunk is the file's last.
const FLAG_LAST: u32 = 1;
const TAG_CHECKPOINT: u8 = 1;
const TAG_EVENTS: u8 = 2;
const TAG_SAMPLES: u8 = 3;
/// Most bytes of a header's JSON, and of a chunk before and after compression.
const HEADER_MAX: u32 = 1 << 20;
const CHUNK_MAX: u32 = 1 << 28;
/// zstd's level: higher ones cost several times as much for little.
const LEVEL: i32 = 3;

/// What a recording says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The machine's name.
    pub host: String,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub machine: String,
    /// CPUs whose rings were recorded.
    pub cpus: u32,
    /// When the rings began, CLOCK_BOOTTIME, ns.
    pub start_boottime_ns: u64,
    /// The same instant on CLOCK_REALTIME, ns.
    pub start_realtime_ns: u64,
    /// The version of the records' words ([`abi::header::ABI_VERSION`]).
    #[serde(default)]
    pub abi: u64,
    /// The kinds that were asked for ([`abi::events::Kinds`]).
    pub kinds: u64,
    /// How far CLOCK_MONOTONIC, which samples have, is behind CLOCK_BOOTTIME, ns.
    #[serde(default)]
    pub monotonic_behind_ns: u64,
    /// Only some processes were recorded: which, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// Bytes that are no recording.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Another magic.
    #[error("not a recording of sched: it does not begin with \"mp3sched\"")]
    Magic,
    /// A later version.
    #[error("version {0} of the format, and this program reads version {VERSION}: take a newer sched")]
    Version(u32),
    /// Records of a later version.
    #[error("records of ABI version {0}, which this program does not know: take a newer sched")]
    Abi(u64),
    /// The header cannot be read.
    #[error("damaged in its header")]
    Header,
    /// Fewer bytes than are announced.
    #[error("damaged: a part is shorter than it says")]
    Short,
    /// A number out of its range.
    #[error("damaged: a number that no event has")]
    Number,
    /// A kind of record of a later version.
    #[error("a record of kind {0}, which this program does not know: take a newer sched")]
    Kind(u8),
    /// A frame that zstd cannot read, or whose checksum is wrong.
    #[error("damaged: {0}")]
    Frame(String),
    /// The file could not be read.
    #[error("cannot read")]
    Io(#[from] io::Error),
}

/// Makes chunks of events.
pub struct Chunker {
    state: State,
    columns: columns::Columns,
    checkpoint: Vec<u8>,
    samples: Vec<u8>,
    first_ns: Option<u64>,
    last_ns: u64,
    compressor: zstd::bulk::Compressor<'static>,
    facts: Vec<crate::fact::Fact>,
}

impl Chunker {
    /// Begins with nothing known.
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn new() -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let state = State::new();
        let mut first = vec![];
        checkpoint::write(&state, &mut first);
        Ok(Chunker {
            state,
            columns: columns::Columns::new(),
            checkpoint: first,
            samples: vec![],
            first_ns: None,
            last_ns: 0,
            compressor,
            facts: vec![],
        })
    }

    /// What is known so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is known so far, to add losses that no event tells.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// What followed from the last event.
    pub fn facts(&self) -> &[crate::fact::Fact] {
        &self.facts
    }

    /// Takes the next event, in the order of time.
    pub fn push(&mut self, timed: &Timed) {
        self.facts.clear();
        self.state.apply(timed, &mut self.facts);
        self.columns.push(timed);
        self.first_ns.get_or_insert(timed.ns);
        self.last_ns = self.last_ns.max(timed.ns);
    }

    /// Takes a sample of the sampler ([`abi`]'s words of it, little endian).
    pub fn push_sample(&mut self, words: &[u64]) {
        for word in words {
            self.samples.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Bytes of this chunk before compression.
    pub fn bytes(&self) -> usize {
        self.columns.bytes() + self.samples.len()
    }

    /// Events in this chunk.
    pub fn events(&self) -> u32 {
        self.columns.events()
    }

    /// The time of the first event of this chunk, ns.
    pub fn first_ns(&self) -> Option<u64> {
        self.first_ns
    }

    /// Ends the chunk, `last` in its file or not, and begins another. The bytes are those of the file.
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn finish(&mut self, last: bool) -> io::Result<Vec<u8>> {
        let mut raw = Vec::with_capacity(self.bytes() + self.checkpoint.len() + 64);
        let mut events = Vec::with_capacity(self.columns.bytes() + 64);
        self.columns.write(&mut events);
        for (tag, section) in [(TAG_CHECKPOINT, &self.checkpoint), (TAG_EVENTS, &events), (TAG_SAMPLES, &self.samples)]
        {
            if !section.is_empty() {
                raw.push(tag);
                put(&mut raw, section.len() as u64);
                raw.extend_from_slice(section);
            }
        }
        let packed = self.compressor.compress(&raw)?;
        let mut chunk = Vec::with_capacity(CHUNK_HEADER + packed.len());
        chunk.extend_from_slice(&CHUNK);
        for number in [u32::from(last) * FLAG_LAST, packed.len() as u32, raw.len() as u32, self.columns.events(), 0] {
            chunk.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.first_ns.unwrap_or(self.last_ns), self.last_ns] {
            chunk.extend_from_slice(&number.to_le_bytes());
        }
        chunk.extend_from_slice(&packed);
        self.columns = columns::Columns::new();
        self.samples.clear();
        self.first_ns = None;
        self.checkpoint.clear();
        checkpoint::write(&self.state, &mut self.checkpoint);
        Ok(chunk)
    }
}

impl Header {
    /// Writes the beginning of a file.
    ///
    /// # Errors
    ///
    /// `to` cannot be written.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        to.write_all(&MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        to.write_all(&(json.len() as u32).to_le_bytes())?;
        to.write_all(&json)
    }
}

/// A part of a recording.
#[derive(Debug)]
pub struct Chunk {
    /// What was known when it began. Needed only where the chunk before it has not been read.
    pub checkpoint: State,
    /// Its events in the order of time.
    pub events: Vec<Timed>,
    /// Words of the samples of the same time, as they are in the sampler's ring.
    pub samples: Vec<u64>,
    /// The time of its last event, ns.
    pub last_ns: u64,
}

/// How a recording ended.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Whole,
    /// In the middle: the program that wrote it did not come to its end.
    CutOff,
    /// With a chunk that cannot be read.
    Damaged(FormatError),
}

/// Reads a recording.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    end: Option<End>,
}

/// Reads until `bytes` is full or the file ends; how many there were.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no recording, or one of another version.
    pub fn new(mut from: R) -> Result<Self, FormatError> {
        let mut start = [0; 16];
        if fill(&mut from, &mut start)? < start.len() || !start.starts_with(&MAGIC) {
            return Err(FormatError::Magic);
        }
        let (version, length) = (number32(&start, 8), number32(&start, 12));
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        if length > HEADER_MAX {
            return Err(FormatError::Header);
        }
        let mut json = vec![0; length as usize];
        if fill(&mut from, &mut json)? < json.len() {
            return Err(FormatError::Header);
        }
        let header: Header = serde_json::from_slice(&json).map_err(|_| FormatError::Header)?;
        if header.abi > abi::header::ABI_VERSION {
            return Err(FormatError::Abi(header.abi));
        }
        Ok(Reader { from, header, end: None })
    }

    /// What the recording says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How it ended, once [`Reader::next`] has given the last chunk.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The next chunk; none after the last that can be read.
    ///
    /// # Errors
    ///
    /// Only those of reading the file. What is wrong with the file itself is its [`End`].
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.chunk() {
            Ok(Some((chunk, is_last))) => {
                if is_last {
                    self.end = Some(End::Whole);
                }
                Ok(Some(chunk))
            }
            Ok(None) => {
                self.end = Some(End::CutOff);
                Ok(None)
            }
            Err(FormatError::Io(error)) => Err(error),
            Err(error) => {
                self.end = Some(End::Damaged(error));
                Ok(None)
            }
        }
    }

    fn chunk(&mut self) -> Result<Option<(Chunk, bool)>, FormatError> {
        let mut header = [0; CHUNK_HEADER];
        if fill(&mut self.from, &mut header)? < header.len() {
            return Ok(None);
        }
        if !header.starts_with(&CHUNK) {
            return Err(FormatError::Frame("a chunk that does not begin as one".into()));
        }
        let (flags, packed, raw) = (number32(&header, 4), number32(&header, 8), number32(&header, 12));
        if packed > CHUNK_MAX || raw > CHUNK_MAX {
            return Err(FormatError::Number);
        }
        // As much memory as there are bytes, whatever the header claims.
        let mut bytes = vec![];
        self.from.by_ref().take(packed.into()).read_to_end(&mut bytes)?;
        if bytes.len() < packed as usize {
            return Ok(None);
        }
        let raw =
            zstd::bulk::decompress(&bytes, raw as usize).map_err(|error| FormatError::Frame(error.to_string()))?;
        let mut chunk = payload(&raw)?;
        chunk.last_ns = number64(&header, 32);
        Ok(Some((chunk, flags & FLAG_LAST != 0)))
    }
}

/// Reads what a chunk's frame holds.
///
/// # Errors
///
/// Bytes that no [`Chunker`] writes.
pub fn payload(raw: &[u8]) -> Result<Chunk, FormatError> {
    let mut chunk = Chunk { checkpoint: State::new(), events: vec![], samples: vec![], last_ns: 0 };
    let mut input = Input::new(raw);
    while !input.is_empty() {
        let tag = input.byte()?;
        let length = input.number()?;
        let section = input.take(length)?;
        match tag {
            TAG_CHECKPOINT => chunk.checkpoint = checkpoint::read(section)?,
            TAG_EVENTS => chunk.events = columns::read(section)?,
            TAG_SAMPLES => chunk.samples = section.chunks_exact(8).map(|word| number64(word, 0)).collect(),
            _ => {}
        }
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Leave, Model};
    use abi::events::{Context, State as TaskState};

    fn model() -> Model {
        let mut model = Model::new(2, 1_000_000);
        model.existing(1, 1, "one").existing(2, 2, "two").snapshot().count();
        for _ in 0..300 {
            model.pass(1_000).wake(1, Context::SoftIrq, 1).pass(700).switch(0, Leave::Sleep(TaskState::Sleeping), 1);
            model.pass(9_000).wake(0, Context::Task, 2).switch(0, Leave::Preempted, 2).pass(400);
            model.switch(0, Leave::Sleep(TaskState::Sleeping), 0);
        }
        model
    }

    fn recorded(model: &Model, chunk_events: u32) -> Vec<u8> {
        let mut file = vec![];
        let header = Header { host: "here".into(), cpus: 2, ..Header::default() };
        header.write(&mut file).unwrap();
        let mut chunker = Chunker::new().unwrap();
        for timed in &model.events {
            chunker.push(timed);
            if chunker.events() >= chunk_events {
                chunker.push_sample(&[7; 24]);
                file.extend(chunker.finish(false).unwrap());
            }
        }
        file.extend(chunker.finish(true).unwrap());
        file
    }

    fn read(bytes: &[u8]) -> (Vec<Timed>, End) {
        let mut reader = Reader::new(bytes).unwrap();
        let mut events = vec![];
        while let Some(chunk) = reader.next_chunk().unwrap() {
            events.extend(chunk.events);
        }
        (events, reader.end.unwrap())
    }

    #[test]
    fn a_recording_comes_back_whole() {
        let model = model();
        let file = recorded(&model, 100);
        let (events, end) = read(&file);
        assert_eq!(events, model.events);
        assert!(matches!(end, End::Whole));
        assert_eq!(Reader::new(&file[..]).unwrap().header().host, "here");
    }

    #[test]
    fn a_file_that_was_cut_off_is_read_up_to_there() {
        let model = model();
        let file = recorded(&model, 100);
        let mut longest = 0;
        let header = 16 + number32(&file, 12) as usize;
        for end in (header..file.len()).step_by(211) {
            let (events, how) = read(&file[..end]);
            assert!(model.events.starts_with(&events), "cut at {end}");
            assert!(matches!(how, End::CutOff));
            longest = longest.max(events.len());
        }
        assert!(longest >= model.events.len() - 200, "{longest} of {}", model.events.len());
    }

    #[test]
    fn a_byte_that_was_changed_is_noticed_and_what_stands_before_it_is_read() {
        let model = model();
        let mut file = recorded(&model, 100);
        let middle = file.len() / 2;
        file[middle] ^= 0x10;
        let (events, how) = read(&file);
        assert!(matches!(how, End::Damaged(_)), "{how:?}");
        assert!(!events.is_empty() && model.events.starts_with(&events));
    }

    #[test]
    fn any_chunk_may_be_the_first() {
        let model = model();
        let file = recorded(&model, 100);
        let header = 16 + number32(&file, 12) as usize;
        let second = header + CHUNK_HEADER + number32(&file, header + 8) as usize;
        let cut: Vec<u8> = file[..header].iter().chain(&file[second..]).copied().collect();
        let mut reader = Reader::new(&cut[..]).unwrap();
        let chunk = reader.next_chunk().unwrap().unwrap();
        assert_eq!(chunk.events[0], model.events[100]);
        let known = chunk.checkpoint.thread(crate::task::TaskId::new(1, 0)).unwrap();
        assert_eq!(known.comm.bytes(), b"one");
        assert!(known.run.is_known());
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        assert!(matches!(Reader::new(&b"#!/bin/sh\nexit 0 # more bytes"[..]), Err(FormatError::Magic)));
        assert!(matches!(Reader::new(&b""[..]), Err(FormatError::Magic)));
        let mut later = recorded(&model(), 100);
        later[8] = 9;
        assert!(matches!(Reader::new(&later[..]), Err(FormatError::Version(9))));
    }
}
