// SPDX-License-Identifier: GPL-2.0

//! What the kernel counted for a process.

use nix::sys::resource::{self, UsageWho};
use nix::sys::time::TimeVal;
use serde::Serialize;

/// Page faults and CPU time, as `getrusage(2)` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Page faults that were resolved without I/O.
    pub minor_faults: u64,
    /// Page faults that waited for I/O.
    pub major_faults: u64,
    /// CPU time in user mode, ns; whole microseconds.
    pub user_ns: u64,
    /// CPU time in the kernel, ns; whole microseconds.
    pub system_ns: u64,
}

impl Usage {
    /// This process, all its threads: since it was made.
    pub fn own() -> nix::Result<Self> {
        Self::of(UsageWho::RUSAGE_SELF)
    }

    /// All children that have been waited for, and theirs.
    pub fn children() -> nix::Result<Self> {
        Self::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> nix::Result<Self> {
        let usage = resource::getrusage(who)?;
        Ok(Usage {
            minor_faults: usage.minor_page_faults() as u64,
            major_faults: usage.major_page_faults() as u64,
            user_ns: nanoseconds(usage.user_time()),
            system_ns: nanoseconds(usage.system_time()),
        })
    }

    /// What was added since `earlier`.
    pub fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
        }
    }
}

fn nanoseconds(time: TimeVal) -> u64 {
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_usec() as u64 * 1_000
}
