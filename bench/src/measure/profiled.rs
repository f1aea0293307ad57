// SPDX-License-Identifier: GPL-2.0

//! What a program pays for being profiled: the same work, alone and under each profiler.

use super::{median, register, MP3};
use crate::clock;
use crate::peers::tools::{self, Tool};
use anyhow::Result;
use bench::report::{Clock, Report, Row, Section};
use nix::unistd::pipe;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use testkit::child::{Child, Pages};
use testkit::module::Module;

/// Pages that the work touches, each for the first time: a minor fault each.
const PAGES: usize = 4_000;
/// Rounds of computing between two of them. What a fault takes depends on where the allocator finds a page, which is the noise of all
/// this; what a profiler takes at intervals does not depend on faults.
const ROUNDS: u64 = 16_000;
const RUNS: usize = 5;

/// The program that is profiled.
struct Program {
    child: Child,
    results: File,
}

/// How long its work took.
#[derive(Clone, Copy)]
struct Taken {
    /// From begin to end, on a machine with nothing else to do.
    elapsed: f64,
    /// While it ran.
    running: f64,
}

impl Program {
    fn start() -> Result<Self> {
        let (read, write) = pipe()?;
        let mut write = File::from(write);
        let child = Child::spawn(move |parent| loop {
            parent.wait();
            let (begun, run) = (clock::now_ns(), clock::process_ns());
            work();
            let taken = [clock::now_ns() - begun, clock::process_ns() - run];
            for ns in taken {
                let _ = write.write_all(&ns.to_ne_bytes());
            }
        })?;
        Ok(Program { child, results: read.into() })
    }

    /// Has it do its work some times; the first time does not count.
    fn runs(&mut self) -> Result<Vec<Taken>> {
        let mut runs = vec![];
        for _ in 0..=RUNS {
            self.child.go()?;
            let mut number = || -> Result<f64> {
                let mut bytes = [0; 8];
                self.results.read_exact(&mut bytes)?;
                Ok(u64::from_ne_bytes(bytes) as f64)
            };
            runs.push(Taken { elapsed: number()?, running: number()? });
        }
        runs.remove(0);
        Ok(runs)
    }
}

fn work() {
    let pages = Pages::new(PAGES);
    let mut number = 0_u64;
    for page in 0..PAGES {
        pages.touch(page..page + 1);
        for _ in 0..ROUNDS {
            number = black_box(number + 1);
        }
    }
}

/// A profiler that watches the process, until it is dropped.
type Watch = fn(i32) -> Result<Watching>;
type Watching = Vec<Box<dyn std::any::Any>>;

/// Name, samples a second, and how to start it.
const PROFILERS: [(&str, f64, Watch); 6] = [
    (MP3, 20.0, |pid| mp3(20, pid)),
    (MP3, 250.0, |pid| mp3(250, pid)),
    ("mp3 and monitor", 20.0, |pid| {
        let mut watching = mp3(20, pid)?;
        watching.insert(0, Box::new(tools::monitor(&["--per-process", "--follow"])?));
        Ok(watching)
    }),
    ("perf stat -I 50", 20.0, |pid| Ok(vec![Box::new(tools::perf_stat(&[pid], tools::PERF_EVENTS, 50)?)])),
    ("bpftrace, counting faults", 20.0, |pid| {
        let tool: Tool = tools::bpftrace_faults(Some(pid))?;
        Ok(vec![Box::new(tool)])
    }),
    ("pidstat", 1.0, |pid| Ok(vec![Box::new(tools::pidstat(&pid.to_string())?)])),
];

fn mp3(rate_hz: u32, pid: i32) -> Result<Watching> {
    let module = Module::load(&format!("rate_hz={rate_hz}"))?;
    register(&[pid])?;
    Ok(vec![Box::new(module)])
}

/// Measures each profiler between two measurements of the program alone.
pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    let mut program = Program::start()?;
    let mut before = program.runs()?;
    row(report, clock, "no profiler", None, &before, &before);
    for (name, rate, watch) in PROFILERS {
        let watching = watch(program.child.pid())?;
        let runs = program.runs()?;
        drop(watching);
        let after = program.runs()?;
        row(report, clock, name, Some(rate), &runs, &[before, after.clone()].concat());
        before = after;
    }
    Ok(())
}

fn row(report: &mut Report, clock: Clock, name: &str, rate: Option<f64>, runs: &[Taken], alone: &[Taken]) {
    let median_of = |of: fn(&Taken) -> f64| median(&alone.iter().map(of).collect::<Vec<_>>());
    let (elapsed, running) = (median_of(|taken| taken.elapsed), median_of(|taken| taken.running));
    let unit = clock::unit(clock);
    let mut push = |quantity: &str, unit: &str, of: &dyn Fn(&Taken) -> f64| {
        let values: Vec<_> = runs.iter().map(of).collect();
        report.rows.push(Row::of(Section::Profiled, name, rate, quantity, unit, clock, &values));
    };
    push("added to its run time", "%", &|taken| 100.0 * (taken.running / running - 1.0));
    push("added until it ends", "%", &|taken| 100.0 * (taken.elapsed / elapsed - 1.0));
    push("added in all", unit, &|taken| taken.elapsed - elapsed);
    push("added per fault", unit, &|taken| (taken.elapsed - elapsed) / PAGES as f64);
}
