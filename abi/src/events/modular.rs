// SPDX-License-Identifier: GPL-2.0

//! Full numbers from low bits.
//!
//! A record holds the low bits of a total or of a time. With a full number from elsewhere (a snapshot, the record before,
//! the ring's header), and since totals only grow, the rest follows.

use super::bits::mask;
use super::record::TIME_BITS;

/// The first number from `reference` on whose lowest `BITS` bits are those of `low`.
///
/// Right where the record is not older than the reference, and the total has grown by less than 2^`BITS` since.
pub const fn after<const BITS: u32>(reference: u64, low: u64) -> u64 {
    reference.wrapping_add(low.wrapping_sub(reference) & mask::<BITS>())
}

/// The number nearest to `reference` whose lowest `BITS` bits are those of `low`; the higher one of two.
///
/// For where the record may be a little older than the reference, as it may be than a snapshot. 0 bounds it below.
pub const fn near<const BITS: u32>(reference: u64, low: u64) -> u64 {
    let higher = after::<BITS>(reference, low);
    let ahead = higher.wrapping_sub(reference);
    // mask / 2 + 1 is half of the modulus, also for 64 bits.
    if ahead <= (mask::<BITS>() >> 1).wrapping_add(1) || BITS >= u64::BITS {
        return higher;
    }
    match higher.checked_sub(mask::<BITS>().wrapping_add(1)) {
        Some(lower) => lower,
        None => higher,
    }
}

/// The full time of a record, ns, from the header's `START_BOOTTIME_NS`: within 2.28 years after it.
///
/// A record may be some microseconds older than the ring's start, when its CPU's clock was read first: those are before it.
pub const fn time(start_boottime_ns: u64, low: u64) -> u64 {
    const SLACK_NS: u64 = 1_000_000_000;
    after::<TIME_BITS>(start_boottime_ns.saturating_sub(SLACK_NS), low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_found_again_whatever_it_was() {
        for reference in [0, 1, 255, 256, 1 << 47, (1 << 48) - 1, 1 << 48, u64::MAX / 2] {
            for growth in [0, 1, 100, 255] {
                let total: u64 = reference + growth;
                assert_eq!(after::<8>(reference, total & 0xff), total);
                assert_eq!(after::<16>(reference, total & 0xffff), total);
                assert_eq!(after::<48>(reference, total & 0xffff_ffff_ffff), total);
            }
        }
        // One more than the modulus holds cannot be told from 0.
        assert_eq!(after::<8>(1000, (1000 + 256) & 0xff), 1000);
    }

    #[test]
    fn a_reference_may_be_younger_than_the_record() {
        for total in [1_u64 << 20, (1 << 48) - 5, (1 << 48) + 5, 1 << 60] {
            for reference in [total - 127, total - 1, total, total + 1, total + 127] {
                assert_eq!(near::<8>(reference, total & 0xff), total, "{reference} {total}");
                assert_eq!(near::<48>(reference, total & 0xffff_ffff_ffff), total);
            }
        }
    }

    #[test]
    fn nothing_is_below_zero() {
        assert_eq!(near::<8>(3, 250), 250);
        assert_eq!(near::<64>(3, 250), 250);
        assert_eq!(near::<64>(250, 3), 3);
        assert_eq!(after::<64>(250, 3), 3);
    }

    #[test]
    fn a_time_is_whole_for_two_years_after_the_start() {
        for start in [5_000_000_000, (1 << 56) - 7, (1 << 56) + 7, 3 << 56] {
            for passed in [0_u64, 1, 1 << 40, (1 << 56) - 2_000_000_000] {
                let full: u64 = start + passed;
                assert_eq!(time(start, full & ((1 << 56) - 1)), full);
            }
            // Its CPU read the clock shortly before the start was taken.
            assert_eq!(time(start, (start - 1000) & ((1 << 56) - 1)), start - 1000);
        }
    }
}
