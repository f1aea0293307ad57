// SPDX-License-Identifier: GPL-2.0

//! `sched`: what the scheduler does.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    trace::command::exit("sched", sched::run::run(sched::cli::Cli::parse()))
}
