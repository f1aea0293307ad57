// SPDX-License-Identifier: GPL-2.0

//! A CPU that is taken away for a while.

use crate::test::Skip;
use anyhow::Result;
use std::fs;
use std::path::PathBuf;

/// It comes back when this is dropped, however the test ends.
pub struct Offline(PathBuf);

impl Offline {
    /// Takes a CPU away.
    ///
    /// # Errors
    ///
    /// [`Skip`] where there is none of this number that can be taken away.
    pub fn take(cpu: usize) -> Result<Self> {
        let file = PathBuf::from(format!("/sys/devices/system/cpu/cpu{cpu}/online"));
        if !file.exists() {
            return Err(Skip("there is no second CPU that can be taken away").into());
        }
        fs::write(&file, "0")?;
        Ok(Offline(file))
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        let _ = fs::write(&self.0, "1");
    }
}
