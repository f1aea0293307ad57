// SPDX-License-Identifier: GPL-2.0

//! `monitor` over an hour: whether its memory grows.

use super::{pids_of, register};
use crate::clock;
use crate::peers::tools;
use anyhow::Result;
use bench::report::{Clock, Report, Row, Section};
use testkit::crowd::Crowd;
use testkit::module::Module;

const PROCESSES: usize = 20;
/// Minutes at which it is looked at.
const LOOKS: [u64; 8] = [0, 1, 5, 10, 20, 30, 45, 60];

pub fn measure(report: &mut Report) -> Result<()> {
    let _module = Module::load("")?;
    let crowd = Crowd::new(PROCESSES)?;
    register(&pids_of(&crowd))?;
    let monitor = tools::monitor(&["--per-process", "--follow", "-o", "/dev/stdout"])?;
    let begun = clock::now_ns();
    for minutes in LOOKS {
        clock::sleep_until(begun + minutes * 60_000_000_000 + 1_000_000_000);
        let kib = tools::status_kib(monitor.pid(), "VmRSS:")? as f64;
        let minutes = Some(minutes as f64);
        report.rows.push(Row::of(Section::Memory, "monitor", minutes, "resident memory", "KiB", Clock::None, &[kib]));
    }
    Ok(())
}
