// SPDX-License-Identifier: GPL-2.0

//! Every page fault of some processes: where, by what code, of what kind and how long.
//!
//! ```text
//! rings or a recording  ->  sched's decode, merge, state  ->  decode   ->  session  ->  view  ->  table, picture, trace
//! perf's mappings, /proc  ->  mapping                         faults      what is known
//! ```
//!
//! All views are functions of records: the same lines run over a live ring, a recording and the made-up histories of the
//! tests. Names are looked up at the end ([`symbol`]).
//!
//! | module | what it knows |
//! |---|---|
//! | [`fault`], [`decode`] | a fault, and how records make one |
//! | [`mapping`] | what is mapped where in each process |
//! | [`code`], [`symbol`], [`jit`] | the instruction that touched, and what it is called |
//! | [`waited`] | what the thread did meanwhile |
//! | [`session`], [`view`] | all of it together, and what is asked of it |
//! | [`distinct`] | reuse distances |
//! | [`feed`], [`gate`], [`record`], [`recording`] | live events, COMMAND, and files |
//! | [`perfetto`] | a trace with the faults among the switches |
//! | [`model`] | a machine for tests |
//! | [`cli`], [`run`] | the command line, and carrying it out |

pub mod cli;
pub mod code;
pub mod decode;
pub mod distinct;
pub mod fault;
pub mod feed;
pub mod gate;
pub mod jit;
pub mod mapping;
pub mod model;
pub mod perfetto;
#[cfg(feature = "figures")]
pub mod picture;
pub mod record;
pub mod recording;
pub mod run;
pub mod session;
pub mod symbol;
pub mod view;
pub mod waited;
