// SPDX-License-Identifier: GPL-2.0

//! How many interrupts CPUs have had, as the kernel counts them.

use anyhow::{Context, Result};
use std::fs;

/// Interrupts of the local timer of each CPU since the machine started.
pub fn local_timers() -> Result<Vec<u64>> {
    let text = fs::read_to_string("/proc/interrupts")?;
    let line =
        text.lines().find_map(|line| line.trim_start().strip_prefix("LOC:")).context("no LOC in /proc/interrupts")?;
    Ok(line.split_whitespace().map_while(|count| count.parse().ok()).collect())
}
