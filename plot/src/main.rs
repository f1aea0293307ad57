// SPDX-License-Identifier: GPL-2.0

//! `plot`: draws profiles.

mod draw;

use anyhow::Result;
use clap::Parser;
use plot::cli::Arguments;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is gone, the status still counts.
            let _ = writeln!(io::stderr(), "plot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let said = draw::profiles(arguments)?;
    io::stdout().lock().write_all(said.as_bytes())?;
    Ok(())
}

/// The reader of the output has closed it: no failure of this program.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
