// SPDX-License-Identifier: GPL-2.0

//! Records into a file.

use super::columns::Encoder;
use super::header::Header;
use super::{State, FAMILY, TAG_LOSSES, TAG_RECORDS, TAG_STATE};
use crate::chunked::varint::put;
use crate::chunked::{Packer, Span};
use abi::samples::SAMPLE_WORDS;
use std::io::{self, Write};

/// A chunk ends when its records are of so much time, ns: what a crash of the machine may cost.
const CHUNK_NS: u64 = 2_000_000_000;

/// A chunk ends when it has so many bytes before compression.
const CHUNK_BYTES: usize = 512 << 10;

/// Index of the time among a record's words.
const WORD_TIME: usize = 1;

/// Writes a recording. Memory is bounded by the size of a chunk.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    packer: Packer,
    encoder: Encoder,
    records: Vec<u8>,
    losses: Vec<u8>,
    state: State,
    first_ns: Option<u64>,
    last_ns: u64,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// `to` cannot be written.
    pub fn new(mut to: W, header: &Header) -> io::Result<Self> {
        let mut start = vec![];
        FAMILY.write_header(header, &mut start)?;
        to.write_all(&start)?;
        to.flush()?;
        Ok(Writer {
            to,
            packer: Packer::new()?,
            encoder: Encoder::default(),
            records: vec![],
            losses: vec![],
            state: State::default(),
            first_ns: None,
            last_ns: 0,
            written: start.len() as u64,
        })
    }

    /// Takes the next record, as it stands in the ring.
    #[inline]
    pub fn push(&mut self, words: &[u64; SAMPLE_WORDS]) {
        self.encoder.push(words);
        let time_ns = words[WORD_TIME];
        self.first_ns.get_or_insert(time_ns);
        self.last_ns = self.last_ns.max(time_ns);
    }

    /// So many records were lost before the next one.
    pub fn lose(&mut self, records: u64) {
        put(&mut self.losses, self.encoder.records() as u64);
        put(&mut self.losses, records);
    }

    /// What is known by now. To be called before [`Writer::write_due`] and [`Writer::finish`].
    pub fn know(&mut self, state: State) {
        self.state = state;
    }

    /// Writes the chunk that is complete, if one is.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_due(&mut self) -> io::Result<()> {
        let span_ns = self.last_ns.saturating_sub(self.first_ns.unwrap_or(self.last_ns));
        if span_ns >= CHUNK_NS || self.encoder.bytes() >= CHUNK_BYTES {
            self.write(false)?;
        }
        Ok(())
    }

    /// Writes what there is: nothing may come for a long time.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_all(&mut self) -> io::Result<()> {
        if self.encoder.records() > 0 || !self.losses.is_empty() {
            self.write(false)?;
        }
        Ok(())
    }

    /// Ends the file. Returns its bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        self.write(true)?;
        Ok(self.written)
    }

    /// Bytes of the file so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn write(&mut self, is_last: bool) -> io::Result<()> {
        let span = Span {
            records: u32::try_from(self.encoder.records()).unwrap_or(u32::MAX),
            first_ns: self.first_ns.take().unwrap_or(self.last_ns),
            last_ns: self.last_ns,
            is_last,
        };
        self.records.clear();
        self.encoder.finish(&mut self.records);
        let mut state = vec![];
        for number in [self.state.completed, self.state.sampling_ns, self.state.sampling_records] {
            put(&mut state, number);
        }
        let sections: [(u8, &[u8]); 3] =
            [(TAG_RECORDS, &self.records), (TAG_LOSSES, &self.losses), (TAG_STATE, &state)];
        let chunk = self.packer.pack(&span, &sections)?;
        self.losses.clear();
        self.to.write_all(&chunk)?;
        self.to.flush()?;
        self.written += chunk.len() as u64;
        Ok(())
    }
}
