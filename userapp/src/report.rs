// SPDX-License-Identifier: GPL-2.0

//! Process times, printed at the end.

use nix::unistd::{sysconf, SysconfVar};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;
use work::Usage;

/// Process times and page faults.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProcessTimes {
    /// Wall-clock time, s.
    pub real_s: f64,
    /// CPU time in user mode, s.
    pub user_s: f64,
    /// CPU time in the kernel, s.
    pub system_s: f64,
    /// Page faults that were resolved without I/O.
    pub minor_faults: u64,
    /// Page faults that waited for I/O.
    pub major_faults: u64,
}

impl ProcessTimes {
    /// `usage`, and the wall-clock time that it took.
    pub fn new(real: Duration, usage: &Usage) -> Self {
        ProcessTimes {
            real_s: real.as_secs_f64(),
            user_s: seconds(usage.user_ns),
            system_s: seconds(usage.system_ns),
            minor_faults: usage.minor_faults,
            major_faults: usage.major_faults,
        }
    }

    /// Writes them as lines of text.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "real      {:.3} s", self.real_s)?;
        writeln!(out, "user      {:.3} s", self.user_s)?;
        writeln!(out, "system    {:.3} s", self.system_s)?;
        writeln!(out, "faults    {} minor, {} major", self.minor_faults, self.major_faults)
    }
}

/// CPU time as `times(2)` counts it: in clock ticks, commonly 10 ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClockTicks {
    /// Ticks a second.
    pub hz: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
}

impl ClockTicks {
    /// This process, all its threads: since it was made.
    pub fn own() -> io::Result<Self> {
        let hz = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100) as u64;
        let mut ticks = libc::tms { tms_utime: 0, tms_stime: 0, tms_cutime: 0, tms_cstime: 0 };
        // SAFETY: times fills in the structure that it is given, which is this one.
        if unsafe { libc::times(&mut ticks) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(ClockTicks { hz, user: ticks.tms_utime as u64, system: ticks.tms_stime as u64 })
    }

    /// Writes them as a line of text.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "times()   {} user, {} system, in ticks of 1/{} s", self.user, self.system, self.hz)
    }
}

/// Writes what `getrusage` counted while the process was registered, without an end of line.
pub fn write_profiled(out: &mut dyn Write, profiled: &Usage) -> io::Result<()> {
    let Usage { minor_faults, major_faults, user_ns, system_ns } = profiled;
    write!(
        out,
        "profiled  {minor_faults} minor, {major_faults} major, {:.3} s user, {:.3} s system",
        seconds(*user_ns),
        seconds(*system_ns)
    )
}

/// Writes `report` as one line of JSON.
pub fn write_json(out: &mut dyn Write, report: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report).map_err(io::Error::from)?;
    writeln!(out)
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
