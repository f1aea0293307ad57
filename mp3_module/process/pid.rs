// SPDX-License-Identifier: GPL-2.0

//! The identity of a process, and the numbers that it has in PID namespaces.

use crate::abi::command::Pid;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::sync::aref::ARef;
use kernel::task::Task;

/// A reference to a `struct pid`: the identity of a process, which no later process with the same number has.
///
/// # Invariants
///
/// The pointer is valid, and this value owns a reference.
pub(super) struct PidRef(NonNull<bindings::pid>);

// SAFETY: `struct pid` is refcounted and may be used from any thread.
unsafe impl Send for PidRef {}

impl PidRef {
    /// The task that has the number `nr` in the current task's PID namespace.
    pub(super) fn find(nr: Pid) -> Option<Self> {
        // SAFETY: Callable with any number in process context; returns NULL or a reference.
        let pid = unsafe { bindings::find_get_pid(nr) };
        // INVARIANT: The reference is ours.
        NonNull::new(pid).map(PidRef)
    }

    /// The identity of the thread group of `task`, or `None` once the group has been reaped.
    pub(super) fn of_group(task: &Task) -> Option<Self> {
        // SAFETY: The task is valid; returns NULL or a reference.
        let pid = unsafe { bindings::get_task_pid(task.as_ptr(), bindings::pid_type_PIDTYPE_TGID) };
        // INVARIANT: The reference is ours.
        NonNull::new(pid).map(PidRef)
    }

    /// The thread that has this identity.
    pub(super) fn thread(&self) -> Option<ARef<Task>> {
        self.task(bindings::pid_type_PIDTYPE_PID)
    }

    /// The leader of the thread group that has this identity; `None` once the group has been reaped.
    pub(super) fn leader(&self) -> Option<ARef<Task>> {
        self.task(bindings::pid_type_PIDTYPE_TGID)
    }

    fn task(&self, kind: bindings::pid_type) -> Option<ARef<Task>> {
        // SAFETY: The pid is valid by the type invariant; returns NULL or a task with a reference.
        let task = unsafe { bindings::get_pid_task(self.0.as_ptr(), kind) };
        // SAFETY: If not NULL, the reference is ours; `Task` is a transparent wrapper.
        NonNull::new(task).map(|task| unsafe { ARef::from_raw(task.cast()) })
    }

    /// The number in the current task's PID namespace; `None` where it is not visible there.
    pub(super) fn nr_for_current(&self) -> Option<Pid> {
        // SAFETY: The pid is valid by the type invariant.
        let nr = unsafe { bindings::pid_vnr(self.0.as_ptr()) };
        Some(nr).filter(|&nr| nr != 0)
    }

    /// The number in the initial PID namespace.
    pub(super) fn nr(&self) -> Pid {
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
