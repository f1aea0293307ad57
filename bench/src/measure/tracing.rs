// SPDX-License-Identifier: GPL-2.0

//! What a context switch and a wake-up pay for being recorded: two processes on one CPU that hand a byte to and fro, alone
//! and under each tracer.
//!
//! A hand-over is one wake-up, by `write`, and one switch, since the other has nothing to do but to `read`. So all that a
//! tracer adds to a hand-over it adds to one of each.

use super::MP3;
use crate::clock;
use crate::peers::tools::Tool;
use abi::events::{Kind, Kinds};
use anyhow::{ensure, Context, Result};
use bench::report::{Clock, Report, Row, Section};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::{pipe, Pid};
use std::any::Any;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Command;
use testkit::child::{exit, Child};
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

/// Hand-overs in a run.
const HANDOVERS: u32 = 10_000;
/// Runs that count. The first of each subject does not.
const RUNS: usize = 5;

/// A process that hands each byte back that it is handed.
struct Partner {
    _child: Child,
    there: File,
    back: File,
}

impl Partner {
    fn new() -> Result<Self> {
        pin()?;
        let (from_us, there) = pipe()?;
        let (back, to_us) = pipe()?;
        let (mut from_us, mut to_us) = (File::from(from_us), File::from(to_us));
        let child = Child::spawn(move |_| {
            let mut byte = [0];
            loop {
                if from_us.read(&mut byte).unwrap_or(0) == 0 || to_us.write(&byte).is_err() {
                    exit(0);
                }
            }
        })?;
        Ok(Partner { _child: child, there: there.into(), back: back.into() })
    }

    /// What a hand-over takes, in each of the runs.
    fn runs(&mut self) -> Result<Vec<f64>> {
        let mut runs = vec![];
        for _ in 0..=RUNS {
            let taken = clock::time(|| {
                for _ in 0..HANDOVERS / 2 {
                    self.there.write_all(&[1])?;
                    self.back.read_exact(&mut [0])?;
                }
                Ok(())
            })?;
            runs.push(taken / f64::from(HANDOVERS));
        }
        runs.remove(0);
        Ok(runs)
    }
}

/// Both run on the first CPU.
fn pin() -> Result<()> {
    let mut set = CpuSet::new();
    set.set(0)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A tracer that records everything, until it is dropped.
type Tracer = fn() -> Result<Box<dyn Any>>;

const SWITCH: Kinds = Kinds::NONE.with(Kind::Switch);
const WAKING: Kinds = Kinds::NONE.with(Kind::Waking);

/// Who, what of, and how it is started.
const TRACERS: [(&str, &str, Tracer); 9] = [
    ("mp3, loaded and off", "a switch and its wake-up", || Ok(Box::new(()))),
    (MP3, "a switch", || recording(SWITCH)),
    (MP3, "a wake-up", || recording(WAKING)),
    (MP3, "a switch and its wake-up", || recording(SWITCH.union(WAKING))),
    ("mp3, with a reader", "a switch and its wake-up", || reading(SWITCH.union(WAKING))),
    ("ftrace's ring", "a switch", || Ftrace::start(&["sched_switch"])),
    ("ftrace's ring", "a switch and its wake-up", || Ftrace::start(&["sched_switch", "sched_waking"])),
    ("perf stat -e sched:sched_switch", "a switch", || {
        let mut command = Command::new("perf");
        command.args(["stat", "-a", "-x", ",", "-I", "1000", "-e", "sched:sched_switch"]);
        Ok(Box::new(Tool::start(command, ",")?))
    }),
    ("bpftrace, counting", "a switch", || {
        let mut command = Command::new("bpftrace");
        command.args([
            "-q",
            "-e",
            "BEGIN { printf(\"begun\\n\"); } tracepoint:sched:sched_switch { @[cpu] = count(); }",
        ]);
        Ok(Box::new(Tool::start(command, "begun")?))
    }),
];

fn recording(kinds: Kinds) -> Result<Box<dyn Any>> {
    Ok(Box::new(Tracing::start(Ask::for_kinds(kinds))?))
}

/// As [`recording`], with a process that copies all records out of the ring as they come.
fn reading(kinds: Kinds) -> Result<Box<dyn Any>> {
    let mut reader = Child::spawn(move |parent| {
        let mut tracing = Tracing::start(Ask::for_kinds(kinds)).expect("a session");
        tracing.set_positions().expect("positions");
        parent.done();
        loop {
            tracing.poll(nix::poll::PollTimeout::NONE).expect("poll");
            for ring in &mut tracing.rings {
                std::hint::black_box(ring.read_words().expect("records"));
            }
            tracing.set_positions().expect("positions");
        }
    })?;
    reader.wait_done()?;
    Ok(Box::new(reader))
}

/// ftrace's own ring, without a reader.
struct Ftrace(&'static [&'static str]);

const TRACEFS: &str = "/sys/kernel/tracing";

impl Ftrace {
    fn start(events: &'static [&'static str]) -> Result<Box<dyn Any>> {
        if !fs::exists(format!("{TRACEFS}/events"))? {
            let none: Option<&str> = None;
            nix::mount::mount(Some("tracefs"), TRACEFS, Some("tracefs"), nix::mount::MsFlags::empty(), none)
                .context(TRACEFS)?;
        }
        let ftrace = Ftrace(events);
        ftrace.set("1")?;
        Ok(Box::new(ftrace))
    }

    fn set(&self, value: &str) -> Result<()> {
        for event in self.0 {
            fs::write(format!("{TRACEFS}/events/sched/{event}/enable"), value)?;
        }
        Ok(())
    }
}

impl Drop for Ftrace {
    fn drop(&mut self) {
        let _ = self.set("0");
    }
}

pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    let mut partner = Partner::new()?;
    let unit = clock::unit(clock);
    let mut alone = partner.runs()?;
    let mut push = |subject: &str, quantity: &str, values: &[f64]| {
        report.rows.push(Row::of(Section::Tracing, subject, None, quantity, unit, clock, values));
    };
    push("alone", "a hand-over", &alone);
    alone.sort_by(f64::total_cmp);
    let base = alone[alone.len() / 2];

    let _module = Module::load("")?;
    for (subject, of, start) in TRACERS {
        let tracer = match start() {
            Ok(tracer) => tracer,
            Err(error) => {
                eprintln!("    {subject}: not measured: {error:#}");
                continue;
            }
        };
        let added: Vec<f64> = partner.runs()?.iter().map(|taken| taken - base).collect();
        drop(tracer);
        push(subject, &format!("added to {of}"), &added);
        // What it leaves behind would be in the next one's figures.
        let again = partner.runs()?;
        let after = again.iter().sum::<f64>() / again.len() as f64;
        ensure!(
            clock != Clock::Instructions || (after / base - 1.0).abs() < 0.05,
            "{base} before {subject}, {after} after"
        );
    }
    Ok(())
}
