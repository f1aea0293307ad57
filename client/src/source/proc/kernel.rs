// SPDX-License-Identifier: GPL-2.0

//! What the kernel says: `/proc`, CPU-time clocks of processes, the time.

use nix::time::{clock_gettime, ClockId};
use nix::unistd::{sysconf, SysconfVar};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The kernel as samples need it. Tests put something else in its place.
pub trait Kernel {
    /// `CLOCK_MONOTONIC`, ns.
    fn now_ns(&self) -> u64;

    /// The process's exact run time, ns, of all threads, dead ones too; `None` if it is not there.
    fn runtime_ns(&self, pid: i32) -> Option<u64>;

    /// The PIDs that there are.
    fn pids(&self, into: &mut Vec<i32>) -> io::Result<()>;

    /// The threads of a process; none if it is not there.
    fn threads(&self, pid: i32) -> Vec<i32>;

    /// A file of `/proc/PID`, such as `stat` or `task/7/status`. `false` if it cannot be read.
    fn read(&self, pid: i32, name: &str, into: &mut Vec<u8>) -> bool;

    /// Clock ticks a second (`_SC_CLK_TCK`).
    fn ticks_hz(&self) -> u64;
}

/// This machine's.
#[derive(Debug)]
pub struct ThisKernel {
    root: PathBuf,
}

impl ThisKernel {
    /// With `/proc` at its usual place.
    pub fn new() -> Self {
        ThisKernel { root: PathBuf::from("/proc") }
    }
}

impl Default for ThisKernel {
    fn default() -> Self {
        Self::new()
    }
}

/// The names in `directory` that are numbers.
fn numbers(directory: &Path, into: &mut Vec<i32>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        into.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(())
}

impl Kernel for ThisKernel {
    fn now_ns(&self) -> u64 {
        nanoseconds(ClockId::CLOCK_MONOTONIC).unwrap_or(0)
    }

    fn runtime_ns(&self, pid: i32) -> Option<u64> {
        // MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's include/linux/posix-timers_types.h: the scheduler's own
        // nanoseconds, for which no right is needed. What clock_getcpuclockid(3) returns, in one call instead of two.
        nanoseconds(ClockId::from_raw((!pid) << 3 | 2))
    }

    fn pids(&self, into: &mut Vec<i32>) -> io::Result<()> {
        numbers(&self.root, into)
    }

    fn threads(&self, pid: i32) -> Vec<i32> {
        let mut threads = vec![];
        // A process that ends meanwhile has none.
        let _ = numbers(&self.root.join(format!("{pid}/task")), &mut threads);
        threads
    }

    fn read(&self, pid: i32, name: &str, into: &mut Vec<u8>) -> bool {
        into.clear();
        let path = self.root.join(format!("{pid}/{name}"));
        File::open(path).and_then(|mut file| file.read_to_end(into)).is_ok_and(|length| length > 0)
    }

    fn ticks_hz(&self) -> u64 {
        sysconf(SysconfVar::CLK_TCK)
            .ok()
            .flatten()
            .and_then(|hz| u64::try_from(hz).ok())
            .filter(|&hz| hz > 0)
            .unwrap_or(100)
    }
}

fn nanoseconds(clock: ClockId) -> Option<u64> {
    let time = clock_gettime(clock).ok()?;
    u64::try_from(time.tv_sec()).ok()?.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_runs() {
        let kernel = ThisKernel::new();
        let pid = std::process::id() as i32;
        let mut pids = vec![];
        kernel.pids(&mut pids).unwrap();
        assert!(pids.contains(&pid));
        assert!(!kernel.threads(pid).is_empty());
        let first = kernel.runtime_ns(pid).unwrap();
        while kernel.runtime_ns(pid).unwrap() == first {}
        let mut stat = vec![];
        assert!(kernel.read(pid, "stat", &mut stat));
        assert!(super::super::files::Stat::parse(&stat).is_some());
    }

    #[test]
    fn a_process_that_is_not_there_has_no_clock() {
        // PIDs end below 2^22.
        assert_eq!(ThisKernel::new().runtime_ns(1 << 23), None);
        assert!(!ThisKernel::new().read(1 << 23, "stat", &mut vec![]));
    }
}
