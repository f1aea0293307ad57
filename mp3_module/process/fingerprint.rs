// SPDX-License-Identifier: GPL-2.0

//! Tells at little cost that nothing has changed: in the twentieth part of a second most processes of a machine do nothing.

use super::counters::ThreadCounters;
use super::delays::Delays;
use super::group::ThreadGroup;
use super::pages::{AddressSpace, Pages};
use super::thread::{Comm, Node};
use kernel::sync::rcu;

/// Everything that a sample of a simple process is made of: one thread that lives, and no delay accounting.
pub(super) struct Fingerprint {
    /// Of the group.
    sequence: u32,
    /// The thread's, in the list of the group.
    node: Node,
    runtime: u64,
    utime: u64,
    stime: u64,
    counters: ThreadCounters,
    run_delay: u64,
    exec_id: u64,
    comm: Comm,
    /// Address of the mm.
    memory: usize,
    pages: Pages,
}

impl Fingerprint {
    /// Takes the fingerprint of `group`; `None` where it is not simple.
    pub(super) fn of(group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> Option<Self> {
        let sequence = group.sequence();
        let thread = group.only_thread(rcu)?;
        if thread.exit_state() != 0 || Delays::are_counted(group.held_thread()) {
            return None;
        }
        // An mm that is not held may be freed while it is read.
        if thread.mm() != memory.as_ptr() {
            return None;
        }
        Some(Fingerprint {
            sequence,
            node: thread.node(),
            runtime: thread.runtime(),
            utime: thread.utime(),
            stime: thread.stime(),
            counters: ThreadCounters::of(thread),
            run_delay: thread.run_delay(),
            exec_id: thread.exec_id(),
            comm: thread.comm(),
            memory: memory.as_ptr().addr(),
            pages: memory.pages(),
        })
    }

    /// Whether a sample of `group` would be the same as when the fingerprint was taken. False where that is not simple.
    ///
    /// The counters of dead threads change under `stats_lock` only, and with them its sequence; so as long as that stands,
    /// so do they, and the one thread that lives is the one it was. Nothing is read twice and so nothing in between can be
    /// missed: what has its old value now had it all the time, since none of these numbers ever falls, or it is a level
    /// (pages, a name) that is to be told as it stands.
    #[inline]
    pub(super) fn is_unchanged(&self, group: &ThreadGroup, memory: &AddressSpace, rcu: &rcu::Guard) -> bool {
        if group.sequence() != self.sequence {
            return false;
        }
        let Some(thread) = group.if_alone(self.node, rcu) else { return false };
        thread.runtime() == self.runtime
            && thread.exit_state() == 0
            && thread.utime() == self.utime
            && thread.stime() == self.stime
            && self.counters.are_those_of(thread)
            && thread.run_delay() == self.run_delay
            && thread.exec_id() == self.exec_id
            && thread.comm() == self.comm
            && thread.mm().addr() == self.memory
            && memory.pages() == self.pages
    }
}
