// SPDX-License-Identifier: GPL-2.0

//! What is read of a process at one moment.

use crate::abi::samples::{Levels, Totals};

/// The counters of a process, since its birth, and what it is at the moment.
pub(crate) struct Sample {
    /// Since the process was forked.
    pub(crate) totals: Totals,
    /// Threads in the group.
    pub(crate) threads: u32,
    /// Command name of the leader, as in a record.
    pub(crate) comm: [u64; 2],
    /// Changes with every `execve`.
    pub(crate) exec_id: u64,
    /// The credentials have been replaced since the last sample.
    pub(crate) has_new_credentials: bool,
    /// Every thread is dead: the totals are final.
    pub(crate) dead: bool,
    /// The kernel counts delays for this process.
    pub(crate) has_delays: bool,
    /// Counters as they stand.
    pub(crate) levels: Levels,
}
