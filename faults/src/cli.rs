// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::view::top::By;
use abi::device::DEVICE_PATH;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use trace::table::Format;
use trace::time::{parse_milliseconds, parse_seconds};

const EXAMPLES: &str = "\
Examples:
  faults top -- make                       the mappings that make and all it starts touch
  faults top --by function --pid 1234 --duration 10
  faults latency --over 10ms --name postgres
  faults record -o run.faults -- ./program
  faults report run.faults latency         any view of a recording
  faults report run.faults map -o run      run.svg, run.png, run.html: address against time
  faults export run.faults --perfetto run.pftrace

A view ends after --duration, with COMMAND, or at SIGINT or SIGTERM, and then prints its tables. What was lost is always said.

Exit status: 0 done or interrupted, or the reader of a pipe gone; that of COMMAND, if one was run; 1 failed; 2 wrong usage";

/// Every page fault of some processes: where, by what code, of what kind, and how long it took.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,

    /// The module's device
    #[arg(long, value_name = "PATH", default_value = DEVICE_PATH, global = true)]
    pub device: PathBuf,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// A view of what happens now.
    #[command(flatten)]
    View(View),

    /// Write the faults, and what is needed to name them, to a file
    Record(Record),

    /// A view of a recording
    Report {
        /// The recording
        file: PathBuf,
        /// The view
        #[command(subcommand)]
        view: View,
    },

    /// Write a recording for other programs
    Export(Export),

    /// Wait for the word, then execute COMMAND: what `-- COMMAND` runs first.
    #[command(hide = true)]
    Gate {
        /// A descriptor to read from.
        descriptor: i32,
        /// What to execute.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// The views.
#[derive(Subcommand, Debug)]
pub enum View {
    /// What has the most faults: mappings, functions, lines, threads or kinds
    Top {
        /// What rows are
        #[arg(long, value_enum, default_value_t)]
        by: By,
        /// Rows
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        rows: usize,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// How long faults take: by kind, where the time goes, and the slowest ones with what they waited for
    Latency {
        /// The N slowest
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        rows: usize,
        /// Print each fault of at least so long (10ms, 500us) as it ends
        #[arg(long, value_name = "TIME", value_parser = parse_milliseconds)]
        over: Option<Duration>,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// Address against time: a table of the touched parts of the address space, and with -o a picture
    Map {
        /// Draw OUT.svg, OUT.png and OUT.html, or only the one that OUT ends with
        #[arg(short, long, value_name = "OUT")]
        output: Option<PathBuf>,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// How much memory is touched, and how much of it comes back after it was evicted
    Wss {
        /// Mappings
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        rows: usize,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },
}

impl View {
    /// The options that all views have.
    pub fn common(&self) -> &Common {
        match self {
            View::Top { common, .. }
            | View::Latency { common, .. }
            | View::Map { common, .. }
            | View::Wss { common, .. } => common,
        }
    }
}

/// Whose faults.
#[derive(Args, Debug, Clone, Default)]
pub struct Who {
    /// Only these processes
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,

    /// Only processes whose name contains NAME, now or later
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// With --pid or --name: also the children of these processes, theirs, and so on
    #[arg(long)]
    pub follow: bool,

    /// Run COMMAND and record it and its children from the first instruction of each; ends with it
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["pid", "name"])]
    pub command: Vec<OsString>,
}

/// How faults are recorded.
#[derive(Args, Debug, Clone, Default)]
pub struct How {
    /// Record only that a fault begins: it costs less, and neither its time nor its end is known
    #[arg(long)]
    pub no_latency: bool,

    /// Do not record switches and wake-ups: what a fault waited for is not known
    #[arg(long)]
    pub no_switches: bool,

    /// Records of each CPU's ring, a power of two (default: 65536, 2 MiB)
    #[arg(long, value_name = "RECORDS", default_value_t = 0, hide_default_value = true)]
    pub ring: u32,
}

/// What all views take.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// Whose faults.
    #[command(flatten)]
    pub who: Who,

    /// How they are recorded.
    #[command(flatten)]
    pub how: How,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub duration: Option<Duration>,

    /// Print the tables every so many seconds, each for that interval
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub interval: Option<Duration>,

    /// An object a line
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Tables as CSV, each below a line with its name
    #[arg(long)]
    pub csv: bool,
}

impl Common {
    /// How to write.
    pub fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        }
    }
}

/// Options of `record`.
#[derive(Args, Debug)]
pub struct Record {
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Whose faults.
    #[command(flatten)]
    pub who: Who,

    /// How they are recorded.
    #[command(flatten)]
    pub how: How,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub duration: Option<Duration>,
}

/// Options of `export`.
#[derive(Args, Debug)]
pub struct Export {
    /// The recording
    pub file: PathBuf,

    /// A trace for Perfetto's UI and trace_processor: faults beside the switches
    #[arg(long, value_name = "OUT")]
    pub perfetto: PathBuf,

    /// Faults of at least so long become slices of their thread; all are in the counters
    #[arg(long, value_name = "TIME", value_parser = parse_milliseconds, default_value = "100us")]
    pub over: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_help_shows_is_understood() {
        for line in EXAMPLES.lines().map(str::trim).filter(|line| line.starts_with("faults ")) {
            let line = line.split("  ").next().unwrap_or(line);
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn every_view_has_every_way_of_saying_whose() {
        for view in ["top --by kind", "latency", "map -o x", "wss"] {
            for who in ["--pid 1,2 --follow", "--name x", "-- sh -c true"] {
                let line = format!("faults {view} --no-latency --json {who}");
                assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
            }
        }
    }
}
