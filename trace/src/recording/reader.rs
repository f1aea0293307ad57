// SPDX-License-Identifier: GPL-2.0

//! Reads recordings.

use super::{
    checkpoint, columns, rings, FormatError, Header, FAMILY, TAG_CHECKPOINT, TAG_EVENTS, TAG_RINGS, TAG_SAMPLES,
};
use crate::event::Timed;
use crate::losses::Losses;
use crate::state::State;
use anyhow::Context as _;
use format::chunked::{self, sections};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// A part of a recording.
#[derive(Debug, Default)]
pub struct Chunk {
    /// What was known when it began. Needed only where the chunk before it has not been read.
    pub checkpoint: State,
    /// Its events in the order of time.
    pub events: Vec<Timed>,
    /// Words of the samples of the same time, as they are in the sampler's ring.
    pub samples: Vec<u64>,
    /// Sections that are not sched's, by their tags.
    pub others: Vec<(u8, Vec<u8>)>,
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
    chunks: chunked::Reader<R>,
    header: Header,
    rings: rings::Reader,
    end: Option<End>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no recording, or one of another version.
    pub fn new(from: R) -> Result<Self, FormatError> {
        let (chunks, header) = chunked::Reader::new::<Header>(from, &FAMILY)?;
        if header.abi > abi::header::ABI_VERSION {
            return Err(FormatError::Abi(header.abi));
        }
        let rings = rings::Reader::new(header.start_boottime_ns);
        Ok(Reader { chunks, header, rings, end: None })
    }

    /// What the recording says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How it ended, once [`Reader::next_chunk`] has given the last chunk.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// How it ended, where that is worth a word.
    pub fn ending(&self) -> Option<String> {
        match self.end() {
            Some(End::CutOff) => Some("the recording was cut off: its writer did not come to its end".into()),
            Some(End::Damaged(error)) => Some(format!("{error}; what stands before that was read")),
            Some(End::Whole) | None => None,
        }
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
        let chunk = match self.chunks.next_chunk()? {
            Some(chunk) => chunk.sections().map_err(FormatError::from).and_then(|sections| {
                let mut read = understand(&sections, &mut self.rings)?;
                read.last_ns = chunk.span.last_ns;
                Ok(read)
            }),
            None => {
                let end = match self.chunks.take_end() {
                    Some(chunked::End::Whole) => End::Whole,
                    Some(chunked::End::Damaged(error)) => End::Damaged(error.into()),
                    Some(chunked::End::CutOff) | None => End::CutOff,
                };
                return Ok(self.finish(end));
            }
        };
        match chunk {
            Ok(chunk) => Ok(Some(chunk)),
            Err(error) => Ok(self.finish(End::Damaged(error))),
        }
    }

    /// Ends it, with the events that waited for another chunk.
    fn finish(&mut self, end: End) -> Option<Chunk> {
        self.end = Some(end);
        let mut chunk = Chunk::default();
        self.rings.rest(&mut chunk.events);
        chunk.last_ns = chunk.events.last()?.ns;
        Some(chunk)
    }

    /// Adds what came late, and what this program does not know, to `losses`.
    pub fn complete(&self, losses: &mut Losses) {
        losses.late += self.rings.late();
        losses.unknown += self.rings.unknown();
    }
}

/// Reads a recording from its beginning.
///
/// # Errors
///
/// The file cannot be read, or is no recording.
pub fn open(path: &Path) -> anyhow::Result<Reader<BufReader<File>>> {
    let failed = || path.display().to_string();
    let file = File::open(path).with_context(failed)?;
    Reader::new(BufReader::with_capacity(1 << 16, file)).with_context(failed)
}

/// Understands the payload of a chunk.
///
/// # Errors
///
/// Bytes that no [`Chunker`](super::Chunker) writes.
pub fn payload(raw: &[u8]) -> Result<Chunk, FormatError> {
    let mut rings = rings::Reader::new(0);
    let mut chunk = understand(&sections(raw)?, &mut rings)?;
    rings.rest(&mut chunk.events);
    Ok(chunk)
}

fn understand(sections: &[(u8, &[u8])], rings: &mut rings::Reader) -> Result<Chunk, FormatError> {
    let mut chunk = Chunk::default();
    for (tag, section) in sections {
        match *tag {
            TAG_CHECKPOINT => chunk.checkpoint = checkpoint::read(section)?,
            TAG_EVENTS => chunk.events = columns::read(section)?,
            TAG_RINGS => rings.read(section, &mut chunk.events)?,
            TAG_SAMPLES => chunk.samples = words(section),
            tag => chunk.others.push((tag, section.to_vec())),
        }
    }
    Ok(chunk)
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).filter_map(|word| word.try_into().ok()).map(u64::from_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Chunker, FormatError};
    use super::*;
    use crate::model::{Leave, Model};
    use abi::events::{Context, State as TaskState};
    use format::chunked::{ChunkError, CHUNK_HEADER};

    fn number(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    fn json_bytes(file: &[u8]) -> usize {
        number(file, 12)
    }

    fn packed_bytes(chunk: &[u8]) -> usize {
        number(chunk, 8)
    }

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
        recorded_by(Chunker::with_checkpoints().unwrap(), model, chunk_events)
    }

    fn recorded_by(mut chunker: Chunker, model: &Model, chunk_events: u32) -> Vec<u8> {
        let mut file = vec![];
        let header = Header { host: "here".into(), cpus: 2, ..Header::default() };
        header.write(&mut file).unwrap();
        for timed in &model.events {
            chunker.push(timed);
            if chunker.events() >= chunk_events {
                chunker.push_sample(&[7; 24]);
                chunker.push_section(16, b"mine");
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
    fn without_checkpoints_the_events_are_the_same_and_the_file_is_smaller() {
        let model = model();
        let file = recorded_by(Chunker::new().unwrap(), &model, 100);
        assert_eq!(read(&file).0, model.events);
        assert!(file.len() < recorded(&model, 100).len());
        let mut reader = Reader::new(&file[..]).unwrap();
        let known = |chunk: Chunk| chunk.checkpoint.threads().count();
        let first = reader.next_chunk().unwrap().map(known);
        assert_eq!((first, reader.next_chunk().unwrap().map(known)), (Some(0), Some(0)));
    }

    #[test]
    fn a_file_that_was_cut_off_is_read_up_to_there() {
        let model = model();
        let file = recorded(&model, 100);
        let mut longest = 0;
        let header = 16 + json_bytes(&file);
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
        let header = 16 + json_bytes(&file);
        let second = header + CHUNK_HEADER + packed_bytes(&file[header..]);
        let cut: Vec<u8> = file[..header].iter().chain(&file[second..]).copied().collect();
        let mut reader = Reader::new(&cut[..]).unwrap();
        let chunk = reader.next_chunk().unwrap().unwrap();
        assert_eq!(chunk.events[0], model.events[100]);
        assert_eq!((chunk.samples.len(), &chunk.others[..]), (24, &[(16, b"mine".to_vec())][..]));
        let known = chunk.checkpoint.thread(crate::task::TaskId::new(1, 0)).unwrap();
        assert_eq!(known.comm.bytes(), b"one");
        assert!(known.run.is_known());
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        assert!(matches!(
            Reader::new(&b"#!/bin/sh\nexit 0 # more bytes"[..]),
            Err(FormatError::Container(ChunkError::Magic(_)))
        ));
        assert!(matches!(Reader::new(&b""[..]), Err(FormatError::Container(ChunkError::Magic(_)))));
        let mut later = recorded(&model(), 100);
        later[8] = 9;
        assert!(matches!(Reader::new(&later[..]), Err(FormatError::Container(ChunkError::Version { found: 9, .. }))));
    }
}
