// SPDX-License-Identifier: GPL-2.0

//! What follows from the events: intervals, each told once, at its end.

use crate::task::TaskId;
use crate::thread::{Cause, Waker};
use abi::events::State as TaskState;

/// An interval in the life of a thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact {
    /// It had a CPU.
    Slice(Slice),
    /// It was runnable and had none.
    Wait(Wait),
    /// It slept, or was stopped.
    Sleep(Sleep),
    /// It has left its CPU for ever.
    Ended(Ended),
}

/// Time on a CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// Who: a thread or the CPU's idle task.
    pub task: TaskId,
    /// Its [`crate::thread::Thread::serial`].
    pub serial: u64,
    /// Where.
    pub cpu: u32,
    /// Since when, ns; none if no record has said it.
    pub from: Option<u64>,
    /// Until when, ns.
    pub to: u64,
    /// What the scheduler counted for it, ns: without time that a hypervisor or, where the kernel tells it apart, an
    /// interrupt took. Of an idle task, nothing is counted.
    pub run_ns: u64,
    /// What the scheduler added to its run-queue delay since the last record of it, ns.
    pub delay_ns: u64,
    /// What was added to its voluntary switches since the last record of it: 0 or 1, more after a loss.
    pub voluntary: u64,
    /// The same of its involuntary switches.
    pub involuntary: u64,
    /// In what state it left.
    pub state: TaskState,
    /// It is still runnable.
    pub still_runnable: bool,
    /// Who came.
    pub next: TaskId,
}

impl Slice {
    /// How long it had the CPU, ns, where its beginning is known.
    pub fn length(&self) -> Option<u64> {
        self.from.map(|from| self.to.saturating_sub(from))
    }
}

/// Time in a run queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// Who.
    pub task: TaskId,
    /// Its [`crate::thread::Thread::serial`].
    pub serial: u64,
    /// The CPU that it got.
    pub cpu: u32,
    /// Since when, ns.
    pub from: u64,
    /// Until when, ns.
    pub to: u64,
    /// Why it waited.
    pub cause: Cause,
    /// Who woke it, if it was woken.
    pub waker: Option<Waker>,
}

impl Wait {
    /// Its length, ns. Clocks of two CPUs may differ a little: never below 0.
    pub fn length(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// Time off the CPUs, not runnable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sleep {
    /// Who.
    pub task: TaskId,
    /// Its [`crate::thread::Thread::serial`].
    pub serial: u64,
    /// Since when, ns.
    pub from: u64,
    /// Until when, ns.
    pub to: u64,
    /// How.
    pub state: TaskState,
    /// It waited for block I/O.
    pub io_wait: bool,
    /// Who ended it, and in which system call it slept.
    pub waker: Waker,
}

impl Sleep {
    /// Its length, ns.
    pub fn length(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// The end of a thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    /// Who.
    pub task: TaskId,
    /// Its [`crate::thread::Thread::serial`].
    pub serial: u64,
    /// When, ns.
    pub ns: u64,
}
