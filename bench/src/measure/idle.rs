// SPDX-License-Identifier: GPL-2.0

//! What a loaded module does while nothing is registered, as the kernel's own tracing shows it.

use super::{register, MP3};
use crate::peers::ftrace::{mount_tracefs, TRACEFS};
use anyhow::{Context, Result};
use bench::report::{Clock, Report, Row, Section};
use std::fs;
use std::path::Path;
use std::time::Duration;
use testkit::child::Child;
use testkit::module::Module;

const SECONDS: u64 = 10;

pub fn measure(report: &mut Report) -> Result<()> {
    mount_tracefs()?;
    let module = Module::load("")?;
    rows(report, "mp3, nothing registered", traced()?);
    // Shows that the events are seen.
    let child = Child::idle()?;
    register(&[child.pid()])?;
    rows(report, MP3, traced()?);
    module.unload()?;
    rows(report, "no module", traced()?);
    Ok(())
}

struct Seen {
    works: usize,
    timers: usize,
}

fn rows(report: &mut Report, subject: &str, seen: Seen) {
    for (quantity, count) in [("mp3's works run", seen.works), ("delayed-work timers expired", seen.timers)] {
        let value = count as f64 / SECONDS as f64;
        report.rows.push(Row::of(Section::Idle, subject, None, quantity, "1/s", Clock::None, &[value]));
    }
}

/// Counts the module's works that run, and all timers of delayed works that fire, for [`SECONDS`].
fn traced() -> Result<Seen> {
    let write =
        |file: &str, text: &str| fs::write(Path::new(TRACEFS).join(file), text).with_context(|| file.to_owned());
    write("trace", "")?;
    write("events/workqueue/workqueue_execute_start/enable", "1")?;
    write("events/timer/timer_expire_entry/enable", "1")?;
    write("tracing_on", "1")?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    write("tracing_on", "0")?;
    write("events/enable", "0")?;
    let trace = fs::read_to_string(Path::new(TRACEFS).join("trace"))?;
    let works = trace.lines().filter(|line| line.contains("workqueue_execute_start") && line.contains("mp3")).count();
    let timers = trace
        .lines()
        .filter(|line| line.contains("timer_expire_entry") && line.contains("delayed_work_timer_fn"))
        .count();
    Ok(Seen { works, timers })
}
