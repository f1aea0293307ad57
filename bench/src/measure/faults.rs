// SPDX-License-Identifier: GPL-2.0

//! What a page fault pays for being recorded: this process touches new pages, under each tracer and under none before and after.

use super::{median, MP3};
use crate::clock;
use crate::handover::Pair;
use crate::peers::ftrace;
use crate::peers::tools;
use abi::events::Kinds;
use anyhow::{ensure, Result};
use bench::report::{Clock, Report, Row, Section};
use std::any::Any;
use testkit::child::Pages;
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

/// Pages touched in a run.
const PAGES: usize = 4_000;
/// Runs that count. The first of each subject does not.
const RUNS: usize = 5;
/// Hand-overs in a run.
const HANDOVERS: u32 = 2_000;

const PER_FAULT: &str = "added to a first touch of a page";
const PER_SWITCH: &str = "added to a switch and its wake-up meanwhile";

/// What records the faults of a process, until it is dropped.
type Tracer = Box<dyn Any>;

/// Who, and how it is started for this process.
type Subject = (&'static str, fn(i32) -> Result<Tracer>);

const SUBJECTS: &[Subject] = &[
    (MP3, |pid| recording(Kinds::FAULTS, pid)),
    ("mp3, --no-latency", |pid| recording(Kinds::FAULT_ENTRIES, pid)),
    ("ftrace, page_fault_user", |_| Ok(Box::new(ftrace::Events::record(&["exceptions/page_fault_user"])?))),
    ("bpftrace, fentry and fexit", |pid| bpftrace("fentry", "fexit", pid)),
    ("bpftrace, kprobes", |pid| bpftrace("kprobe", "kretprobe", pid)),
    ("perf record -e page-faults -d", |pid| Ok(Box::new(tools::perf_record_faults(pid)?))),
];

/// The module, and a session that records the faults of one process.
fn recording(kinds: Kinds, pid: i32) -> Result<Tracer> {
    let module = Module::load("")?;
    let tracing = Tracing::start(Ask::for_kinds(kinds).pids(&[pid]))?;
    Ok(Box::new((tracing, module)))
}

/// bpftrace, with the latency of each fault of the process in a histogram.
fn bpftrace(entry: &str, exit: &str, pid: i32) -> Result<Tracer> {
    let program = format!(
        "BEGIN {{ printf(\"begun\\n\"); }} \
         {entry}:handle_mm_fault / pid == {pid} / {{ @begun[tid] = nsecs; }} \
         {exit}:handle_mm_fault / pid == {pid} && @begun[tid] / \
         {{ @latency = hist(nsecs - @begun[tid]); delete(@begun[tid]); }}"
    );
    Ok(Box::new(tools::bpftrace(&program)?))
}

/// What a touch takes, in each of the runs.
fn touches() -> Result<Vec<f64>> {
    let run = || {
        let pages = Pages::new(PAGES);
        Ok(clock::time(|| {
            pages.touch(0..PAGES);
            Ok(())
        })? / PAGES as f64)
    };
    run()?;
    (0..RUNS).map(|_| run()).collect()
}

/// Measures the subjects whose names contain `only`.
pub fn measure(clock: Clock, only: &str, report: &mut Report) -> Result<()> {
    let pid = std::process::id() as i32;
    let unit = clock::unit(clock);
    let mut pair = Pair::new(0)?;
    let mut both = || -> Result<[Vec<f64>; 2]> { Ok([touches()?, pair.cost(RUNS, HANDOVERS)?]) };
    // The first pages that a process is given come from other places than those that it has given back.
    touches()?;
    let mut before = both()?;
    for (quantity, values) in ["a first touch of a page", "a switch and its wake-up"].iter().zip(&before) {
        report.rows.push(Row::of(Section::Faults, "no tracer", None, quantity, unit, clock, values));
    }
    for &(subject, start) in SUBJECTS.iter().filter(|(subject, _)| subject.contains(only)) {
        let tracer = match start(pid) {
            Ok(tracer) => tracer,
            Err(error) => {
                eprintln!("    {subject}: not measured: {error:#}");
                continue;
            }
        };
        let with = both()?;
        drop(tracer);
        let after = both()?;
        for (index, quantity) in [PER_FAULT, PER_SWITCH].iter().enumerate() {
            let base = f64::midpoint(median(&before[index]), median(&after[index]));
            let drift = (median(&after[index]) / median(&before[index]) - 1.0).abs();
            ensure!(
                clock != Clock::Instructions || drift < 0.05,
                "{subject}: {} before, {} after",
                median(&before[index]),
                median(&after[index])
            );
            let added: Vec<f64> = with[index].iter().map(|taken| taken - base).collect();
            report.rows.push(Row::of(Section::Faults, subject, None, quantity, unit, clock, &added));
        }
        before = after;
    }
    Ok(())
}
