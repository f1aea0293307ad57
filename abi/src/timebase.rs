// SPDX-License-Identifier: GPL-2.0

//! From a CPU's cycle counter to a time in ns, by numbers that the kernel changes from time to time.
//!
//! ```text
//! time = base_ns + ((counter - cycles) * mult + fraction) >> shift
//! ```
//!
//! This is the kernel's own rule (`timekeeping_cycles_to_ns()`), with the kernel's own numbers (`struct tk_read_base`), so it gives
//! the kernel's own times. What is new here is who may evaluate it: code that must neither wait nor call.
//!
//! One writer changes the numbers, and any number of readers on other CPUs evaluate them. A reader that meets a change does not
//! wait for its end: it gets no time, and asks the kernel instead.
//!
//! | store | pairs with | and guarantees |
//! |---|---|---|
//! | W1 *limit* 0, then *sequence*, release | R1 *sequence*, acquire | a reader that sees the new sequence sees no old limit |
//! | W2 release fence after *sequence* | R3 acquire fence, then *sequence* | a reader that saw one new number sees the new sequence |
//! | W3 *limit*, release | R2 *limit*, acquire | a reader that sees the new limit sees all new numbers |

use super::words::{ReadWords, WriteWords};

/// Words that the numbers take.
pub const TIMEBASE_WORDS: usize = 8;

mod word {
    pub const SEQUENCE: usize = 0;
    pub const CYCLES: usize = 1;
    pub const LIMIT: usize = 2;
    pub const MULT: usize = 3;
    pub const FRACTION: usize = 4;
    pub const SHIFT: usize = 5;
    pub const BASE_NS: usize = 6;
}

/// The numbers, valid from one change to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timebase {
    /// The counter at `base_ns`.
    pub cycles: u64,
    /// Cycles after `cycles` from which on the rule does not hold: the product may not fit. 0: it never holds.
    pub limit: u64,
    /// Nanoseconds a cycle, shifted to the left.
    pub mult: u32,
    /// By so much; less than 64.
    pub shift: u32,
    /// The part of a nanosecond at `cycles`, shifted likewise.
    pub fraction: u64,
    /// The time at `cycles`, ns.
    pub base_ns: u64,
}

impl Timebase {
    /// Numbers by which there is no time.
    pub const NONE: Timebase = Timebase { cycles: 0, limit: 0, mult: 0, shift: 0, fraction: 0, base_ns: 0 };

    /// Lets readers have these numbers. There is no other writer meanwhile, and readers do not run on this CPU.
    pub fn publish<M: WriteWords>(&self, memory: &M) {
        // No number of cycles is below 0: from here to the last line no reader gets a time.
        memory.store_relaxed(word::LIMIT, 0);
        // W1: that before the sequence.
        memory.store_release(word::SEQUENCE, memory.load_relaxed(word::SEQUENCE).wrapping_add(1));
        // W2: the sequence before the numbers.
        memory.fence_release();
        memory.store_relaxed(word::CYCLES, self.cycles);
        memory.store_relaxed(word::MULT, u64::from(self.mult));
        memory.store_relaxed(word::FRACTION, self.fraction);
        memory.store_relaxed(word::SHIFT, u64::from(self.shift));
        memory.store_relaxed(word::BASE_NS, self.base_ns);
        // W3: the numbers before the limit.
        memory.store_release(word::LIMIT, self.limit);
    }
}

/// A time that holds if the numbers have not changed while it was made.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Reading {
    /// ns.
    pub time_ns: u64,
    sequence: u64,
}

impl Reading {
    /// Whether it is a time.
    #[inline(always)]
    pub fn holds<M: ReadWords>(self, memory: &M) -> bool {
        // R3: the numbers before the sequence, which tells whether they belong together.
        memory.fence_acquire();
        memory.load_relaxed(word::SEQUENCE) == self.sequence
    }
}

/// The time now, where `counter` reads the counter. `None` where the numbers are too old for the counter, where the counter is
/// behind them, and where there are none.
///
/// The answer is in two parts for those who have a place for the time and want no register for it.
#[inline(always)]
pub fn read<M: ReadWords>(memory: &M, counter: impl FnOnce() -> u64) -> Option<Reading> {
    // R1: the sequence before the limit.
    let sequence = memory.load_acquire(word::SEQUENCE);
    // R2: the limit before the numbers.
    let limit = memory.load_acquire(word::LIMIT);
    let cycles = counter().wrapping_sub(memory.load_relaxed(word::CYCLES));
    if cycles >= limit {
        return None;
    }
    // The limit sees to it that nothing wraps here.
    let fine = cycles.wrapping_mul(memory.load_relaxed(word::MULT)).wrapping_add(memory.load_relaxed(word::FRACTION));
    let elapsed = fine.wrapping_shr(memory.load_relaxed(word::SHIFT) as u32);
    Some(Reading { time_ns: elapsed.wrapping_add(memory.load_relaxed(word::BASE_NS)), sequence })
}

/// As [`read`]: the time, ns; `None` also where the numbers have changed meanwhile.
#[inline(always)]
pub fn time_ns<M: ReadWords>(memory: &M, counter: impl FnOnce() -> u64) -> Option<u64> {
    let reading = read(memory, counter)?;
    if reading.holds(memory) {
        Some(reading.time_ns)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tests::HeapWords;

    /// 2.4 GHz, a second after a start at 10^12 cycles.
    const NUMBERS: Timebase = Timebase {
        cycles: 1_000_000_000_000,
        limit: 1 << 40,
        mult: 6_990_506,
        shift: 24,
        fraction: 12_345_678,
        base_ns: 1_000_000_000,
    };

    fn memory(numbers: &Timebase) -> HeapWords {
        let memory = HeapWords::filled(TIMEBASE_WORDS, 0);
        numbers.publish(&memory);
        memory
    }

    #[test]
    fn times_follow_the_kernels_rule() {
        let memory = memory(&NUMBERS);
        for cycles in [0, 1, 2, 3, 1000, 2_400_000, NUMBERS.limit - 1] {
            let fine = u128::from(cycles) * u128::from(NUMBERS.mult) + u128::from(NUMBERS.fraction);
            let wanted = u128::from(NUMBERS.base_ns) + (fine >> NUMBERS.shift);
            assert_eq!(time_ns(&memory, || NUMBERS.cycles + cycles).map(u128::from), Some(wanted), "{cycles}");
        }
    }

    #[test]
    fn a_counter_that_the_numbers_do_not_cover_gives_no_time() {
        let memory = memory(&NUMBERS);
        for counter in [0, NUMBERS.cycles - 1, NUMBERS.cycles + NUMBERS.limit, u64::MAX] {
            assert_eq!(time_ns(&memory, || counter), None, "{counter}");
        }
    }

    #[test]
    fn without_numbers_there_is_no_time() {
        for memory in [memory(&Timebase::NONE), HeapWords::filled(TIMEBASE_WORDS, 0)] {
            for counter in [0, 1, u64::MAX] {
                assert_eq!(time_ns(&memory, || counter), None, "{counter}");
            }
        }
    }

    #[test]
    fn numbers_that_change_meanwhile_give_no_time() {
        let memory = memory(&NUMBERS);
        let changed = Timebase { base_ns: 2_000_000_000, ..NUMBERS };
        let time = time_ns(&memory, || {
            changed.publish(&memory);
            NUMBERS.cycles
        });
        assert_eq!(time, None);
        assert_eq!(time_ns(&memory, || NUMBERS.cycles), Some(2_000_000_000));
    }

    #[test]
    fn numbers_that_are_half_written_give_no_time() {
        let memory = memory(&NUMBERS);
        memory.store_relaxed(word::LIMIT, 0);
        assert_eq!(time_ns(&memory, || NUMBERS.cycles), None);
    }
}
