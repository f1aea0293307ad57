// SPDX-License-Identifier: GPL-2.0

//! What the scheduler did, from the records of the mp3 module.
//!
//! ```text
//! rings or a recording  ->  decode  ->  merge  ->  state  ->  view  ->  table
//!                           a CPU's     all CPUs   what       what      text, CSV, JSON
//!                           events      by time    follows    was asked
//! ```
//!
//! All of it is functions of records: nothing here asks a kernel, and the same lines run over a live ring, a recording and
//! the made-up histories of the tests.

pub mod cli;
pub mod decode;
pub mod event;
pub mod fact;
#[cfg(feature = "figures")]
pub mod figure;
pub mod flight;
pub mod histogram;
pub mod live;
pub mod merge;
pub mod model;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod perfetto;
pub mod recording;
pub mod run;
pub mod samples;
pub mod state;
pub mod syscall;
pub mod table;
pub mod task;
pub mod thread;
pub mod time;
pub mod total;
pub mod view;
