// SPDX-License-Identifier: GPL-2.0

//! Leaked memory, as kmemleak finds it.

use crate::debugfs;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// Younger objects may be on their way from one pointer to the next; kmemleak does not report them
/// (`MSECS_MIN_AGE` in mm/kmemleak.c).
const AGE: Duration = Duration::from_secs(6);

/// kmemleak, where the kernel is built with it.
pub struct Kmemleak {
    file: PathBuf,
}

impl Kmemleak {
    /// `None` without `CONFIG_DEBUG_KMEMLEAK`.
    pub fn find() -> Option<Self> {
        let file = debugfs::mount().ok()?.join("kmemleak");
        file.exists().then_some(Kmemleak { file })
    }

    /// Scans all memory and returns the objects that nothing points to, with the stack traces of their allocation.
    ///
    /// Two scans: a pointer may move from where the first has not been yet to where it has.
    pub fn scan(&self) -> Result<String> {
        for _ in 0..2 {
            sleep(AGE);
            self.write("scan")?;
        }
        fs::read_to_string(&self.file).context("/sys/kernel/debug/kmemleak")
    }

    /// Excludes everything reported so far from later reports.
    pub fn clear(&self) -> Result<()> {
        self.write("clear")
    }

    fn write(&self, command: &str) -> Result<()> {
        fs::write(&self.file, command).with_context(|| format!("kmemleak: {command}"))
    }
}
