// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug`, where the kernel keeps the switches of its checkers.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{self, MsFlags};
use std::path::Path;

/// Mounts it, unless it is, and says where.
pub fn mount() -> Result<&'static Path> {
    const PATH: &str = "/sys/kernel/debug";
    match mount::mount(Some("debugfs"), PATH, Some("debugfs"), MsFlags::empty(), None::<&str>) {
        Ok(()) | Err(Errno::EBUSY) => Ok(Path::new(PATH)),
        Err(error) => Err(error).context(PATH),
    }
}
