// SPDX-License-Identifier: GPL-2.0

//! The mp3 module's events as a stream, live or from a recording.
//!
//! ```text
//! rings or a recording  ->  decode  ->  merge  ->  state  ->  view  ->  table
//!                           a CPU's     all CPUs   what       what      text, CSV, JSON
//!                           events      by time    follows    was asked
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`live`] | the rings of a running trace, copied in time |
//! | [`recording`] | files of events |
//! | [`decode`], [`event`], [`merge`] | one order of time for the events of all CPUs |
//! | [`state`], [`thread`], [`task`], [`total`], [`fact`] | what each thread does, and what follows from an event |
//! | [`losses`] | what is missing |
//! | [`filter`], [`view`] | what is asked of the events |
//! | [`table`], [`histogram`], [`time`], [`patient`] | how it is written |
//! | [`samples`] | the sampler's records of the same time |
//! | [`command`] | the command that is traced |
//! | [`model`] | made-up histories, for tests |

pub mod command;
pub mod decode;
pub mod event;
pub mod fact;
pub mod filter;
pub mod histogram;
pub mod live;
pub mod losses;
pub mod merge;
pub mod model;
pub mod patient;
pub mod recording;
pub mod samples;
pub mod state;
pub mod table;
pub mod task;
pub mod thread;
pub mod time;
pub mod total;
pub mod view;
