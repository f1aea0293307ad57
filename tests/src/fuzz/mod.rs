// SPDX-License-Identifier: GPL-2.0

//! A fuzzer of the module's system calls.
//!
//! A *batch* is a few processes of a few threads each, all of which make random calls at the same time. What a thread
//! calls follows from (seed, batch, process, thread) alone, so a batch can be run again; what the calls meet depends on how
//! the scheduler interleaves them, so a second run need not end as the first. Files, mappings and children belong to the
//! batch and end with it; the module stays.
//!
//! | file | |
//! |---|---|
//! | `call` | the calls, and drawing them |
//! | `arena` | addresses for mappings that can be torn without hurting the process |
//! | `actor` | makes the calls of one thread |
//! | `batch` | the processes of a batch |
//! | `rules` | what must hold after every batch |
//! | `shrink` | fewer calls that still fail |

pub mod actor;
pub mod arena;
pub mod batch;
pub mod call;
pub mod rules;
pub mod shrink;
