// SPDX-License-Identifier: GPL-2.0

//! Makes chunks of events.

use super::{checkpoint, columns, rings, FIRST_OTHER_TAG, TAG_CHECKPOINT, TAG_EVENTS, TAG_RINGS, TAG_SAMPLES};
use crate::event::{Timed, What};
use crate::fact::Fact;
use crate::live::Blocks;
use crate::losses::Losses;
use crate::state::State;
use abi::events::Words;
use format::chunked::{Packer, Span};
use std::io;

/// zstd's level for chunks of rings that come fast: one that leaves literals as they are. Those that come slowly cost little
/// at any level.
const FAST: i32 = -4;
/// A chunk of so many bytes came fast, or else its age had ended it.
const FAST_BYTES: usize = 1 << 18;

/// Makes chunks of events.
pub struct Chunker {
    /// What is known so far, where each chunk is to begin with it.
    state: Option<State>,
    losses: Losses,
    columns: columns::Columns,
    checkpoint: Vec<u8>,
    rings: rings::Writer,
    /// Records of rings in this chunk.
    records: u64,
    /// Up to when all rings have been read, ns.
    until_ns: u64,
    samples: Vec<u8>,
    others: Vec<(u8, Vec<u8>)>,
    first_ns: Option<u64>,
    last_ns: u64,
    packer: Packer,
    fast: Option<Packer>,
    facts: Vec<Fact>,
}

impl Chunker {
    /// Makes a file that is read from its beginning. It begins with nothing known, and what is known later follows from
    /// the events: that is left to the reader.
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn new() -> io::Result<Self> {
        let mut first = vec![];
        checkpoint::write(&State::new(), &mut first);
        Ok(Chunker {
            state: None,
            losses: Losses::default(),
            columns: columns::Columns::new(),
            checkpoint: first,
            rings: rings::Writer::default(),
            records: 0,
            until_ns: 0,
            samples: vec![],
            others: vec![],
            first_ns: None,
            last_ns: 0,
            packer: Packer::new()?,
            fast: None,
            facts: vec![],
        })
    }

    /// Makes chunks with any of which a file may begin: each has a checkpoint.
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn with_checkpoints() -> io::Result<Self> {
        Ok(Chunker { state: Some(State::new()), ..Self::new()? })
    }

    /// Makes a file of the rings of a trace that began at `start_ns`, with [`Chunker::push_blocks`].
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn of_rings(start_ns: u64) -> io::Result<Self> {
        Ok(Chunker { last_ns: start_ns, fast: Some(Packer::with_level(FAST)?), ..Self::new()? })
    }

    /// What is missing so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// What followed from the last event. Nothing without checkpoints.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Takes the next event, in the order of time.
    pub fn push(&mut self, timed: &Timed) {
        if let Some(state) = &mut self.state {
            self.facts.clear();
            state.apply(timed, &mut self.facts);
        }
        if let What::Lost(lost) = &timed.what {
            self.losses.lose(lost);
        }
        self.columns.push(timed);
        self.first_ns.get_or_insert(timed.ns);
        self.last_ns = self.last_ns.max(timed.ns);
    }

    /// Takes blocks of rings, in the order in which they were made. What is missing from them is not in [`Chunker::losses`].
    pub fn push_blocks(&mut self, blocks: &Blocks) {
        self.begin_rings();
        self.rings.append(&blocks.bytes);
        self.records += blocks.records;
    }

    /// Takes what was known of all threads at `ns`, to stand behind all events of the rings before `release_ns`.
    pub fn push_snapshot(&mut self, release_ns: u64, ns: u64, records: &[Words]) {
        self.begin_rings();
        self.rings.snapshot(release_ns, ns, records);
    }

    /// All that the rings had before `until_ns` has been given.
    pub fn have_until(&mut self, until_ns: u64) {
        self.until_ns = self.until_ns.max(until_ns);
    }

    fn begin_rings(&mut self) {
        // Events that are held back stand between the last chunk's end and this one's.
        self.first_ns.get_or_insert(self.last_ns);
    }

    /// Takes a sample of the sampler ([`abi`]'s words of it, little endian).
    pub fn push_sample(&mut self, words: &[u64]) {
        for word in words {
            self.samples.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Appends to a section of this chunk that is another program's. Tags below 16 are sched's.
    pub fn push_section(&mut self, tag: u8, bytes: &[u8]) {
        debug_assert!(tag >= FIRST_OTHER_TAG);
        match self.others.iter_mut().find(|(other, _)| *other == tag) {
            Some((_, section)) => section.extend_from_slice(bytes),
            None => self.others.push((tag, bytes.to_vec())),
        }
    }

    /// Bytes of this chunk before compression.
    pub fn bytes(&self) -> usize {
        self.columns.bytes()
            + self.rings.bytes()
            + self.samples.len()
            + self.others.iter().map(|(_, section)| section.len()).sum::<usize>()
    }

    /// Events in this chunk.
    pub fn events(&self) -> u32 {
        u32::try_from(self.records).unwrap_or(u32::MAX).saturating_add(self.columns.events())
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
        let mut events = Vec::with_capacity(self.columns.bytes() + 64);
        // Also where nothing has come: until when the rings have been read is news as well.
        let has_rings = self.rings.bytes() > 0 || self.until_ns > 0;
        if self.columns.events() > 0 || !has_rings {
            self.columns.write(&mut events);
        }
        let mut rings = vec![];
        if has_rings {
            self.rings.write(self.until_ns, &mut rings);
            // The last chunk has everything there is, however far that is.
            if self.until_ns < u64::MAX {
                self.last_ns = self.last_ns.max(self.until_ns);
            }
        }
        let span = Span {
            records: self.events(),
            first_ns: self.first_ns.unwrap_or(self.last_ns),
            last_ns: self.last_ns,
            is_last: last,
        };
        let mut sections = vec![
            (TAG_CHECKPOINT, &self.checkpoint[..]),
            (TAG_EVENTS, &events[..]),
            (TAG_SAMPLES, &self.samples[..]),
            (TAG_RINGS, &rings[..]),
        ];
        sections.extend(self.others.iter().map(|(tag, section)| (*tag, &section[..])));
        let packer = match &mut self.fast {
            Some(fast) if rings.len() >= FAST_BYTES => fast,
            _ => &mut self.packer,
        };
        let chunk = packer.pack(&span, &sections)?;
        self.columns = columns::Columns::new();
        self.records = 0;
        self.samples.clear();
        self.others.clear();
        self.first_ns = None;
        self.checkpoint.clear();
        if let Some(state) = &self.state {
            checkpoint::write(state, &mut self.checkpoint);
        }
        Ok(chunk)
    }
}
