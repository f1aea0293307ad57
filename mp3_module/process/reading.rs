// SPDX-License-Identifier: GPL-2.0

//! The sum over a thread group at one moment.

use super::counters::ThreadCounters;
use super::delays::Delays;
use super::group::ThreadGroup;
use super::thread::Thread;
use crate::abi::samples::cputime::RawTimes;
use crate::abi::samples::Totals;
use kernel::sync::rcu;

/// What all threads of a group together have counted since its first fork, and the leader of the moment.
pub(super) struct Reading<'a> {
    counters: ThreadCounters,
    delays: Delays,
    pub(super) times: RawTimes,
    pub(super) threads: u32,
    /// `exit_state` of the thread that was read last.
    last_exit_state: i32,
    pub(super) has_delays: bool,
    /// The first thread on the list; the held task if the group is gone.
    pub(super) leader: Thread<'a>,
    /// The first thread that has an address space: a leader that has called `pthread_exit` has none.
    pub(super) with_memory: Option<Thread<'a>>,
}

impl<'a> Reading<'a> {
    /// Reads the sums, and of a dead group once more: the last thread may have died after its counters were read.
    pub(super) fn of(group: &'a ThreadGroup, rcu: &'a rcu::Guard) -> Self {
        let reading = group.read_consistently(|| Self::walk(group, rcu));
        if reading.is_dead() {
            return group.read_consistently(|| Self::walk(group, rcu));
        }
        reading
    }

    /// One pass over the counters, consistent where no thread leaves the group meanwhile.
    fn walk(group: &'a ThreadGroup, rcu: &'a rcu::Guard) -> Self {
        let held = group.held_thread();
        let mut reading = Reading {
            counters: ThreadCounters::of_dead(group),
            delays: Delays::default(),
            times: group.dead_times(),
            threads: 0,
            last_exit_state: 0,
            has_delays: Delays::are_counted(held),
            leader: held,
            with_memory: None,
        };
        let dead = Delays::of_dead(group);
        for thread in group.threads(rcu) {
            if reading.threads == 0 {
                reading.leader = thread;
            }
            reading.add(thread, dead.is_some());
        }
        match dead {
            Some(dead) if reading.has_delays => reading.delays.add(&dead),
            Some(dead) => reading.delays.add(&dead.run_only()),
            // A process that never had a second thread exit keeps its delays in its only task, which is held.
            None if reading.threads == 0 => reading.add_delays(held),
            None => {}
        }
        reading
    }

    /// Whether the group has been reaped, or waits for it: the last thread is a zombie. It is then that `wait4` answers.
    pub(super) fn is_dead(&self) -> bool {
        self.threads == 0 || (self.threads == 1 && self.last_exit_state != 0)
    }

    /// The totals, but for user and system time.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.counters.fill(&mut totals);
        self.delays.fill(&mut totals);
        totals
    }

    /// Adds what one thread has counted.
    #[inline]
    fn add(&mut self, thread: Thread<'a>, dead_are_counted: bool) {
        self.last_exit_state = thread.exit_state();
        if self.with_memory.is_none() && !thread.mm().is_null() {
            self.with_memory = Some(thread);
        }
        self.counters.add(&ThreadCounters::of(thread));
        let times = thread.times();
        self.times.utime = self.times.utime.wrapping_add(times.utime);
        self.times.stime = self.times.stime.wrapping_add(times.stime);
        self.times.runtime = self.times.runtime.wrapping_add(times.runtime);
        self.threads = self.threads.wrapping_add(1);

        // On its way out a thread adds its delays to the group's, before it leaves the list. The moment between the flag
        // and that is a dip, which the cumulative totals of the records hide (`Totals::at_least`).
        if !(dead_are_counted && thread.is_exiting()) {
            self.add_delays(thread);
        }
    }

    #[inline]
    fn add_delays(&mut self, thread: Thread<'a>) {
        self.delays.add(&Delays::of(thread, self.has_delays));
    }
}
