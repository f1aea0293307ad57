// SPDX-License-Identifier: GPL-2.0

//! A process: from a number that user space wrote to its counters.
//!
//! ```text
//! Process   -> PidRef         who it is, also when its number is another's by now
//!           -> ThreadGroup    its threads and its signal_struct -> Thread          one of them
//!           -> AddressSpace   its pages
//!           -> Reading        a sum over all of it              -> ThreadCounters, Delays
//!           -> Fingerprint    whether anything has changed
//! ```
//!
//! `pid`, `group`, `thread`, `counters`, `delays`, `pages` and `rights` read the kernel's structures; the rest has no unsafe
//! code.

mod counters;
mod delays;
mod fingerprint;
mod group;
mod pages;
mod pid;
mod reading;
mod rights;
mod sample;
mod thread;

pub(crate) use group::ProcessKey;
pub(crate) use sample::Sample;

use crate::abi::command::Pid;
use crate::abi::samples::cputime::SplitTimes;
use fingerprint::Fingerprint;
use group::ThreadGroup;
use kernel::fs::File;
use kernel::sync::rcu;
use kernel::task::Task;
use pages::AddressSpace;
use pid::PidRef;
use reading::Reading;

/// A process, held so that its counters stay readable after its death.
pub(crate) struct Process {
    group: ThreadGroup,
    pid: PidRef,
    memory: AddressSpace,
    /// How the run time has been split so far.
    times: SplitTimes,
    /// Shortly before the last sample.
    fingerprint: Option<Fingerprint>,
}

impl Process {
    /// The process that the task `nr` of the current PID namespace belongs to.
    pub(crate) fn find(nr: Pid) -> Option<Self> {
        Self::of(&*PidRef::find(nr)?.thread()?)
    }

    /// The process that `task` belongs to.
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let pid = PidRef::of_group(task)?;
        let group = ThreadGroup::new(pid.leader()?)?;
        Some(Process { group, pid, memory: AddressSpace::default(), times: SplitTimes::default(), fingerprint: None })
    }

    /// Which process the current thread belongs to.
    pub(crate) fn current_key() -> ProcessKey {
        ProcessKey::current()
    }

    /// Which process this is.
    pub(crate) fn key(&self) -> ProcessKey {
        self.group.key()
    }

    /// Its number in the initial PID namespace.
    pub(crate) fn pid(&self) -> Pid {
        self.pid.nr()
    }

    /// Its number in the current task's PID namespace; `None` where it is not visible, and once it has been reaped: the
    /// number is free then, and the next tick will find it dead.
    pub(crate) fn pid_for_current(&self) -> Option<Pid> {
        self.pid.leader()?;
        self.pid.nr_for_current()
    }

    /// Whether the opener of `file` may profile this process.
    pub(crate) fn may_be_profiled_by(&self, file: &File) -> bool {
        rights::may_profile(file, self.group.held_leader())
    }

    /// Reads all counters.
    pub(crate) fn sample(&mut self, rcu: &rcu::Guard) -> Sample {
        // Before the counters: what changes in between is in this sample, and is seen as a change by the next.
        self.fingerprint = Fingerprint::of(&self.group, &self.memory, rcu);
        let reading = Reading::of(&self.group, rcu);
        self.memory.follow(reading.leader);
        self.times = self.times.advance(&reading.times);

        let mut totals = reading.totals();
        totals.user_ns = self.times.user_ns;
        totals.system_ns = self.times.system_ns;
        Sample {
            totals,
            threads: reading.threads,
            comm: reading.leader.comm().to_words(),
            exec_id: reading.leader.exec_id(),
            dead: reading.is_dead(),
            has_delays: reading.has_delays,
            levels: self.memory.pages().to_levels(),
        }
    }

    /// User time since the process was forked, ns.
    pub(crate) fn user_ns(&mut self, rcu: &rcu::Guard) -> u64 {
        let reading = Reading::of(&self.group, rcu);
        self.times = self.times.advance(&reading.times);
        self.times.user_ns
    }

    /// Whether a sample would be the same as the last one. False where that cannot be told at little cost.
    #[inline]
    pub(crate) fn is_unchanged(&self, rcu: &rcu::Guard) -> bool {
        self.fingerprint.as_ref().is_some_and(|print| print.is_unchanged(&self.group, &self.memory, rcu))
    }
}
