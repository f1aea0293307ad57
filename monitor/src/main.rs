// SPDX-License-Identifier: GPL-2.0

//! `monitor`: prints what the mp3 module has sampled.

mod progress;
mod waiting;

use anyhow::Context;
use clap::Parser;
use client::machine::Machine;
use client::output::{say, Output};
use client::poller::Poller;
use client::signals::Signals;
use client::Device;
use format::json::Json;
use format::processes::Csv;
use format::profile::Text;
use format::Format;
use monitor::cli::Cli;
use monitor::{record, RecordError, Sink};
use nix::sys::signal::Signal;
use progress::Progress;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use waiting::Waiting;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the output: no failure of this program.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("monitor: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    let options = cli.options()?;
    let device = Device::open(&cli.device)?;
    let ring = device.samples()?;
    let file = match &cli.output {
        Some(path) => {
            let file = File::options().write(true).create(true).truncate(false).open(path);
            file.with_context(|| path.display().to_string())?
        }
        None => File::from(duplicate(io::stdout())?),
    };
    let mut progress = Progress::new(&cli.device, options.users.clone(), &file);
    let mut output = match cli.output {
        Some(_) => Output::replacing(file, &signals)?,
        None => Output::new(file, &signals)?,
    };
    let mut format: Box<dyn Format> = match (cli.per_process, cli.json) {
        (true, _) => Box::new(Csv),
        (_, true) => Box::new(Json),
        _ => Box::new(Text),
    };
    let poller = Poller::new(&signals, duplicate(&output)?);
    let mut waiting = Waiting::new(&device, poller, &mut progress);
    let sink = Sink { format: format.as_mut(), output: &mut output };
    let mut machine = Machine::this(ring.header());
    if device.is_image() {
        machine.wall_clock_offset_ns = None;
    }
    let recorded = record(ring.memory(), ring.header(), machine, options, sink, &mut waiting);
    progress.clear();
    let recorded = recorded.map_err(|error| name_output(error, cli))?;
    say(format_args!("{}", recorded.summary.to_string().trim_end()));
    Ok(())
}

fn duplicate(file: impl AsFd) -> anyhow::Result<OwnedFd> {
    file.as_fd().try_clone_to_owned().context("cannot duplicate a descriptor")
}

/// Says where the output went that could not be written.
fn name_output(error: RecordError, cli: &Cli) -> anyhow::Error {
    let is_write = matches!(error, RecordError::Write(_));
    let error = anyhow::Error::new(error);
    match &cli.output {
        Some(path) if is_write => error.context(path.display().to_string()),
        None if is_write => error.context("standard output"),
        _ => error,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(RecordError::Write(error) | RecordError::Wait(error)) => error.kind() == io::ErrorKind::BrokenPipe,
        _ => false,
    }
}
