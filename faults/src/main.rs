// SPDX-License-Identifier: GPL-2.0

//! `faults`: every page fault of some processes.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    trace::command::exit("faults", faults::run::run(faults::cli::Cli::parse()))
}
