// SPDX-License-Identifier: GPL-2.0

//! The time of events: `CLOCK_BOOTTIME`, as `ktime_get_boot_fast_ns()` has it, without a call and in half the instructions.
//!
//! Where the kernel's own time comes from the CPU's time stamp counter, the kernel's rule is evaluated here, with the numbers that
//! the kernel hands out whenever it changes them (`pvclock_gtod_register_notifier()`, which is there for KVM). They come under the
//! lock of its time keeping. Everywhere else, and whenever that gives no time, the kernel is asked.

use crate::abi::timebase::{self, Timebase, TIMEBASE_WORDS};
use crate::abi::words::{ReadWords, WriteWords};
use core::sync::atomic::{fence, AtomicU64, Ordering};
use kernel::bindings;

/// The kernel's numbers, in a cache line of their own.
#[repr(C, align(64))]
struct Numbers([AtomicU64; TIMEBASE_WORDS]);

static NUMBERS: Numbers = Numbers([const { AtomicU64::new(0) }; TIMEBASE_WORDS]);

impl Numbers {
    #[inline(always)]
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.0.get(index)
    }
}

impl ReadWords for Numbers {
    fn word_count(&self) -> usize {
        TIMEBASE_WORDS
    }

    #[inline(always)]
    fn load_relaxed(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn load_acquire(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    #[inline(always)]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
}

impl WriteWords for Numbers {
    #[inline(always)]
    fn store_relaxed(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn store_release(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Release);
        }
    }

    #[inline(always)]
    fn fence_release(&self) {
        fence(Ordering::Release);
    }
}

/// The counter that `Numbers` are about, not read before what precedes it is done.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: Reads a register of the CPU, and touches nothing else.
    unsafe {
        core::arch::asm!("lfence", "rdtsc", out("rax") low, out("rdx") high, options(nomem, nostack, preserves_flags));
    }
    high << 32 | low
}

/// There are never any numbers.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn counter() -> u64 {
    0
}

/// Has `keep` keep the time, ns. False where the kernel has to be asked: what was kept, if anything, is no time then.
#[inline(always)]
pub(crate) fn quick(keep: impl FnOnce(u64)) -> bool {
    match timebase::read(&NUMBERS, counter) {
        Some(reading) => {
            keep(reading.time_ns);
            reading.holds(&NUMBERS)
        }
        None => false,
    }
}

/// The time, ns.
#[inline(always)]
pub(crate) fn now() -> u64 {
    match timebase::time_ns(&NUMBERS, counter) {
        Some(time) => time,
        // SAFETY: Callable from any context.
        None => unsafe { bindings::ktime_get_boot_fast_ns() },
    }
}

/// The kernel has new numbers. With a `limit` of 0 it has none that this CPU's counter fits.
///
/// # Safety
///
/// Called by tracepoints.c only, one call at a time, and with interrupts off.
#[no_mangle]
unsafe extern "C" fn mp3_trace_clock(cycles: u64, limit: u64, mult: u32, shift: u32, fraction: u64, base_ns: u64) {
    Timebase { cycles, limit, mult, shift, fraction, base_ns }.publish(&NUMBERS);
}
