// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::{Begin, End, Options};
use abi::device::DEVICE_PATH;
use clap::Parser;
use client::users::{NoSuchUser, Users};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  userapp 200 R 10000 &                     something to profile;
  monitor > profile.data                    a line a tick until it is gone: jiffies, minor faults, major faults,
                                            ns of CPU time, each for the interval that ends there
  monitor --per-process -o processes.csv    a row a process and tick, totals since registration
  monitor --json --follow | jq .comm        an object a record, until interrupted

A summary goes to stderr at the end, and as '# key: value' lines to the end of text and CSV files. SIGINT and SIGTERM
end a recording in the same way.

Exit status: 0 done, interrupted with everything written, or the reader of a pipe gone; 1 failed; 2 wrong usage";

/// Prints what the mp3 module has sampled: of the profile that is running, or of the last one, from its first record on,
/// until the last registered process is gone.
///
/// A profile is what you registered; under sudo, what root or you did. Processes that other users register neither appear
/// in it nor make it longer. If nothing has been sampled yet, it waits.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// CSV: a row a record, with PID and command name
    #[arg(long, conflicts_with = "json")]
    pub per_process: bool,

    /// JSON: an object a line for each record, with the fields of --per-process
    #[arg(long)]
    pub json: bool,

    /// Print what is there, and end
    #[arg(long, conflicts_with = "follow")]
    drain: bool,

    /// Go on when the last registered process is gone, until interrupted
    #[arg(long)]
    follow: bool,

    /// Begin with the oldest record in the ring, whatever profile it belongs to and whoever registered the process
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

    /// The module's device
    #[arg(long, value_name = "PATH", default_value = DEVICE_PATH)]
    pub device: PathBuf,
}

impl Cli {
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
