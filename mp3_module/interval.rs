// SPDX-License-Identifier: GPL-2.0

//! What is counted between two ticks.

use crate::abi::samples::Totals;

/// What a process, or all of them, have counted since a tick.
#[derive(Default)]
pub(crate) struct Interval {
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// User and system time, ns.
    pub(crate) cpu_ns: u64,
}

impl Interval {
    pub(crate) fn between(earlier: &Totals, later: &Totals) -> Self {
        Interval {
            minor_faults: later.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: later.major_faults.saturating_sub(earlier.major_faults),
            cpu_ns: later.cpu_ns().saturating_sub(earlier.cpu_ns()),
        }
    }

    /// Whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.minor_faults == 0 && self.major_faults == 0 && self.cpu_ns == 0
    }

    /// Sums up.
    pub(crate) fn add(&mut self, other: &Interval) {
        self.minor_faults = self.minor_faults.saturating_add(other.minor_faults);
        self.major_faults = self.major_faults.saturating_add(other.major_faults);
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
    }
}
