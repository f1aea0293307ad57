// SPDX-License-Identifier: GPL-2.0

//! What is being profiled.

use abi::header::{Header, FEATURE_DELAYS};
use nix::sys::utsname::uname;
use nix::unistd::{sysconf, SysconfVar};
use std::fs;

/// Whether the kernel counts what processes wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delays {
    /// Yes, of processes forked since it was switched on.
    On,
    /// It could: `kernel.task_delayacct` is 0.
    Off,
    /// It was built without.
    Absent,
}

/// The machine this runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Host name.
    pub host: String,
    /// Kernel release.
    pub kernel: String,
    /// CPUs online.
    pub cpus: u64,
    /// Delay accounting.
    pub delays: Delays,
}

impl Machine {
    /// This machine, with a ring that has `header`. What cannot be learned is `unknown` or 0.
    pub fn this(header: &Header) -> Self {
        let names = uname().ok();
        let text = |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str()).unwrap_or("unknown").to_owned();
        Machine {
            host: text(names.as_ref().map(|names| names.nodename())),
            kernel: text(names.as_ref().map(|names| names.release())),
            cpus: sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(0) as u64,
            delays: if header.features & FEATURE_DELAYS == 0 {
                Delays::Absent
            } else if fs::read_to_string("/proc/sys/kernel/task_delayacct").is_ok_and(|text| text.trim() == "1") {
                Delays::On
            } else {
                Delays::Off
            },
        }
    }
}
