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
