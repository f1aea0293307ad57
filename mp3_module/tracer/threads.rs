// SPDX-License-Identifier: GPL-2.0

//! All threads of the machine, in the order of their IDs.

use super::ffi;
use crate::abi::events::life::COMM_BYTES;
use crate::abi::events::snapshot::{Task, Totals, TotalsPart};
use crate::abi::events::task::{Prio, State, Tid};
use crate::abi::events::{Event, Name, Record, Words};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::ffi::c_int;
use kernel::sync::rcu;

/// A thread that is valid while `'rcu` lasts.
///
/// # Invariants
///
/// The pointer is to a task that is not freed before the RCU section that lasts for `'rcu`.
pub(super) struct Thread<'rcu> {
    task: NonNull<bindings::task_struct>,
    _rcu: PhantomData<&'rcu rcu::Guard>,
}

/// Reads `$pointer.$field` once: other CPUs may write it meanwhile.
macro_rules! read_once {
    ($pointer:ident . $($field:ident).+) => {
        (&raw const (*$pointer).$($field).+).read_volatile()
    };
}

impl<'rcu> Thread<'rcu> {
    /// The thread with the lowest ID of at least `first`, in the initial PID namespace.
    pub(super) fn at_or_after(first: u32, _rcu: &'rcu rcu::Guard) -> Option<Self> {
        let mut nr = c_int::try_from(first).ok()?;
        // SAFETY: An RCU guard is held, and the number is a local.
        let task = unsafe { ffi::mp3_task_from(&raw mut nr) };
        // INVARIANT: It was found in the RCU section that the guard stands for.
        NonNull::new(task).map(|task| Thread { task, _rcu: PhantomData })
    }

    /// Its ID.
    pub(super) fn tid(&self) -> Tid {
        let task = self.task.as_ptr();
        // SAFETY: By the type invariant.
        unsafe { read_once!(task.pid) as Tid }
    }

    /// Its group's ID.
    pub(super) fn tgid(&self) -> Tid {
        let task = self.task.as_ptr();
        // SAFETY: By the type invariant.
        unsafe { read_once!(task.tgid) as Tid }
    }

    /// The group's ID of its parent.
    pub(super) fn parent_tgid(&self) -> Tid {
        let task = self.task.as_ptr();
        // SAFETY: By the type invariant; a parent is not freed before its child's RCU section ends.
        unsafe {
            let parent = read_once!(task.real_parent);
            if parent.is_null() {
                0
            } else {
                read_once!(parent.tgid) as Tid
            }
        }
    }

    /// Its name, padded with NUL. It may be changed meanwhile, and then be partly of either.
    pub(super) fn comm(&self) -> [u8; COMM_BYTES] {
        let task = self.task.as_ptr();
        // SAFETY: By the type invariant; byte by byte.
        let raw = unsafe { (&raw const (*task).comm).cast::<[u8; COMM_BYTES]>().read_volatile() };
        let mut comm = [0; COMM_BYTES];
        let last = COMM_BYTES.saturating_sub(1);
        for (to, from) in comm.iter_mut().zip(raw).take(last).take_while(|(_, from)| *from != 0) {
            *to = from;
        }
        comm
    }

    /// What a snapshot says of it.
    pub(super) fn records(&self, time: u64) -> [Words; 5] {
        let task = self.task.as_ptr();
        let (tid, tgid) = (self.tid(), self.tgid());
        // SAFETY: By the type invariant, for all of it; the RCU section is there for its cgroup.
        let (state, times, switches, placement) = unsafe {
            (
                Task {
                    tid,
                    tgid,
                    parent_tgid: self.parent_tgid(),
                    kernel: read_once!(task.flags) & bindings::PF_KTHREAD != 0,
                    running: read_once!(task.on_cpu) != 0,
                    state: State::from_kernel(read_once!(task.__state) | read_once!(task.exit_state) as u32),
                    policy: read_once!(task.policy) as u8,
                    prio: Prio::from_kernel(read_once!(task.prio)),
                    cpu: read_once!(task.thread_info.cpu) as u16,
                    allowed_cpus: read_once!(task.nr_cpus_allowed) as u16,
                    cgroup: ffi::mp3_task_cgroup(task),
                },
                TotalsPart::Times {
                    run_ns: read_once!(task.se.sum_exec_runtime),
                    delay_ns: read_once!(task.sched_info.run_delay),
                },
                TotalsPart::Switches {
                    voluntary: read_once!(task.nvcsw) as u64,
                    involuntary: read_once!(task.nivcsw) as u64,
                },
                TotalsPart::Placement {
                    migrations: read_once!(task.se.nr_migrations),
                    started_ns: read_once!(task.start_boottime),
                },
            )
        };
        let totals = |part| Event::Totals(Totals { tid, tgid, part });
        [
            Event::Name(Name { tid, tgid, kernel: state.kernel, comm: self.comm() }),
            Event::Task(state),
            totals(times),
            totals(switches),
            totals(placement),
        ]
        .map(|event| Record { time, event }.encode())
    }
}
