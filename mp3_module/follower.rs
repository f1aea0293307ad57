// SPDX-License-Identifier: GPL-2.0

//! What tells the profiler of children that followed processes make: a probe on `task_newtask`, registered while there is a
//! process to follow.
//!
//! The tracepoint comes at the end of `copy_process`, in the context of the parent. The child is complete, on all lists, and
//! does not run before the probe returns. No lock is held there, and a probe may sleep: so the child is registered then and
//! there, by the same code as by a command.
//!
//! Lock order: this mutex, the tracepoints' own, the profiler's. A probe that runs holds none of the first two, so
//! registering and unregistering, which wait for tracepoints, never wait for a probe that waits for them.
//!
//! A tick does not take this mutex: to register a probe is to wait for memory, and for the tracepoints of others.

use crate::ffi;
use crate::profiler::Profiler;
use kernel::bindings;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;
use kernel::sync::{new_mutex, ArcBorrow, Mutex};
use kernel::task::Task;

/// Who needs the probe.
#[pin_data]
pub(crate) struct Follower {
    #[pin]
    probe: Mutex<Probe>,
}

/// The probe, and what it is registered for besides the processes that are followed.
#[derive(Default)]
struct Probe {
    is_registered: bool,
    /// It may be running since then, whether it is registered now or not.
    was_registered: bool,
    /// Commands under way that are to make a process followed.
    commands: usize,
}

impl Follower {
    /// Not registered.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Follower { probe <- new_mutex!(Probe::default(), "mp3_follower") })
    }

    /// Registers the probe if it is not, then calls `register`, which is to make a process followed. The mutex is not held
    /// meanwhile: `register` may wait long for its user's share.
    ///
    /// # Errors
    ///
    /// Those of `register`; `EOPNOTSUPP` where this kernel lacks the tracepoint; `ENOMEM`.
    pub(crate) fn follow(&self, profiler: ArcBorrow<'_, Profiler>, register: impl FnOnce() -> Result) -> Result {
        {
            let mut probe = self.probe.lock();
            probe.register(profiler)?;
            probe.commands = probe.commands.saturating_add(1);
        }
        let result = register();
        let mut probe = self.probe.lock();
        probe.commands = probe.commands.saturating_sub(1);
        probe.settle(profiler);
        result
    }

    /// Unregisters the probe if nothing needs it any more. The profiler's mutex is not held.
    pub(crate) fn settle(&self, profiler: ArcBorrow<'_, Profiler>) {
        self.probe.lock().settle(profiler);
    }

    /// Unregisters the probe, and waits until it does not run any more.
    pub(crate) fn end(&self) {
        let mut probe = self.probe.lock();
        probe.unregister();
        if probe.was_registered {
            // SAFETY: Callable in process context.
            unsafe { ffi::mp3_follow_synchronize() };
        }
    }
}

impl Probe {
    /// Registers it, if it is not.
    fn register(&mut self, profiler: ArcBorrow<'_, Profiler>) -> Result {
        if self.is_registered {
            return Ok(());
        }
        let profiler: *const Profiler = &*profiler;
        // SAFETY: The profiler lives until `end`, which its owner calls before it drops it.
        to_result(unsafe { ffi::mp3_follow_register(profiler.cast()) }).map_err(|error| {
            if error == ENOENT {
                Error::from_errno(-(bindings::EOPNOTSUPP as c_int))
            } else {
                error
            }
        })?;
        self.is_registered = true;
        self.was_registered = true;
        Ok(())
    }

    /// Unregisters it, if nothing needs it.
    fn settle(&mut self, profiler: ArcBorrow<'_, Profiler>) {
        if self.commands == 0 && profiler.following() == 0 {
            self.unregister();
        }
    }

    /// Unregisters it, if it is registered. It may still run when this returns.
    fn unregister(&mut self) {
        if core::mem::take(&mut self.is_registered) {
            // SAFETY: It is registered.
            unsafe { ffi::mp3_follow_unregister() };
        }
    }
}

/// The current process has made `child`, a process of its own.
///
/// # Safety
///
/// Called by the probe of shim.c only, with what it was registered with and a valid task.
#[no_mangle]
unsafe extern "C" fn mp3_follow_newtask(profiler: *const c_void, child: *mut bindings::task_struct) {
    // SAFETY: The caller promises that it is the profiler, which is in an `Arc` and lives until no probe runs.
    let profiler = unsafe { ArcBorrow::from_raw(profiler.cast::<Profiler>()) };
    // SAFETY: The caller promises a valid task, of which `Task` is a transparent wrapper; it does not end before it has run.
    profiler.born(unsafe { &*child.cast::<Task>() });
}
