// SPDX-License-Identifier: GPL-2.0

//! The machine that is being profiled.

use abi::header::{Header, FEATURE_DELAYS};
use format::comments::{Delays, Preamble};
use format::utc::Utc;
use nix::sys::utsname::uname;
use nix::time::{clock_gettime, ClockId};
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
    /// `CLOCK_REALTIME` minus `CLOCK_MONOTONIC` now, ns. `None` for a ring of another time or machine: then what its header
    /// says counts, which was right when the module was loaded.
    pub wall_clock_offset_ns: Option<i128>,
    /// Where the samples are from and what they lack; `None` for the module.
    pub source: Option<String>,
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
            wall_clock_offset_ns: wall_clock_offset_ns(),
            source: None,
        }
    }

    /// The top of a file of samples of this machine, from a ring that has `header`. `first_time_ns` is the
    /// `CLOCK_MONOTONIC` of the first record, if there is one.
    pub fn preamble(&self, header: &Header, first_time_ns: Option<u64>) -> Preamble {
        // Both clocks stand at the same instant in the header. Since then the wall clock may have been set, and the other
        // one stands still while the machine is suspended.
        let then = i128::from(header.start_realtime_ns) - i128::from(header.start_monotonic_ns);
        let offset = self.wall_clock_offset_ns.unwrap_or(then);
        let start = first_time_ns.map(|first| Utc::from_monotonic_ns(first, offset).to_string());
        Preamble {
            host: Some(self.host.clone()),
            kernel: Some(self.kernel.clone()),
            cpus: Some(self.cpus),
            hz: Some(header.hz as f64),
            rate_hz: Some(header.rate_hz as f64),
            start,
            delays: Some(self.delays.to_string()),
            users: None,
            source: self.source.clone(),
        }
    }
}

fn wall_clock_offset_ns() -> Option<i128> {
    let ns = |clock| {
        let time = clock_gettime(clock).ok()?;
        Some(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
    };
    Some(ns(ClockId::CLOCK_REALTIME)? - ns(ClockId::CLOCK_MONOTONIC)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::stream::Stream;

    const HEADER: Header = Header {
        stream: Stream::Samples,
        record_bytes: 192,
        capacity: 64,
        hz: 250,
        rate_hz: 20,
        start_monotonic_ns: 5_000_000_000,
        start_realtime_ns: 1_798_761_597_000_000_000,
        start_jiffies: 0,
        features: 1,
    };

    fn start(wall_clock_offset_ns: Option<i128>) -> String {
        let machine = Machine {
            host: "box".into(),
            kernel: "7.2".into(),
            cpus: 2,
            delays: Delays::Off,
            wall_clock_offset_ns,
            source: None,
        };
        machine.preamble(&HEADER, Some(7_000_000_000)).start.unwrap()
    }

    #[test]
    fn the_start_is_that_of_the_wall_clock_after_a_suspend_or_a_step() {
        assert_eq!(start(None), "2026-12-31T23:59:59.000000Z");
        // Suspended for an hour since the module was loaded: the wall clock went on, CLOCK_MONOTONIC did not.
        let offset = 1_798_761_592_000_000_000 + 3_600_000_000_000;
        assert_eq!(start(Some(offset)), "2027-01-01T00:59:59.000000Z");
        // A clock that makes no sense still makes a file.
        assert_eq!(start(Some(-8_000_000_000)), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn this_machine_has_a_wall_clock() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i128;
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
        let monotonic = i128::from(monotonic.tv_sec()) * 1_000_000_000 + i128::from(monotonic.tv_nsec());
        let offset = Machine::this(&HEADER).wall_clock_offset_ns.unwrap();
        assert!((now - monotonic - offset).abs() < 10_000_000_000);
    }
}
