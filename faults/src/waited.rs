// SPDX-License-Identifier: GPL-2.0

//! What a thread did while a fault was being resolved: whether it slept, for what, and whether it had a CPU.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use trace::fact::Fact;
use trace::state::State;
use trace::task::{Comm, TaskId};
use trace::thread::Waker;

/// Intervals that are kept of each thread: a fault is over soon, and has few.
const INTERVALS: usize = 64;

/// Time in which a thread had no CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Since when, ns.
    pub from: u64,
    /// Until when, ns.
    pub to: u64,
    /// Why.
    pub why: Why,
}

/// Why a thread had no CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// It waited for block I/O.
    BlockIo(Waker),
    /// It slept for something else: a lock, a page that another reads.
    Sleep(Waker),
    /// It was runnable, and others had this CPU.
    Runnable(u32),
}

/// How the time of a fault divides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waited {
    /// It waited for block I/O, ns.
    pub block_io: u64,
    /// It slept for something else, ns.
    pub asleep: u64,
    /// It was runnable without a CPU, ns.
    pub runnable: u64,
    /// The longest of these.
    pub longest: Option<Interval>,
    /// The longest time in which it was runnable without a CPU.
    pub longest_runnable: Option<Interval>,
}

impl Waited {
    /// All time without a CPU, ns.
    pub fn sum(&self) -> u64 {
        self.block_io.saturating_add(self.asleep).saturating_add(self.runnable)
    }

    /// Who had the CPU for most of the time in which the thread was runnable, and for how long, ns.
    pub fn instead(&self, state: &State, tid: u32) -> Option<(TaskId, Comm, u64)> {
        let Interval { from, to, why: Why::Runnable(cpu) } = self.longest_runnable? else { return None };
        let mut by_task: Vec<(TaskId, Comm, u64)> = vec![];
        for span in state.meanwhile(cpu, from, to) {
            let ns = span.to.saturating_sub(span.from);
            match by_task.iter_mut().find(|(task, ..)| *task == span.task) {
                Some((.., sum)) => *sum = sum.saturating_add(ns),
                None => by_task.push((span.task, span.comm, ns)),
            }
        }
        by_task.retain(|(task, ..)| task.pid() != tid && !task.is_idle());
        by_task.into_iter().max_by_key(|(.., ns)| *ns)
    }
}

/// The recent intervals of all threads.
#[derive(Debug, Default)]
pub struct Intervals {
    threads: FxHashMap<TaskId, VecDeque<Interval>>,
}

impl Intervals {
    /// Takes what followed from an event.
    pub fn take(&mut self, fact: &Fact) {
        let (task, interval) = match fact {
            Fact::Sleep(sleep) => {
                let why = if sleep.io_wait { Why::BlockIo(sleep.waker) } else { Why::Sleep(sleep.waker) };
                (sleep.task, Interval { from: sleep.from, to: sleep.to, why })
            }
            Fact::Wait(wait) => (wait.task, Interval { from: wait.from, to: wait.to, why: Why::Runnable(wait.cpu) }),
            Fact::Ended(ended) => {
                self.threads.remove(&ended.task);
                return;
            }
            Fact::Slice(_) => return,
        };
        let intervals = self.threads.entry(task).or_default();
        if intervals.len() == INTERVALS {
            intervals.pop_front();
        }
        intervals.push_back(interval);
    }

    /// What the thread did from `from` to `to`, ns.
    pub fn during(&self, task: TaskId, from: u64, to: u64) -> Waited {
        let mut waited = Waited::default();
        let length = |interval: &Interval| interval.to.saturating_sub(interval.from);
        for interval in self.threads.get(&task).into_iter().flatten() {
            let part = Interval { from: interval.from.max(from), to: interval.to.min(to), why: interval.why };
            let ns = length(&part);
            if ns == 0 {
                continue;
            }
            let sum = match part.why {
                Why::BlockIo(_) => &mut waited.block_io,
                Why::Sleep(_) => &mut waited.asleep,
                Why::Runnable(_) => &mut waited.runnable,
            };
            *sum = sum.saturating_add(ns);
            if waited.longest.is_none_or(|longest| length(&longest) < ns) {
                waited.longest = Some(part);
            }
            let is_runnable = matches!(part.why, Why::Runnable(_));
            if is_runnable && waited.longest_runnable.is_none_or(|longest| length(&longest) < ns) {
                waited.longest_runnable = Some(part);
            }
        }
        waited
    }
}
