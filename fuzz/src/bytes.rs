// SPDX-License-Identifier: GPL-2.0

//! Numbers out of a fuzzer's bytes.

/// Bytes that are consumed one after the other; 0 when none are left.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Begins with the first.
    pub fn new(bytes: &'a [u8]) -> Self {
        Bytes { rest: bytes }
    }

    /// Whether none are left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// The next number. One byte says how it is written: most are small, some are close to a power of two or to the end of
    /// the range, and any can be had in eight more bytes.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=0x7f => u64::from(small),
            power @ 0x80..=0xbf => 1 << (power & 63),
            below @ 0xc0..=0xdf => (1_u64 << ((below & 31) * 2)).wrapping_sub(1),
            end @ 0xe0..=0xef => u64::MAX - u64::from(end & 15),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }
}
