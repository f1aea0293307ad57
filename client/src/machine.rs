// SPDX-License-Identifier: GPL-2.0

//! What is being profiled.

use abi::header::{Header, FEATURE_DELAYS};
use format::comments::{Delays, Preamble};
use format::utc::Utc;
use nix::sys::utsname::uname;
use nix::unistd::{sysconf, SysconfVar};
use std::fs;

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

    /// The top of a file of samples of this machine, from a ring that has `header`. `first_time_ns` is the
    /// `CLOCK_MONOTONIC` of the first record, if there is one.
    pub fn preamble(&self, header: &Header, first_time_ns: Option<u64>) -> Preamble {
        let start = first_time_ns.map(|first| {
            // Both clocks stand at the same instant in the header.
            let since = first.saturating_sub(header.start_monotonic_ns);
            Utc::from_unix_ns(header.start_realtime_ns.saturating_add(since)).to_string()
        });
        Preamble {
            host: Some(self.host.clone()),
            kernel: Some(self.kernel.clone()),
            cpus: Some(self.cpus),
            hz: Some(header.hz as f64),
            rate_hz: Some(header.rate_hz as f64),
            start,
            delays: Some(self.delays.to_string()),
        }
    }
}
