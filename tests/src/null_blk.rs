// SPDX-License-Identifier: GPL-2.0

//! A disk of memory that answers after a time of our choice.

use crate::test::Skip;
use crate::zram::shell;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// `/dev/nullb0`, of 1 GiB, while there.
pub struct NullBlk(());

impl NullBlk {
    /// The device.
    pub const PATH: &str = "/dev/nullb0";

    /// A disk that completes each request by a timer, `answers_after` its beginning.
    pub fn disk(answers_after: Duration) -> Result<Self> {
        const LIST: &str = "/lib/mp3/null_blk.load";
        if !Path::new(LIST).exists() {
            return Err(Skip(
                "the guest's kernel was prepared without null_blk; remove it from the cache, then: make prepare",
            )
            .into());
        }
        let ns = answers_after.as_nanos();
        shell(&format!(
            "rmmod null_blk 2>/dev/null
             while read -r file; do
                 case $file in
                 null_blk.ko) insmod /lib/mp3/$file queue_mode=2 irqmode=2 completion_nsec={ns} memory_backed=1 gb=1 ;;
                 *) insmod /lib/mp3/$file 2>/dev/null || true ;;
                 esac
             done < {LIST}"
        ))?;
        Ok(NullBlk(()))
    }

    /// Swap space on it.
    pub fn swap(answers_after: Duration) -> Result<Self> {
        let disk = Self::disk(answers_after)?;
        shell("mkswap /dev/nullb0 > /dev/null && swapon /dev/nullb0")?;
        Ok(disk)
    }
}

impl Drop for NullBlk {
    fn drop(&mut self) {
        let _ = shell("swapoff /dev/nullb0 2>/dev/null; rmmod null_blk");
    }
}
