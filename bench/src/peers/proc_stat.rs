// SPDX-License-Identifier: GPL-2.0

//! `/proc/PID/stat`, as most tools read it.

use super::Reader;
use anyhow::{ensure, Context, Result};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Room for a line of it.
const LINE: usize = 1024;

/// Opened, read and closed each time.
pub struct Opened {
    paths: Vec<String>,
}

impl Opened {
    /// Of these processes.
    pub fn reader(pids: &[i32]) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Opened { paths: pids.iter().map(|pid| format!("/proc/{pid}/stat")).collect() }))
    }
}

impl Reader for Opened {
    fn read_all(&mut self) -> Result<usize> {
        let mut line = [0; LINE];
        for path in &self.paths {
            ensure!(File::open(path)?.read(&mut line)? > 0, "{path}: empty");
        }
        Ok(self.paths.len())
    }
}

/// Opened once, and read with pread(2).
pub struct Kept {
    files: Vec<File>,
}

impl Kept {
    /// Of these processes.
    pub fn reader(pids: &[i32]) -> Result<Box<dyn Reader>> {
        let open = |pid: &i32| File::open(format!("/proc/{pid}/stat")).with_context(|| format!("/proc/{pid}/stat"));
        Ok(Box::new(Kept { files: pids.iter().map(open).collect::<Result<_>>()? }))
    }
}

impl Reader for Kept {
    fn read_all(&mut self) -> Result<usize> {
        let mut line = [0; LINE];
        for file in &self.files {
            ensure!(file.read_at(&mut line, 0)? > 0, "empty");
        }
        Ok(self.files.len())
    }
}
