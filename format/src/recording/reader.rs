// SPDX-License-Identifier: GPL-2.0

//! Records out of a file.

use super::columns::Decoder;
use super::header::Header;
use super::{State, FAMILY, TAG_LOSSES, TAG_RECORDS, TAG_STATE};
use crate::chunked::varint::Input;
use crate::chunked::{self, Chunk, ChunkError, End, Span};
use abi::header::ABI_VERSION;
use abi::samples::SAMPLE_WORDS;
use std::collections::VecDeque;
use std::io::{self, Read, Seek};

/// Reads a recording.
#[derive(Debug)]
pub struct Reader<R> {
    chunks: chunked::Reader<R>,
    header: Header,
    /// A chunk whose payload could not be read.
    damage: Option<ChunkError>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no recording of samples, or one of another version.
    pub fn new(from: R) -> Result<Self, ChunkError> {
        let (chunks, header): (_, Header) = chunked::Reader::new(from, &FAMILY)?;
        if header.abi != ABI_VERSION || header.hz == 0 || header.rate_hz == 0 {
            return Err(ChunkError::Header);
        }
        Ok(Reader { chunks, header, damage: None })
    }

    /// What the recording says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The records of the next chunk; `None` after the last that can be read.
    ///
    /// # Errors
    ///
    /// Only those of reading the file. What is wrong with the file itself, [`Reader::notice`] says.
    pub fn next_block(&mut self) -> io::Result<Option<Block>> {
        if self.damage.is_some() {
            return Ok(None);
        }
        let Some(chunk) = self.chunks.next_chunk()? else { return Ok(None) };
        match Block::new(&chunk) {
            Ok(block) => Ok(Some(block)),
            Err(error) => {
                self.damage = Some(error);
                Ok(None)
            }
        }
    }

    /// The records of a block that the reader has given turned out to be damaged.
    pub fn spoil(&mut self, error: ChunkError) {
        self.damage = Some(error);
    }

    /// What is wrong with the file, in words, once everything that can be read has been; `None` if nothing is.
    pub fn notice(&self) -> Option<String> {
        match (&self.damage, self.chunks.end()) {
            (Some(error), _) | (None, Some(End::Damaged(error))) => {
                Some(format!("{error}; what stands before it is read"))
            }
            (None, Some(End::CutOff)) => {
                Some("has no end: its recorder was killed or is still writing; what is there is read".to_owned())
            }
            (None, Some(End::Whole) | None) => None,
        }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Where the chunks are, `(offset, span)`, without reading them.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn index(&mut self) -> io::Result<Vec<(u64, Span)>> {
        self.chunks.index()
    }

    /// Reads on from a chunk of [`Reader::index`].
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.damage = None;
        self.chunks.seek(offset)
    }
}

/// What comes next in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A record.
    Record([u64; SAMPLE_WORDS]),
    /// So many records were lost here.
    Lost(u64),
}

/// The records of a chunk, read one after the other.
#[derive(Clone, Debug)]
pub struct Block {
    /// What the chunk's header says.
    pub span: Span,
    /// What was known at its end.
    pub state: State,
    decoder: Decoder,
    /// Losses: before which record, and how many.
    losses: VecDeque<(u64, u64)>,
    next: u64,
}

impl Block {
    /// Takes a chunk apart.
    ///
    /// # Errors
    ///
    /// It is not one of a recording of samples.
    pub fn new(chunk: &Chunk) -> Result<Self, ChunkError> {
        let mut block = Self::of_sections(&chunk.sections()?)?;
        block.span = chunk.span;
        Ok(block)
    }

    /// The same of a chunk's sections.
    ///
    /// # Errors
    ///
    /// They are not those of a recording of samples.
    pub fn of_sections(sections: &[(u8, &[u8])]) -> Result<Self, ChunkError> {
        let mut block = Block {
            span: Span::default(),
            state: State::default(),
            decoder: Decoder::default(),
            losses: VecDeque::new(),
            next: 0,
        };
        for (tag, section) in sections {
            let mut input = Input::new(section);
            match *tag {
                TAG_RECORDS => block.decoder = Decoder::new(section)?,
                TAG_LOSSES => {
                    while !input.is_empty() {
                        block.losses.push_back((input.number()?, input.number()?));
                    }
                }
                TAG_STATE => {
                    let State { completed, sampling_ns, sampling_records } = &mut block.state;
                    for number in [completed, sampling_ns, sampling_records] {
                        *number = input.number()?;
                    }
                }
                _ => {}
            }
        }
        Ok(block)
    }

    /// The next record or loss; `None` at the end.
    ///
    /// # Errors
    ///
    /// The chunk is damaged: nothing more can be read of it.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, ChunkError> {
        if let Some((at, lost)) = self.losses.front().copied() {
            if at <= self.next {
                self.losses.pop_front();
                return Ok(Some(Piece::Lost(lost)));
            }
        }
        let record = self.decoder.next_record()?;
        self.next += 1;
        match record {
            Some(words) => Ok(Some(Piece::Record(words))),
            // A loss behind the last record.
            None => Ok(self.losses.pop_front().map(|(_, lost)| Piece::Lost(lost))),
        }
    }
}
