// SPDX-License-Identifier: GPL-2.0

//! Events into a file, all of them or what led to something.

use crate::cli::Record;
use crate::flight::Flight;
use abi::events::{Kind, Kinds};
use anyhow::Context;
use client::device::Device;
use client::signals::Signals;
use client::trace::TraceOptions;
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus};
use std::time::Instant;
use trace::command::{code, spawn};
use trace::event::Timed;
use trace::live::{Live, Pace, Tape, LOOK};
use trace::losses::Losses;
use trace::recording::{Chunker, Header};
use trace::samples::Samples;
use trace::time::ns;

/// A chunk of the flight recorder ends with so many bytes, or after so much time.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_NS: u64 = 5_000_000_000;

/// A recording that is being written.
struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    events: u64,
}

impl Output {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Output { path: path.into(), file: BufWriter::new(file), bytes: 0, events: 0 })
    }

    fn begin(&mut self, header: &Header) -> anyhow::Result<()> {
        header.write(&mut self.file).with_context(|| self.path.display().to_string())
    }

    /// With one call: what a crash leaves of a chunk is then the least.
    fn write(&mut self, events: u32, chunk: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(chunk).and_then(|()| self.file.flush());
        written.with_context(|| self.path.display().to_string())?;
        self.bytes += chunk.len() as u64;
        self.events += u64::from(events);
        Ok(())
    }
}

/// What goes on beside the events, and when it is over.
struct Beside {
    signals: Signals,
    samples: Option<Samples>,
    sampled: u64,
    child: Option<Child>,
    status: Option<ExitStatus>,
    end: Option<Instant>,
}

impl Beside {
    /// Starts the command and the time.
    fn start(args: &Record, signals: Signals, samples: Option<Samples>, cpus: u32) -> anyhow::Result<Self> {
        let child = spawn(&args.command)?;
        let end = args.duration.map(|duration| Instant::now() + duration);
        if end.is_none() && child.is_none() {
            eprintln!("sched: tracing {cpus} CPUs; SIGINT (Ctrl-C) ends it");
        }
        Ok(Beside { signals, samples, sampled: 0, child, status: None, end })
    }

    fn take_samples(&mut self, chunker: &mut Chunker) -> anyhow::Result<()> {
        if let Some(samples) = &mut self.samples {
            samples.read(|words| {
                self.sampled += 1;
                chunker.push_sample(words);
            })?;
        }
        Ok(())
    }

    /// Whether the time or the command has come to its end, or a signal has come that ends it. `usr1` is told whether SIGUSR1
    /// has.
    fn is_over(&mut self, usr1: &mut bool) -> anyhow::Result<bool> {
        let mut is_over = self.end.is_some_and(|end| Instant::now() >= end);
        match self.signals.arrived() {
            Some(Signal::SIGUSR1) => *usr1 = true,
            Some(_) => is_over = true,
            None => {}
        }
        if let Some(child) = &mut self.child {
            self.status = child.try_wait()?;
        }
        Ok(is_over || self.status.is_some())
    }

    fn code(&self) -> ExitCode {
        self.status.map_or(ExitCode::SUCCESS, code)
    }
}

/// Records as `args` say; the exit status.
///
/// # Errors
///
/// What went wrong, in words for the user.
pub fn record(path: &Path, args: &Record) -> anyhow::Result<ExitCode> {
    let signals = Signals::block(&[Signal::SIGHUP, Signal::SIGUSR1]).context("cannot take signals")?;
    let device = Device::open(path)?;
    let kinds = if args.interrupts { Kinds::SCHEDULER.with(Kind::Irq) } else { Kinds::SCHEDULER };
    let options = TraceOptions {
        kinds,
        pids: args.pid.clone(),
        name: args.name.clone(),
        follow: args.follow,
        ring_records: args.ring,
        discard: args.discard,
        ..TraceOptions::default()
    };
    let samples = args.samples.then(|| Samples::new(&device)).transpose()?;
    match args.before {
        Some(before) => record_what_led(path, args, &device, &options, ns(before), signals, samples),
        None => record_all(path, args, &device, &options, signals, samples),
    }
}

fn record_all(
    path: &Path,
    args: &Record,
    device: &Device,
    options: &TraceOptions,
    signals: Signals,
    samples: Option<Samples>,
) -> anyhow::Result<ExitCode> {
    // An older recording of this name stays where nothing can be traced; COMMAND has not run where there can be no file.
    let mut tape = Tape::start(device, path, options)?;
    let mut output = Output::create(&args.output)?;
    output.begin(&Header::here(tape.started(), options))?;
    let mut chunker = Chunker::of_rings(tape.started().start_boottime_ns)?;
    let mut beside = Beside::start(args, signals, samples, tape.started().cpus)?;
    loop {
        let has_come = tape.next(LOOK, &mut chunker)?;
        beside.take_samples(&mut chunker)?;
        if has_come {
            output.write(chunker.events(), &chunker.finish(false)?)?;
        }
        if beside.is_over(&mut false)? {
            break;
        }
    }
    let missing = tape.finish(&mut chunker)?;
    beside.take_samples(&mut chunker)?;
    output.write(chunker.events(), &chunker.finish(true)?)?;
    let Output { bytes, events, .. } = output;
    if beside.sampled > 0 {
        // What an event takes cannot be told from a file that has other things as well.
        eprintln!("sched: {}: {events} events, {} samples, {bytes} bytes", args.output.display(), beside.sampled);
    } else {
        let each = bytes as f64 / events.max(1) as f64;
        eprintln!("sched: {}: {events} events, {bytes} bytes, {each:.1} an event", args.output.display());
    }
    let lost = Losses { records: missing.records, gaps: missing.gaps, ..Losses::default() };
    eprintln!("sched: {lost}");
    Ok(beside.code())
}

fn record_what_led(
    path: &Path,
    args: &Record,
    device: &Device,
    options: &TraceOptions,
    before_ns: u64,
    signals: Signals,
    samples: Option<Samples>,
) -> anyhow::Result<ExitCode> {
    // It looks at what comes.
    let mut live = Live::start(device, path, options, Pace::Prompt)?;
    let header = Header::here(live.started(), options);
    let mut chunker = Chunker::with_checkpoints()?;
    let mut flight = Flight::new(before_ns);
    // It drops whole chunks: short ones keep it close to what was asked for.
    let chunk_ns = CHUNK_NS.min(before_ns / 4);
    let after_ns = args.after.map_or(0, ns);
    let mut beside = Beside::start(args, signals, samples, live.cpus())?;
    // What happened, and when, ns; and where what led to it goes from then on.
    let mut happened: Option<(u64, String)> = None;
    let mut output: Option<Output> = None;
    let write = |flight: &mut Flight, output: &mut Option<Output>, happened: bool, until, events, chunk: Vec<u8>| {
        match output {
            None if !happened => {
                flight.keep(until, chunk);
                Ok(())
            }
            Some(output) => output.write(events, &chunk),
            None => {
                let output = output.insert(Output::create(&args.output)?);
                output.begin(&header)?;
                flight.take().try_for_each(|chunk| output.write(0, &chunk))?;
                output.write(events, &chunk)
            }
        }
    };
    loop {
        let mut found = None;
        let until = live.next(LOOK, |timed| push(&mut chunker, timed, args, &mut found))?;
        beside.take_samples(&mut chunker)?;
        let mut usr1 = false;
        let mut is_over = beside.is_over(&mut usr1)?;
        if usr1 {
            found = found.or(Some((until, "SIGUSR1 arrived".into())));
        }
        if let (Some((at, what)), None) = (found, &happened) {
            eprintln!("sched: {what}; {:.1} s more", after_ns as f64 / 1e9);
            happened = Some((at, what));
        }
        if let Some((at, _)) = &happened {
            is_over |= until > at.saturating_add(after_ns);
        }
        let age = chunker.first_ns().map_or(0, |first| until.saturating_sub(first));
        if chunker.bytes() >= CHUNK_BYTES || age >= chunk_ns {
            let events = chunker.events();
            let chunk = chunker.finish(false)?;
            write(&mut flight, &mut output, happened.is_some(), until, events, chunk)?;
        }
        if is_over {
            break;
        }
    }
    let mut found = None;
    let totals = live.finish(|timed| push(&mut chunker, timed, args, &mut found))?;
    beside.take_samples(&mut chunker)?;
    let has_happened = happened.or(found).is_some();
    let lost = Losses { late: totals.late, unknown: totals.unknown, ..chunker.losses() };
    let events = chunker.events();
    let chunk = chunker.finish(true)?;
    write(&mut flight, &mut output, has_happened, u64::MAX, events, chunk)?;
    match output {
        Some(output) => eprintln!("sched: {}: {} bytes", args.output.display(), output.bytes),
        None => eprintln!("sched: nothing happened that --when describes; no file was written"),
    }
    eprintln!("sched: {lost}");
    Ok(beside.code())
}

fn push(chunker: &mut Chunker, timed: &Timed, args: &Record, happened: &mut Option<(u64, String)>) {
    chunker.push(timed);
    if let (Some(when), None) = (&args.when, &happened) {
        *happened = when.happened(timed, chunker.facts()).map(|what| (timed.ns, what));
    }
}
