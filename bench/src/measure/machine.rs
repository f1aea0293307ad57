// SPDX-License-Identifier: GPL-2.0

//! What a whole profiler takes from the machine: kernel and user space, interrupts and switches.

use super::{pids_of, register, MP3};
use crate::clock;
use crate::peers::{self, tools, MakeReader};
use crate::spare_cpu;
use anyhow::Result;
use bench::report::{Clock, Report, Row, Section};
use std::any::Any;
use testkit::child::Child;
use testkit::crowd::Crowd;
use testkit::module::Module;

const PROCESSES: usize = 1000;
const SPAN_NS: u64 = 1_000_000_000;
const RUNS: usize = 3;
const QUANTITY: &str = "CPU for 1,000 processes at 20 Hz";

type Running = Vec<Box<dyn Any>>;
type Start = fn(&[i32]) -> Result<Running>;

/// Those that are programs of their own.
const PROGRAMS: [(&str, Start); 6] = [
    (MP3, |pids| {
        let module = Module::load("")?;
        register(pids)?;
        let monitor = tools::monitor(&["--follow"])?;
        Ok(vec![Box::new(monitor), Box::new(module)])
    }),
    ("mp3, read by nobody", |pids| {
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
    ("perf stat -I 50", |pids| Ok(vec![Box::new(tools::perf_stat(pids, tools::PERF_EVENTS, 50)?)])),
    ("bpftrace, counting faults", |_| Ok(vec![Box::new(tools::bpftrace_faults("mp3-bench")?)])),
    ("pidstat (1 Hz)", |_| Ok(vec![Box::new(tools::pidstat("ALL")?)])),
];

pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    let crowd = Crowd::new(PROCESSES)?;
    let pids = pids_of(&crowd);
    // The first time, a guest that was just booted may still have other things to do.
    counted()?;
    let alone = counted()?;
    let most = alone.iter().copied().fold(0.0, f64::max);
    row(report, clock, "nobody", &alone, most);
    for (name, start) in PROGRAMS {
        let running = start(&pids)?;
        let rounds = counted()?;
        drop(running);
        row(report, clock, name, &rounds, most);
    }
    for make in peers::READERS {
        let name = peers::reader(make, &pids)?.name();
        let reader = sampling(make, pids.clone())?;
        let rounds = counted()?;
        drop(reader);
        row(report, clock, &format!("{name}, 20 Hz"), &rounds, most);
    }
    Ok(())
}

fn counted() -> Result<Vec<f64>> {
    (0..RUNS).map(|_| Ok(spare_cpu::rounds_in(SPAN_NS)? as f64)).collect()
}

fn row(report: &mut Report, clock: Clock, name: &str, rounds: &[f64], most: f64) {
    let taken: Vec<_> = rounds.iter().map(|rounds| 100.0 * (1.0 - rounds / most)).collect();
    let parameter = Some(PROCESSES as f64);
    report.rows.push(Row::of(Section::Machine, name, parameter, QUANTITY, "% of a CPU", clock, &taken));
}

/// A process that reads 20 times a second, and does nothing with it.
fn sampling(make: MakeReader, pids: Vec<i32>) -> Result<Child> {
    let mut child = Child::spawn(move |parent| {
        let mut reader = make(&pids).expect("made before");
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
