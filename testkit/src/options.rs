// SPDX-License-Identifier: GPL-2.0

//! How long the suites run whose length is a matter of choice: environment variables, with a short default.

use anyhow::{Context, Result};

/// The number in the environment variable `name`, decimal or `0x`-hexadecimal.
///
/// # Errors
///
/// It is set to something else.
pub fn number(name: &str, default: u64) -> Result<u64> {
    Ok(given(name)?.unwrap_or(default))
}

/// As [`number`]; `None` where the variable is not set.
pub fn given(name: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map(Some).with_context(|| format!("{name}={text}: not a number"))
}
