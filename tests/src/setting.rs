// SPDX-License-Identifier: GPL-2.0

//! Settings of the kernel that a test needs otherwise.

use anyhow::{Context, Result};
use std::fs;

/// One of them, as long as this is there.
pub struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    /// Writes `value` to the file at `path`.
    pub fn new(path: &'static str, value: &str) -> Result<Self> {
        let before = fs::read_to_string(path).with_context(|| path.to_owned())?;
        fs::write(path, value).with_context(|| format!("{path} = {value}"))?;
        Ok(Setting { path, before })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = fs::write(self.path, self.before.trim());
    }
}
