// SPDX-License-Identifier: GPL-2.0

//! The kernel's clocks, in the units of the records.

use kernel::bindings;

/// One look at the clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// Jiffies since a while before boot.
    pub(crate) jiffies: u64,
    /// `CLOCK_MONOTONIC`, ns.
    pub(crate) monotonic_ns: u64,
}

impl Now {
    /// Reads the clocks.
    pub(crate) fn read() -> Self {
        Now { jiffies: jiffies(), monotonic_ns: monotonic_ns() }
    }
}

/// `get_jiffies_64()`.
pub(crate) fn jiffies() -> u64 {
    // SAFETY: A 64-bit counter that the timer interrupt raises; on the 64-bit machines that Rust supports, one load reads it.
    unsafe { (&raw const bindings::jiffies_64).read_volatile() }
}

/// `ktime_get()`: `CLOCK_MONOTONIC`, ns.
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: Callable from any context once timekeeping runs, which is long before a module is loaded.
    unsafe { bindings::ktime_get() as u64 }
}

/// `ktime_get_real()`: `CLOCK_REALTIME`, ns.
pub(crate) fn realtime_ns() -> u64 {
    // SAFETY: As for `ktime_get`.
    unsafe { bindings::ktime_get_real() as u64 }
}

/// Sleeps until the next jiffy begins, and returns what the clocks say then.
///
/// This is where tick 0 lies: timers fire when a jiffy begins, so deadlines that are counted from a jiffy's beginning are
/// not late by a part of one.
pub(crate) fn at_next_jiffy() -> Now {
    // SAFETY: Called in process context, where sleeping is allowed.
    unsafe { bindings::schedule_timeout_uninterruptible(1) };
    Now::read()
}
