// SPDX-License-Identifier: GPL-2.0

//! Carries out a command line.

use crate::cli::{Action, Cli, Common, Export, Plot, Record, View as ViewArgs};
use crate::event::Timed;
use crate::flight::Flight;
use crate::live::patient::Patient;
use crate::live::{clock, now, Live};
use crate::recording::{Chunker, End, Header, Reader};
use crate::samples::Samples;
use crate::table::{Out, Writer};
use crate::time::ns;
use crate::view::affinity::Affinity;
use crate::view::blocked::BlockedView;
use crate::view::events::Events;
use crate::view::inversions::Inversions;
use crate::view::latency::Latency;
use crate::view::switches::Switches;
use crate::view::top::Top;
use crate::view::watch::Watch;
use crate::view::{Filter, Session, View};
use abi::events::{Kind, Kinds};
use anyhow::{bail, Context};
use client::device::Device;
use client::output::Output;
use client::signals::Signals;
use client::trace::TraceOptions;
use format::utc::Utc;
use nix::sys::signal::Signal;
use nix::sys::utsname::uname;
use nix::time::ClockId;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

/// How long events are waited for before signals and the time are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A chunk of a recording ends with so many bytes, or after so much time.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_NS: u64 = 5_000_000_000;

/// The inode of the initial PID namespace (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Does what the command line says; the exit status.
///
/// # Errors
///
/// What went wrong, in words for the user.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.action {
        Action::View(view) => watch_live(&cli.device, &view),
        Action::Record(record) => record_to_file(&cli.device, &record),
        Action::Report { file, view } => report(&file, &view),
        Action::Export(export) => export_file(&export),
        Action::Plot(plot) => plot_file(&plot),
    }
}

/// The events that a view needs.
fn kinds(view: &ViewArgs) -> Kinds {
    match view {
        ViewArgs::Switches { .. } | ViewArgs::Top { .. } | ViewArgs::Events { .. } => Kinds::SWITCHES,
        ViewArgs::Watch { .. } => Kinds::SWITCHES.with(Kind::Irq),
        ViewArgs::Blocked { .. } => Kinds::SWITCHES.with(Kind::Waking),
        ViewArgs::Affinity { .. } => Kinds::SWITCHES.with(Kind::Waking).with(Kind::Migrate),
        ViewArgs::Latency { .. } | ViewArgs::Inversions { .. } => Kinds::SCHEDULER,
    }
}

fn filter(common: &Common) -> Filter {
    Filter { pids: common.pid.clone(), names: common.name.clone(), cpus: common.cpu.clone(), follow: common.follow }
}

fn make(view: &ViewArgs, filter: Filter) -> Box<dyn View> {
    match view {
        ViewArgs::Switches { .. } => Box::new(Switches::new(filter)),
        ViewArgs::Top { rows, threads, .. } => Box::new(Top::new(filter, *rows, *threads)),
        ViewArgs::Events { .. } => Box::new(Events::new(filter)),
        ViewArgs::Watch { watched, .. } => Box::new(Watch::new(watched)),
        ViewArgs::Latency { over, .. } => Box::new(Latency::new(filter, over.map(ns))),
        ViewArgs::Blocked { rows, .. } => Box::new(BlockedView::new(filter, *rows)),
        ViewArgs::Affinity { rows, .. } => Box::new(Affinity::new(filter, *rows)),
        ViewArgs::Inversions { at_least, .. } => Box::new(Inversions::new(filter, ns(*at_least))),
    }
}

/// PIDs in the records are the initial namespace's.
fn check_namespace(common: &Common) -> anyhow::Result<()> {
    let here = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let is_initial = here.as_os_str() == INITIAL_PID_NAMESPACE || here.as_os_str().is_empty();
    if !is_initial && (!common.pid.is_empty() || !common.command.is_empty()) {
        bail!(
            "in a PID namespace of its own, --pid and COMMAND of a view cannot be followed: the events have the host's \
             PIDs. Use --name, or: sched record --pid PID -o FILE, which the module translates"
        );
    }
    Ok(())
}

fn spawn(command: &[OsString]) -> anyhow::Result<Option<Child>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    // The library gives the child an empty signal mask and the usual SIGPIPE.
    let child = Command::new(program).args(arguments).spawn();
    Ok(Some(child.with_context(|| format!("cannot run {}", program.to_string_lossy()))?))
}

/// The exit status of a command, as a shell gives it.
fn code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(code as u8),
        (None, Some(signal)) => ExitCode::from(128_u8.wrapping_add(signal as u8)),
        _ => ExitCode::FAILURE,
    }
}

fn watch_live(path: &Path, args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let common = args.common();
    check_namespace(common)?;
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    let device = Device::open(path)?;
    let options = TraceOptions { kinds: kinds(args), ring_records: common.ring, ..TraceOptions::default() };
    let began = now();
    let mut live = Live::start(&device, path, &options)?;
    let mut child = spawn(&common.command)?;
    let mut filter = filter(common);
    if let Some(child) = &child {
        filter.pids.push(child.id());
        filter.follow = true;
    }
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().context("standard output")?);
    let mut out = Patient::new(stdout, common.format()).context("standard output")?;
    let mut session = Session::new(make(args, filter));
    // Before any event: an origin that moved as late events arrive would make their times inconsistent.
    session.state.start = Some(began);
    let end = common.duration.map(|duration| Instant::now() + duration);
    let mut next_report = common.interval.map(|interval| live.start_boottime_ns() + ns(interval));
    if end.is_none() && child.is_none() {
        eprintln!("sched: tracing {} CPUs; SIGINT (Ctrl-C) ends it", live.cpus());
    }
    let mut status = None;
    loop {
        let until = live.next(LOOK, |timed| session.take(timed, &mut out))?;
        session.tick(until, &mut out);
        if let (Some(at), Some(interval)) = (next_report, common.interval) {
            if session.state.now >= at {
                session.report(&mut out);
                session.restart();
                out.note("");
                next_report = Some(at + ns(interval).max(1) * (1 + (session.state.now - at) / ns(interval).max(1)));
            }
        }
        out.pump()?;
        if let Some(child) = &mut child {
            status = child.try_wait()?;
        }
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || status.is_some() || signals.arrived().is_some() {
            break;
        }
    }
    let stopped = now();
    let totals = live.finish(|timed| session.take(timed, &mut out))?;
    session.tick(stopped, &mut out);
    let losses = &mut session.state.losses;
    (losses.late, losses.unknown, losses.unprinted) = (totals.late, totals.unknown, out.unprinted());
    session.report(&mut out);
    match out.finish(|| signals.arrived().is_none()) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            bail!("interrupted while the output was not being read; its end is missing")
        }
        other => other?,
    }
    Ok(status.map_or(ExitCode::SUCCESS, code))
}

fn header(live: &Live, options: &TraceOptions) -> Header {
    let names = uname().ok();
    let text = |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str()).unwrap_or("unknown").to_owned();
    let boottime = now();
    let realtime = clock(ClockId::CLOCK_REALTIME);
    let since = boottime.saturating_sub(live.start_boottime_ns());
    let filter = match (&options.name, options.pids.is_empty()) {
        (Some(name), _) => Some(format!("processes named *{name}*")),
        (None, false) => Some(format!("processes {:?}", options.pids)),
        _ => None,
    };
    Header {
        host: text(names.as_ref().map(|names| names.nodename())),
        kernel: text(names.as_ref().map(|names| names.release())),
        machine: text(names.as_ref().map(|names| names.machine())),
        cpus: live.cpus(),
        start_boottime_ns: live.start_boottime_ns(),
        start_realtime_ns: realtime.saturating_sub(since),
        monotonic_behind_ns: boottime.saturating_sub(clock(ClockId::CLOCK_MONOTONIC)),
        abi: abi::header::ABI_VERSION,
        kinds: options.kinds.0,
        filter,
    }
}

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

fn record_to_file(path: &Path, args: &Record) -> anyhow::Result<ExitCode> {
    let signals = Signals::block(&[Signal::SIGHUP, Signal::SIGUSR1]).context("cannot take signals")?;
    let device = Device::open(path)?;
    let kinds = if args.interrupts { Kinds::SCHEDULER.with(Kind::Irq) } else { Kinds::SCHEDULER };
    let options = TraceOptions {
        kinds,
        pids: args.pid.clone(),
        name: args.name.clone(),
        follow: args.follow,
        ring_records: args.ring,
        ..TraceOptions::default()
    };
    let mut samples = args.samples.then(|| Samples::new(&device)).transpose()?;
    // Before anything is traced: a file that cannot be written is an error now and not when it matters.
    let is_flight = args.before.is_some();
    let file = if is_flight { None } else { Some(File::create(&args.output)) };
    let file = file.transpose().with_context(|| args.output.display().to_string())?;
    let mut live = Live::start(&device, path, &options)?;
    let header = header(&live, &options);
    let mut file = file.map(BufWriter::new);
    if let Some(file) = &mut file {
        header.write(&mut *file).with_context(|| args.output.display().to_string())?;
    }
    let mut child = spawn(&args.command)?;
    let before_ns = args.before.map_or(0, ns);
    let mut recorder = Recorder { file, flight: Flight::new(before_ns), happened: None, bytes: 0, events: 0 };
    let mut chunker = Chunker::new()?;
    let end = args.duration.map(|duration| Instant::now() + duration);
    if end.is_none() && child.is_none() {
        eprintln!("sched: tracing {} CPUs; SIGINT (Ctrl-C) ends it", live.cpus());
    }
    let mut status = None;
    let after_ns = args.after.map_or(0, ns);
    loop {
        let mut happened = None;
        let until = live.next(LOOK, |timed| push(&mut chunker, timed, args, &mut happened))?;
        if let Some(samples) = &mut samples {
            samples.read(|words| chunker.push_sample(words))?;
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
        samples.read(|words| chunker.push_sample(words))?;
    }
    recorder.happened = recorder.happened.take().or(happened);
    let losses = &mut chunker.state_mut().losses;
    (losses.late, losses.unknown) = (totals.late, totals.unknown);
    let lost = crate::view::losses(chunker.state());
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

/// Reads a recording from its beginning.
pub fn open(path: &Path) -> anyhow::Result<Reader<BufReader<File>>> {
    let failed = || path.display().to_string();
    let file = File::open(path).with_context(failed)?;
    Reader::new(BufReader::with_capacity(1 << 16, file)).with_context(failed)
}

/// How a recording ended, where that is worth a word.
pub fn ending<R: io::Read>(reader: &Reader<R>) -> Option<String> {
    match reader.end() {
        Some(End::CutOff) => Some("the recording was cut off: its writer did not come to its end".into()),
        Some(End::Damaged(error)) => Some(format!("{error}; what stands before that was read")),
        Some(End::Whole) | None => None,
    }
}

fn report(path: &Path, args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let common = args.common();
    if common.duration.is_some() || !common.command.is_empty() {
        bail!("a recording has its length: report takes neither --duration nor COMMAND");
    }
    let mut reader = open(path)?;
    let header = reader.header().clone();
    if let (Some(which), ViewArgs::Inversions { .. }) = (&header.filter, args) {
        bail!("this recording is of {which} only; inversions need a recording of everything");
    }
    let missing = kinds(args).0 & !header.kinds;
    let signals = Signals::block(&[]).context("cannot take signals")?;
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().context("standard output")?);
    let mut out = Writer::new(Output::new(stdout, &signals)?, common.format());
    let mut session = Session::new(make(args, filter(common)));
    let mut is_first = true;
    let interval = common.interval.map(ns);
    let mut next_report = None;
    while let Some(chunk) = reader.next_chunk().with_context(|| path.display().to_string())? {
        if std::mem::take(&mut is_first) {
            session.state = chunk.checkpoint;
        }
        for timed in &chunk.events {
            if let Some(interval) = interval {
                let at = *next_report.get_or_insert(timed.ns + interval);
                if timed.ns >= at {
                    session.report(&mut out);
                    session.restart();
                    out.note("");
                    next_report = Some(at + interval * (1 + (timed.ns - at) / interval.max(1)));
                }
            }
            session.take(timed, &mut out);
            session.tick(timed.ns, &mut out);
        }
        out.check()?;
        if signals.arrived().is_some() {
            break;
        }
    }
    session.report(&mut out);
    let start = Utc::from_unix_ns(header.start_realtime_ns);
    out.note(&format!(
        "recorded on {}, Linux {}, {} CPUs, from {start}: {:.3} s",
        header.host,
        header.kernel,
        header.cpus,
        session.state.elapsed() as f64 / 1e9
    ));
    if let Some(which) = &header.filter {
        out.note(&format!("only {which} were recorded"));
    }
    if missing & Kinds::NONE.with(Kind::Irq).0 != 0 {
        out.note("interrupts were not recorded (record --interrupts)");
    }
    if let Some(end) = ending(&reader) {
        out.note(&end);
    }
    out.check()?;
    Ok(ExitCode::SUCCESS)
}

fn export_file(args: &Export) -> anyhow::Result<ExitCode> {
    if let Some(out) = &args.perfetto {
        crate::perfetto::export(&args.file, out)?;
    }
    #[cfg(feature = "parquet")]
    if let Some(directory) = &args.parquet {
        crate::parquet::export(&args.file, directory)?;
    }
    #[cfg(not(feature = "parquet"))]
    if args.parquet.is_some() {
        bail!("this sched was built without Parquet: cargo build --package sched --features full");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "figures")]
fn plot_file(args: &Plot) -> anyhow::Result<ExitCode> {
    print!("{}", crate::figure::draw(args)?);
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "figures"))]
fn plot_file(_: &Plot) -> anyhow::Result<ExitCode> {
    bail!("this sched was built without figures: cargo build --package sched --features full")
}
