// SPDX-License-Identifier: GPL-2.0

//! A process: from a number that user space wrote to its counters.
//!
//! ```text
//! Process   -> PidRef         who it is, also when its number is another's by now
//!           -> ThreadGroup    its threads and its signal_struct -> Thread          one of them
//!           -> AddressSpace   its pages
//!           -> Reading        a sum over all of it              -> Sums: ThreadCounters, Delays
//!           -> Simple         the same for one thread alone, and whether anything has changed
//! ```
//!
//! `pid`, `group`, `thread`, `counters`, `delays`, `pages` and `rights` read the kernel's structures; the rest has no unsafe
//! code.

mod counters;
mod delays;
mod group;
mod pages;
mod pid;
mod reading;
mod rights;
mod sample;
mod simple;
mod sums;
mod thread;

pub(crate) use group::ProcessKey;
pub(crate) use reading::Effort;
pub(crate) use rights::{quota_user, Registrar};
pub(crate) use sample::Sample;

use crate::abi::command::Pid;
use crate::abi::samples::cputime::SplitTimes;
use crate::compat;
use group::ThreadGroup;
use kernel::cred::Credential;
use kernel::fs::File;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use kernel::task::Task;
use pages::AddressSpace;
use pid::PidRef;
use reading::Reading;
use simple::Simple;

/// A process, held so that its counters stay readable after its death.
pub(crate) struct Process {
    group: ThreadGroup,
    pid: PidRef,
    memory: AddressSpace,
    /// At the last sample. Held, so that others cannot be at the same address.
    credentials: ARef<Credential>,
    /// How the run time has been split so far.
    times: SplitTimes,
    /// At the last sample, where the process was simple then.
    simple: Option<Simple>,
}

impl Process {
    /// The process that the task `nr` of the current PID namespace belongs to.
    pub(crate) fn find(nr: Pid) -> Option<Self> {
        Self::of(&*PidRef::find(nr)?.thread()?)
    }

    /// The process that `task` belongs to.
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let pid = PidRef::of_group(task)?;
        let leader = pid.leader()?;
        let credentials = compat::credentials_of(&leader);
        let group = ThreadGroup::new(leader)?;
        Some(Process {
            group,
            pid,
            credentials,
            memory: AddressSpace::default(),
            times: SplitTimes::default(),
            simple: None,
        })
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

    /// The opener of `file`, if it may profile this process.
    pub(crate) fn registrar(&self, file: &File) -> Option<Registrar> {
        Registrar::new(file, self.group.held_leader())
    }

    /// Whether `registrar` may begin to profile this process, as that was when it was last sampled.
    pub(crate) fn may_be_registered_by(&self, registrar: &Registrar) -> bool {
        registrar.may_begin(self.group.held_leader())
    }

    /// Whether `registrar` may profile this process, as that was when it was last sampled.
    pub(crate) fn may_be_profiled_by(&self, registrar: &Registrar) -> bool {
        registrar.may_profile(self.group.held_leader())
    }

    /// Whether the current thread, which is of this process, has the rights that the process had when it was last sampled.
    pub(crate) fn has_rights_of_last_sample(&self, exec_id: u64) -> bool {
        let current = ThreadGroup::current_thread();
        current.exec_id() == exec_id && current.credentials() == self.credentials.as_ptr()
    }

    /// Reads all counters.
    #[inline(always)]
    pub(crate) fn sample(&mut self, effort: Effort, rcu: &rcu::Guard) -> Sample {
        match self.sample_simple(rcu) {
            Some(sample) => sample,
            None => self.sample_any(effort, rcu),
        }
    }

    /// Reads the counters of the only thread; `None` where there are more, and where more than counters has changed.
    #[inline(always)]
    fn sample_simple(&mut self, rcu: &rcu::Guard) -> Option<Sample> {
        if !self.simple.as_mut().is_some_and(|simple| simple.renew(&self.group, &self.memory, rcu)) {
            // Not by assignment, which copies it whole also where there is none.
            match Simple::of(&self.group, &self.memory, rcu) {
                Some(simple) => self.simple = Some(simple),
                None => self.simple = None,
            }
        }
        let simple = self.simple.as_ref()?;
        if simple.credentials() != self.credentials.as_ptr() {
            return None;
        }
        let sums = simple.sums();
        self.times = self.times.advance(&sums.times);
        let mut totals = sums.totals();
        totals.user_ns = self.times.user_ns;
        totals.system_ns = self.times.system_ns;
        Some(Sample {
            totals,
            threads: 1,
            comm: simple.comm().to_words(),
            exec_id: simple.exec_id(),
            has_new_credentials: false,
            dead: false,
            has_delays: simple.has_delays(),
            levels: simple.pages().to_levels(),
        })
    }

    /// Reads all counters of all threads.
    #[inline(never)]
    fn sample_any(&mut self, effort: Effort, rcu: &rcu::Guard) -> Sample {
        let reading = Reading::of(&self.group, effort, rcu);
        self.memory.follow(reading.with_memory);
        self.times = self.times.advance(&reading.sums.times);

        let mut totals = reading.sums.totals();
        totals.user_ns = self.times.user_ns;
        totals.system_ns = self.times.system_ns;
        let has_new_credentials = reading.leader.credentials() != self.credentials.as_ptr();
        let sample = Sample {
            has_new_credentials,
            totals,
            threads: reading.threads,
            comm: reading.leader.comm().to_words(),
            exec_id: reading.leader.exec_id(),
            dead: reading.is_dead(),
            has_delays: reading.has_delays,
            levels: self.memory.pages().to_levels(),
        };
        // A thread that calls `execve` becomes the leader. Its name and its `exec_id` are to be had after its death, and the
        // one that led before is not to be kept.
        if reading.leader.as_ptr() != self.group.held_thread().as_ptr() {
            let leader = reading.leader.hold();
            self.group.hold(leader);
        }
        if has_new_credentials {
            self.credentials = compat::credentials_of(self.group.held_leader());
        }
        sample
    }

    /// User time since the process was forked, ns.
    pub(crate) fn user_ns(&mut self, rcu: &rcu::Guard) -> u64 {
        let reading = Reading::of(&self.group, Effort::Exact, rcu);
        self.times = self.times.advance(&reading.sums.times);
        self.times.user_ns
    }

    /// Whether a sample would be the same as the last one. False where that cannot be told at little cost.
    #[inline]
    pub(crate) fn is_unchanged(&self, rcu: &rcu::Guard) -> bool {
        self.simple.as_ref().is_some_and(|simple| simple.is_unchanged(&self.group, &self.memory, rcu))
    }
}
