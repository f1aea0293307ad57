// SPDX-License-Identifier: GPL-2.0

//! Samples: one record per registered process and tick, all in one ring.
//!
//! | file | what is agreed on |
//! |---|---|
//! | [`counters`] | the table of counters, and the structs that it makes |
//! | [`totals`] | arithmetic with totals |
//! | [`flags`] | what a record says besides its numbers |
//! | [`record`] | one sample of one process |
//! | [`encoded`] | a record that its writer updates in place |
//! | [`cputime`] | an exact total split into user and system time |
//! | [`moment`] | a look at a thread group without a lock |

pub mod counters;
pub mod cputime;
pub mod encoded;
pub mod flags;
pub mod moment;
pub mod record;
pub mod totals;

pub use counters::{Counter, Kind, Levels, Totals, Unit, COUNTERS, LEVELS, TOTALS};
pub use encoded::{Encoded, State};
pub use flags::Flags;
pub use record::{SampleRecord, COMM_BYTES, SAMPLE_BYTES, SAMPLE_WORDS};
