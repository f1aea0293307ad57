// SPDX-License-Identifier: GPL-2.0

//! From a number that user space wrote to a process, and from a process to its counters.
//!
//! A process here is a thread group. Its counters stand in two places: those of threads that live in each `task_struct`,
//! those of threads that are gone in the group's `signal_struct`, moved there under `signal_struct::stats_lock`. The
//! `signal_struct` stays the same from the first fork to the last reference, also when a thread that is not the leader
//! calls `execve` and becomes it.

use crate::abi::command::Pid;
use crate::abi::samples::cputime::{RawTimes, SplitTimes};
use crate::abi::samples::{Levels, Totals, COMM_BYTES};
use crate::compat;
use crate::ffi;
use core::ptr::{self, NonNull};
use kernel::bindings;
use kernel::container_of;
use kernel::ffi::c_ulong;
use kernel::fs::File;
use kernel::mm::Mm;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use kernel::task::Task;

/// Tries without the lock before a read of the counters takes it.
const LOCKLESS_TRIES: u32 = 3;

/// Reads `$pointer.$field` once. Everything here is written by somebody else meanwhile.
macro_rules! read_once {
    ($pointer:ident . $($field:ident).+) => {
        (&raw const (*$pointer).$($field).+).read_volatile()
    };
}

/// A reference to a `struct pid`: the identity of a process, which no later process with the same number has.
///
/// # Invariants
///
/// The pointer is valid, and this value owns a reference.
struct PidRef(NonNull<bindings::pid>);

// SAFETY: `struct pid` is refcounted and may be used from any thread.
unsafe impl Send for PidRef {}

impl PidRef {
    /// The task that writer means by `nr`, in the current task's PID namespace.
    fn find(nr: Pid) -> Option<Self> {
        // SAFETY: Callable with any number in process context; returns NULL or a reference.
        let pid = unsafe { bindings::find_get_pid(nr) };
        // INVARIANT: The reference is ours.
        NonNull::new(pid).map(PidRef)
    }

    /// The identity of the thread group of `task`, or `None` once the group has been reaped.
    fn of_group(task: &Task) -> Option<Self> {
        // SAFETY: The task is valid; returns NULL or a reference.
        let pid = unsafe { bindings::get_task_pid(task.as_ptr(), bindings::pid_type_PIDTYPE_TGID) };
        // INVARIANT: The reference is ours.
        NonNull::new(pid).map(PidRef)
    }

    /// The task that has this identity now, in the role of `kind`.
    fn task(&self, kind: bindings::pid_type) -> Option<ARef<Task>> {
        // SAFETY: The pid is valid by the type invariant; returns NULL or a task with a reference.
        let task = unsafe { bindings::get_pid_task(self.0.as_ptr(), kind) };
        // SAFETY: If not NULL, the reference is ours; `Task` is a transparent wrapper.
        NonNull::new(task).map(|task| unsafe { ARef::from_raw(task.cast()) })
    }

    /// The number in the current task's PID namespace; 0 where it is not visible there.
    fn nr_for_current(&self) -> Pid {
        // SAFETY: The pid is valid by the type invariant.
        unsafe { bindings::pid_vnr(self.0.as_ptr()) }
    }

    /// The number in the initial PID namespace.
    fn nr(&self) -> Pid {
        // SAFETY: The pid is valid by the type invariant, and the initial namespace is never freed.
        unsafe { bindings::pid_nr_ns(self.0.as_ptr(), &raw mut bindings::init_pid_ns) }
    }
}

impl Drop for PidRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this value owns a reference.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}

/// What tells two processes apart: the address of the `signal_struct`, which is nobody else's while a [`Process`] is held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessKey(usize);

/// A thread group, held so that its counters stay readable after its death.
///
/// # Invariants
///
/// - `signal` is the `signal_struct` of `leader`. A task keeps its `signal_struct` until its own last reference is put, so
///   `signal` is valid for as long as `leader` is held.
/// - `memory`, if any, is an mm that the group has or had.
pub(crate) struct Process {
    /// Who led the group when it was found. Another thread may lead it by now.
    leader: ARef<Task>,
    signal: NonNull<bindings::signal_struct>,
    pid: PidRef,
    /// Held so that its page counters can be read without a lock; the struct, not the address space.
    memory: Option<ARef<Mm>>,
    /// How the run time has been split so far.
    times: SplitTimes,
    /// Shortly before the last sample.
    glance: Option<Glance>,
}

// SAFETY: All it points to is refcounted, and is read in ways that any thread may use.
unsafe impl Send for Process {}

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
    /// Every thread is dead: the totals are final.
    pub(crate) dead: bool,
    /// The kernel counts delays for this process.
    pub(crate) has_delays: bool,
    /// Counters as they stand.
    pub(crate) levels: Levels,
}

impl Process {
    /// The process that the task `nr` of the current PID namespace belongs to.
    pub(crate) fn find(nr: Pid) -> Option<Self> {
        let thread = PidRef::find(nr)?.task(bindings::pid_type_PIDTYPE_PID)?;
        let pid = PidRef::of_group(&thread)?;
        let leader = pid.task(bindings::pid_type_PIDTYPE_TGID)?;
        // SAFETY: The task is valid, and its `signal` is set once, when it is forked.
        let signal = NonNull::new(unsafe { (*leader.as_ptr()).signal })?;
        // INVARIANT: `signal` is the leader's.
        Some(Process { leader, signal, pid, memory: None, times: SplitTimes::default(), glance: None })
    }

    /// Which process this is.
    pub(crate) fn key(&self) -> ProcessKey {
        ProcessKey(self.signal.as_ptr().addr())
    }

    /// Its number in the initial PID namespace.
    pub(crate) fn pid(&self) -> Pid {
        self.pid.nr()
    }

    /// Its number in the current task's PID namespace; `None` where it is not visible, and once its parent has buried it: the
    /// number is free then, and the next tick will find it dead.
    pub(crate) fn pid_for_current(&self) -> Option<Pid> {
        self.pid.task(bindings::pid_type_PIDTYPE_TGID)?;
        Some(self.pid.nr_for_current()).filter(|&pid| pid != 0)
    }

    /// Whether whoever opened `file` may profile this process: the same effective user, or a profiler's capabilities.
    ///
    /// It is the opener that counts, so that a descriptor handed to a privileged program gives nobody its privileges.
    pub(crate) fn may_be_profiled_by(&self, file: &File) -> bool {
        file.cred().euid() == compat::credentials_of(&self.leader).euid()
            || has_capability(file, bindings::CAP_PERFMON)
            || has_capability(file, bindings::CAP_SYS_PTRACE)
    }

    /// Reads all counters.
    pub(crate) fn sample(&mut self, rcu: &rcu::Guard) -> Sample {
        // Before the counters: what changes in between is in this sample, and is seen as a change by the next.
        self.glance = self.glance(rcu);
        let (reading, leader) = self.read_final(rcu);
        // SAFETY: The leader is valid in this RCU section.
        let levels = unsafe { self.levels(leader) };
        self.times = self.times.advance(&reading.times);

        let mut totals = reading.totals;
        totals.user_ns = self.times.user_ns;
        totals.system_ns = self.times.system_ns;
        // SAFETY: As above.
        let (comm, exec_id) = unsafe { (read_comm(leader), read_once!(leader.self_exec_id)) };
        Sample {
            totals,
            threads: reading.threads,
            comm: comm_words(comm),
            exec_id,
            dead: reading.is_dead(),
            has_delays: reading.has_delays,
            levels,
        }
    }

    /// User time since the process was forked, ns.
    pub(crate) fn user_ns(&mut self, rcu: &rcu::Guard) -> u64 {
        let (reading, _) = self.read_final(rcu);
        self.times = self.times.advance(&reading.times);
        self.times.user_ns
    }

    /// Looks at everything that a sample is made of, if it is simple: one thread that lives, and no delays.
    fn glance(&self, _rcu: &rcu::Guard) -> Option<Glance> {
        let signal = self.signal.as_ptr().cast_const();
        // SAFETY: By the type invariants `signal` is valid.
        let (sequence, head) = unsafe { (read_sequence(signal), &raw const (*signal).thread_head) };
        // SAFETY: As above; the list is RCU-protected, and a guard is held.
        let node = unsafe { read_once!(head.next) };
        if ptr::eq(node, head) {
            return None;
        }
        // SAFETY: As above.
        if !ptr::eq(unsafe { read_once!(node.next) }, head) {
            return None;
        }
        // SAFETY: All nodes but the head are the `thread_node` of a task.
        let task = unsafe { container_of!(node, bindings::task_struct, thread_node) }.cast_const();
        // SAFETY: Tasks on the list are valid until the end of the RCU section; `leader` is by the type invariants.
        unsafe {
            if read_once!(task.exit_state) != 0 || has_delays(self.leader.as_ptr()) {
                return None;
            }
            let memory = read_once!(task.mm);
            // An mm that is not held may be freed under our eyes.
            let pages = match &self.memory {
                Some(held) if ptr::eq(held.as_raw(), memory) => Pages::of(held),
                None if memory.is_null() => Pages::default(),
                _ => return None,
            };
            Some(Glance {
                sequence,
                node,
                runtime: read_once!(task.se.sum_exec_runtime),
                utime: read_once!(task.utime),
                stime: read_once!(task.stime),
                minor_faults: read_once!(task.min_flt),
                major_faults: read_once!(task.maj_flt),
                voluntary_switches: read_once!(task.nvcsw),
                involuntary_switches: read_once!(task.nivcsw),
                run_delay: read_once!(task.sched_info.run_delay),
                exec_id: read_once!(task.self_exec_id),
                comm: read_comm(task),
                memory,
                pages,
            })
        }
    }

    /// Whether a sample would be the same as the last one, told at a glance. False where that is not simple.
    ///
    /// In the twentieth part of a second most processes of a machine do nothing.
    ///
    /// The counters of dead threads change under `stats_lock` only, and with them its sequence; so as long as that stands,
    /// so do they, and the one thread that lives is the one it was. Nothing is read twice and so nothing in between can be
    /// missed: what has its old value now had it all the time, since none of these numbers ever falls, or it is a level
    /// (pages, a name) that is to be told as it stands.
    #[inline]
    pub(crate) fn stands_still(&self, _rcu: &rcu::Guard) -> bool {
        let Some(glance) = &self.glance else { return false };
        let signal = self.signal.as_ptr().cast_const();
        let node = glance.node;
        // SAFETY: By the type invariants `signal` is valid.
        let head = unsafe { &raw const (*signal).thread_head };
        // SAFETY: As above. `node` is looked into once it is known to be on the list: a guard is held, so until that is
        // dropped it is the node of a valid task.
        unsafe {
            if read_sequence(signal) != glance.sequence
                || !ptr::eq(read_once!(head.next), node)
                || !ptr::eq(read_once!(node.next), head)
            {
                return false;
            }
        }
        // SAFETY: All nodes but the head are the `thread_node` of a task.
        let task = unsafe { container_of!(node, bindings::task_struct, thread_node) }.cast_const();
        // SAFETY: The task is valid, as its node is.
        unsafe {
            read_once!(task.se.sum_exec_runtime) == glance.runtime
                && read_once!(task.exit_state) == 0
                && read_once!(task.utime) == glance.utime
                && read_once!(task.stime) == glance.stime
                && read_once!(task.min_flt) == glance.minor_faults
                && read_once!(task.maj_flt) == glance.major_faults
                && read_once!(task.nvcsw) == glance.voluntary_switches
                && read_once!(task.nivcsw) == glance.involuntary_switches
                && read_once!(task.sched_info.run_delay) == glance.run_delay
                && read_once!(task.self_exec_id) == glance.exec_id
                && read_comm(task) == glance.comm
                && read_once!(task.mm) == glance.memory
                && self.memory.as_ref().is_none_or(|held| Pages::of(held) == glance.pages)
        }
    }

    /// Reads the sums, and of a dead group once more: the last thread may have died after its counters were read.
    fn read_final(&self, rcu: &rcu::Guard) -> (Reading, *const bindings::task_struct) {
        let read = self.read(rcu);
        if read.0.is_dead() {
            return self.read(rcu);
        }
        read
    }

    /// Sums the threads, none counted twice and none left out. With them the leader of the moment, valid until the end of
    /// the RCU section; the held task if the group is gone.
    fn read(&self, rcu: &rcu::Guard) -> (Reading, *const bindings::task_struct) {
        // SAFETY: By the type invariants `signal` is valid.
        let lock = unsafe { &raw mut (*self.signal.as_ptr()).stats_lock };
        for _ in 0..LOCKLESS_TRIES {
            // SAFETY: The lock is valid, being part of `signal`.
            let start = unsafe { ffi::mp3_read_seqbegin(lock) };
            let read = self.walk(rcu);
            // SAFETY: As above.
            if !unsafe { ffi::mp3_read_seqretry(lock, start) } {
                return read;
            }
        }
        // Threads die faster than we read. Keep them from it for one walk.
        // SAFETY: As above; the section between is short and does not sleep.
        let flags = unsafe { ffi::mp3_read_seqlock_excl_irqsave(lock) };
        let read = self.walk(rcu);
        // SAFETY: As above, with the flags of the matching call.
        unsafe { ffi::mp3_read_sequnlock_excl_irqrestore(lock, flags) };
        read
    }

    /// One pass over the counters. Consistent only under `stats_lock`, which the caller sees to.
    fn walk(&self, _rcu: &rcu::Guard) -> (Reading, *const bindings::task_struct) {
        let signal = self.signal.as_ptr().cast_const();
        let mut leader = self.leader.as_ptr().cast_const();

        // SAFETY: By the type invariants `signal` and `leader` are valid.
        let mut reading = unsafe {
            Reading {
                totals: Totals {
                    minor_faults: read_once!(signal.min_flt) as u64,
                    major_faults: read_once!(signal.maj_flt) as u64,
                    voluntary_switches: read_once!(signal.nvcsw) as u64,
                    involuntary_switches: read_once!(signal.nivcsw) as u64,
                    ..Totals::default()
                },
                times: RawTimes {
                    utime: read_once!(signal.utime),
                    stime: read_once!(signal.stime),
                    runtime: read_once!(signal.sum_sched_runtime),
                },
                threads: 0,
                last_exit_state: 0,
                has_delays: has_delays(leader),
            }
        };
        let dead_threads = self.dead_threads();

        // SAFETY: As above.
        let head = unsafe { &raw const (*signal).thread_head };
        // SAFETY: As above; the list is RCU-protected, and a guard is held.
        let mut node = unsafe { read_once!(head.next) };
        while !ptr::eq(node, head) {
            // SAFETY: All nodes but the head are the `thread_node` of a task.
            let task = unsafe { container_of!(node, bindings::task_struct, thread_node) }.cast_const();
            if reading.threads == 0 {
                // Leaders come first; after an `execve` the new leader is alone.
                leader = task;
            }
            // SAFETY: Tasks on the list are valid until the end of the RCU section.
            unsafe { reading.add_thread(task, dead_threads.is_some()) };
            // SAFETY: A node that is taken off the list meanwhile keeps its `next`.
            node = unsafe { read_once!(node.next) };
        }

        match dead_threads {
            Some(stats) => reading.add_delays(&stats),
            // A process that never had a second thread exit keeps its delays in its only task, which is held.
            // SAFETY: `leader` is the held task.
            None if reading.threads == 0 => unsafe { reading.add_task_delays(leader) },
            None => {}
        }
        (reading, leader)
    }

    /// The delays of threads that are gone, which the kernel keeps for taskstats; `None` while no thread of a
    /// multi-threaded group has exited.
    #[cfg(CONFIG_TASKSTATS)]
    #[inline]
    fn dead_threads(&self) -> Option<Delays> {
        let signal = self.signal.as_ptr();
        // SAFETY: By the type invariants `signal` is valid. Once set, `stats` stays until `signal` is freed.
        let stats = unsafe { read_once!(signal.stats) };
        if stats.is_null() {
            return None;
        }
        // SAFETY: As above.
        Some(unsafe {
            Delays {
                run: read_once!(stats.cpu_delay_total),
                accounted: ffi::Delays {
                    blkio: read_once!(stats.blkio_delay_total),
                    swapin: read_once!(stats.swapin_delay_total),
                    reclaim: read_once!(stats.freepages_delay_total),
                    thrashing: read_once!(stats.thrashing_delay_total),
                    compact: read_once!(stats.compact_delay_total),
                    wpcopy: read_once!(stats.wpcopy_delay_total),
                },
            }
        })
    }

    #[cfg(not(CONFIG_TASKSTATS))]
    fn dead_threads(&self) -> Option<Delays> {
        None
    }

    /// Resident and swapped pages of the group that `leader` leads.
    ///
    /// The mm is looked up under its lock only when it has changed: it is held by reference, so as long as the leader's
    /// pointer equals the held one, it is the same mm and not another one at its address.
    ///
    /// # Safety
    ///
    /// `leader` is valid.
    unsafe fn levels(&mut self, leader: *const bindings::task_struct) -> Levels {
        // SAFETY: The caller promises that `leader` is valid.
        let current = unsafe { read_once!(leader.mm) };
        let held = self.memory.as_ref().map_or(ptr::null_mut(), |memory| memory.as_raw());
        if current != held {
            // SAFETY: As above; returns NULL or a reference that is ours.
            let memory = unsafe { ffi::mp3_task_mm_grab(leader.cast_mut()) };
            // SAFETY: As above; `Mm` is a transparent wrapper.
            self.memory = NonNull::new(memory).map(|memory| unsafe { ARef::from_raw(memory.cast()) });
        }
        let Some(memory) = &self.memory else { return Levels::default() };
        let pages = Pages::of(memory);
        let count = |pages: i64| u64::try_from(pages).unwrap_or(0);
        let resident = count(pages.file).saturating_add(count(pages.anonymous)).saturating_add(count(pages.shared));
        Levels { resident_pages: resident, swapped_pages: count(pages.swapped) }
    }
}

/// Pages of an address space, without what CPUs have yet to add: a count can be a little below 0.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Pages {
    file: i64,
    anonymous: i64,
    swapped: i64,
    shared: i64,
}

impl Pages {
    #[inline]
    fn of(memory: &Mm) -> Self {
        let memory = memory.as_raw().cast_const();
        let count = |kind: u32| -> i64 {
            // SAFETY: The mm is valid. `kind` is one of the four counters that the array has.
            unsafe { (&raw const (*memory).__bindgen_anon_1.rss_stat[kind as usize].count).read_volatile() }
        };
        Pages {
            file: count(bindings::MM_FILEPAGES),
            anonymous: count(bindings::MM_ANONPAGES),
            swapped: count(bindings::MM_SWAPENTS),
            shared: count(bindings::MM_SHMEMPAGES),
        }
    }
}

/// How often `stats_lock` has been taken and released for writing, twice each.
///
/// # Safety
///
/// `signal` is valid.
#[inline]
unsafe fn read_sequence(signal: *const bindings::signal_struct) -> u32 {
    // SAFETY: The caller promises that `signal` is valid.
    unsafe { read_once!(signal.stats_lock.seqcount.seqcount.sequence) }
}

/// A command name, as the two words that it is; it may change while it is read, and is NUL-padded at any moment.
///
/// # Safety
///
/// `task` is valid.
#[inline]
unsafe fn read_comm(task: *const bindings::task_struct) -> [u64; 2] {
    // SAFETY: The caller promises that `task` is valid.
    let comm = unsafe { &raw const (*task).comm };
    if core::mem::offset_of!(bindings::task_struct, comm) % align_of::<u64>() == 0 {
        // SAFETY: As above; the array has as many bytes as two words, and lies at a multiple of their size in a task, which
        // is aligned to more than that.
        unsafe { comm.cast::<[u64; 2]>().read_volatile() }
    } else {
        // SAFETY: As above. Byte by byte.
        let bytes = unsafe { comm.cast::<[[u8; 8]; 2]>().read_volatile() };
        bytes.map(u64::from_ne_bytes)
    }
}

const _: () = assert!(size_of::<[u64; 2]>() == COMM_BYTES);

/// A name as a record has it: the first byte lowest, the last one NUL.
#[inline]
fn comm_words(comm: [u64; 2]) -> [u64; 2] {
    let [low, high] = comm.map(u64::from_le);
    [low, high & (u64::MAX >> u8::BITS)]
}

/// What a process of one thread looks like, as the kernel has it.
struct Glance {
    /// Of `stats_lock`.
    sequence: u32,
    /// The thread's, in the list of the group.
    node: *mut bindings::list_head,
    runtime: u64,
    utime: u64,
    stime: u64,
    minor_faults: c_ulong,
    major_faults: c_ulong,
    voluntary_switches: c_ulong,
    involuntary_switches: c_ulong,
    run_delay: u64,
    exec_id: u64,
    comm: [u64; 2],
    memory: *mut bindings::mm_struct,
    pages: Pages,
}

/// The sum over a thread group at one moment.
struct Reading {
    /// All but user and system time. Sums wrap, as the kernel's own do.
    totals: Totals,
    times: RawTimes,
    threads: u32,
    /// `exit_state` of the thread that was read last.
    last_exit_state: i32,
    has_delays: bool,
}

impl Reading {
    /// Whether the group has been reaped, or waits for it: the last thread is a zombie. It is then that `wait4` answers.
    fn is_dead(&self) -> bool {
        self.threads == 0 || (self.threads == 1 && self.last_exit_state != 0)
    }

    /// Adds what one thread has counted.
    ///
    /// # Safety
    ///
    /// `task` is valid, and on its group's list.
    #[inline]
    unsafe fn add_thread(&mut self, task: *const bindings::task_struct, dead_are_counted: bool) {
        // SAFETY: The caller promises that `task` is valid.
        let flags = unsafe {
            self.last_exit_state = read_once!(task.exit_state);
            let (totals, times) = (&mut self.totals, &mut self.times);
            totals.minor_faults = totals.minor_faults.wrapping_add(read_once!(task.min_flt) as u64);
            totals.major_faults = totals.major_faults.wrapping_add(read_once!(task.maj_flt) as u64);
            totals.voluntary_switches = totals.voluntary_switches.wrapping_add(read_once!(task.nvcsw) as u64);
            totals.involuntary_switches = totals.involuntary_switches.wrapping_add(read_once!(task.nivcsw) as u64);
            times.utime = times.utime.wrapping_add(read_once!(task.utime));
            times.stime = times.stime.wrapping_add(read_once!(task.stime));
            times.runtime = times.runtime.wrapping_add(read_once!(task.se.sum_exec_runtime));
            read_once!(task.flags)
        };
        self.threads = self.threads.wrapping_add(1);

        // On its way out a thread adds its delays to the group's, before it leaves the list. The moment between the flag
        // and that is a dip, which the cumulative totals of the records hide (`Totals::at_least`).
        if !(dead_are_counted && flags & bindings::PF_EXITING != 0) {
            // SAFETY: The caller promises that `task` is valid.
            unsafe { self.add_task_delays(task) };
        }
    }

    /// # Safety
    ///
    /// `task` is valid.
    #[inline]
    unsafe fn add_task_delays(&mut self, task: *const bindings::task_struct) {
        // SAFETY: The caller promises that `task` is valid.
        let run = unsafe { read_once!(task.sched_info.run_delay) };
        if self.has_delays {
            let mut accounted = ffi::Delays::default();
            // SAFETY: As above, and the second pointer is to a local of the right type. A task that has none leaves it 0.
            unsafe { ffi::mp3_task_delays(task, &mut accounted) };
            self.add_delays(&Delays { run, accounted });
        } else {
            self.totals.run_delay_ns = self.totals.run_delay_ns.wrapping_add(run);
        }
    }

    fn add_delays(&mut self, delays: &Delays) {
        let totals = &mut self.totals;
        totals.run_delay_ns = totals.run_delay_ns.wrapping_add(delays.run);
        if self.has_delays {
            let accounted = &delays.accounted;
            totals.blkio_delay_ns = totals.blkio_delay_ns.wrapping_add(accounted.blkio);
            totals.swapin_delay_ns = totals.swapin_delay_ns.wrapping_add(accounted.swapin);
            totals.reclaim_delay_ns = totals.reclaim_delay_ns.wrapping_add(accounted.reclaim);
            totals.thrashing_delay_ns = totals.thrashing_delay_ns.wrapping_add(accounted.thrashing);
            totals.compact_delay_ns = totals.compact_delay_ns.wrapping_add(accounted.compact);
            totals.wpcopy_delay_ns = totals.wpcopy_delay_ns.wrapping_add(accounted.wpcopy);
        }
    }
}

/// What one task, or all dead ones of a group, waited for; ns.
struct Delays {
    /// For a CPU.
    run: u64,
    /// For memory and disks, where the kernel counts that.
    accounted: ffi::Delays,
}

/// Whether the kernel counts delays for `task`, which is decided when it is forked.
///
/// # Safety
///
/// `task` is valid.
#[cfg(CONFIG_TASK_DELAY_ACCT)]
unsafe fn has_delays(task: *const bindings::task_struct) -> bool {
    // SAFETY: The caller promises that `task` is valid.
    !unsafe { read_once!(task.delays) }.is_null()
}

#[cfg(not(CONFIG_TASK_DELAY_ACCT))]
unsafe fn has_delays(_task: *const bindings::task_struct) -> bool {
    false
}

/// Whether `file` was opened with `capability` in the initial user namespace.
fn has_capability(file: &File, capability: u32) -> bool {
    // SAFETY: The file is valid, and the initial user namespace is never freed.
    unsafe { bindings::file_ns_capable(file.as_ptr(), &raw mut bindings::init_user_ns, capability as i32) }
}
