// SPDX-License-Identifier: GPL-2.0

//! The command line.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use work::args::WorkloadArgs;

const EXAMPLES: &str = "\
Examples:
  userapp 200 R 10000 &                  200 MB, 20 x 10000 stores at random places, profiled;
  monitor > profile.data                 and what the module saw of it
  userapp run --follow -- make -j4       any program, from before its first instruction, with all its descendants
  userapp register $(pidof postgres)     programs that are running already

Exit status: 0 done, 1 failed, 2 wrong usage; run: that of COMMAND (126, 127 if it could not be started, 128 + N if
signal N ended it)";

/// Registers programs with the mp3 module, which counts their page faults and CPU time.
///
/// With a size, a pattern and a number of accesses: registers itself, runs that workload, unregisters, and ends with its
/// process times and page faults. A workload stores bytes all over some memory, in iterations with a pause after each; every
/// page of 4 KiB costs one minor page fault, when it is first stored to.
#[derive(Parser, Debug)]
#[command(
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do: the workload,
    #[command(flatten)]
    pub workload: Option<WorkloadArgs>,

    /// Print the process times as one JSON object; times in s and ns
    #[arg(long)]
    pub json: bool,

    /// or anything else.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What is done with programs.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Run a program, registered before its first instruction
    Run(RunArgs),
    /// Register running processes, all threads of each
    Register {
        /// Processes, in this PID namespace
        #[arg(value_name = "PID", required = true, value_parser = clap::value_parser!(i32).range(1..))]
        pids: Vec<i32>,
    },
    /// Stop profiling processes
    Unregister {
        /// Processes, in this PID namespace
        #[arg(value_name = "PID", required_unless_present = "all", value_parser = clap::value_parser!(i32).range(1..))]
        pids: Vec<i32>,

        /// All registered processes that are yours to unregister
        #[arg(long, conflicts_with = "pids")]
        all: bool,
    },
    /// List the registered processes: PID, user CPU time in s, command name
    List {
        /// One JSON object per line: pid, user_ns, comm
        #[arg(long)]
        json: bool,
    },
}

/// A program to run, and how to report on it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  userapp run -- dd if=/dev/zero of=/dev/null bs=64M count=10\n\n\
Process times and page faults go to stderr when COMMAND has ended. Its exit status is passed on: 128 + N if signal N\n\
ended it, 127 if there is no such program, 126 if it cannot be executed, 1 if it could not be registered.")]
pub struct RunArgs {
    /// Print the process times as one JSON object on stderr; times in s and ns
    #[arg(long)]
    pub json: bool,

    /// Profile all descendants, too, each from its first instruction
    #[arg(long)]
    pub follow: bool,

    /// The program and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}
