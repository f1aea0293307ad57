// SPDX-License-Identifier: GPL-2.0

//! Every file format of mp3: its writer and its reader side by side, its columns and units stated once.
//!
//! | module | what it knows |
//! |---|---|
//! | [`profile`] | `profile.data`: the classic four columns, a line per tick |
//! | [`processes`] | CSV: a row per process and tick |
//! | [`json`] | the same as JSON, an object per line |
//! | [`comments`] | the `# key: value` lines before and after the data |
//! | `chunked` | the container of recordings: a header, compressed chunks (feature `chunked`) |
//! | `recording` | recordings of samples, as they stand in the ring (feature `chunked`) |
//! | [`columns`] | names and units of the columns that CSV and JSON share |
//! | [`flags`] | names of a record's flags |
//! | [`comm`] | command names, which may be any bytes |
//! | [`utc`] | a point in time as RFC 3339 has it |
//! | [`input`] | a path, a gzip file or standard input as numbered lines of bounded length |
//! | [`number`] | whole decimal numbers |
//! | [`error`] | what is wrong with a file, and in which line |
//!
//! Writers append to a `Vec<u8>` and allocate nothing for a record: with 10,000 processes, 200,000 records come in a second.

#![forbid(unsafe_code)]

#[cfg(feature = "chunked")]
pub mod chunked;
pub mod columns;
pub mod comm;
pub mod comments;
pub mod error;
pub mod flags;
pub mod input;
pub mod json;
#[cfg(feature = "chunked")]
pub mod mappings;
pub mod number;
pub mod processes;
pub mod profile;
#[cfg(feature = "chunked")]
pub mod recording;
pub mod utc;

use abi::samples::SampleRecord;
use columns::Counted;
use comments::{Preamble, Trailer};
use profile::Tick;

/// The writer of a format. Each method appends whole lines to `out`.
pub trait Format {
    /// What comes before the first record.
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble);

    /// A record, of a source that has the counters `counted`.
    fn sample(&mut self, _out: &mut Vec<u8>, _sample: &SampleRecord, _counted: Counted) {}

    /// A tick that is complete.
    fn tick(&mut self, _out: &mut Vec<u8>, _tick: &Tick) {}

    /// Nothing was registered since the tick before: the next interval begins long after that tick.
    fn idle(&mut self, _out: &mut Vec<u8>) {}

    /// What comes after the last record.
    fn trailer(&mut self, out: &mut Vec<u8>, trailer: &Trailer);
}
