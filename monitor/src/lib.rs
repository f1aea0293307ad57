// SPDX-License-Identifier: GPL-2.0

//! Reads the mp3 module's ring of samples where it is mapped, and prints it.
//!
//! ```text
//! Device -- records --> record() --+--> Intervals --> Ticks --> a line a tick     Text
//!   ^                      |       |         \                                    |
//!   |                      |       |          `------> Summary -----------------> | end of every format
//! Poller <-- wait ---------'       `-------------------------> a row a record     Csv, Json
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`device`] | `/dev/mp3`: open, check, map, wait; the only `unsafe` here |
//! | [`record`] | where to begin, when to end, what happens in between |
//! | [`poller`] | waiting for records, signals and a reader that goes away, all at once |
//! | [`output`] | writing to a reader that may have stopped reading |
//! | [`signals`] | signals that end a recording, as a descriptor |
//! | [`intervals`] | cumulative records to intervals, for each registration |
//! | [`ticks`] | intervals of all processes to one line a tick |
//! | [`summary`] | totals, the rate that was reached, what was lost |
//! | [`machine`] | what was profiled: host, kernel, CPUs |
//! | [`preamble`] | that, the time base and the start: the top of a file |
//! | [`format`] | text, CSV and JSON |
//! | [`comm`] | command names, which may be any bytes |
//! | [`utc`] | a point in time as RFC 3339 has it |

pub mod cli;
pub mod comm;
pub mod device;
pub mod format;
pub mod intervals;
pub mod machine;
pub mod output;
pub mod poller;
pub mod preamble;
pub mod record;
pub mod signals;
pub mod summary;
pub mod ticks;
pub mod utc;

#[cfg(test)]
mod heap;

pub use device::{Device, DeviceError};
pub use record::{record, Begin, End, Options, RecordError, Recorded, Sink};
pub use summary::Summary;
