// SPDX-License-Identifier: GPL-2.0

//! Numbers in as few bytes as they need: seven bits a byte, the lowest first.

use super::ChunkError;

/// Appends a number: 1 to 10 bytes.
#[inline]
pub fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a difference: small ones of either sign need few bytes.
#[inline]
pub fn put_signed(bytes: &mut Vec<u8>, value: u64) {
    let value = value as i64;
    put(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

/// Bytes that are read one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Begins with the first.
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { rest: bytes }
    }

    /// Whether none are left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, ChunkError> {
        let (first, rest) = self.rest.split_first().ok_or(ChunkError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], ChunkError> {
        let count = usize::try_from(count).map_err(|_| ChunkError::Short)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(ChunkError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next number.
    #[inline]
    pub fn number(&mut self) -> Result<u64, ChunkError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ChunkError::Number)
    }

    /// The next difference.
    #[inline]
    pub fn signed(&mut self) -> Result<u64, ChunkError> {
        let value = self.number()?;
        Ok((value >> 1) ^ (value & 1).wrapping_neg())
    }

    /// The next number, which fits into 32 bits.
    pub fn small(&mut self) -> Result<u32, ChunkError> {
        u32::try_from(self.number()?).map_err(|_| ChunkError::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_differences_come_back() {
        let mut values: Vec<u64> = (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1]).collect();
        values.extend([u64::MAX, u64::MAX - 1, (-5_i64) as u64, i64::MIN as u64]);
        let mut bytes = vec![];
        for value in &values {
            put(&mut bytes, *value);
            put_signed(&mut bytes, *value);
        }
        let mut input = Input::new(&bytes);
        for value in &values {
            assert_eq!((input.number().unwrap(), input.signed().unwrap()), (*value, *value));
        }
        assert!(input.is_empty() && input.number().is_err());
    }

    #[test]
    fn small_differences_take_a_byte() {
        for value in [0, 1, (-1_i64) as u64, 63, (-64_i64) as u64] {
            let mut bytes = vec![];
            put_signed(&mut bytes, value);
            assert_eq!(bytes.len(), 1, "{}", value as i64);
        }
    }

    #[test]
    fn a_number_without_an_end_is_an_error() {
        assert!(Input::new(&[0xff; 20]).number().is_err());
        assert!(Input::new(&[0x80]).number().is_err());
    }
}
