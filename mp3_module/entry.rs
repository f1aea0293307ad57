// SPDX-License-Identifier: GPL-2.0

//! A registered process: its counters when it was registered, and its last record.

use crate::abi::command::Pid;
use crate::abi::samples::{Encoded, Flags, SampleRecord, State, Totals};
use crate::interval::Interval;
use crate::process::{Effort, Process, ProcessKey, Registrar, Sample};
use crate::users::User;
use kernel::fs::File;
use kernel::prelude::*;
use kernel::sync::rcu;

/// What a new sample brought.
pub(crate) struct Change {
    /// Since the record before.
    pub(crate) interval: Interval,
    /// This was the process' final record: it is dead, or may not be profiled any more.
    pub(crate) ended: bool,
    /// How many threads were read.
    pub(crate) threads: u32,
}

/// A registered process: who it is, and what has been recorded of it.
pub(crate) struct Entry {
    process: Process,
    registrar: Registrar,
    user: User,
    /// The counters when it was registered. Never reset a kernel counter: remember it, and subtract.
    baseline: Totals,
    exec_id: u64,
    /// Its children are registered when they are born.
    follows: bool,
    /// Its last record, which is the next one too, but for time and place, where nothing has changed.
    record: Encoded,
}

impl Entry {
    /// Registers `process` for `registrar`, with its first record.
    ///
    /// # Errors
    ///
    /// `ESRCH` if the process is dead already, `EPERM` if the registrar may not profile it any more.
    pub(crate) fn new(
        mut process: Process,
        registrar: Registrar,
        user: User,
        registration: u64,
        rcu: &rcu::Guard,
    ) -> Result<Self> {
        let sample = process.sample(Effort::Exact, rcu);
        if sample.dead {
            return Err(ESRCH);
        }
        // From this sample on every `execve` is seen. One that came before it may have brought other rights.
        if !process.may_be_registered_by(&registrar) {
            return Err(EPERM);
        }
        let mut entry = Entry {
            baseline: sample.totals,
            exec_id: sample.exec_id,
            follows: false,
            record: Encoded::new(SampleRecord {
                pid: process.pid(),
                user: registrar.user_id(),
                registration,
                ..SampleRecord::default()
            }),
            process,
            registrar,
            user,
        };
        entry.update(&sample);
        entry.record.add_flags(Flags::FIRST);
        Ok(entry)
    }

    /// Whether its children are registered when they are born.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Has its children registered when they are born.
    pub(crate) fn follow(&mut self) {
        self.follows = true;
    }

    /// Who registers a child that the current thread, which is of this process, has made; and the user whose quota it counts
    /// towards. `None` if the process does not follow its children.
    ///
    /// The process may have executed another program since its last sample, as a shell does before its first child. Then the
    /// child's own rights decide, which are those of the process: [`Entry::new`] looks at them.
    pub(crate) fn registrar_of_child(&self) -> Option<(Registrar, User)> {
        if !self.follows {
            return None;
        }
        let registrar = if self.process.has_rights_of_last_sample(self.exec_id) {
            self.registrar.clone()
        } else {
            self.registrar.of_another_program()
        };
        Some((registrar, self.user))
    }

    /// The user whose quota it counts towards.
    pub(crate) fn user(&self) -> User {
        self.user
    }

    /// Whether the opener of `file` may end it: the user who began it may, and every user who may profile the process.
    pub(crate) fn may_be_ended_by(&self, file: &File) -> bool {
        self.registrar.is_same_user(file) || self.process.registrar(file).is_some()
    }

    /// Which process it is.
    pub(crate) fn key(&self) -> ProcessKey {
        self.process.key()
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
        Some(self.sample_anew(Effort::Bounded, rcu))
    }

    /// As [`Entry::sample`], also where nothing has changed.
    #[inline(never)]
    pub(crate) fn sample_anew(&mut self, effort: Effort, rcu: &rcu::Guard) -> Change {
        let sample = self.process.sample(effort, rcu);
        self.update(&sample)
    }

    /// Has the record say what `sample` does.
    #[inline(always)]
    fn update(&mut self, sample: &Sample) -> Change {
        let mut flags = if sample.has_delays { Flags::DELAYS } else { Flags::default() };
        if sample.exec_id != self.exec_id {
            self.exec_id = sample.exec_id;
            flags |= Flags::EXECED;
        }
        // An `execve` changes its number before it commits new credentials, so either is a reason to look.
        let may_differ = flags.contains(Flags::EXECED) || sample.has_new_credentials;
        if may_differ && !self.process.may_be_profiled_by(&self.registrar) {
            // The registrar must not see what the new program does: the counters stay as they were before it.
            self.record.retain_flags(Flags::DELAYS);
            self.record.add_flags(flags | Flags::FINAL | Flags::REVOKED);
            return Change { interval: Interval::default(), ended: true, threads: sample.threads };
        }
        if sample.dead {
            flags |= Flags::FINAL | Flags::EXITED;
        }
        let before = self.record.totals();
        let totals = sample.totals.since(&self.baseline).at_least(&before);
        let state = State { flags, threads: sample.threads, comm: sample.comm, levels: sample.levels };
        self.record.update(&state, &totals);
        Change { interval: Interval::between(&before, &totals), ended: sample.dead, threads: sample.threads }
    }

    /// A line of `/proc/mp3/status`: the PID in the reader's namespace and the user time since the process was forked, ns.
    pub(crate) fn status(&mut self) -> Option<(Pid, u64)> {
        let pid = self.process.pid_for_current()?;
        Some((pid, self.process.user_ns(&rcu::read_lock())))
    }
}
