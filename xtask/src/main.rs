// SPDX-License-Identifier: GPL-2.0

//! `xtask`: what parses, judges or decides on the way from the sources to a tested project. `vm/xtask` builds and runs it; what
//! needs no compiler, or comes before one, is bash in `vm/`.
//!
//! | module | what it knows |
//! |---|---|
//! | [`runner`] | the test runners: their commands, where they run, their limits |
//! | [`results`] | what a runner prints, as test names and outcomes |
//! | [`expected`] | the committed lists of tests, and what is missing |
//! | [`stage`] | a step that is announced and timed |
//! | [`test`] | `make test`: runs runners, and ends with the total |
//! | [`fuzz`] | `make fuzz-host` and `make fuzz-keep` |
//! | [`fleet`] | `make fleet`: three guests, watched |
//! | [`screen`] | a terminal's screen as a picture |
//! | [`kernels`] | the kernels that were tried, and the page about them |

mod expected;
mod fleet;
mod fuzz;
mod kernels;
mod results;
mod runner;
mod screen;
mod stage;
mod test;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use runner::Place;
use std::path::Path;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", about = "What parses, judges or decides on the way from the sources to a tested project")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the tests of these places, and ends with the total: "N passed, N failed[, N skipped]"
    Test {
        #[arg(required = true)]
        places: Vec<Place>,
    },
    /// Writes the tests that there are now into xtask/expected/; `make test` fails where one of them does not run
    Expected {
        /// Only these lists (all without)
        lists: Vec<String>,
    },
    /// Prints how many tests passed, failed and were skipped by what a runner printed into FILE
    Total { file: std::path::PathBuf },
    /// The readers of foreign data against libFuzzer (nightly Rust)
    #[command(subcommand)]
    Fuzz(fuzz::Command),
    /// The kernels on which the module was tried
    #[command(subcommand)]
    Kernels(kernels::Command),
    /// Three guests under load, scraped by Prometheus: rules, alerts, a dashboard's queries, their traces by DuckDB
    Fleet(fleet::Options),
    /// Takes what `make fleet-cost` has measured over into fleet/cost.tsv and docs/fleet.md
    FleetCost,
    /// Draws a screen, as `tmux capture-pane -p -e` prints it, as SVG
    Screen {
        /// What tmux has printed
        from: std::path::PathBuf,
        /// Where to
        to: std::path::PathBuf,
    },
    /// What cargo runs a test binary with: says on stdout which package's it is
    #[command(hide = true)]
    TestBinary {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    if let Command::TestBinary { command } = command {
        return Err(runner::become_test_binary(&command));
    }
    if let Command::Total { file } = command {
        return test::print_total(&file);
    }
    // All paths are the checkout's.
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the checkout")?;
    std::env::set_current_dir(top).with_context(|| top.display().to_string())?;
    match command {
        Command::Test { places } => test::run(&places),
        Command::Expected { lists } => test::write_expected(&lists).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(command) => fuzz::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Screen { from, to } => screen::draw(&from, &to).map(|()| ExitCode::SUCCESS),
        Command::Kernels(command) => kernels::run(&command).map(|()| ExitCode::SUCCESS),
        Command::FleetCost => fleet::cost::keep().map(|()| ExitCode::SUCCESS),
        Command::Fleet(options) => fleet::run(&options).map(|()| ExitCode::SUCCESS),
        Command::TestBinary { .. } | Command::Total { .. } => unreachable!("returned above"),
    }
}
