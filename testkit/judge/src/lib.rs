// SPDX-License-Identifier: GPL-2.0

//! The one judge of the kernel's log. `vm/run` asks it about a whole run, the tests in the guest about what one test left.
//!
//! | module | what it knows |
//! |---|---|
//! | [`line`] | a line of the log without its time stamp |
//! | [`sign`] | what makes a line bad, and what explains it |
//! | [`race`] | KCSAN's reports: which data races count |
//! | [`log`] | a log judged as a whole |
//! | [`status`] | what the guest reported of itself |
//! | [`run`] | a run judged as a whole, and `vm/run`'s exit status |

pub mod line;
pub mod log;
pub mod race;
pub mod run;
pub mod sign;
pub mod status;
