// SPDX-License-Identifier: GPL-2.0

//! `studies`: draws, tabulates and reports the case studies.

mod cli;
mod commands;
mod describe;

use anyhow::Result;
use clap::Parser;
use cli::Command;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&cli::Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "studies: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    let said = match command {
        Command::Case1(figures) => commands::case1(figures)?,
        Command::Case2(figures) => commands::case2(figures)?,
        Command::Summary(directory) => commands::summary(&directory.dir)?,
        Command::Report(report) => commands::report(report)?,
        Command::Describe(describe) => describe::describe(describe)?,
        Command::Matches(matches) => describe::matches(matches)?,
    };
    io::stdout().lock().write_all(said.as_bytes())?;
    Ok(())
}

/// The reader of the output has closed it: no failure of this program.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
