// SPDX-License-Identifier: GPL-2.0

//! `faults`: every page fault of some processes.

use clap::Parser;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    faults::run::run(faults::cli::Cli::parse()).unwrap_or_else(|error| {
        let is_broken_pipe = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::BrokenPipe);
        if is_broken_pipe {
            // Its reader has read enough.
            return ExitCode::SUCCESS;
        }
        eprintln!("faults: {error:#}");
        ExitCode::FAILURE
    })
}
