// SPDX-License-Identifier: GPL-2.0

//! A registered process: its counters when it was registered, and its last record.

use crate::abi::command::Pid;
use crate::abi::samples::{Encoded, Flags, SampleRecord, State, Totals};
use crate::interval::Interval;
use crate::process::{Process, ProcessKey, Sample};
use kernel::sync::rcu;

/// What a new sample brought.
pub(crate) struct Change {
    /// Since the record before.
    pub(crate) interval: Interval,
    /// The process is dead, and this was its final record.
    pub(crate) dead: bool,
}

/// A registered process: who it is, and what has been recorded of it.
pub(crate) struct Entry {
    process: Process,
    /// The counters when it was registered. Never reset a kernel counter: remember it, and subtract.
    baseline: Totals,
    exec_id: u64,
    /// Its children are registered when they are born.
    follows: bool,
    /// Its last record, which is the next one too, but for time and place, where nothing has changed.
    record: Encoded,
}

impl Entry {
    /// Registers `process`, with its first record; `None` if it is dead already.
    pub(crate) fn new(mut process: Process, registration: u64, rcu: &rcu::Guard) -> Option<Self> {
        let sample = process.sample(rcu);
        if sample.dead {
            return None;
        }
        let mut entry = Entry {
            baseline: sample.totals,
            exec_id: sample.exec_id,
            follows: false,
            record: Encoded::new(SampleRecord { pid: process.pid(), registration, ..SampleRecord::default() }),
            process,
        };
        entry.update(&sample);
        entry.record.add_flags(Flags::FIRST);
        Some(entry)
    }

    /// Which process it is.
    pub(crate) fn key(&self) -> ProcessKey {
        self.process.key()
    }

    /// Whether its children are registered when they are born.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Has its children registered when they are born.
    pub(crate) fn follow(&mut self) {
        self.follows = true;
    }

    /// The last record.
    #[inline]
    pub(crate) fn record(&mut self) -> &mut Encoded {
        &mut self.record
    }

    /// Reads the counters into the record, all but its place in the ring, and says what has changed.
    #[inline]
    pub(crate) fn sample(&mut self, rcu: &rcu::Guard) -> Option<Change> {
        if self.process.is_unchanged(rcu) {
            self.record.retain_flags(Flags::DELAYS);
            return None;
        }
        Some(self.sample_anew(rcu))
    }

    /// As [`Entry::sample`], also where nothing has changed.
    pub(crate) fn sample_anew(&mut self, rcu: &rcu::Guard) -> Change {
        let sample = self.process.sample(rcu);
        self.update(&sample)
    }

    /// Has the record say what `sample` does.
    fn update(&mut self, sample: &Sample) -> Change {
        let mut flags = Flags::default();
        if sample.dead {
            flags |= Flags::FINAL | Flags::EXITED;
        }
        if sample.has_delays {
            flags |= Flags::DELAYS;
        }
        if sample.exec_id != self.exec_id {
            self.exec_id = sample.exec_id;
            flags |= Flags::EXECED;
        }
        let before = self.record.totals();
        let totals = sample.totals.since(&self.baseline).at_least(&before);
        let state = State { flags, threads: sample.threads, comm: sample.comm, levels: sample.levels };
        self.record.update(&state, &totals);
        Change { interval: Interval::between(&before, &totals), dead: sample.dead }
    }

    /// A line of `/proc/mp3/status`: the PID in the reader's namespace and the user time since the process was forked, ns.
    pub(crate) fn status(&mut self) -> Option<(Pid, u64)> {
        let pid = self.process.pid_for_current()?;
        Some((pid, self.process.user_ns(&rcu::read_lock())))
    }
}
