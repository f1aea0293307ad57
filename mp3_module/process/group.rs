// SPDX-License-Identifier: GPL-2.0

//! A thread group: its living threads, and what the dead ones have left in its `signal_struct`.
//!
//! Counters stand in two places: those of threads that live in each `task_struct`, those of threads that are gone in the
//! group's `signal_struct`, moved there under `signal_struct::stats_lock`. The `signal_struct` stays the same from the
//! first fork to the last reference, also when a thread that is not the leader calls `execve` and becomes it.

use super::thread::{read_once, Node, Thread};
use crate::abi::samples::cputime::RawTimes;
use crate::abi::samples::moment::Sequence;
use crate::compat;
use crate::ffi;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use kernel::bindings;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use kernel::task::Task;

/// Tries without the lock before a read of the counters takes it.
const LOCKLESS_TRIES: u32 = 3;

/// What tells two processes apart: the address of the `signal_struct`, which no other process has while a [`ThreadGroup`] is
/// held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessKey(usize);

impl ProcessKey {
    /// That of the current thread.
    pub(super) fn current() -> Self {
        // SAFETY: The current task is valid, and its `signal` is set once, when it is forked.
        ProcessKey(unsafe { (*bindings::get_current()).signal }.addr())
    }
}

/// A thread group, held so that its counters stay readable after its death.
///
/// # Invariants
///
/// `signal` is the `signal_struct` of `leader`. A task keeps its `signal_struct` until its own last reference is put, so
/// `signal` is valid for as long as `leader` is held.
pub(super) struct ThreadGroup {
    /// The leader when the group was last sampled. Another thread may lead it by now.
    leader: ARef<Task>,
    signal: NonNull<bindings::signal_struct>,
}

// SAFETY: Both are refcounted, and are read in ways that any thread may use.
unsafe impl Send for ThreadGroup {}

/// Makes methods that read one field of the `signal_struct` each.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $($field:ident).+;)+) => {
        $(
            $(#[$doc])*
            #[inline]
            fn $name(&self) -> $type {
                let signal = self.signal.as_ptr();
                // SAFETY: By the type invariants `signal` is valid.
                unsafe { read_once!(signal.$($field).+) as $type }
            }
        )+
    };
}

impl ThreadGroup {
    /// The group that `leader` leads.
    pub(super) fn new(leader: ARef<Task>) -> Option<Self> {
        // SAFETY: The task is valid, and its `signal` is set once, when it is forked.
        let signal = NonNull::new(unsafe { (*leader.as_ptr()).signal })?;
        // INVARIANT: `signal` is the leader's.
        Some(ThreadGroup { leader, signal })
    }

    /// Which group this is.
    pub(super) fn key(&self) -> ProcessKey {
        ProcessKey(self.signal.as_ptr().addr())
    }

    /// The thread that runs.
    pub(super) fn current_thread<'a>() -> Thread<'a> {
        // SAFETY: The current task is valid while it runs this, and what is returned is used by it alone.
        unsafe { Thread::from_task(NonNull::new_unchecked(bindings::get_current())) }
    }

    /// The task that is held.
    pub(super) fn held_leader(&self) -> &Task {
        &self.leader
    }

    /// Holds `leader` from now on, which is of this group.
    pub(super) fn hold(&mut self, leader: ARef<Task>) {
        // INVARIANT: All threads of a group have the same `signal`.
        self.leader = leader;
    }

    /// The task that is held, as a thread. It may be off the group's list.
    #[inline]
    pub(super) fn held_thread(&self) -> Thread<'_> {
        // SAFETY: A reference to the task is held for as long as `self` is borrowed, and its address is not 0.
        unsafe { Thread::from_task(NonNull::new_unchecked(self.leader.as_ptr())) }
    }

    /// For reads of the `signal_struct`, which is valid for as long as `self`.
    pub(super) fn signal(&self) -> *const bindings::signal_struct {
        self.signal.as_ptr()
    }

    fields! {
        dead_utime: u64 = utime;
        dead_stime: u64 = stime;
        dead_runtime: u64 = sum_sched_runtime;
    }

    /// Of the threads that are gone.
    #[inline]
    pub(super) fn dead_times(&self) -> RawTimes {
        RawTimes { utime: self.dead_utime(), stime: self.dead_stime(), runtime: self.dead_runtime() }
    }

    /// The threads on the group's list; leaders come first. After an `execve` the new leader is alone.
    #[inline]
    pub(super) fn threads<'a>(&'a self, _rcu: &'a rcu::Guard) -> Threads<'a> {
        let signal = self.signal.as_ptr().cast_const();
        // SAFETY: By the type invariants `signal` is valid.
        let head = unsafe { &raw const (*signal).thread_head };
        // SAFETY: As above; the list is RCU-protected, and a guard is held.
        let next = unsafe { read_once!(head.next) };
        // INVARIANT: The guard is borrowed for as long.
        Threads { head, next, group: PhantomData }
    }

    /// The thread that is alone in the group; `None` where there are more, or none.
    #[inline]
    pub(super) fn only_thread<'a>(&'a self, rcu: &'a rcu::Guard) -> Option<Thread<'a>> {
        let mut threads = self.threads(rcu);
        let only = threads.next()?;
        threads.next().is_none().then_some(only)
    }

    /// The thread at `node`, if it is on the list, and alone there.
    #[inline]
    pub(super) fn if_alone<'a>(&'a self, Node(node): Node, _rcu: &'a rcu::Guard) -> Option<Thread<'a>> {
        let signal = self.signal.as_ptr().cast_const();
        // SAFETY: By the type invariants `signal` is valid.
        let head = unsafe { &raw const (*signal).thread_head };
        // SAFETY: As above. `node` is looked into once it is known to be on the list: a guard is held, so until that is
        // dropped it is the node of a valid task.
        unsafe {
            if !ptr::eq(read_once!(head.next), node) || !ptr::eq(read_once!(node.next), head) {
                return None;
            }
            Some(Thread::from_node(node))
        }
    }

    /// Runs `read` until no thread has left the group meanwhile: each is on the list, or counted as dead, and never both. An
    /// error has what was read last, for which that does not hold: threads exit faster than they can be read.
    pub(super) fn read_without_lock<T>(&self, mut read: impl FnMut() -> T) -> Result<T, T> {
        // SAFETY: By the type invariants `signal` is valid.
        let lock = unsafe { &raw mut (*self.signal.as_ptr()).stats_lock };
        let mut tries = LOCKLESS_TRIES;
        loop {
            // SAFETY: The lock is valid, being part of `signal`.
            let start = unsafe { ffi::mp3_read_seqbegin(lock) };
            let result = read();
            // SAFETY: As above.
            if !unsafe { ffi::mp3_read_seqretry(lock, start) } {
                return Ok(result);
            }
            tries = tries.saturating_sub(1);
            if tries == 0 {
                return Err(result);
            }
        }
    }

    /// Runs `read`, keeping threads from leaving the group meanwhile, with interrupts off.
    pub(super) fn read_with_lock<T>(&self, read: impl FnOnce() -> T) -> T {
        // SAFETY: By the type invariants `signal` is valid, and its lock with it; the section between does not sleep.
        let lock = unsafe { &raw mut (*self.signal.as_ptr()).stats_lock };
        // SAFETY: As above.
        let flags = unsafe { ffi::mp3_read_seqlock_excl_irqsave(lock) };
        let result = read();
        // SAFETY: As above, with the flags of the matching call.
        unsafe { ffi::mp3_read_sequnlock_excl_irqrestore(lock, flags) };
        result
    }
}

impl Sequence for ThreadGroup {
    /// How often `stats_lock` has been taken and released for writing, in all.
    #[inline]
    fn load_relaxed(&self) -> u32 {
        let signal = self.signal.as_ptr();
        // SAFETY: By the type invariants `signal` is valid.
        unsafe { read_once!(signal.stats_lock.seqcount.seqcount.sequence) }
    }

    #[inline]
    fn fence_acquire(&self) {
        compat::read_barrier();
    }
}

/// A pass over the threads of a group.
///
/// # Invariants
///
/// `next` is `head` or the node of a task that was on the list within an RCU section which lasts as long as `'a`.
pub(super) struct Threads<'a> {
    head: *const bindings::list_head,
    next: *mut bindings::list_head,
    group: PhantomData<&'a ThreadGroup>,
}

impl<'a> Iterator for Threads<'a> {
    type Item = Thread<'a>;

    #[inline]
    fn next(&mut self) -> Option<Thread<'a>> {
        let node = self.next;
        if ptr::eq(node, self.head) {
            return None;
        }
        // SAFETY: By the type invariants it is the node of a valid task. One that is taken off the list meanwhile keeps its
        // `next`.
        // INVARIANT: What follows on the list is on it too.
        self.next = unsafe { read_once!(node.next) };
        // SAFETY: As above.
        Some(unsafe { Thread::from_node(node) })
    }
}
