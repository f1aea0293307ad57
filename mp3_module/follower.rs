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

use crate::ffi;
use crate::profiler::Profiler;
use kernel::bindings;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;
use kernel::sync::{new_mutex, ArcBorrow, Mutex};
use kernel::task::Task;

/// The probe, if it is registered.
#[pin_data]
pub(crate) struct Follower {
    #[pin]
    watching: Mutex<bool>,
}

impl Follower {
    /// Not registered.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Follower { watching <- new_mutex!(false, "mp3_follower") })
    }

    /// Registers the probe if it is not, then calls `register`, which is to make a process followed.
    ///
    /// # Errors
    ///
    /// Those of `register`; `EOPNOTSUPP` where this kernel lacks the tracepoint; `ENOMEM`.
    pub(crate) fn follow(&self, profiler: ArcBorrow<'_, Profiler>, register: impl FnOnce() -> Result) -> Result {
        let mut watching = self.watching.lock();
        if !*watching {
            let profiler: *const Profiler = &*profiler;
            // SAFETY: The profiler lives until `end`, which its owner calls before it drops it.
            to_result(unsafe { ffi::mp3_follow_register(profiler.cast()) }).map_err(|error| {
                if error == ENOENT {
                    Error::from_errno(-(bindings::EOPNOTSUPP as c_int))
                } else {
                    error
                }
            })?;
            *watching = true;
        }
        let result = register();
        if profiler.following() == 0 {
            unregister(&mut watching);
        }
        result
    }

    /// Unregisters the probe if no process is followed any more. The profiler's mutex is not held.
    pub(crate) fn settle(&self, profiler: ArcBorrow<'_, Profiler>) {
        let mut watching = self.watching.lock();
        if *watching && profiler.following() == 0 {
            unregister(&mut watching);
        }
    }

    /// Unregisters the probe, and waits until it does not run any more.
    pub(crate) fn end(&self) {
        unregister(&mut self.watching.lock());
        // SAFETY: Callable in process context.
        unsafe { ffi::mp3_follow_synchronize() };
    }
}

/// The probe may still run when this returns.
fn unregister(watching: &mut bool) {
    if core::mem::take(watching) {
        // SAFETY: It is registered.
        unsafe { ffi::mp3_follow_unregister() };
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
