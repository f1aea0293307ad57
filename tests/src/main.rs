// SPDX-License-Identifier: GPL-2.0

//! `mp3-tests`: the module's tests. They run as root in a virtual machine that is theirs alone, and load the module
//! themselves, each test with the parameters that it needs.
//!
//! Suites whose name begins with `timing` measure time. They run in a guest whose clock counts instructions, where a busy host
//! cannot make them fail. All others run on two or more CPUs in real time.

mod attack;
mod before;
mod cgroup;
mod debugfs;
mod fuzz;
mod harness;
mod injection;
mod interrupts;
mod kmemleak;
mod null_blk;
mod offline;
mod planted;
mod process;
mod process_vm;
mod programs;
mod seccomp;
mod setting;
mod shared;
mod suites;
mod test;
mod userfaultfd;
mod zram;

use clap::Parser;
use std::process::ExitCode;
use testkit::files;

/// Tests mp3.ko in this machine, which must be a virtual one that nothing else runs in.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Runs tests whose name contains one of these. Without any: all but timing, histories, stress and fuzz.
    filters: Vec<String>,
    /// Prints the names of the tests and ends.
    #[arg(long)]
    list: bool,
    /// Takes tests that go wrong on purpose instead.
    #[arg(long, hide = true)]
    planted: bool,
    /// Runs each test this often.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// The module.
    #[arg(long, default_value = "/root/mp3.ko")]
    module: std::path::PathBuf,
    /// The directory of `work`, `userapp` and `monitor`.
    #[arg(long, default_value = "/root")]
    programs: std::path::PathBuf,
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == suites::histories::ARGUMENT) {
        suites::histories::resume(&words[2..]);
    }
    let arguments = Arguments::parse();
    let all = if arguments.planted { planted::tests() } else { suites::all() };
    let tests: Vec<_> = all.into_iter().filter(|test| wanted(&test.name(), &arguments.filters)).collect();
    if arguments.list {
        for test in tests {
            // As libtest prints it.
            println!("{}: test", test.name());
        }
        return ExitCode::SUCCESS;
    }
    files::set(arguments.module, arguments.programs);
    harness::run(&tests, arguments.repeat).unwrap_or_else(|error| {
        eprintln!("mp3-tests: {error:#}");
        ExitCode::FAILURE
    })
}

fn wanted(name: &str, filters: &[String]) -> bool {
    if filters.is_empty() {
        // Long by their nature: make stress, make fuzz.
        !["timing", "stress", "fuzz", "histories"].iter().any(|suite| name.starts_with(suite))
    } else {
        filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}
