// SPDX-License-Identifier: GPL-2.0

//! Sums over threads.

use super::counters::ThreadCounters;
use super::delays::Delays;
use super::group::ThreadGroup;
use super::thread::Thread;
use crate::abi::samples::cputime::RawTimes;
use crate::abi::samples::Totals;

/// What several threads have counted.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub(super) counters: ThreadCounters,
    pub(super) times: RawTimes,
    pub(super) delays: Delays,
}

impl Sums {
    /// Over the threads of `group` that are gone; and whether the kernel has kept what those waited for, which it does from
    /// the first on that leaves others behind.
    pub(super) fn of_dead(group: &ThreadGroup, has_delays: bool) -> (Self, bool) {
        let dead = Delays::of_dead(group);
        let delays = dead.unwrap_or_default();
        let sums = Sums {
            counters: ThreadCounters::of_dead(group),
            times: group.dead_times(),
            delays: if has_delays { delays } else { delays.run_only() },
        };
        (sums, dead.is_some())
    }

    /// Adds what `thread` has counted, but for its delays.
    #[inline]
    pub(super) fn add(&mut self, thread: Thread<'_>) {
        self.counters.add(&ThreadCounters::of(thread));
        self.times = self.times.plus(&thread.times());
    }

    /// As totals, but for user and system time.
    #[inline]
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.counters.fill(&mut totals);
        self.delays.fill(&mut totals);
        totals
    }
}
