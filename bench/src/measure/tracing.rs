// SPDX-License-Identifier: GPL-2.0

//! What a context switch and a wake-up pay for being recorded: two processes that hand a byte to and fro, under each tracer,
//! and under none before and after.
//!
//! On one CPU a hand-over is one of each. Between two it is one wake-up and two switches: on one CPU the idle task comes, and on
//! the other it leaves.

use super::{median, MP3};
use crate::clock;
use crate::handover::Pair;
use crate::herd::Herd;
use crate::peers::bpf::Object;
use crate::peers::ftrace;
use crate::peers::ringbuf::RingBuffer;
use crate::peers::tools::{self, Tool};
use abi::events::{Kind, Kinds};
use anyhow::{ensure, Context, Result};
use bench::report::{Clock, Report, Row, Section};
use std::any::Any;
use std::fs;
use testkit::child::Child;
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

/// Hand-overs in a run.
const HANDOVERS: u32 = 4_000;
/// Runs that count. The first of each subject does not. Up to three in a row were seen to take some hundred instructions less
/// for a hand-over, with a tracer and without; the median of so many is none of them.
const RUNS: usize = 11;
/// The same where a program reads what was recorded: it does so several times in a run of so many.
const READ_HANDOVERS: u32 = 40_000;
const READ_RUNS: usize = 5;
/// Hand-overs a second, while a recording is written.
const RATE: u32 = 100_000;
const SECONDS: u32 = 2;
const RECORDING: &str = "/tmp/bench.sched";

const SWITCH: Kinds = Kinds::NONE.with(Kind::Switch);
const WAKING: Kinds = Kinds::NONE.with(Kind::Waking);
const BOTH: Kinds = SWITCH.with(Kind::Waking);

/// What of a hand-over is recorded.
#[derive(Clone, Copy)]
enum Of {
    Switch,
    Waking,
    Both,
}
use Of::{Both, Switch, Waking};

impl Of {
    /// What a figure of a section is of.
    fn quantity(self, section: Section) -> &'static str {
        match (self, section == Section::TracingBetween) {
            (Switch, false) => "added to a switch",
            (Waking, false) => "added to a wake-up",
            (Both, false) => "added to a switch and its wake-up",
            (Switch, true) => "added to two switches",
            (Waking, true) => "added to a wake-up",
            (Both, true) => "added to two switches and a wake-up",
        }
    }
}

/// What records, until it is dropped.
type Tracer = Box<dyn Any>;

/// Who, what of, and how it is started.
type Subject = (&'static str, Of, fn() -> Result<Tracer>);

/// All of them.
const SUBJECTS: &[Subject] = &[
    (MP3, Switch, || recording(SWITCH)),
    (MP3, Waking, || recording(WAKING)),
    (MP3, Both, || recording(BOTH)),
    ("mp3, loaded and off", Both, || Ok(Box::new(Module::load("")?))),
    ("mp3, with a reader", Both, || reading(BOTH)),
    ("mp3, sched record", Both, || Ok(Box::new(sched_record()?))),
    ("BPF, counting", Switch, || Ok(Box::new(Object::load("count", true)?))),
    ("BPF ring buffer", Switch, || Ok(Box::new(Object::load("switch", true)?))),
    ("BPF ring buffer", Waking, || Ok(Box::new(Object::load("waking", true)?))),
    ("BPF ring buffer", Both, || Ok(Box::new(Object::load("events", true)?))),
    ("BPF ring buffer, with a reader", Both, || Ok(Box::new(bpf_reading()?))),
    ("ftrace's ring", Switch, || Ok(Box::new(ftrace::Events::record(&["sched/sched_switch"])?))),
    ("ftrace's ring", Waking, || Ok(Box::new(ftrace::Events::record(&["sched/sched_waking"])?))),
    ("ftrace's ring", Both, || Ok(Box::new(ftrace::Events::record(&["sched/sched_switch", "sched/sched_waking"])?))),
    ("perf stat -e sched:sched_switch", Switch, || Ok(Box::new(tools::perf_stat_all("sched:sched_switch")?))),
    ("bpftrace, counting", Switch, || {
        Ok(Box::new(tools::bpftrace(
            "BEGIN { printf(\"begun\\n\"); } tracepoint:sched:sched_switch { @[cpu] = count(); }",
        )?))
    }),
    ("perf sched record", Both, || Ok(Box::new(tools::perf_sched_record()?))),
];

/// Those with a program that reads what was recorded, now and then.
const READ: [&str; 4] =
    ["mp3, with a reader", "mp3, sched record", "BPF ring buffer, with a reader", "perf sched record"];

/// The module, and a session that records.
fn recording(kinds: Kinds) -> Result<Tracer> {
    let module = Module::load("")?;
    let tracing = Tracing::start(Ask::for_kinds(kinds))?;
    Ok(Box::new((tracing, module)))
}

/// As [`recording`], with a process that copies all records out of the rings as they come.
fn reading(kinds: Kinds) -> Result<Tracer> {
    let module = Module::load("")?;
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
    Ok(Box::new((reader, module)))
}

/// The same events through a BPF ring buffer, with a process that copies them as they come.
fn bpf_reading() -> Result<(Child, Object)> {
    /// As bench/bpf/events.bpf.h has it.
    const RING: usize = 16 << 20;
    let object = Object::load("events", true)?;
    let mut ring = RingBuffer::new(object.map("events")?, RING)?;
    let mut reader = Child::spawn(move |parent| {
        let mut records = Vec::with_capacity(RING / 40);
        parent.done();
        loop {
            ring.wait().expect("poll");
            ring.read(&mut records);
            std::hint::black_box(&records);
            records.clear();
        }
    })?;
    reader.wait_done()?;
    Ok((reader, object))
}

/// The module, and `sched record`, which takes migrations, starts, ends and names as well.
fn sched_record() -> Result<(Tool, Module)> {
    let module = Module::load("")?;
    Ok((tools::sched_record(RECORDING)?, module))
}

/// Measures the subjects whose names contain `only`.
pub fn measure(clock: Clock, only: &str, report: &mut Report) -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let mut pair = Pair::new(cpus - 1)?;
    let unit = clock::unit(clock);
    let section = if cpus == 1 { Section::Tracing } else { Section::TracingBetween };
    let row = |subject: &str, quantity: &str, unit: &str, clock: Clock, values: &[f64]| {
        Row::of(section, subject, None, quantity, unit, clock, values)
    };

    let mut before = pair.cost(RUNS, HANDOVERS)?;
    report.rows.push(row("no tracer", "a hand-over", unit, clock, &before));
    for &(subject, of, start) in SUBJECTS.iter().filter(|(subject, ..)| subject.contains(only)) {
        let tracer = match start() {
            Ok(tracer) => tracer,
            Err(error) => {
                eprintln!("    {subject}: not measured: {error:#}");
                continue;
            }
        };
        let (runs, handovers) = if READ.contains(&subject) { (READ_RUNS, READ_HANDOVERS) } else { (RUNS, HANDOVERS) };
        let with = pair.cost(runs, handovers)?;
        drop(tracer);
        let after = pair.cost(RUNS, HANDOVERS)?;
        let base = f64::midpoint(median(&before), median(&after));
        let drift = (median(&after) / median(&before) - 1.0).abs();
        ensure!(
            clock != Clock::Instructions || drift < 0.01,
            "{subject}: a hand-over takes {} before it and {} after it",
            median(&before),
            median(&after)
        );
        let added: Vec<f64> = with.iter().map(|taken| taken - base).collect();
        report.rows.push(row(subject, of.quantity(section), unit, clock, &added));
        before = after;
    }
    // Between two CPUs a hand-over is an interrupt as well, and there are not so many in a second.
    if "mp3, sched record".contains(only) && clock == Clock::Instructions && cpus == 1 {
        let (cpu, bytes) = recorder(&mut pair)?;
        let quantity = "CPU of the program at 100,000 switches a second";
        report.rows.push(row("mp3, sched record", quantity, "% of a CPU", clock, &[cpu]));
        report.rows.push(row("mp3, sched record", "an event of the hand-overs", "bytes", Clock::None, &[bytes]));
        let quantity = "an event of 400 threads that wake each other";
        report.rows.push(row("mp3, sched record", quantity, "bytes", Clock::None, &[crowd_bytes()?]));
    }
    Ok(())
}

/// `sched record` while the processes hand over [`RATE`] times a second: CPU time of the program, % of a CPU, and bytes of an
/// event.
fn recorder(pair: &mut Pair) -> Result<(f64, f64)> {
    let (tool, _module) = sched_record()?;
    pair.hand_over(HANDOVERS)?;
    let before = tools::cpu_ns(tool.pid())?;
    let begun = clock::now_ns();
    pair.hand_over_at(RATE, SECONDS)?;
    let (used, passed) = (tools::cpu_ns(tool.pid())? - before, clock::now_ns() - begun);
    Ok((100.0 * used as f64 / passed as f64, bytes_of_an_event(tool)?))
}

/// Bytes of an event while 100 processes of 4 threads each are woken together, run, fault and sleep.
fn crowd_bytes() -> Result<f64> {
    let mut herd = Herd::new(100, 4)?;
    let (tool, _module) = sched_record()?;
    for _ in 0..100 {
        herd.stir()?;
    }
    bytes_of_an_event(tool)
}

/// Ends `sched record`, which says "sched: FILE: 400000 events, 3600000 bytes, 9.0 an event", and what it lost.
fn bytes_of_an_event(tool: Tool) -> Result<f64> {
    let said = tool.end()?;
    ensure!(said.contains("lost: 0 records"), "sched record has lost records: {said}");
    fs::remove_file(RECORDING)?;
    let numbers =
        said.lines().find_map(|line| line.strip_suffix(" an event")?.strip_prefix("sched: ")?.split_once(": "));
    let number = |unit: &str| -> Option<f64> {
        numbers?.1.split(", ").find_map(|part| part.strip_suffix(unit)?.trim().parse().ok())
    };
    let (events, bytes) = number("events").zip(number("bytes")).with_context(|| format!("no bytes in {said:?}"))?;
    Ok(bytes / events)
}
