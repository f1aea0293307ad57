// SPDX-License-Identifier: GPL-2.0

//! Carries out a command line.

use crate::cli::{Action, Cli, Common, Export, Plot, View as ViewArgs};
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
use nix::sys::signal::Signal;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use trace::command::{code, is_initial_pid_namespace, spawn};
use trace::live::{now, Live, Pace, LOOK};
use trace::patient::Patient;
use trace::recording;
use trace::table::{Out, Writer};
use trace::time::{ns, Intervals};

/// Tables in shorter intervals than this need events sooner than a relaxed pace has them.
const RELAXED_INTERVAL: Duration = Duration::from_secs(2);

/// Does what the command line says; the exit status.
///
/// # Errors
///
/// What went wrong, in words for the user.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.action {
        Action::View(view) => watch_live(&cli.device, &view),
        Action::Record(record) => crate::record::record(&cli.device, &record),
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

/// What sees every process by its PID has to have the PIDs of the records.
fn check_namespace(common: &Common) -> anyhow::Result<()> {
    if !is_initial_pid_namespace() && (!common.pid.is_empty() || !common.command.is_empty()) {
        bail!(
            "in a PID namespace of its own, --pid and COMMAND of a view cannot be followed: the events have the host's \
             PIDs. Use --name, or: sched record --pid PID -o FILE, which the module translates"
        );
    }
    Ok(())
}

/// Whether a view tells things as they happen, or only sums them up.
fn pace(view: &ViewArgs) -> Pace {
    match view {
        ViewArgs::Events { .. } | ViewArgs::Watch { .. } | ViewArgs::Inversions { .. } => Pace::Prompt,
        ViewArgs::Latency { over: Some(_), .. } => Pace::Prompt,
        _ if view.common().interval.is_some_and(|interval| interval < RELAXED_INTERVAL) => Pace::Prompt,
        _ => Pace::Relaxed,
    }
}

fn watch_live(path: &Path, args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let common = args.common();
    check_namespace(common)?;
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    let device = Device::open(path)?;
    let options = TraceOptions { kinds: kinds(args), ring_records: common.ring, ..TraceOptions::default() };
    let began = now();
    let mut live = Live::start(&device, path, &options, pace(args))?;
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
    let mut intervals = Intervals::new(common.interval, Some(live.start_boottime_ns()));
    if end.is_none() && child.is_none() {
        eprintln!("sched: tracing {} CPUs; SIGINT (Ctrl-C) ends it", live.cpus());
    }
    let mut status = None;
    loop {
        let until = live.next(LOOK, |timed| session.take(timed, &mut out))?;
        session.tick(until, &mut out);
        if intervals.has_ended(session.state.now) {
            session.report(&mut out);
            session.restart();
            out.note("");
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

fn report(path: &Path, args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let common = args.common();
    if common.duration.is_some() || !common.command.is_empty() {
        bail!("a recording has its length: report takes neither --duration nor COMMAND");
    }
    let mut reader = recording::open(path)?;
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
    let mut intervals = Intervals::new(common.interval, None);
    while let Some(chunk) = reader.next_chunk().with_context(|| path.display().to_string())? {
        if std::mem::take(&mut is_first) {
            session.state = chunk.checkpoint;
        }
        for timed in &chunk.events {
            if intervals.has_ended(timed.ns) {
                session.report(&mut out);
                session.restart();
                out.note("");
            }
            session.take(timed, &mut out);
            session.tick(timed.ns, &mut out);
        }
        out.check()?;
        if signals.arrived().is_some() {
            break;
        }
    }
    reader.complete(&mut session.state.losses);
    session.report(&mut out);
    header.words(session.state.elapsed()).iter().for_each(|line| out.note(line));
    if missing & Kinds::NONE.with(Kind::Irq).0 != 0 {
        out.note("interrupts were not recorded (record --interrupts)");
    }
    if let Some(end) = reader.ending() {
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
