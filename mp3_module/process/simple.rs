// SPDX-License-Identifier: GPL-2.0

//! A process of one thread that lives, as most are. In the twentieth part of a second most of them do nothing, which is told
//! at little cost; of the others, only that one thread is read again.
//!
//! The counters of threads that are gone change under `stats_lock` only, and with them its sequence: while the sequence is
//! the same, they are, and the one thread that lives is the one it was. Their delays change a little earlier, while the
//! thread that leaves is still on the list.

use super::counters::ThreadCounters;
use super::delays::Delays;
use super::group::ThreadGroup;
use super::pages::{AddressSpace, Pages};
use super::sums::Sums;
use super::thread::{Comm, Node, Thread};
use crate::abi::samples::cputime::RawTimes;
use crate::abi::samples::moment;
use crate::compat;
use core::ptr;
use kernel::bindings;
use kernel::sync::rcu;

/// A process of one thread, and what it was when it was last looked at.
pub(super) struct Simple {
    /// Of the group.
    sequence: u32,
    /// The thread's, in the list of the group.
    node: Node,
    /// The kernel counts more delays than the time waiting for a CPU.
    has_delays: bool,
    /// Of the threads that are gone.
    dead: Sums,
    seen: Glance,
}

/// What one thread shows of itself and of its process.
#[derive(Clone, Copy)]
struct Glance {
    counters: ThreadCounters,
    times: RawTimes,
    delays: Delays,
    exec_id: u64,
    comm: Comm,
    credentials: *const bindings::cred,
    pages: Pages,
}

// SAFETY: The pointer is an address to compare with.
unsafe impl Send for Glance {}

impl Glance {
    /// Of `thread`, if it lives in `memory`.
    fn of(thread: Thread<'_>, has_delays: bool, memory: &AddressSpace) -> Option<Self> {
        let mut glance = Glance {
            counters: ThreadCounters::of(thread),
            times: RawTimes::default(),
            delays: Delays::default(),
            exec_id: 0,
            comm: thread.comm(),
            credentials: ptr::null(),
            pages: Pages::default(),
        };
        glance.renew(thread, has_delays, memory).then_some(glance)
    }

    /// Looks at `thread` again. False if it does not live in `memory`: an mm that is not held may be freed while it is read.
    #[inline]
    fn renew(&mut self, thread: Thread<'_>, has_delays: bool, memory: &AddressSpace) -> bool {
        // A thread on its way out may have added its delays to the group's.
        if thread.exit_state() != 0 || thread.is_exiting() || thread.mm() != memory.as_ptr() {
            return false;
        }
        self.counters = ThreadCounters::of(thread);
        self.times = thread.times();
        self.delays.renew(thread, has_delays);
        self.exec_id = thread.exec_id();
        self.comm = thread.comm();
        self.credentials = thread.credentials();
        self.pages = memory.pages();
        true
    }

    /// Whether it would be the same now. No number that had another value in between is missed: none of them ever falls, except
    /// for levels (pages, a name), which a record has as they stand.
    #[inline]
    fn is_that_of(&self, thread: Thread<'_>, has_delays: bool, memory: &AddressSpace) -> bool {
        // The times of a thread that runs are not up to date.
        !thread.is_on_cpu()
            && thread.runtime() == self.times.runtime
            && thread.exit_state() == 0
            && thread.utime() == self.times.utime
            && thread.stime() == self.times.stime
            && self.counters.are_those_of(thread)
            && self.delays.are_those_of(thread, has_delays)
            && thread.exec_id() == self.exec_id
            && thread.comm() == self.comm
            && thread.mm() == memory.as_ptr()
            && memory.pages() == self.pages
    }
}

impl Simple {
    /// Looks at `group`; `None` where it is not simple, or `memory` is not its address space.
    #[inline(never)]
    pub(super) fn of(group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> Option<Self> {
        let has_delays = Delays::are_counted(group.held_thread());
        let (sequence, (node, dead, seen)) = moment::first(group, || {
            let thread = group.only_thread(rcu)?;
            // The next thread that calls `execve` and becomes the leader is to be held instead.
            if thread.as_ptr() != group.held_thread().as_ptr() {
                return None;
            }
            let (dead, _) = Sums::of_dead(group, has_delays);
            // If the thread's delays are among those, it is seen to be on its way out.
            compat::read_barrier();
            Some((thread.node(), dead, Glance::of(thread, has_delays, memory)?))
        })?;
        Some(Simple { sequence, node, has_delays, dead, seen })
    }

    /// Looks again. False where `group` is not simple any more, or a thread has left it: this is of no use then.
    #[inline]
    pub(super) fn renew(&mut self, group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> bool {
        let renewed = moment::again(group, self.sequence, || {
            let thread = group.if_alone(self.node, rcu)?;
            self.seen.renew(thread, self.has_delays, memory).then_some(())
        });
        renewed.is_some()
    }

    /// Whether another look would find what the last one did. False where `group` is not simple any more.
    #[inline]
    pub(super) fn is_unchanged(&self, group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> bool {
        let same = moment::again(group, self.sequence, || {
            let thread = group.if_alone(self.node, rcu)?;
            self.seen.is_that_of(thread, self.has_delays, memory).then_some(())
        });
        same.is_some()
    }

    /// What all threads have counted since the process was forked.
    #[inline]
    pub(super) fn sums(&self) -> Sums {
        let mut sums = self.dead;
        sums.counters.add(&self.seen.counters);
        sums.times = sums.times.plus(&self.seen.times);
        sums.delays.add(&self.seen.delays);
        sums
    }

    /// Whether the kernel counts delays for it.
    pub(super) fn has_delays(&self) -> bool {
        self.has_delays
    }

    /// Its name.
    pub(super) fn comm(&self) -> Comm {
        self.seen.comm
    }

    /// Changes with every `execve`.
    pub(super) fn exec_id(&self) -> u64 {
        self.seen.exec_id
    }

    /// Its credentials, which may be freed by now.
    pub(super) fn credentials(&self) -> *const bindings::cred {
        self.seen.credentials
    }

    /// Its pages.
    pub(super) fn pages(&self) -> Pages {
        self.seen.pages
    }
}
