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
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use trace::command::{code, spawn};
use trace::event::Timed;
use trace::live::{Live, Pace, LOOK};
use trace::losses::Losses;
use trace::recording::{Chunker, Header};
use trace::samples::Samples;
use trace::time::ns;

/// A chunk of a recording ends with so many bytes, or after so much time.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_NS: u64 = 5_000_000_000;

/// Where chunks go: to the file, or round and round until something happens.
struct Recorder {
    file: Option<BufWriter<File>>,
    flight: Flight,
    /// What happened, and when, ns.
    happened: Option<(u64, String)>,
    bytes: u64,
    events: u64,
}

impl Recorder {
    fn write(&mut self, path: &Path, header: &Header, last_ns: u64, events: u32, chunk: Vec<u8>) -> anyhow::Result<()> {
        let waits = self.file.is_none();
        if waits && self.happened.is_none() {
            self.flight.keep(last_ns, chunk);
            return Ok(());
        }
        let failed = || path.display().to_string();
        if waits {
            let mut file = BufWriter::new(File::create(path).with_context(failed)?);
            header.write(&mut file).with_context(failed)?;
            let kept: Vec<Vec<u8>> = self.flight.take().collect();
            for chunk in &kept {
                file.write_all(chunk).with_context(failed)?;
                self.bytes += chunk.len() as u64;
            }
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&chunk).with_context(failed)?;
            file.flush().with_context(failed)?;
        }
        self.bytes += chunk.len() as u64;
        self.events += u64::from(events);
        Ok(())
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
    let mut samples = args.samples.then(|| Samples::new(&device)).transpose()?;
    // Before anything is traced: a file that cannot be written is an error now and not when it matters.
    let is_flight = args.before.is_some();
    let file = if is_flight { None } else { Some(File::create(&args.output)) };
    let file = file.transpose().with_context(|| args.output.display().to_string())?;
    // The flight recorder looks at what comes; otherwise it only has to be in time for the rings.
    let pace = if is_flight { Pace::Prompt } else { Pace::Relaxed };
    let mut live = Live::start(&device, path, &options, pace)?;
    let header = Header::here(&live, &options);
    let mut file = file.map(BufWriter::new);
    if let Some(file) = &mut file {
        header.write(&mut *file).with_context(|| args.output.display().to_string())?;
    }
    let mut child = spawn(&args.command)?;
    let before_ns = args.before.map_or(0, ns);
    let mut recorder = Recorder { file, flight: Flight::new(before_ns), happened: None, bytes: 0, events: 0 };
    // Only what may begin in the middle, or is looked at meanwhile, needs to know what the threads do.
    let mut chunker = if is_flight { Chunker::with_checkpoints()? } else { Chunker::new()? };
    let end = args.duration.map(|duration| Instant::now() + duration);
    if end.is_none() && child.is_none() {
        eprintln!("sched: tracing {} CPUs; SIGINT (Ctrl-C) ends it", live.cpus());
    }
    let mut status = None;
    let mut sampled = 0_u64;
    let after_ns = args.after.map_or(0, ns);
    loop {
        let mut happened = None;
        let until = live.next(LOOK, |timed| push(&mut chunker, timed, args, &mut happened))?;
        if let Some(samples) = &mut samples {
            samples.read(|words| {
                sampled += 1;
                chunker.push_sample(words);
            })?;
        }
        let mut is_over = end.is_some_and(|end| Instant::now() >= end);
        match signals.arrived() {
            Some(Signal::SIGUSR1) if is_flight => happened = happened.or(Some((until, "SIGUSR1 arrived".into()))),
            Some(Signal::SIGUSR1) | None => {}
            Some(_) => is_over = true,
        }
        if let (Some((at, what)), None) = (happened, &recorder.happened) {
            eprintln!("sched: {what}; {:.1} s more", after_ns as f64 / 1e9);
            recorder.happened = Some((at, what));
        }
        if let Some((at, _)) = &recorder.happened {
            is_over |= until > at.saturating_add(after_ns);
        }
        let age = chunker.first_ns().map_or(0, |first| until.saturating_sub(first));
        // The flight recorder drops whole chunks: shorter ones keep it close to what was asked for.
        let chunk_ns = if is_flight { CHUNK_NS.min(before_ns / 4) } else { CHUNK_NS };
        if chunker.bytes() >= CHUNK_BYTES || age >= chunk_ns {
            let events = chunker.events();
            let chunk = chunker.finish(false)?;
            recorder.write(&args.output, &header, until, events, chunk)?;
        }
        if let Some(child) = &mut child {
            status = child.try_wait()?;
        }
        if is_over || status.is_some() {
            break;
        }
    }
    let mut happened = None;
    let totals = live.finish(|timed| push(&mut chunker, timed, args, &mut happened))?;
    if let Some(samples) = &mut samples {
        samples.read(|words| {
            sampled += 1;
            chunker.push_sample(words);
        })?;
    }
    recorder.happened = recorder.happened.take().or(happened);
    let lost = Losses { late: totals.late, unknown: totals.unknown, ..chunker.losses() };
    let events = chunker.events();
    let chunk = chunker.finish(true)?;
    recorder.write(&args.output, &header, u64::MAX, events, chunk)?;
    if recorder.file.is_none() {
        eprintln!("sched: nothing happened that --when describes; no file was written");
    } else {
        let (bytes, events) = (recorder.bytes, recorder.events);
        let each = bytes as f64 / events.max(1) as f64;
        match is_flight {
            true => eprintln!("sched: {}: {bytes} bytes", args.output.display()),
            // What an event takes cannot be told from a file that has other things as well.
            false if sampled > 0 => {
                eprintln!("sched: {}: {events} events, {sampled} samples, {bytes} bytes", args.output.display());
            }
            false => eprintln!("sched: {}: {events} events, {bytes} bytes, {each:.1} an event", args.output.display()),
        }
    }
    eprintln!("sched: {lost}");
    Ok(status.map_or(ExitCode::SUCCESS, code))
}

fn push(chunker: &mut Chunker, timed: &Timed, args: &Record, happened: &mut Option<(u64, String)>) {
    chunker.push(timed);
    if let (Some(when), None) = (&args.when, &happened) {
        *happened = when.happened(timed, chunker.facts()).map(|what| (timed.ns, what));
    }
}
