// SPDX-License-Identifier: GPL-2.0

//! Properties of everything that reads untrusted data: functions of any bytes, which panic where a property does not hold.
//!
//! `libfuzzer/` looks for such bytes (`make fuzz-host`); `corpus/` keeps those that led somewhere new, findings among them,
//! and `cargo test` runs them all again.
//!
//! | target | reader | possible writer |
//! |---|---|---|
//! | [`command`] | the module: a write to `/proc/mp3/status` | any user |
//! | [`record`] | a reader of the ring: one record | another kernel side, older or hostile |
//! | [`ring`] | [`abi::header`] and [`abi::ring`], while the memory changes | likewise |
//! | [`recording`] | `monitor`, from the ring to every format | likewise |
//! | [`events`] | `sched`: rings, recordings, to every view and export | likewise, or the author of the file |
//! | [`faults`] | `faults`: mappings, names of JITs, perf's records, records of faults, to every view | likewise, or any user |
//! | [`samples`] | `monitor --from`, `plot`, `top`: a recording of samples | the author of the file |
//! | [`profile`] | `plot`: text, CSV, gzip, classic | the author of the file |
//! | [`figure`] | `plot`, to the picture | likewise |

#![forbid(unsafe_code)]

mod bytes;
mod hostile;

pub mod command;
pub mod events;
pub mod faults;
pub mod figure;
pub mod profile;
pub mod record;
pub mod recording;
pub mod ring;
pub mod samples;

/// A target: the name of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("command", command::check),
    ("events", events::check),
    ("faults", faults::check),
    ("figure", figure::check),
    ("profile", profile::check),
    ("record", record::check),
    ("recording", recording::check),
    ("ring", ring::check),
    ("samples", samples::check),
];
