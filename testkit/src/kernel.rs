// SPDX-License-Identifier: GPL-2.0

//! The kernel's counters in /proc.

use anyhow::{ensure, Context, Result};
use std::fs;

/// Makes the kernel free what it keeps for later: caches and, with KASAN, freed objects in quarantine.
pub fn drain() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    let Ok(caches) = fs::read_dir("/sys/kernel/slab") else { return Ok(()) };
    for cache in caches {
        fs::write(cache?.path().join("shrink"), "1").context("shrinking a slab cache")?;
    }
    Ok(())
}

/// A number of `/proc/meminfo`, in KiB.
pub fn meminfo(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name} in meminfo"))?;
    Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
}

/// Objects in use in a slab cache.
pub fn slab_objects(cache: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/slabinfo").context("/proc/slabinfo")?;
    let line = text
        .lines()
        .find(|line| line.split_whitespace().next() == Some(cache))
        .with_context(|| format!("no slab cache {cache}"))?;
    Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
}

/// Minor and major faults of a process so far, without its children.
pub fn faults(pid: i32) -> Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("a command name in parentheses")?;
    // Fields 10 and 12 of proc(5); the first behind the name is field 3, the state.
    let field = |number: usize| rest.split_whitespace().nth(number - 3).context("a field");
    Ok((field(10)?.parse()?, field(12)?.parse()?))
}

/// Waits until a process sleeps in `read(2)` and has left its CPU, so that its counters no longer change.
pub fn wait_until_asleep(pid: i32) -> Result<()> {
    wait_until_asleep_in(pid, libc::SYS_read)
}

/// The same for another system call.
pub fn wait_until_asleep_in(pid: i32, call: libc::c_long) -> Result<()> {
    // Where a state of `S` may be seen before the last context switch is made and counted, this file waits for it. Any other
    // call or fault in which it may be seen blocked is one that it has yet to come back from.
    let asleep = format!("{call} ");
    while !fs::read_to_string(format!("/proc/{pid}/syscall"))?.starts_with(&asleep) {
        std::thread::yield_now();
    }
    Ok(())
}

/// Waits until a process has no thread but its leader. One that was joined may still be on its way out, using CPU time.
pub fn wait_until_alone(pid: i32) -> Result<()> {
    while fs::read_dir(format!("/proc/{pid}/task"))?.count() > 1 {
        std::thread::yield_now();
    }
    Ok(())
}

/// `CLOCK_MONOTONIC` now, ns: the clock of a record's time.
pub fn monotonic_ns() -> Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// Exact run time of a process so far, all its threads, dead ones too, ns: its CPU-time clock.
pub fn runtime_ns(pid: i32) -> Result<u64> {
    let mut clock = 0;
    // SAFETY: The pointer is to a local of the right type.
    let error = unsafe { libc::clock_getcpuclockid(pid, &mut clock) };
    ensure!(error == 0, "the CPU-time clock of {pid}: {}", std::io::Error::from_raw_os_error(error));
    let time = nix::time::clock_gettime(clock.into())?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}
