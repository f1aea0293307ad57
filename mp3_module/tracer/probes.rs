// SPDX-License-Identifier: GPL-2.0

//! Which probes are registered, and for what.
//!
//! Registering takes the lock of CPU hotplug and the tracepoints' own mutex: only the tracer's mutex may be held.

use super::errno::eopnotsupp;
use super::ffi;
use crate::abi::events::{Kind, Kinds};
use kernel::error::to_result;
use kernel::ffi::c_uint;
use kernel::prelude::*;

/// A tracepoint that has a probe. The numbers are those of `enum mp3_tracepoint`.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Tracepoint {
    SchedSwitch,
    SchedWaking,
    SchedMigrateTask,
    SchedPiSetprio,
    TaskNewtask,
    SchedProcessExec,
    SchedProcessExit,
    TaskRename,
    LocalTimerEntry,
    LocalTimerExit,
    IrqHandlerEntry,
    IrqHandlerExit,
    SoftirqEntry,
    SoftirqExit,
}

impl Tracepoint {
    /// In the order in which they are registered. First those that keep the filter, so that no child is missed.
    const ALL: [Tracepoint; 14] = [
        Tracepoint::TaskNewtask,
        Tracepoint::TaskRename,
        Tracepoint::SchedSwitch,
        Tracepoint::SchedWaking,
        Tracepoint::SchedMigrateTask,
        Tracepoint::SchedPiSetprio,
        Tracepoint::SchedProcessExec,
        Tracepoint::SchedProcessExit,
        Tracepoint::LocalTimerExit,
        Tracepoint::LocalTimerEntry,
        Tracepoint::IrqHandlerExit,
        Tracepoint::IrqHandlerEntry,
        Tracepoint::SoftirqExit,
        Tracepoint::SoftirqEntry,
    ];

    /// The records that its probe writes.
    const fn kind(self) -> Kind {
        match self {
            Tracepoint::SchedSwitch => Kind::Switch,
            Tracepoint::SchedWaking => Kind::Waking,
            Tracepoint::SchedMigrateTask => Kind::Migrate,
            Tracepoint::SchedPiSetprio => Kind::Priority,
            Tracepoint::TaskNewtask => Kind::NewTask,
            Tracepoint::SchedProcessExec => Kind::Exec,
            Tracepoint::SchedProcessExit => Kind::Exit,
            Tracepoint::TaskRename => Kind::Name,
            Tracepoint::LocalTimerEntry
            | Tracepoint::LocalTimerExit
            | Tracepoint::IrqHandlerEntry
            | Tracepoint::IrqHandlerExit
            | Tracepoint::SoftirqEntry
            | Tracepoint::SoftirqExit => Kind::Irq,
        }
    }

    /// Whether its probe keeps the filter up to date.
    const fn keeps_filter(self) -> bool {
        matches!(self, Tracepoint::TaskNewtask | Tracepoint::TaskRename)
    }

    /// Whether a kernel may lack it: where a CPU's timer is no local APIC's, its interrupts are among the devices'.
    const fn is_optional(self) -> bool {
        matches!(self, Tracepoint::LocalTimerEntry | Tracepoint::LocalTimerExit)
    }

    const fn bit(self) -> u32 {
        1 << (self as u32 % u32::BITS)
    }
}

/// The probes that are registered.
pub(super) struct Probes {
    registered: u32,
    /// All of them are of the filtered kind, or none is.
    filtered: bool,
}

impl Probes {
    /// None.
    pub(super) fn new(filtered: bool) -> Self {
        Probes { registered: 0, filtered }
    }

    /// Registers what `kinds` needs in addition to what is registered.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` where this kernel lacks a tracepoint, `ENOMEM`. Then what is registered stays as it was.
    pub(super) fn add(&mut self, kinds: Kinds) -> Result {
        let before = self.registered;
        for tracepoint in Tracepoint::ALL {
            if self.registered & tracepoint.bit() != 0 || !self.wants(tracepoint, kinds) {
                continue;
            }
            // SAFETY: The number is one of the enum's; this is process context.
            let registered = to_result(unsafe { ffi::mp3_tracepoint_register(tracepoint as c_uint, self.filtered) });
            match registered {
                Ok(()) => self.registered |= tracepoint.bit(),
                Err(error) if error == ENOENT && tracepoint.is_optional() => {}
                Err(error) => {
                    self.unregister(!before);
                    return Err(if error == ENOENT { eopnotsupp() } else { error });
                }
            }
        }
        Ok(())
    }

    /// Unregisters what `kinds` does not need. When this returns, none of those probes runs.
    pub(super) fn retain(&mut self, kinds: Kinds) {
        let mut unneeded = 0;
        for tracepoint in Tracepoint::ALL {
            if !self.wants(tracepoint, kinds) {
                unneeded |= tracepoint.bit();
            }
        }
        self.unregister(unneeded);
    }

    fn wants(&self, tracepoint: Tracepoint, kinds: Kinds) -> bool {
        kinds.contains(tracepoint.kind()) || (self.filtered && !kinds.is_empty() && tracepoint.keeps_filter())
    }

    fn unregister(&mut self, which: u32) {
        let which = self.registered & which;
        for tracepoint in Tracepoint::ALL {
            if which & tracepoint.bit() != 0 {
                // SAFETY: It is registered.
                unsafe { ffi::mp3_tracepoint_unregister(tracepoint as c_uint, self.filtered) };
            }
        }
        self.registered &= !which;
        if which != 0 {
            // SAFETY: Callable in process context.
            unsafe { ffi::mp3_tracepoints_synchronize() };
        }
        if which & Tracepoint::SchedSwitch.bit() != 0 {
            // SAFETY: The probe is gone.
            unsafe { ffi::mp3_recorders_stop_switching() };
        }
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.unregister(u32::MAX);
    }
}

/// Looks the tracepoints up, once, while the module loads.
pub(super) fn find() {
    // SAFETY: Nothing is registered yet.
    unsafe { ffi::mp3_tracepoints_find() };
}
