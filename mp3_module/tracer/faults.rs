// SPDX-License-Identifier: GPL-2.0

//! The probes of page faults: registered only while a session asks for faults.
//!
//! Registering takes the mutexes of fprobe and ftrace, and the lock of CPU hotplug: only the tracer's mutex may be held.

use super::errno::eopnotsupp;
use super::filter::Filter;
use crate::abi::events::{Kind, Kinds};
use core::ptr;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_ulong};
use kernel::prelude::*;

extern "C" {
    fn mp3_faults_begin(filter_bits: *const c_ulong) -> c_int;
    fn mp3_faults_register(ends: bool) -> c_int;
    fn mp3_faults_unregister(ends: bool);
    fn mp3_faults_end();
}

/// What is registered.
#[derive(Default)]
pub(super) struct FaultProbes {
    /// What both of the others need.
    begun: bool,
    /// Faults with their ends.
    whole: bool,
    /// Faults without them.
    entries: bool,
}

impl FaultProbes {
    /// Registers what `kinds` needs in addition to what is registered. `filter` outlives this value.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` where this kernel cannot be probed, `ENOMEM`. Then what is registered stays as it was.
    pub(super) fn add(&mut self, kinds: Kinds, filter: Option<&Filter>) -> Result {
        let (whole, entries) = wanted(kinds);
        if !whole && !entries {
            return Ok(());
        }
        if !self.begun {
            let bits = filter.map_or(ptr::null(), Filter::bits);
            // SAFETY: The bits are those of all thread groups, and stay until `mp3_faults_end`.
            to_result(unsafe { mp3_faults_begin(bits.cast()) }).map_err(explain)?;
            self.begun = true;
        }
        let before = (self.whole, self.entries);
        let added = register(whole, true, &mut self.whole).and_then(|()| register(entries, false, &mut self.entries));
        if added.is_err() {
            self.keep(before);
        }
        added.map_err(explain)
    }

    /// Unregisters what `kinds` does not need. When this returns, none of those probes runs.
    pub(super) fn retain(&mut self, kinds: Kinds) {
        self.keep(wanted(kinds));
    }

    fn keep(&mut self, (whole, entries): (bool, bool)) {
        unregister(whole, true, &mut self.whole);
        unregister(entries, false, &mut self.entries);
        if self.begun && !self.whole && !self.entries {
            // SAFETY: It has begun, and neither probe is registered.
            unsafe { mp3_faults_end() };
            self.begun = false;
        }
    }
}

impl Drop for FaultProbes {
    fn drop(&mut self) {
        self.keep((false, false));
    }
}

fn wanted(kinds: Kinds) -> (bool, bool) {
    (kinds.contains(Kind::Fault), kinds.contains(Kind::FaultEntry))
}

fn register(wanted: bool, ends: bool, is: &mut bool) -> Result {
    if wanted && !*is {
        // SAFETY: What both need has begun; this is process context.
        to_result(unsafe { mp3_faults_register(ends) })?;
        *is = true;
    }
    Ok(())
}

fn unregister(kept: bool, ends: bool, is: &mut bool) {
    if *is && !kept {
        // SAFETY: It is registered.
        unsafe { mp3_faults_unregister(ends) };
        *is = false;
    }
}

/// Whatever keeps the function or a tracepoint from being probed: it is not there, or ftrace is off.
fn explain(error: Error) -> Error {
    if error == ENOMEM {
        error
    } else {
        pr_warn!("page faults cannot be traced on this kernel: {error:?}\n");
        eopnotsupp()
    }
}
