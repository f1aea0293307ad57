// SPDX-License-Identifier: GPL-2.0

//! A live screen of what the samples say.
//!
//! ```text
//! client::source --> Model (a row a process) --> App (what is selected, sorted, asked for) --> screen
//!                      ^
//! recording --> Player-'   the same, at the pace of the recording
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`model`] | rates and history of each process, in bounded memory |
//! | [`column`] | the columns: what they say, how wide they are, in which order they go |
//! | [`app`] | what a key does |
//! | [`schedule`] | what the tracer says of each process |
//! | [`player`] | a recording at its own pace, and seeking in it |
//! | [`threads`] | the threads of one process, from `/proc` |
//! | [`palette`] | colours, and what takes their place without |
//! | [`screen`] | the picture of it all |

pub mod app;
pub mod cli;
pub mod column;
pub mod model;
pub mod palette;
pub mod player;
pub mod schedule;
pub mod screen;
pub mod threads;
