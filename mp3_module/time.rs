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

/// `ktime_get_boottime()`: `CLOCK_BOOTTIME`, ns.
pub(crate) fn boottime_ns() -> u64 {
    // SAFETY: As for `ktime_get`.
    unsafe { bindings::ktime_get_with_offset(bindings::tk_offsets_TK_OFFS_BOOT) as u64 }
}

/// Jiffies whose beginnings [`a_jiffy_begins`] looks at.
const LOOKS: u32 = 4;

/// The moment at which a jiffy began, a short while ago.
///
/// This is where tick 0 lies: timers fire when a jiffy begins, so deadlines that are counted from there are late by what
/// the machine takes and not by a part of a jiffy. The interrupt that begins a jiffy may itself be late, and never early;
/// so the earliest of several, relative to the others, is the most exact. It spins meanwhile, once per load: a sleeping
/// thread would wake up some time after the beginning.
pub(crate) fn a_jiffy_begins(hz: u64) -> Now {
    let jiffy_ns = 1_000_000_000_u64.checked_div(hz).unwrap_or(0);
    let mut earliest = next_jiffy();
    for _ in 1..LOOKS {
        let next = next_jiffy();
        let passed = next.jiffies.saturating_sub(earliest.jiffies).saturating_mul(jiffy_ns);
        if next.monotonic_ns < earliest.monotonic_ns.saturating_add(passed) {
            earliest = next;
        }
    }
    earliest
}

/// The last look at the clock before the next jiffy is seen to have begun.
fn next_jiffy() -> Now {
    let before = jiffies();
    loop {
        let monotonic_ns = monotonic_ns();
        let jiffies = jiffies();
        if jiffies != before {
            return Now { jiffies, monotonic_ns };
        }
        core::hint::spin_loop();
    }
}
