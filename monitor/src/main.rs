// SPDX-License-Identifier: GPL-2.0

//! `monitor`: prints what the mp3 module has sampled.

mod open;
mod progress;
mod waiting;

use abi::command::Command;
use anyhow::Context;
use clap::Parser;
use client::commands::{status_path, Registration, Status, StatusError};
use client::launch::Launched;
use client::output::{say, Output};
use client::poller::Poller;
use client::signals::Signals;
use client::source::recording::header_of;
use client::users::Users;
use format::json::Json;
use format::processes::Csv;
use format::profile::Text;
use format::Format;
use monitor::cli::Cli;
use monitor::{keep, record, End, RecordError, Sink};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use open::Opened;
use progress::Progress;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use waiting::{Program, Waiting};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        // The reader has closed the output: no failure of this program.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("monitor: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<u8> {
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    let mut options = cli.options()?;
    let mut opened = Opened::new(cli)?;
    if let Opened::Recording(recording) = &opened {
        // All of it, whatever ends and begins in it.
        options.end = End::Never;
        if cli.takes_own_users() {
            options.users = recording.users();
        }
    } else if matches!(opened, Opened::Proc(_)) {
        options.users = Users::All;
    }
    let path = cli.record.as_ref().or(cli.output.as_ref());
    let file = match path {
        Some(path) => {
            let file = File::options().write(true).create(true).truncate(false).open(path);
            file.with_context(|| path.display().to_string())?
        }
        None => File::from(duplicate(io::stdout())?),
    };
    let mut progress = Progress::new(&cli.device, options.users.clone(), &file);
    let mut output = match path {
        Some(_) => Output::replacing(file, &signals)?,
        None => Output::new(file, &signals)?,
    };
    let mut waiting = Waiting::new(Poller::new(&signals, duplicate(&output)?), &mut progress);
    let status = match opened {
        Opened::Module(_) if !cli.pid.is_empty() || !cli.command.is_empty() => Some(Status::open(&status_path())?),
        _ => None,
    };
    // Before the first registration: its record is the first that is read.
    let registrations = Registrations { status: status.as_ref(), pids: &cli.pid };
    let mut source = opened.source(&options)?;
    let _registered = registrations.begin()?;
    if !cli.command.is_empty() {
        let follow = status.is_some().then(|| Status::open(&status_path())).transpose()?;
        let launched = Launched::start(&cli.command, follow)?;
        source.add(launched.pid());
        waiting.program = Some(Program::new(launched));
    }
    let source = source.as_mut();
    let (said, notice) = match &cli.record {
        Some(_) => {
            let command: Vec<String> = cli.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            let header = header_of(source, &options.users, &command);
            let kept = keep(source, options.users, options.end, &header, &mut output, &mut waiting);
            (kept.map(|kept| kept.to_string()), None)
        }
        None => {
            let mut format: Box<dyn Format> = match (cli.per_process, cli.json) {
                (true, _) => Box::new(Csv),
                (_, true) => Box::new(Json),
                _ => Box::new(Text),
            };
            let sink = Sink { format: format.as_mut(), output: &mut output };
            let recorded = record(source, options.users, options.end, sink, &mut waiting);
            (recorded.map(|recorded| recorded.summary.to_string()), source.notice())
        }
    };
    let program = waiting.program.take();
    progress.clear();
    let said = said.map_err(|error| name_output(error, path))?;
    if let Some(notice) = notice.filter(|_| !cli.drain && !cli.follow) {
        say(format_args!("monitor: {}: {notice}", cli.from.as_ref().unwrap_or(&cli.device).display()));
    }
    say(format_args!("{}", said.trim_end()));
    match program {
        Some(program) => program.wait().context("cannot wait for COMMAND"),
        None => Ok(0),
    }
}

/// Processes that are registered as long as this runs.
struct Registrations<'a> {
    status: Option<&'a Status>,
    pids: &'a [i32],
}

impl<'a> Registrations<'a> {
    fn begin(&self) -> anyhow::Result<Vec<Registration<'a>>> {
        let Some(status) = self.status else { return Ok(vec![]) };
        let mut registered = vec![];
        for &pid in self.pids {
            match status.write_errno(Command::Follow(pid)) {
                Ok(()) => registered.push(Registration::adopt(status, pid)),
                // By its user, who keeps it.
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(StatusError::Refused { command: Command::Follow(pid), errno }.into()),
            }
        }
        Ok(registered)
    }
}

fn duplicate(file: impl AsFd) -> anyhow::Result<OwnedFd> {
    file.as_fd().try_clone_to_owned().context("cannot duplicate a descriptor")
}

/// Says where the output went that could not be written.
fn name_output(error: RecordError, path: Option<&PathBuf>) -> anyhow::Error {
    let is_write = matches!(error, RecordError::Write(_));
    let error = anyhow::Error::new(error);
    match path {
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
