// SPDX-License-Identifier: GPL-2.0

//! Recordings of events, in the container that all recordings have: see [`format::chunked`].
//!
//! A chunk may have a checkpoint (1), events (2), samples (3) and rings (4); tags from 16 on are other programs' sections. A
//! checkpoint is what the state machine knew when the chunk began, so that a file may begin with any chunk: the flight
//! recorder drops old ones, and has its events in the order of time. What is recorded from beginning to end has rings
//! instead: the records of each CPU as they came, which takes a fraction of the work.

mod block;
mod checkpoint;
mod chunker;
mod columns;
mod error;
mod foretold;
mod header;
mod reader;
mod rings;

pub use block::{Mark, Packed};
pub use chunker::Chunker;
pub use error::FormatError;
pub use header::Header;
pub use reader::{open, payload, Chunk, End, Reader};
pub use rings::block;

use format::chunked::Family;

/// Recordings of events; times are CLOCK_BOOTTIME.
pub static FAMILY: Family = Family { magic: *b"mp3sched", version: 1, name: "a recording of sched" };

const TAG_CHECKPOINT: u8 = 1;
const TAG_EVENTS: u8 = 2;
const TAG_SAMPLES: u8 = 3;
const TAG_RINGS: u8 = 4;
/// Tags of other programs begin here.
pub const FIRST_OTHER_TAG: u8 = 16;
