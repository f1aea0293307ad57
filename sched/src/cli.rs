// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::flight::When;
use abi::device::DEVICE_PATH;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use trace::table::Format;
use trace::time::{parse_milliseconds, parse_seconds};

const EXAMPLES: &str = "\
Examples:
  sched top --duration 10                  processes by CPU time, of the next 10 s
  sched latency --over 10ms -- make -j4    waits for a CPU while make runs, each of 10 ms or more as it ends
  sched watch stress                       what processes named *stress* start and where their time goes
  sched record -o boot.sched --duration 60 everything, into a file;
  sched report boot.sched latency          the same views on it
  sched export boot.sched --perfetto boot.pftrace
  sched record -o slow.sched --before 10 --after 5 --when 'latency > 20ms'

A view ends after --duration, with COMMAND, or at SIGINT or SIGTERM, and then prints its tables. What was lost is always said.

Exit status: 0 done or interrupted, or the reader of a pipe gone; that of COMMAND, if one was run; 1 failed; 2 wrong usage";

/// What the scheduler does: switches, wake-ups, waits, migrations and priority inversions, exact and as they happen.
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

    /// Write everything to a file, for the views, for Perfetto and for figures
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

    /// Draw a recording: a timeline of each CPU and the waits for a CPU, as SVG and PNG
    Plot(Plot),
}

/// The views.
#[derive(Subcommand, Debug)]
pub enum View {
    /// Context switches of each CPU: voluntary, involuntary, from idle
    Switches {
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// Processes by CPU time, with switches, slices and waits
    Top {
        /// Rows
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        rows: usize,
        /// Threads instead of processes
        #[arg(long)]
        threads: bool,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// Each switch as it happens: who left, after how long and in what state, and who came
    Events {
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// Processes whose name contains NAME, those started later and their children: forks, programs, times
    Watch {
        /// Part of the name
        watched: String,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// How long threads wait for a CPU after a wake-up, a preemption and their start
    Latency {
        /// Print each wait of at least so long (10ms, 500us), with what ran meanwhile
        #[arg(long, value_name = "TIME", value_parser = parse_milliseconds)]
        over: Option<Duration>,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// What threads sleep for: block I/O, a futex, a system call; how long, and who wakes them
    Blocked {
        /// Rows
        #[arg(short = 'n', long, value_name = "N", default_value_t = 40)]
        rows: usize,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// On which CPUs processes and threads run, and how often they migrate
    Affinity {
        /// Rows
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        rows: usize,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },

    /// Priority inversions, direct and through a lock, and inherited priorities
    Inversions {
        /// Only those of at least so long
        #[arg(long = "for", value_name = "TIME", value_parser = parse_milliseconds, default_value = "1ms")]
        at_least: Duration,
        /// Common options.
        #[command(flatten)]
        common: Common,
    },
}

impl View {
    /// The options that all views have.
    pub fn common(&self) -> &Common {
        match self {
            View::Switches { common }
            | View::Top { common, .. }
            | View::Events { common }
            | View::Watch { common, .. }
            | View::Latency { common, .. }
            | View::Blocked { common, .. }
            | View::Affinity { common, .. }
            | View::Inversions { common, .. } => common,
        }
    }
}

/// What all views take.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// Only these processes or threads
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..1 << 22))]
    pub pid: Vec<u32>,

    /// Only processes and threads whose name contains NAME
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,

    /// With --pid: also the children of these processes, theirs, and so on
    #[arg(long, requires = "pid")]
    pub follow: bool,

    /// Only these CPUs
    #[arg(long, value_name = "CPU", value_delimiter = ',')]
    pub cpu: Vec<u32>,

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

    /// Records of each CPU's ring, a power of two (default: 65536, 2 MiB)
    #[arg(long, value_name = "RECORDS", default_value_t = 0, hide_default_value = true)]
    pub ring: u32,

    /// Run COMMAND and follow it and its children; ends with it
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["pid", "name"])]
    pub command: Vec<OsString>,
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

    /// Only these processes
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,

    /// Only processes whose name contains NAME, now or later
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// With --pid or --name: also the children of these processes, theirs, and so on
    #[arg(long)]
    pub follow: bool,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub duration: Option<Duration>,

    /// Also record interrupts
    #[arg(long)]
    pub interrupts: bool,

    /// Also record the samples of registered processes: page faults and CPU time
    #[arg(long)]
    pub samples: bool,

    /// Records of each CPU's ring, a power of two (default: 65536, 2 MiB)
    #[arg(long, value_name = "RECORDS", default_value_t = 0, hide_default_value = true)]
    pub ring: u32,

    /// Where a ring is full, drop the new record instead of the oldest; nothing else can trace meanwhile
    #[arg(long)]
    pub discard: bool,

    /// Flight recorder: keep so many seconds before what --when describes, or SIGUSR1
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub before: Option<Duration>,

    /// Flight recorder: and so many seconds after it
    #[arg(long, value_name = "S", value_parser = parse_seconds, requires = "before")]
    pub after: Option<Duration>,

    /// Flight recorder: 'latency > TIME', 'exit' (a process ends with an error), or 'signal' (a signal ends one)
    #[arg(long, value_name = "CONDITION", requires = "before")]
    pub when: Option<When>,

    /// Run COMMAND; ends with it
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Options of `export`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("to").required(true).multiple(true)))]
pub struct Export {
    /// The recording
    pub file: PathBuf,

    /// A trace for Perfetto's UI and trace_processor
    #[arg(long, value_name = "OUT", group = "to")]
    pub perfetto: Option<PathBuf>,

    /// A directory of tables in Parquet, one for each kind of event
    #[arg(long, value_name = "DIR", group = "to")]
    pub parquet: Option<PathBuf>,
}

/// Options of `plot`.
#[derive(Args, Debug)]
pub struct Plot {
    /// The recording
    pub file: PathBuf,

    /// Beginning of the files' names: OUT-timeline.svg, OUT-timeline.png, OUT-latency.svg, OUT-latency.png
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,

    /// Only these CPUs
    #[arg(long, value_name = "CPU", value_delimiter = ',')]
    pub cpu: Vec<u32>,

    /// Begin so many seconds after the recording's start
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub from: Option<Duration>,

    /// Draw so many seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub length: Option<Duration>,
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
        for line in EXAMPLES.lines().map(str::trim).filter(|line| line.starts_with("sched ")) {
            let line = line.split("  ").next().unwrap_or(line);
            let words = line.replace('\'', "").replace("latency > 20ms", "latency>20ms");
            let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
            let known = words.iter().take_while(|word| !["everything,"].contains(word));
            assert!(Cli::try_parse_from(known).is_ok(), "{line}");
        }
    }
}
