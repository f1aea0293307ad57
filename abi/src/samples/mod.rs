// SPDX-License-Identifier: GPL-2.0

//! Samples: one record per registered process and tick, all in one ring.
//!
//! | file | what is agreed on |
//! |---|---|
//! | [`record`] | one sample of one process |
//! | [`cputime`] | an exact total split into user and system time |

pub mod cputime;
pub mod record;

pub use record::{Encoded, Flags, SampleRecord, State, Totals, COMM_BYTES, SAMPLE_BYTES, SAMPLE_WORDS, TOTALS};
