// SPDX-License-Identifier: GPL-2.0

//! An exact total, split into user and system time.
//!
//! The scheduler knows to the nanosecond how long a task ran (`sum_exec_runtime`), but which part of it was user and
//! which was system time it only samples at every timer tick (`utime`, `stime`). So the exact total is divided in the
//! ratio of the sampled two, and neither part ever falls. This is the rule of `cputime_adjust()` in the kernel's
//! `kernel/sched/cputime.c`, which is not exported.

/// What the kernel has counted, all in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawTimes {
    /// User time, sampled at timer ticks.
    pub utime: u64,
    /// System time, sampled at timer ticks.
    pub stime: u64,
    /// Run time, exact.
    pub runtime: u64,
}

impl RawTimes {
    /// The sum, modulo 2^64.
    #[inline]
    pub fn plus(&self, other: &RawTimes) -> RawTimes {
        RawTimes {
            utime: self.utime.wrapping_add(other.utime),
            stime: self.stime.wrapping_add(other.stime),
            runtime: self.runtime.wrapping_add(other.runtime),
        }
    }
}

/// A split of an exact total, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitTimes {
    /// User time.
    pub user_ns: u64,
    /// System time.
    pub system_ns: u64,
}

impl SplitTimes {
    /// The split of `raw` that follows this one: the parts add up to `raw.runtime`, and neither is below what it was.
    pub fn advance(self, raw: &RawTimes) -> SplitTimes {
        let runtime = raw.runtime;
        if self.user_ns.saturating_add(self.system_ns) >= runtime {
            return self;
        }
        let system_ns = share(runtime, raw.stime, raw.utime)
            .max(self.system_ns)
            // The user part may not fall either, and the old parts add up to less than the new total.
            .min(runtime.saturating_sub(self.user_ns));
        SplitTimes { user_ns: runtime.saturating_sub(system_ns), system_ns }
    }
}

/// `runtime * stime / (stime + utime)` in 64-bit arithmetic: the kernel has no 128-bit division to link against.
fn share(runtime: u64, stime: u64, utime: u64) -> u64 {
    if stime == 0 {
        return 0;
    }
    if utime == 0 {
        return runtime;
    }
    let sum = stime.saturating_add(utime);
    // Both to 32 bits or less. The ratio keeps 31 significant bits, far more than sampled times are worth.
    let shift = u64::BITS.saturating_sub(sum.leading_zeros()).saturating_sub(u32::BITS);
    let (part, whole) = (stime >> shift, (sum >> shift).max(1));
    let (quotient, remainder) = (runtime / whole, runtime % whole);
    quotient.saturating_mul(part).saturating_add(remainder.saturating_mul(part) / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(utime: u64, stime: u64, runtime: u64) -> RawTimes {
        RawTimes { utime, stime, runtime }
    }

    #[test]
    fn the_parts_are_in_the_sampled_ratio_and_add_up() {
        let split = SplitTimes::default().advance(&raw(3, 1, 1001));
        assert_eq!(split, SplitTimes { user_ns: 751, system_ns: 250 });
        assert_eq!(SplitTimes::default().advance(&raw(0, 4, 10)).system_ns, 10);
        assert_eq!(SplitTimes::default().advance(&raw(4, 0, 10)).user_ns, 10);
        // No tick has struck yet: all of it counts as user time, as in the kernel.
        assert_eq!(SplitTimes::default().advance(&raw(0, 0, 10)).user_ns, 10);
    }

    #[test]
    fn neither_part_falls() {
        let mut state = 1_u64;
        let mut random = |bits: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> (64 - bits)
        };
        let mut times = raw(0, 0, 0);
        let mut split = SplitTimes::default();
        for _ in 0..100_000 {
            times.utime += random(24);
            times.stime += random(20);
            times.runtime += random(25);
            let next = split.advance(&times);
            assert!(next.user_ns >= split.user_ns && next.system_ns >= split.system_ns);
            assert_eq!(next.user_ns + next.system_ns, times.runtime);
            split = next;
        }
    }

    #[test]
    fn the_share_is_that_of_128_bits_to_31_bits() {
        let values = [1, 2, 3, 1 << 20, (1 << 32) - 1, 1 << 32, (1 << 40) + 12_345, 1 << 50, (1 << 62) + 1];
        for runtime in values {
            for stime in values {
                for utime in values {
                    let exact = u128::from(runtime) * u128::from(stime) / (u128::from(stime) + u128::from(utime));
                    let got = u128::from(share(runtime, stime, utime));
                    let bound = u128::from(runtime >> 30) + 1;
                    assert!(got.abs_diff(exact) <= bound, "{runtime} {stime} {utime}: {got} {exact}");
                    assert!(got <= u128::from(runtime));
                }
            }
        }
    }

    #[test]
    fn a_total_that_stands_still_keeps_its_split() {
        let split = SplitTimes::default().advance(&raw(1, 1, 100));
        assert_eq!(split.advance(&raw(1, 9, 100)), split);
    }
}
