// SPDX-License-Identifier: GPL-2.0

//! What a whole profiler takes from the machine: kernel and user space, interrupts and switches.

use super::{register, MP3};
use crate::clock;
use crate::herd::Herd;
use crate::peers::{self, tools, MakeReader};
use crate::spare_cpu;
use anyhow::Result;
use bench::report::{Clock, Report, Row, Section};
use std::any::Any;
use testkit::child::Child;
use testkit::module::Module;

const PROCESSES: usize = 1000;
const SPAN_NS: u64 = 1_000_000_000;
const RUNS: usize = 3;
const QUANTITY: &str = "CPU for 1,000 processes at 20 Hz";

const RECORDING: &str = "/tmp/bench.mp3";

type Running = Vec<Box<dyn Any>>;
type Start = fn(&[i32]) -> Result<Running>;

/// The profilers that are programs of their own.
const PROGRAMS: [(&str, Start); 7] = [
    (MP3, |pids| {
        let module = Module::load("")?;
        register(pids)?;
        let monitor = tools::monitor(&["--follow"])?;
        Ok(vec![Box::new(monitor), Box::new(module)])
    }),
    ("mp3, without a reader", |pids| {
        let module = Module::load("")?;
        register(pids)?;
        Ok(vec![Box::new(module)])
    }),
    ("mp3, --per-process", |pids| {
        let module = Module::load("")?;
        register(pids)?;
        let monitor = tools::monitor(&["--per-process", "--follow"])?;
        Ok(vec![Box::new(monitor), Box::new(module)])
    }),
    ("mp3, --record", |pids| {
        let module = Module::load("")?;
        register(pids)?;
        Ok(vec![Box::new(tools::monitor_record(RECORDING)?), Box::new(module)])
    }),
    ("perf stat -I 50", |pids| Ok(vec![Box::new(tools::perf_stat(pids, tools::PERF_EVENTS, 50)?)])),
    ("bpftrace, counting faults", |_| Ok(vec![Box::new(tools::bpftrace_faults(None)?)])),
    ("pidstat (1 Hz)", |_| Ok(vec![Box::new(tools::pidstat("ALL")?)])),
];

/// Measures the subjects whose names contain `only`, each between two measurements of the machine alone.
pub fn measure(clock: Clock, only: &str, report: &mut Report) -> Result<()> {
    let herd = Herd::new(PROCESSES, 1)?;
    let pids = herd.pids();
    // The first time, a guest that was just booted may still have other things to do.
    counted()?;
    let mut before = counted()?;
    row(report, clock, "no profiler", &before, mean(&before));
    let mut measured = |name: &str, before: &mut Vec<f64>, start: &dyn Fn() -> Result<Box<dyn Any>>| -> Result<()> {
        let running = match start() {
            Ok(running) => running,
            Err(error) => {
                eprintln!("    {name}: not measured: {error:#}");
                return Ok(());
            }
        };
        let with = counted()?;
        drop(running);
        let after = counted()?;
        let most = f64::midpoint(mean(before), mean(&after));
        row(report, clock, name, &with, most);
        *before = after;
        Ok(())
    };
    for (name, start) in PROGRAMS.into_iter().filter(|(name, _)| name.contains(only)) {
        measured(name, &mut before, &|| Ok(Box::new(start(&pids)?)))?;
    }
    for make in peers::READERS.into_iter().chain([peers::RECORDER]) {
        let name = format!("{}, 20 Hz", make.0);
        if name.contains(only) {
            measured(&name, &mut before, &|| Ok(Box::new(sampling(make, pids.clone())?)))?;
        }
    }
    Ok(())
}

fn counted() -> Result<Vec<f64>> {
    (0..RUNS).map(|_| Ok(spare_cpu::rounds_in(SPAN_NS)? as f64)).collect()
}

fn mean(rounds: &[f64]) -> f64 {
    rounds.iter().sum::<f64>() / rounds.len() as f64
}

fn row(report: &mut Report, clock: Clock, name: &str, rounds: &[f64], most: f64) {
    let taken: Vec<_> = rounds.iter().map(|rounds| 100.0 * (1.0 - rounds / most)).collect();
    let parameter = Some(PROCESSES as f64);
    report.rows.push(Row::of(Section::Machine, name, parameter, QUANTITY, "% of a CPU", clock, &taken));
}

/// A process that reads 20 times a second.
fn sampling(make: MakeReader, pids: Vec<i32>) -> Result<Child> {
    let mut child = Child::spawn(move |parent| {
        let mut reader = make.1(&pids).expect("made before");
        parent.wait();
        let mut deadline = clock::now_ns();
        loop {
            let _ = reader.read_all();
            deadline += 50_000_000;
            clock::sleep_until(deadline);
        }
    })?;
    child.go()?;
    Ok(child)
}
