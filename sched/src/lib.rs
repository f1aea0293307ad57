// SPDX-License-Identifier: GPL-2.0

//! What the scheduler did, from the records of the mp3 module.
//!
//! The views are functions of what [`trace`] delivers: the same lines run over a live ring, a recording and the made-up
//! histories of the tests.

pub mod cli;
#[cfg(feature = "figures")]
pub mod figure;
pub mod flight;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod perfetto;
pub mod record;
pub mod run;
pub mod syscall;
pub mod view;
