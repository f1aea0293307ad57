// SPDX-License-Identifier: GPL-2.0

//! Recordings of samples: the records of the ring as they stand there, compressed, readable up to a crash.
//!
//! ```text
//! file     = the container of `chunked`, magic "mp3sampl"
//! chunk    = records of at most about 2 s, readable without the chunks before it
//! sections = 1 records (six columns) / 2 losses / 3 state
//! ```
//!
//! Nothing is formatted while recording: a record is compared with the last one of its registration, and what differs is
//! stored (see [`columns`]). One that did not change takes about four bytes, which zstd then makes fewer.

mod columns;
mod header;
mod reader;
mod rows;
mod writer;

pub use columns::{Decoder, Encoder};
pub use header::Header;
pub use reader::{Block, Piece, Reader};
pub use rows::Rows;
pub use writer::Writer;

use crate::chunked::Family;

/// Recordings of samples. A reader of this version reads no other.
pub static FAMILY: Family = Family { magic: *b"mp3sampl", version: 1, name: "a recording of samples" };

const TAG_RECORDS: u8 = 1;
const TAG_LOSSES: u8 = 2;
const TAG_STATE: u8 = 3;

/// What is known at the end of a chunk besides its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// No record of this tick or an earlier one follows.
    pub completed: u64,
    /// Time that sampling has taken since the recording began, ns.
    pub sampling_ns: u64,
    /// Records that were sampled since.
    pub sampling_records: u64,
}

/// Whether a file that begins with these bytes is a recording of samples.
pub fn is_recording(start: &[u8]) -> bool {
    start.starts_with(&FAMILY.magic)
}

#[cfg(test)]
mod tests;
