// SPDX-License-Identifier: GPL-2.0

//! `plot`: draws profiles and studies.

mod bench;
mod cli;
mod draw;
mod studies;

use anyhow::Result;
use clap::Parser;
use cli::Command;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &cli::Arguments) -> Result<()> {
    let said = match (&arguments.command, &arguments.profiles) {
        (Some(Command::Case1(figures)), _) => studies::case1(figures)?,
        (Some(Command::Case2(figures)), _) => studies::case2(figures)?,
        (Some(Command::Summary(directory)), _) => studies::summary(&directory.dir)?,
        (Some(Command::Report(report)), _) => studies::report(report)?,
        (Some(Command::Bench(bench)), _) => bench::draw(bench)?,
        (None, Some(profiles)) => draw::profiles(profiles)?,
        // clap asks for files or a command before it comes to this.
        (None, None) => String::new(),
    };
    io::stdout().lock().write_all(said.as_bytes())?;
    Ok(())
}

/// Whoever read our output has seen enough: no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
