// SPDX-License-Identifier: GPL-2.0

//! Whole decimal numbers.

use crate::error::{shorten, LineError};

/// Appends `number`.
pub fn write(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Reads a whole decimal number of at most 64 bits, without a sign.
///
/// # Errors
/// Anything else. `column` is for the message.
pub fn read(column: &str, field: &str) -> Result<u64, LineError> {
    let wrong = || (column.to_owned(), shorten(field));
    let digits = field.strip_prefix('-').unwrap_or(field);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let (column, text) = wrong();
        return Err(LineError::NotANumber { column, text });
    }
    if digits.len() < field.len() {
        let (column, text) = wrong();
        return Err(LineError::Negative { column, text });
    }
    digits.parse().map_err(|_| {
        let (column, text) = wrong();
        LineError::TooLarge { column, text }
    })
}
