// SPDX-License-Identifier: GPL-2.0

//! The workload, registered while it runs.
//!
//! ```text
//! open, block signals, map everything | getrusage  R  workload  U  getrusage | report
//!                                     |            <--------->               |
//!                                                  what the module counts
//! ```
//!
//! From the first getrusage to the second, the only page faults are the workload's: what the module counts, what
//! getrusage counts and what the seed predicts are the same number.

use crate::report::{write_json, write_profiled, ClockTicks, ProcessTimes};
use crate::signals::Early;

use anyhow::Context;
use client::commands::{Registration, Status};
use serde::Serialize;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use work::args::WorkloadArgs;
use work::{distinct_pages, expected_pages, resident, Buffer, Usage};

#[derive(Serialize)]
struct Report {
    pid: u32,
    #[serde(flatten)]
    process: ProcessTimes,
    times: ClockTicks,
    /// While registered.
    profiled: Usage,
    /// Pages that the accesses touch: the workload's minor faults. None if it was stopped.
    distinct_pages: Option<u64>,
    /// What that is on average over all seeds.
    expected_pages: f64,
    seed: u64,
    /// The signal that ended it early.
    stopped_by: Option<&'static str>,
}

/// Registers this process, runs the workload, unregisters, and prints what was counted on stdout.
pub fn profile(path: &Path, args: &WorkloadArgs, json: bool) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let workload = args.workload();
    if let Some(cpus) = &args.cpu {
        cpus.pin_current_thread().with_context(|| format!("cannot run on CPU {cpus}"))?;
    }
    let status = Status::open(path)?;
    let mut signals = Early::block().context("cannot take signals")?;
    let pid = std::process::id();

    resident::make_resident();
    let mut buffer = Buffer::new(&workload)?;
    measure(&Status::rehearsal()?, pid, || ())?;
    let (end, profiled) = measure(&status, pid, || work::run(&workload, &mut buffer, &mut signals))?;

    let real = start.elapsed();
    let process = ProcessTimes::new(real, &Usage::own()?);
    let times = ClockTicks::own()?;
    drop(buffer);
    let stopped_by = match end {
        ControlFlow::Continue(()) => None,
        ControlFlow::Break(signal) => Some(signal),
    };
    let report = Report {
        pid,
        process,
        times,
        profiled,
        distinct_pages: stopped_by.is_none().then(|| distinct_pages(&workload)),
        expected_pages: expected_pages(&workload, workload.iterations),
        seed: workload.seed,
        stopped_by: stopped_by.map(|signal| signal.as_str()),
    };
    let written = write(&report, json);
    if let Some(signal) = stopped_by {
        return Err(signals.die_of(signal).into());
    }
    written?;
    Ok(ExitCode::SUCCESS)
}

/// Calls `done` with this process registered. Returns its result, and what getrusage counted from right before the
/// registration until right after its end.
fn measure<T>(status: &Status, pid: u32, done: impl FnOnce() -> T) -> anyhow::Result<(T, Usage)> {
    let before = Usage::own()?;
    let registration = Registration::new(status, pid as i32)?;
    let answer = done();
    registration.end()?;
    let after = Usage::own()?;
    Ok((answer, after.since(&before)))
}

fn write(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return write_json(&mut out, report);
    }
    report.process.write(&mut out)?;
    report.times.write(&mut out)?;
    write_profiled(&mut out, &report.profiled)?;
    match (report.distinct_pages, report.stopped_by) {
        (Some(pages), _) => writeln!(out, "; {pages} pages touched, seed {}", report.seed),
        (None, signal) => writeln!(out, "; stopped by {}", signal.unwrap_or("a signal")),
    }
}
