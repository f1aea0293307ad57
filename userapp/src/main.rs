// SPDX-License-Identifier: GPL-2.0

//! `userapp`: registers programs with the mp3 module.
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`profile`] | the workload, registered while it runs |
//! | [`run`] | any other program, registered before its first instruction |
//! | [`ended`] | how a program ended, and what it used |
//! | [`list`] | what is registered |
//! | [`signals`] | stopping early, with everything put back |
//! | [`report`] | process times at the end |

mod ended;
mod list;
mod profile;
mod report;
mod run;
mod signals;

use abi::command::Command;
use clap::Parser;
use client::commands::{self, status_path, Status, StatusError};
use client::output::say;
use nix::errno::Errno;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use userapp::cli::{Action, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let path = status_path();
    let done = match (cli.action, cli.workload) {
        (Some(Action::Run(command)), _) => run::run(&path, &command),
        (Some(Action::Register { pids }), _) => for_each(&path, Command::Register, &pids),
        (Some(Action::Unregister { all: true, .. }), _) => unregister_all(&path),
        (Some(Action::Unregister { pids, .. }), _) => for_each(&path, Command::Unregister, &pids),
        (Some(Action::List { json }), _) => list::list(&path, json).map(|()| ExitCode::SUCCESS),
        (None, Some(args)) => profile::profile(&path, &args, cli.json),
        // clap requires one of them.
        (None, None) => Ok(ExitCode::from(2)),
    };
    done.unwrap_or_else(|error| {
        match error.downcast_ref::<io::Error>() {
            // The reader has closed the output: no failure of this program.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            _ => {
                say(format_args!("userapp: {error:#}"));
                ExitCode::FAILURE
            }
        }
    })
}

/// One write for each PID. A failure is reported, and the others are still tried.
fn for_each(path: &Path, command: fn(i32) -> Command, pids: &[i32]) -> anyhow::Result<ExitCode> {
    let status = Status::open(path)?;
    let mut code = ExitCode::SUCCESS;
    for &pid in pids {
        if let Err(error) = status.write(command(pid)) {
            say(format_args!("userapp: {error}"));
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Unregisters every process that may be unregistered. Those of other users stay, and one that ends meanwhile is no error.
fn unregister_all(path: &Path) -> anyhow::Result<ExitCode> {
    let lines = commands::list(path)?;
    let status = Status::open(path)?;
    let mut others = 0;
    for line in lines {
        match status.write_errno(Command::Unregister(line.pid)) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(Errno::EPERM) => others += 1,
            Err(errno) => {
                return Err(StatusError::Refused { command: Command::Unregister(line.pid), errno }.into());
            }
        }
    }
    if others > 0 {
        say(format_args!("userapp: {others} processes of other users stay registered"));
    }
    Ok(ExitCode::SUCCESS)
}
