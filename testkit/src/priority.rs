// SPDX-License-Identifier: GPL-2.0

//! Where this thread runs, and how urgently.

use anyhow::{ensure, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

/// Binds this thread to one CPU.
///
/// # Errors
///
/// There is no such CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Gives this thread the policy SCHED_FIFO with this priority: 1 to 99, the highest.
///
/// # Errors
///
/// What `sched_setscheduler` returns.
pub fn real_time(priority: i32) -> Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: The structure is initialised, and only read.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) };
    ensure!(answer == 0, "no SCHED_FIFO: {}", std::io::Error::last_os_error());
    Ok(())
}
