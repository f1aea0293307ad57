// SPDX-License-Identifier: GPL-2.0

//! Carries out a command line.

use crate::cli::{Action, Cli, Export, View as ViewArgs};
use crate::feed::{self, Feed, Item};
use crate::gate;
use crate::record::{self, LOOK};
use crate::recording::Recording;
use crate::session::Session;
use crate::symbol::Symbols;
use crate::view::latency::Latency;
use crate::view::map::Map;
use crate::view::top::Top;
use crate::view::wss::Wss;
use crate::view::View;
use anyhow::{bail, Context};
use client::output::Output;
use client::signals::Signals;
use nix::sys::signal::Signal;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use trace::filter::Filter;
use trace::live::{now, Pace};
use trace::patient::Patient;
use trace::table::{Out, Writer};
use trace::time::{ns, Intervals};

/// Does what the command line says; the exit status.
///
/// # Errors
///
/// What went wrong, in words for the user.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.action {
        Action::View(view) => watch_live(&cli.device, &view),
        Action::Record(args) => record::run(&cli.device, &args),
        Action::Report { file, view } => report(&file, &view),
        Action::Export(args) => export(&args),
        Action::Gate { descriptor, command } => gate::pass(descriptor, &command),
    }
}

/// A view, and what remains to be drawn of it.
fn make(view: &ViewArgs) -> anyhow::Result<Box<dyn View>> {
    Ok(match view {
        ViewArgs::Top { by, rows, .. } => Box::new(Top::new(*by, *rows)),
        ViewArgs::Latency { rows, over, .. } => Box::new(Latency::new(*rows, over.map(ns))),
        ViewArgs::Wss { rows, .. } => Box::new(Wss::new(*rows)),
        ViewArgs::Map { output: None, .. } => Box::new(Map::new()),
        #[cfg(feature = "figures")]
        ViewArgs::Map { output: Some(output), .. } => Box::new(crate::picture::Drawn::new(output)?),
        #[cfg(not(feature = "figures"))]
        ViewArgs::Map { output: Some(_), .. } => {
            bail!("this faults was built without figures: cargo build --package faults --features full")
        }
    })
}

fn watch_live(path: &Path, args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let common = args.common();
    if let (ViewArgs::Latency { .. }, true) = (args, common.how.no_latency) {
        bail!("latency and --no-latency exclude each other");
    }
    let view = make(args)?;
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    let device = feed::open(path)?;
    let (options, mut command) = feed::options(&common.who, &common.how)?;
    let began = now();
    let mut feed = Feed::start(&device, path, &options, Pace::Prompt)?;
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().context("standard output")?);
    let mut out = Patient::new(stdout, common.format()).context("standard output")?;
    let has_switches = !common.how.no_switches && !common.how.no_latency;
    // The module has filtered.
    let mut session = Session::new(view, Filter::default(), has_switches, Symbols::new(true));
    session.state.start = Some(began);
    match &mut command {
        Some(gate) => gate.open()?,
        None if common.duration.is_none() => eprintln!("faults: recording; SIGINT (Ctrl-C) ends it"),
        None => {}
    }
    let end = common.duration.map(|duration| Instant::now() + duration);
    let mut intervals = Intervals::new(common.interval, Some(began));
    let mut status = None;
    loop {
        let until = feed.next(LOOK, |item| take(&mut session, item, &mut out))?;
        session.tick(until);
        if intervals.has_ended(session.state.now) {
            session.report(&mut out)?;
            session.restart();
            out.note("");
        }
        out.pump()?;
        if let Some(gate) = &mut command {
            status = gate.ended()?;
        }
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || status.is_some() || signals.arrived().is_some() {
            break;
        }
    }
    let stopped = now();
    let totals = feed.finish(|item| take(&mut session, item, &mut out))?;
    session.finish(&mut out);
    session.tick(stopped);
    let losses = &mut session.state.losses;
    (losses.late, losses.unknown, losses.unprinted) = (totals.late, totals.unknown, out.unprinted());
    session.report(&mut out)?;
    match out.finish(|| signals.arrived().is_none()) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            bail!("interrupted while the output was not being read; its end is missing")
        }
        other => other?,
    }
    Ok(status.map_or(ExitCode::SUCCESS, trace::command::code))
}

fn take<V: View>(session: &mut Session<V>, item: Item<'_>, out: &mut dyn Out) {
    match item {
        Item::Event(timed) => session.take(timed, out),
        Item::Change(change) => session.change(change),
    }
}

fn report(path: &Path, args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let common = args.common();
    if common.duration.is_some() || !common.who.command.is_empty() {
        bail!("a recording has its length: report takes neither --duration nor COMMAND");
    }
    let view = make(args)?;
    let mut recording = Recording::open(path)?;
    let filter = Filter {
        pids: common.who.pid.iter().map(|pid| pid.unsigned_abs()).collect(),
        names: common.who.name.iter().cloned().collect(),
        cpus: vec![],
        follow: common.who.follow,
    };
    let signals = Signals::block(&[]).context("cannot take signals")?;
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().context("standard output")?);
    let mut out = Writer::new(Output::new(stdout, &signals)?, common.format());
    let mut session = Session::new(view, filter, recording.has_switches(), Symbols::new(false));
    let mut intervals = Intervals::new(common.interval, None);
    let mut is_first = true;
    while let Some(mut part) = recording.next_part()? {
        if std::mem::take(&mut is_first) {
            session.state = std::mem::take(&mut part.checkpoint);
        }
        part.names.iter().for_each(|(pid, text)| session.symbols.add_jit(*pid, text));
        let mut reported = Ok(());
        part.each(|item| {
            if matches!(&item, Item::Event(timed) if intervals.has_ended(timed.ns)) && reported.is_ok() {
                reported = session.report(&mut out);
                session.restart();
                out.note("");
            }
            take(&mut session, item, &mut out);
        });
        reported?;
        out.check()?;
        if signals.arrived().is_some() {
            break;
        }
    }
    session.finish(&mut out);
    session.report(&mut out)?;
    recording.header().words(session.state.elapsed()).iter().for_each(|line| out.note(line));
    if let Some(end) = recording.ending() {
        out.note(&end);
    }
    out.check()?;
    Ok(ExitCode::SUCCESS)
}

fn export(args: &Export) -> anyhow::Result<ExitCode> {
    crate::perfetto::export(&args.file, &args.perfetto, ns(args.over))?;
    Ok(ExitCode::SUCCESS)
}
