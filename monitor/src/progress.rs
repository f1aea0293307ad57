// SPDX-License-Identifier: GPL-2.0

//! Messages on stderr during a recording.

use client::output::say;
use client::users::Users;
use monitor::Summary;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The terminal is written to no more often.
const EVERY: Duration = Duration::from_millis(200);

/// A line that is written over and over, if stderr is a terminal that the profile does not go to.
pub struct Progress {
    device: PathBuf,
    users: Users,
    is_shown: bool,
    last: Option<Instant>,
}

impl Progress {
    /// Progress of a recording from `device` to `output` of what `users` registered.
    pub fn new(device: &Path, users: Users, output: &impl IsTerminal) -> Self {
        let is_shown = io::stderr().is_terminal() && !output.is_terminal();
        Progress { device: device.to_owned(), users, is_shown, last: None }
    }

    /// Clears the line.
    pub fn clear(&mut self) {
        if self.last.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// The users have nothing registered, and there is nothing to print; other users have registered `others` processes.
    pub fn nothing_yet(&mut self, others: u64) {
        self.clear();
        let device = self.device.display();
        if others == 0 {
            say(format_args!("monitor: {device}: no process is registered; waiting for one (userapp register PID)"));
            return;
        }
        let (users, is) = (&self.users, if others == 1 { "is 1" } else { &format!("are {others}") });
        say(format_args!(
            "monitor: {device}: no process is registered by {users}; waiting for one (userapp register PID). There {is} of \
             other users: see --user and --all-users"
        ));
    }

    /// Shows what has been recorded so far.
    pub fn show(&mut self, summary: &Summary) {
        if !self.is_shown || summary.samples == 0 || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let totals = &summary.totals;
        // Progress that cannot be shown is no failure.
        let _ = write!(
            io::stderr(),
            "\r\x1b[K{:.1} s: {} samples, {} minor and {} major faults, {:.3} s CPU, {} lost",
            summary.duration_ns as f64 / 1e9,
            summary.samples,
            totals.minor_faults,
            totals.major_faults,
            totals.cpu_ns() as f64 / 1e9,
            summary.lost
        );
    }
}
