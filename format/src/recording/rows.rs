// SPDX-License-Identifier: GPL-2.0

//! A recording as the CSV that `monitor --from FILE --per-process` prints of it, for programs that read text.

use super::reader::{Piece, Reader};
use crate::chunked::ChunkError;
use crate::comments::Trailer;
use crate::processes::Csv;
use crate::Format;
use abi::samples::SampleRecord;
use std::io::{self, Read};

/// The text of a recording, made as it is read. A recording without its end has no trailer.
#[derive(Debug)]
pub struct Rows<R> {
    reader: Reader<R>,
    /// Made, and not read yet, from `at` on.
    text: Vec<u8>,
    at: usize,
    begun: bool,
    over: bool,
    samples: u64,
    lost: u64,
}

impl<R: Read> Rows<R> {
    /// Begins at the first byte of a recording.
    ///
    /// # Errors
    ///
    /// It is no recording of samples.
    pub fn new(from: R) -> Result<Self, ChunkError> {
        Ok(Rows { reader: Reader::new(from)?, text: vec![], at: 0, begun: false, over: false, samples: 0, lost: 0 })
    }

    /// Writes what comes before the first record, once.
    fn begin(&mut self, first_time_ns: Option<u64>) {
        if !self.begun {
            self.begun = true;
            Csv.preamble(&mut self.text, &self.reader.header().preamble(first_time_ns));
        }
    }

    /// Makes the text of the next chunk.
    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        let Some(mut block) = self.reader.next_block()? else {
            self.over = true;
            self.begin(None);
            if self.reader.notice().is_none() {
                let trailer = Trailer { samples: Some(self.samples), lost: Some(self.lost), ..Trailer::default() };
                Csv.trailer(&mut self.text, &trailer);
            }
            return Ok(());
        };
        let counted = self.reader.header().counted();
        loop {
            match block.next_piece() {
                Ok(Some(Piece::Record(words))) => {
                    let record = SampleRecord::from_words(&words);
                    self.begin(Some(record.time_ns));
                    self.samples += 1;
                    Csv.sample(&mut self.text, &record, counted);
                }
                Ok(Some(Piece::Lost(records))) => self.lost = self.lost.saturating_add(records),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.reader.spoil(error);
                    return Ok(());
                }
            }
        }
    }
}

impl<R: Read> Read for Rows<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.over {
            self.fill()?;
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}
