// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::{Begin, End, Options};
use abi::device::DEVICE_PATH;
use clap::{Parser, ValueEnum};
use client::users::{NoSuchUser, Users};
use std::ffi::OsString;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  userapp 200 R 10000 &                     something to profile;
  monitor > profile.data                    a line a tick until it is gone: jiffies, minor faults, major faults,
                                            ns of CPU time, each for the interval that ends there
  monitor --per-process -o processes.csv    a row a process and tick, totals since registration
  monitor --json --follow | jq .comm        an object a record, until interrupted
  monitor --record make.mp3 -- make -j4     runs a program, records it and its descendants
  monitor --from make.mp3 --per-process     prints a recording, in any format
  monitor --source proc --pid 1234          without the module, from /proc

A summary goes to stderr at the end, and as '# key: value' lines to the end of text and CSV files. SIGINT and SIGTERM
end a recording in the same way.

Exit status: 0 done, interrupted with everything written, or the reader of a pipe gone; 1 failed; 2 wrong usage; with
COMMAND that of COMMAND";

/// Prints what the mp3 module has sampled: of the profile that is running, or of the last one, from its first record on,
/// until the last registered process is gone.
///
/// A profile is what you registered; under sudo, what root or you did. Processes that other users register neither appear
/// in it nor make it longer. If nothing has been sampled yet, it waits.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// CSV: a row a record, with PID and command name
    #[arg(long, conflicts_with_all = ["json", "record"])]
    pub per_process: bool,

    /// JSON: an object a line for each record, with the fields of --per-process; the first and the last line say what the
    /// comments of the other formats do
    #[arg(long, conflicts_with = "record")]
    pub json: bool,

    /// Print what is there, and end
    #[arg(long, conflicts_with = "follow")]
    pub drain: bool,

    /// Go on when the last registered process is gone, until interrupted
    #[arg(long)]
    pub follow: bool,

    /// Begin with the oldest record in the ring, of any profile and of any user
    #[arg(long, conflicts_with = "next")]
    all: bool,

    /// Take what USER registered, a name or an ID, and not what you did. Can be repeated
    #[arg(long, value_name = "USER", conflicts_with = "all_users")]
    user: Vec<String>,

    /// Take what any user registered
    #[arg(long)]
    all_users: bool,

    /// If nothing is registered, wait for the next profile instead of printing the last one
    #[arg(long)]
    next: bool,

    /// Write to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Keep the records as they are in FILE, for --from
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    pub record: Option<PathBuf>,

    /// Print a recording
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "source", "pid", "command", "everything", "drain", "follow", "all", "next"])]
    pub from: Option<PathBuf>,

    /// Where samples come from. What /proc lacks is n/a
    #[arg(long, value_enum, default_value_t = From::Module)]
    pub source: From,

    /// Register these processes and the children that they have from now on, as long as this runs
    #[arg(short, long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Vec<i32>,

    /// From /proc: sample every process
    #[arg(long, conflicts_with_all = ["pid", "command"])]
    pub everything: bool,

    /// From /proc: ticks a second (the module's rate is set when it is loaded) [default: 20]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rate: Option<u64>,

    /// The module's device
    #[arg(long, value_name = "PATH", default_value = DEVICE_PATH)]
    pub device: PathBuf,

    /// Run a program, registered before its first instruction, with its descendants; end with it, and with its exit status
    #[arg(value_name = "COMMAND", last = true, conflicts_with_all = ["drain", "follow", "all", "next"])]
    pub command: Vec<OsString>,
}

/// Where samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The module
    Module,
    /// /proc, without the module
    Proc,
    /// The module if it can be used, else /proc
    Auto,
}

impl Cli {
    /// Whether no option says whose registrations to take.
    pub fn takes_own_users(&self) -> bool {
        self.user.is_empty() && !self.all_users
    }

    /// Whose registrations, where to begin and when to end.
    ///
    /// # Errors
    ///
    /// A user who does not exist.
    pub fn options(&self) -> Result<Options, NoSuchUser> {
        Ok(Options {
            users: match (self.user.as_slice(), self.all_users || self.all) {
                ([], true) => Users::All,
                ([], false) => Users::of_this_process(),
                (names, _) => Users::named(names)?,
            },
            begin: match (self.all, self.next) {
                _ if !self.command.is_empty() => Begin::Now,
                (true, _) => Begin::Oldest,
                (_, true) => Begin::Next,
                _ => Begin::Profile,
            },
            end: match (self.drain, self.follow) {
                (true, _) => End::Drained,
                (_, true) => End::Never,
                _ => End::LastProcess,
            },
        })
    }
}
