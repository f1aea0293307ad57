// SPDX-License-Identifier: GPL-2.0

//! The top of a file: on what machine, in what time, since when.

use crate::machine::{Delays, Machine};
use crate::utc::Utc;
use abi::header::Header;
use std::io::Write;

/// What every format says before its first record.
#[derive(Clone, Debug)]
pub struct Preamble {
    /// What was profiled.
    pub machine: Machine,
    /// Time base.
    pub header: Header,
    /// `CLOCK_MONOTONIC` of the first record, ns; none if there is none.
    pub first_time_ns: Option<u64>,
}

impl Preamble {
    /// Writes it as comment lines, beginning with `# mp3 <kind> 1`.
    pub fn write_comments(&self, out: &mut Vec<u8>, kind: &str) {
        // Writing to a Vec does not fail.
        let _ = self.try_write_comments(out, kind);
    }

    fn try_write_comments(&self, out: &mut Vec<u8>, kind: &str) -> std::io::Result<()> {
        let Preamble { machine, header, first_time_ns } = self;
        writeln!(out, "# mp3 {kind} 1")?;
        writeln!(out, "# host: {}", machine.host)?;
        writeln!(out, "# kernel: {}", machine.kernel)?;
        writeln!(out, "# cpus: {}", machine.cpus)?;
        writeln!(out, "# hz: {}", header.hz)?;
        writeln!(out, "# rate_hz: {}", header.rate_hz)?;
        if let Some(first) = first_time_ns {
            // Both clocks stand at the same instant in the header.
            let since = first.saturating_sub(header.start_monotonic_ns);
            writeln!(out, "# start: {}", Utc::from_unix_ns(header.start_realtime_ns.saturating_add(since)))?;
        }
        let delays = match machine.delays {
            Delays::On => "on",
            Delays::Off => "off (kernel.task_delayacct is 0)",
            Delays::Absent => "off (not in this kernel)",
        };
        writeln!(out, "# delays: {delays}")
    }
}
