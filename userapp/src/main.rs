// SPDX-License-Identifier: GPL-2.0

//! `userapp`: registers programs with the mp3 module.
//!
//! | module | what it knows |
//! |---|---|
//! | [`userapp::cli`] | the command line |
//! | [`status`] | `/proc/mp3/status`, and what its errors mean |
//! | [`profile`] | the workload, registered while it runs |
//! | [`run`] | any other program, registered before its first instruction |
//! | [`list`] | what is registered |
//! | [`signals`] | stopping early, with everything put back |
//! | [`report`] | process times at the end |

mod list;
mod profile;
mod report;
mod run;
mod signals;
mod status;

use clap::Parser;
use status::{Status, Verb};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use userapp::cli::{self, Action, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let path = cli::status_path();
    let done = match (cli.action, cli.workload) {
        (Some(Action::Run(command)), _) => run::run(&path, &command),
        (Some(Action::Register { pids }), _) => for_each(&path, Verb::Register, &pids),
        (Some(Action::Unregister { pids }), _) => for_each(&path, Verb::Unregister, &pids),
        (Some(Action::List), _) => list::list(&path).map(|()| ExitCode::SUCCESS),
        (None, Some(args)) => profile::profile(&path, &args, cli.json),
        // clap demands one of both.
        (None, None) => Ok(ExitCode::from(2)),
    };
    done.unwrap_or_else(|error| {
        match error.downcast_ref::<io::Error>() {
            // Whoever read this has read enough.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            _ => {
                eprintln!("userapp: {error:#}");
                ExitCode::FAILURE
            }
        }
    })
}

/// One write for each PID. What fails is reported and does not keep the others from their turn.
fn for_each(path: &Path, verb: Verb, pids: &[i32]) -> anyhow::Result<ExitCode> {
    let status = Status::open(path)?;
    let mut code = ExitCode::SUCCESS;
    for &pid in pids {
        if let Err(error) = status.write(verb, pid) {
            eprintln!("userapp: {error}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
