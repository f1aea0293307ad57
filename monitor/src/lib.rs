// SPDX-License-Identifier: GPL-2.0

//! Records the samples of the mp3 module: from the ring into a file.
//!
//! ```text
//! Source - records -> record() --+--> Intervals --> Ticks --> a line a tick     Text
//!  ^                      |      |         \                                     |
//!  |                      |      |          `------> Summary ------------------> | end of every format
//! Poller <-- wait --------'      `-------------------------> a row a record     Csv, Json
//! ```
//!
//! The ring, intervals, waiting and output are `client`'s; the formats are `format`'s.
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`keep`] | records as they are, into a recording |
//! | [`record`] | where to begin, when to end, what happens in between |
//! | [`ticks`] | intervals of all processes to one line a tick |
//! | [`summary`] | totals, the rate that was reached, what was lost |

pub mod cli;
pub mod keep;
pub mod record;
pub mod summary;
pub mod ticks;

#[cfg(test)]
mod heap;

pub use client::source::Begin;
pub use keep::{keep, Kept};
pub use record::{record, End, Options, RecordError, Recorded, Sink};
pub use summary::Summary;
