// SPDX-License-Identifier: GPL-2.0

//! The sum over a thread group at one moment.

use super::delays::Delays;
use super::group::ThreadGroup;
use super::sums::Sums;
use super::thread::Thread;
use kernel::sync::rcu;

/// Threads of a group that a tick reads with interrupts off at most.
const LOCKED_THREADS_MAX: u32 = 256;

/// What a reading does about a group whose threads exit faster than they can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// They are kept from exiting, with interrupts off, for as long as it takes to read all of them. The kernel does the same
    /// for `getrusage(2)`.
    Exact,
    /// The same where they are few. Where they are many, those that leave during the reading may be missing from the sums,
    /// and none is counted twice: what is missing is in the next reading.
    Bounded,
}

/// What all threads of a group together have counted since its first fork, and the leader of the moment.
pub(super) struct Reading<'a> {
    pub(super) sums: Sums,
    pub(super) threads: u32,
    pub(super) has_delays: bool,
    /// What the threads that are gone waited for is among the sums.
    dead_have_delays: bool,
    /// The first thread on the list; the held task if the group is gone.
    pub(super) leader: Thread<'a>,
    /// `exit_state` of the last one, read after its counters.
    last_exit_state: i32,
    /// The first thread that has an address space: a leader that has called `pthread_exit` has none.
    pub(super) with_memory: Option<Thread<'a>>,
}

impl<'a> Reading<'a> {
    /// Reads the sums, and of a dead group once more: the last thread may have died after its counters were read.
    pub(super) fn of(group: &'a ThreadGroup, effort: Effort, rcu: &'a rcu::Guard) -> Self {
        let reading = Self::at_one_moment(group, effort, rcu);
        if reading.is_dead() {
            return Self::at_one_moment(group, effort, rcu);
        }
        reading
    }

    fn at_one_moment(group: &'a ThreadGroup, effort: Effort, rcu: &'a rcu::Guard) -> Self {
        match group.read_without_lock(|| Self::walk(group, rcu)) {
            Ok(reading) => reading,
            Err(torn) if effort == Effort::Bounded && torn.threads > LOCKED_THREADS_MAX => {
                // A thread that has left by now is in the sums and not on the list any more.
                group.read_with_lock(|| Self::of_dead(group)).and_of_living(group, rcu)
            }
            Err(_) => group.read_with_lock(|| Self::walk(group, rcu)),
        }
    }

    /// One pass over the counters, consistent where no thread leaves the group meanwhile.
    fn walk(group: &'a ThreadGroup, rcu: &'a rcu::Guard) -> Self {
        Self::of_dead(group).and_of_living(group, rcu)
    }

    /// The sums over the threads that are gone.
    fn of_dead(group: &'a ThreadGroup) -> Self {
        let held = group.held_thread();
        let has_delays = Delays::are_counted(held);
        let (sums, dead_have_delays) = Sums::of_dead(group, has_delays);
        Reading { sums, threads: 0, has_delays, dead_have_delays, leader: held, last_exit_state: 0, with_memory: None }
    }

    /// Adds what the threads on the list have counted.
    fn and_of_living(mut self, group: &'a ThreadGroup, rcu: &'a rcu::Guard) -> Self {
        if self.has_delays {
            self.add_living::<true>(group, rcu);
        } else {
            self.add_living::<false>(group, rcu);
        }
        // A process that never had a second thread exit keeps its delays in its only task, which is held.
        if self.threads == 0 && !self.dead_have_delays {
            self.sums.delays.add_of(self.leader, self.has_delays);
        }
        self
    }

    #[inline]
    fn add_living<const DELAYS: bool>(&mut self, group: &'a ThreadGroup, rcu: &'a rcu::Guard) {
        // Locals stay in registers.
        let (mut sums, mut threads, mut last) = (self.sums, 0_u32, self.leader);
        for thread in group.threads(rcu) {
            if threads == 0 {
                self.leader = thread;
            }
            if self.with_memory.is_none() && !thread.mm().is_null() {
                self.with_memory = Some(thread);
            }
            sums.add(thread);
            // On its way out a thread adds its delays to the group's, before it leaves the list. The moment between the flag
            // and that is a dip, which the cumulative totals of the records hide (`Totals::at_least`).
            if !(self.dead_have_delays && thread.is_exiting()) {
                sums.delays.add_of(thread, DELAYS);
            }
            threads = threads.wrapping_add(1);
            last = thread;
        }
        (self.sums, self.threads, self.last_exit_state) = (sums, threads, last.exit_state());
    }

    /// Whether the group has been reaped, or waits for it: the last thread is a zombie. It is then that `wait4` answers.
    pub(super) fn is_dead(&self) -> bool {
        self.threads == 0 || (self.threads == 1 && self.last_exit_state != 0)
    }
}
