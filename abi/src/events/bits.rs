// SPDX-License-Identifier: GPL-2.0

//! Fields of a word. Positions and widths are constants, so no shift is checked, and none can fail, when the code runs.

/// The lowest `BITS` bits, 1 to 64.
pub(super) const fn mask<const BITS: u32>() -> u64 {
    const { u64::MAX >> (u64::BITS - BITS) }
}

/// The field of `BITS` bits from bit `SHIFT` on.
#[inline(always)]
pub(super) const fn get<const SHIFT: u32, const BITS: u32>(word: u64) -> u64 {
    (word >> const { SHIFT % u64::BITS }) & mask::<BITS>()
}

/// `value`'s lowest `BITS` bits as the field from bit `SHIFT` on.
#[inline(always)]
pub(super) const fn put<const SHIFT: u32, const BITS: u32>(value: u64) -> u64 {
    (value & mask::<BITS>()) << const { SHIFT % u64::BITS }
}

/// Two thread IDs, which are below 2^22, in bits 0 to 43.
#[inline(always)]
pub(super) const fn tids(first: u32, second: u32) -> u64 {
    // No mask: the kernel has no higher ones, and here every instruction counts.
    first as u64 | (second as u64) << 22
}
