// SPDX-License-Identifier: GPL-2.0

//! A disk of compressed memory, the only one that the guest always has.

use crate::test::Skip;
use anyhow::{ensure, Result};
use std::path::Path;
use std::process::Command;

/// `/dev/zram0`, while there.
pub struct Zram(());

impl Zram {
    /// The device.
    pub const PATH: &str = "/dev/zram0";

    /// A disk of `size`, as in `16M`.
    ///
    /// # Errors
    ///
    /// [`Skip`] where the kernel has none.
    pub fn disk(size: &str) -> Result<Self> {
        if !Path::new("/lib/mp3/zram.load").exists() && !Path::new("/sys/block/zram0").exists() {
            return Err(Skip("this kernel has no disk of compressed memory (CONFIG_ZRAM)").into());
        }
        shell(&format!(
            "cat /lib/mp3/zram.load | while read -r file; do insmod /lib/mp3/$file 2>/dev/null || true; done
             # What a test that was ended has left.
             swapoff /dev/zram0 2> /dev/null; echo 1 > /sys/block/zram0/reset
             echo {size} > /sys/block/zram0/disksize"
        ))?;
        Ok(Zram(()))
    }

    /// Swap space. What is written there is gone from memory at once, so that the next access is a major fault. With a disk it
    /// would stay for a while in the swap cache, and be a minor one.
    pub fn swap() -> Result<Self> {
        let zram = Self::disk("256M")?;
        shell("mkswap /dev/zram0 > /dev/null && swapon /dev/zram0")?;
        Ok(zram)
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        let _ = shell("swapoff /dev/zram0 2>/dev/null; echo 1 > /sys/block/zram0/reset");
    }
}

/// Runs a script in the guest's shell.
pub fn shell(script: &str) -> Result<()> {
    let status = Command::new("/bin/busybox").args(["sh", "-c", script]).status()?;
    ensure!(status.success(), "{script}: {status}");
    Ok(())
}
