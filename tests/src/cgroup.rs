// SPDX-License-Identifier: GPL-2.0

//! A control group of version 2.

use crate::test::Skip;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// A group that was made for a test, and goes with it.
pub struct Cgroup {
    directory: PathBuf,
}

impl Cgroup {
    /// Makes it, with these controllers.
    ///
    /// # Errors
    ///
    /// [`Skip`] where the kernel lacks one.
    pub fn new(controllers: &[&str]) -> Result<Self> {
        match mount(Some("cgroup2"), ROOT, Some("cgroup2"), MsFlags::empty(), None::<&str>) {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(Errno::ENODEV | Errno::ENOENT) => {
                return Err(Skip("this kernel has no control groups (CONFIG_CGROUPS)").into())
            }
            Err(error) => return Err(error).context(ROOT),
        }
        let offered = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers"))?;
        if !controllers.iter().all(|wanted| offered.split_whitespace().any(|offered| offered == *wanted)) {
            return Err(
                Skip("this kernel lacks a controller of control groups (CONFIG_MEMCG, CONFIG_CFS_BANDWIDTH)").into()
            );
        }
        let enabled: String = controllers.iter().map(|controller| format!("+{controller} ")).collect();
        fs::write(Path::new(ROOT).join("cgroup.subtree_control"), enabled)?;
        let directory = Path::new(ROOT).join("mp3-test");
        fs::create_dir(&directory)?;
        Ok(Cgroup { directory })
    }

    /// Sets one of its files.
    pub fn set(&self, file: &str, value: impl ToString) -> Result<()> {
        fs::write(self.directory.join(file), value.to_string())
            .with_context(|| format!("{file} = {}", value.to_string()))
    }

    /// A number of one of its files with a key a line.
    pub fn number(&self, file: &str, key: &str) -> Result<u64> {
        let text = fs::read_to_string(self.directory.join(file)).with_context(|| file.to_owned())?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {key} in {file}"))?.parse()?)
    }

    /// Takes pages from its processes until `is_enough`. Pages that are being written are taken once that has ended.
    pub fn reclaim_until(&self, is_enough: impl Fn() -> Result<bool>) -> Result<()> {
        while !is_enough()? {
            // EAGAIN: there was less than that.
            let _ = self.set("memory.reclaim", "64M");
        }
        Ok(())
    }

    /// Takes a process in.
    pub fn take(&self, pid: i32) -> Result<()> {
        self.set("cgroup.procs", pid)
    }

    /// Freezes or thaws all that is in it, and returns when that is done.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        self.set("cgroup.freeze", u8::from(frozen))?;
        while self.number("cgroup.events", "frozen")? != u64::from(frozen) {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Waits until nothing is left in it: the dead leave it a moment after they were buried.
    pub fn wait_until_empty(&self) -> Result<()> {
        while self.number("cgroup.events", "populated")? != 0 {
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::write(self.directory.join("cgroup.kill"), "1");
        // As above.
        while fs::remove_dir(&self.directory).is_err_and(|error| error.raw_os_error() == Some(Errno::EBUSY as i32)) {
            std::thread::yield_now();
        }
    }
}
