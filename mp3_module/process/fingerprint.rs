// SPDX-License-Identifier: GPL-2.0

//! Tells at little cost that nothing has changed: in the twentieth part of a second most processes of a machine do nothing.

use super::counters::ThreadCounters;
use super::delays::Delays;
use super::group::ThreadGroup;
use super::pages::{AddressSpace, Pages};
use super::thread::{Comm, Node};
use crate::compat;
use kernel::sync::rcu;

/// Everything that a sample of a simple process is made of: one thread that lives.
pub(super) struct Fingerprint {
    /// Of the group.
    sequence: u32,
    /// The thread's, in the list of the group.
    node: Node,
    runtime: u64,
    utime: u64,
    stime: u64,
    counters: ThreadCounters,
    delays: Delays,
    /// The kernel counts more of them than the time waiting for a CPU.
    has_delays: bool,
    exec_id: u64,
    comm: Comm,
    /// Address of the mm.
    memory: usize,
    pages: Pages,
}

impl Fingerprint {
    /// Takes the fingerprint of `group`; `None` where it is not simple.
    pub(super) fn of(group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> Option<Self> {
        // Before all others: what changes from here on changes it, too.
        let sequence = group.sequence();
        compat::read_barrier();
        let thread = group.only_thread(rcu)?;
        if thread.exit_state() != 0 {
            return None;
        }
        // An mm that is not held may be freed while it is read.
        if thread.mm() != memory.as_ptr() {
            return None;
        }
        let has_delays = Delays::are_counted(group.held_thread());
        Some(Fingerprint {
            sequence,
            node: thread.node(),
            runtime: thread.runtime(),
            utime: thread.utime(),
            stime: thread.stime(),
            counters: ThreadCounters::of(thread),
            delays: Delays::of(thread, has_delays),
            has_delays,
            exec_id: thread.exec_id(),
            comm: thread.comm(),
            memory: memory.as_ptr().addr(),
            pages: memory.pages(),
        })
    }

    /// Whether a sample of `group` would be the same as when the fingerprint was taken. False where that is not simple.
    ///
    /// The counters of dead threads change under `stats_lock` only, and with them its sequence: while the sequence is the same,
    /// they are, and the one thread that lives is the one it was. Their delays change a little earlier, while the thread that
    /// leaves is still on the list. No number that had another value in between is missed: none of
    /// them ever falls, except for levels (pages, a name), which a record has as they stand.
    #[inline]
    pub(super) fn is_unchanged(&self, group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> bool {
        let Some(thread) = group.if_alone(self.node, rcu) else { return false };
        // The times of a thread that runs are not up to date.
        let is_same = !thread.is_on_cpu()
            && thread.runtime() == self.runtime
            && thread.exit_state() == 0
            && thread.utime() == self.utime
            && thread.stime() == self.stime
            && self.counters.are_those_of(thread)
            && self.delays.are_those_of(thread, self.has_delays)
            && thread.exec_id() == self.exec_id
            && thread.comm() == self.comm
            && thread.mm().addr() == self.memory
            && memory.pages() == self.pages;
        // After all others: a thread that was not on the list any more has added its counters to the group's, and the
        // sequence has changed before that.
        compat::read_barrier();
        is_same && group.sequence() == self.sequence
    }
}
