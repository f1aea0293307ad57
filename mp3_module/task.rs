// SPDX-License-Identifier: GPL-2.0

//! From a number that user space wrote to a process, and from a process to its counters.
//!
//! A process here is a thread group. Its counters stand in two places: those of threads that live in each `task_struct`,
//! those of threads that are gone in the group's `signal_struct`, moved there under `signal_struct::stats_lock`. The
//! `signal_struct` stays the same from the first fork to the last reference, also when a thread that is not the leader
//! calls `execve` and becomes it.

use crate::abi::command::Pid;
use crate::abi::cputime::{RawTimes, SplitTimes};
use crate::abi::record::{Totals, COMM_BYTES};
use crate::ffi;
use core::ptr::{self, NonNull};
use kernel::bindings;
use kernel::container_of;
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
}

// SAFETY: All it points to is refcounted, and is read in ways that any thread may use.
unsafe impl Send for Process {}

/// The counters of a process, since its birth, and what it is at the moment.
pub(crate) struct Sample {
    /// Since the process was forked.
    pub(crate) totals: Totals,
    /// Threads in the group.
    pub(crate) threads: u32,
    /// Command name of the leader.
    pub(crate) comm: [u8; COMM_BYTES],
    /// Changes with every `execve`.
    pub(crate) exec_id: u64,
    /// Every thread is dead: the totals are final.
    pub(crate) dead: bool,
    /// The kernel counts delays for this process.
    pub(crate) has_delays: bool,
    /// File, anonymous and shared pages in memory.
    pub(crate) resident_pages: u64,
    /// Pages in swap.
    pub(crate) swapped_pages: u64,
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
        Some(Process { leader, signal, pid, memory: None, times: SplitTimes::default() })
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
        file.cred().euid() == self.leader.euid()
            || has_capability(file, bindings::CAP_PERFMON)
            || has_capability(file, bindings::CAP_SYS_PTRACE)
    }

    /// Reads all counters.
    pub(crate) fn sample(&mut self, rcu: &rcu::Guard) -> Sample {
        let mut group = self.read_group(rcu);
        if group.is_dead() {
            // The last thread was dead before its counters were read the second time: now they are final.
            group = self.read_group(rcu);
        }
        self.times = self.times.advance(&group.times);
        let (resident_pages, swapped_pages) = self.pages(&group, rcu);

        let mut totals = group.totals;
        totals.user_ns = self.times.user_ns;
        totals.system_ns = self.times.system_ns;
        let leader = group.leader;
        // SAFETY: `Group::leader` is valid in this RCU section. The name may change while it is read; it is NUL-padded at
        // any moment, and forced to be below.
        let (mut comm, exec_id) = unsafe { (read_once!(leader.comm), read_once!(leader.self_exec_id)) };
        if let Some(last) = comm.last_mut() {
            *last = 0;
        }
        Sample {
            totals,
            threads: group.threads,
            comm,
            exec_id,
            dead: group.is_dead(),
            has_delays: group.has_delays,
            resident_pages,
            swapped_pages,
        }
    }

    /// Sums the threads, none counted twice and none left out.
    fn read_group(&self, rcu: &rcu::Guard) -> Group {
        // SAFETY: By the type invariants `signal` is valid.
        let lock = unsafe { &raw mut (*self.signal.as_ptr()).stats_lock };
        for _ in 0..LOCKLESS_TRIES {
            // SAFETY: The lock is valid, being part of `signal`.
            let start = unsafe { ffi::mp3_read_seqbegin(lock) };
            let group = self.walk(rcu);
            // SAFETY: As above.
            if !unsafe { ffi::mp3_read_seqretry(lock, start) } {
                return group;
            }
        }
        // Threads die faster than we read. Keep them from it for one walk.
        // SAFETY: As above; the section between is short and does not sleep.
        let flags = unsafe { ffi::mp3_read_seqlock_excl_irqsave(lock) };
        let group = self.walk(rcu);
        // SAFETY: As above, with the flags of the matching call.
        unsafe { ffi::mp3_read_sequnlock_excl_irqrestore(lock, flags) };
        group
    }

    /// One pass over the counters. Consistent only under `stats_lock`, which the caller sees to.
    fn walk(&self, _rcu: &rcu::Guard) -> Group {
        let signal = self.signal.as_ptr().cast_const();
        let held = self.leader.as_ptr().cast_const();

        // SAFETY: By the type invariants `signal` and `leader` are valid.
        let mut group = unsafe {
            Group {
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
                leader: held,
                has_delays: has_delays(held),
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
            if group.threads == 0 {
                // Leaders come first; after an `execve` the new leader is alone.
                group.leader = task;
            }
            // SAFETY: Tasks on the list are valid until the end of the RCU section.
            unsafe { group.add_thread(task, dead_threads.is_some()) };
            // SAFETY: A node that is taken off the list meanwhile keeps its `next`.
            node = unsafe { read_once!(node.next) };
        }

        match dead_threads {
            Some(stats) => group.add_delays(&stats),
            // A process that never had a second thread exit keeps its delays in its only task, which is held.
            // SAFETY: `held` is valid.
            None if group.threads == 0 => unsafe { group.add_delays(&Delays::of_task(held, group.has_delays)) },
            None => {}
        }
        group
    }

    /// The delays of threads that are gone, which the kernel keeps for taskstats; `None` while no thread of a
    /// multi-threaded group has exited.
    #[cfg(CONFIG_TASKSTATS)]
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

    /// Resident and swapped pages.
    ///
    /// The mm is looked up under its lock only when it has changed: it is held by reference, so as long as the leader's
    /// pointer equals the held one, it is the same mm and not another one at its address.
    fn pages(&mut self, group: &Group, _rcu: &rcu::Guard) -> (u64, u64) {
        let leader = group.leader;
        // SAFETY: `Group::leader` is valid in this RCU section.
        let current = unsafe { read_once!(leader.mm) };
        let held = self.memory.as_ref().map_or(ptr::null_mut(), |memory| memory.as_raw());
        if current != held {
            // SAFETY: As above; returns NULL or a reference that is ours.
            let memory = unsafe { ffi::mp3_task_mm_grab(leader.cast_mut()) };
            // SAFETY: As above; `Mm` is a transparent wrapper.
            self.memory = NonNull::new(memory).map(|memory| unsafe { ARef::from_raw(memory.cast()) });
        }
        let Some(memory) = &self.memory else { return (0, 0) };
        let memory = memory.as_raw().cast_const();
        let count = |kind: u32| -> u64 {
            // SAFETY: The mm is held. `kind` is one of the four counters that the array has.
            let count =
                unsafe { (&raw const (*memory).__bindgen_anon_1.rss_stat[kind as usize].count).read_volatile() };
            // Without the per-CPU parts the sum can be a little below 0.
            u64::try_from(count).unwrap_or(0)
        };
        let resident = count(bindings::MM_FILEPAGES)
            .saturating_add(count(bindings::MM_ANONPAGES))
            .saturating_add(count(bindings::MM_SHMEMPAGES));
        (resident, count(bindings::MM_SWAPENTS))
    }
}

/// The sum over a thread group at one moment.
struct Group {
    /// All but user and system time.
    totals: Totals,
    times: RawTimes,
    threads: u32,
    /// `exit_state` of the thread that was read last.
    last_exit_state: i32,
    /// The leader of the moment, valid until the end of the RCU section; the held task if the group is gone.
    leader: *const bindings::task_struct,
    has_delays: bool,
}

impl Group {
    /// Whether the group has been reaped, or waits for it: the last thread is a zombie. It is then that `wait4` answers.
    fn is_dead(&self) -> bool {
        self.threads == 0 || (self.threads == 1 && self.last_exit_state != 0)
    }

    /// Adds what one thread has counted.
    ///
    /// # Safety
    ///
    /// `task` is valid, and on its group's list.
    unsafe fn add_thread(&mut self, task: *const bindings::task_struct, dead_are_counted: bool) {
        let totals = &mut self.totals;
        // SAFETY: The caller promises that `task` is valid.
        let flags = unsafe {
            self.last_exit_state = read_once!(task.exit_state);
            totals.minor_faults = totals.minor_faults.saturating_add(read_once!(task.min_flt) as u64);
            totals.major_faults = totals.major_faults.saturating_add(read_once!(task.maj_flt) as u64);
            totals.voluntary_switches = totals.voluntary_switches.saturating_add(read_once!(task.nvcsw) as u64);
            totals.involuntary_switches = totals.involuntary_switches.saturating_add(read_once!(task.nivcsw) as u64);
            let times = &mut self.times;
            times.utime = times.utime.saturating_add(read_once!(task.utime));
            times.stime = times.stime.saturating_add(read_once!(task.stime));
            times.runtime = times.runtime.saturating_add(read_once!(task.se.sum_exec_runtime));
            read_once!(task.flags)
        };
        self.threads = self.threads.saturating_add(1);

        // On its way out a thread adds its delays to the group's, before it leaves the list. The moment between the flag
        // and that is a dip, which the cumulative totals of the records hide (`Totals::at_least`).
        if !(dead_are_counted && flags & bindings::PF_EXITING != 0) {
            // SAFETY: The caller promises that `task` is valid.
            self.add_delays(&unsafe { Delays::of_task(task, self.has_delays) });
        }
    }

    fn add_delays(&mut self, delays: &Delays) {
        let totals = &mut self.totals;
        totals.run_delay_ns = totals.run_delay_ns.saturating_add(delays.run);
        if self.has_delays {
            let accounted = &delays.accounted;
            totals.blkio_delay_ns = totals.blkio_delay_ns.saturating_add(accounted.blkio);
            totals.swapin_delay_ns = totals.swapin_delay_ns.saturating_add(accounted.swapin);
            totals.reclaim_delay_ns = totals.reclaim_delay_ns.saturating_add(accounted.reclaim);
            totals.thrashing_delay_ns = totals.thrashing_delay_ns.saturating_add(accounted.thrashing);
            totals.compact_delay_ns = totals.compact_delay_ns.saturating_add(accounted.compact);
            totals.wpcopy_delay_ns = totals.wpcopy_delay_ns.saturating_add(accounted.wpcopy);
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

impl Delays {
    /// # Safety
    ///
    /// `task` is valid.
    unsafe fn of_task(task: *const bindings::task_struct, accounted: bool) -> Self {
        // SAFETY: The caller promises that `task` is valid.
        let run = unsafe { read_once!(task.sched_info.run_delay) };
        let mut delays = Delays { run, accounted: ffi::Delays::default() };
        if accounted {
            // SAFETY: As above, and the second pointer is to a local of the right type. A task that has none leaves it 0.
            unsafe { ffi::mp3_task_delays(task, &mut delays.accounted) };
        }
        delays
    }
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
