// SPDX-License-Identifier: GPL-2.0

//! Waiting for the module's records, with progress for the user.

use crate::progress::Progress;
use client::launch::Launched;
use client::poller::{Poller, Wake};
use client::source::Readiness;
use monitor::record::Wait;
use monitor::Summary;
use nix::sys::signal::Signal;
use std::io;
use std::time::{Duration, Instant};

/// The end of a program that was started is seen at most so long after it, where nothing else happens.
const PROGRAM: Duration = Duration::from_millis(100);

/// Ticks after the end of a program until its last record is read.
const LAST_TICKS: u64 = 2;

/// A program that is recorded.
pub struct Program {
    launched: Launched,
    /// The last complete tick when it had ended, and when that was.
    ended: Option<(u64, Instant)>,
    /// It was told to end.
    told: bool,
}

/// Without ticks (nothing is registered any more), its last record is there at once; more than this is never waited for it.
const LAST_RECORD: Duration = Duration::from_secs(2);

impl Program {
    /// A program that has just been started.
    pub fn new(launched: Launched) -> Self {
        Program { launched, ended: None, told: false }
    }

    /// Its exit status, once it has ended.
    pub fn wait(self) -> io::Result<u8> {
        self.launched.wait()
    }

    /// Whether it has ended, and its last record is there, now that `completed` is complete.
    fn is_over(&mut self, completed: u64) -> bool {
        if self.ended.is_none() && self.launched.has_ended() {
            self.ended = Some((completed, Instant::now()));
        }
        self.ended
            .is_some_and(|(tick, since)| completed >= tick.saturating_add(LAST_TICKS) || since.elapsed() >= LAST_RECORD)
    }
}

/// Waits with poll(2).
pub struct Waiting<'a> {
    poller: Poller<'a>,
    progress: &'a mut Progress,
    /// The program that the recording is of.
    pub program: Option<Program>,
}

impl<'a> Waiting<'a> {
    /// Waits with `poller`, and shows `progress`.
    pub fn new(poller: Poller<'a>, progress: &'a mut Progress) -> Self {
        Waiting { poller, progress, program: None }
    }
}

impl Wait for Waiting<'_> {
    fn nothing_yet(&mut self, others: u64) {
        self.progress.nothing_yet(others);
    }

    fn progress(&mut self, summary: &Summary) {
        self.progress.show(summary);
    }

    fn wait(&mut self, _position: u64, completed: u64, readiness: Option<Readiness>) -> io::Result<Wake> {
        if self.program.as_mut().is_some_and(|program| program.is_over(completed)) {
            return Ok(Wake::Stop);
        }
        let Some(Readiness { descriptor, timeout }) = readiness else {
            return self.poller.wait(Duration::ZERO, None);
        };
        let timeout = if self.program.is_some() { timeout.min(PROGRAM) } else { timeout };
        let wake = self.poller.wait(timeout, descriptor)?;
        match (&mut self.program, wake) {
            // Its end ends the recording; a second signal does not wait for it.
            (Some(program), Wake::Stop) if program.ended.is_none() && !program.told => {
                program.told = true;
                program.launched.signal(Signal::SIGTERM);
                Ok(Wake::GoOn)
            }
            _ => Ok(wake),
        }
    }
}
