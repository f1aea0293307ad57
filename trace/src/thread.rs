// SPDX-License-Identifier: GPL-2.0

//! What is known about a thread.

use crate::task::{Comm, Rank, TaskId};
use crate::total::Total;
use abi::events::{Context, Prio, State as TaskState};

/// A thread from its first to its last record.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its PID, or its CPU's idle task.
    pub id: TaskId,
    /// Number of this thread among all that were seen: PIDs are used again, this is not.
    pub serial: u64,
    /// Its process (thread group); 0 where no record has said it yet.
    pub tgid: u32,
    /// Its name.
    pub comm: Comm,
    /// When the name was learned, ns: a snapshot's older name does not replace a newer one.
    pub comm_ns: u64,
    /// A kernel thread.
    pub kernel: bool,
    /// Its priority, an inherited one included, where a record has said it.
    pub prio: Option<Prio>,
    /// It has a priority that it inherited from this thread (0: not known from which).
    pub boosted_by: Option<u32>,
    /// Run time as the scheduler counts it (`sum_exec_runtime`), ns.
    pub run: Total,
    /// Run-queue delay as the scheduler counts it (`sched_info.run_delay`), ns.
    pub delay: Total,
    /// Voluntary switches (`nvcsw`).
    pub voluntary: Total,
    /// Involuntary switches (`nivcsw`).
    pub involuntary: Total,
    /// So many records were lost between two of this thread's that the low bits of `involuntary` may have wrapped.
    pub involuntary_uncertain: bool,
    /// Migrations to another CPU that were seen.
    pub migrations: u64,
    /// The CPU that it is on, or was on last.
    pub cpu: u32,
    /// CPUs that its affinity mask allows; 0 where no record has said it.
    pub allowed_cpus: u16,
    /// Its control group; 0 where no record has said it.
    pub cgroup: u64,
    /// What it does.
    pub mode: Mode,
    /// When that began, ns.
    pub since: u64,
    /// Whether `since` and `mode` hold: no loss since then could have hidden something.
    pub(crate) epoch: u32,
    /// Who woke it last.
    pub waker: Option<Waker>,
    /// The waker and the time, if it was woken while it was still on its CPU.
    pub(crate) pending: Option<Waker>,
    /// It had a CPU when the snapshot was taken, and has it still.
    pub(crate) was_running: bool,
    /// Records lost, in all, when this thread last had one.
    pub(crate) lost_before: u64,
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not known: no record yet, or records were lost.
    Unknown,
    /// It has a CPU.
    Running,
    /// It is runnable and waits for a CPU.
    Waiting(Cause),
    /// It sleeps, or is stopped.
    Blocked(Blocked),
    /// It is gone.
    Dead,
}

/// Why a thread waits for a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// It was woken.
    Woken,
    /// It was preempted, or has yielded.
    Preempted,
    /// It is new.
    New,
    /// Its group has used up its CPU bandwidth.
    Throttled,
}

impl Cause {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Woken => "wake-up",
            Cause::Preempted => "preemption",
            Cause::New => "start",
            Cause::Throttled => "throttling",
        }
    }
}

/// How a thread sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The state in which it left its CPU.
    pub state: TaskState,
    /// It waits for block I/O.
    pub io_wait: bool,
}

/// A wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waker {
    /// When, ns.
    pub ns: u64,
    /// On which CPU.
    pub cpu: u32,
    /// The current thread there. It acts only in task context; in an interrupt it is a bystander.
    pub task: TaskId,
    /// Its name, as far as known.
    pub comm: Comm,
    /// Task or interrupt.
    pub context: Context,
    /// The current thread's priority.
    pub prio: Prio,
    /// The system call that the current thread was in.
    pub call: Option<u16>,
    /// The system call in which the woken thread slept.
    pub wakee_call: Option<u16>,
    /// The first argument of that.
    pub argument: u64,
}

impl Thread {
    pub(crate) fn new(id: TaskId, serial: u64, ns: u64) -> Self {
        Thread {
            id,
            serial,
            tgid: 0,
            comm: Comm::default(),
            comm_ns: 0,
            kernel: false,
            prio: None,
            boosted_by: None,
            run: Total::default(),
            delay: Total::default(),
            voluntary: Total::default(),
            involuntary: Total::default(),
            involuntary_uncertain: false,
            migrations: 0,
            cpu: 0,
            allowed_cpus: 0,
            cgroup: 0,
            mode: Mode::Unknown,
            since: ns,
            epoch: 0,
            waker: None,
            pending: None,
            was_running: false,
            lost_before: 0,
        }
    }

    /// Its rank among those that want a CPU; fair where its priority is not known.
    pub fn rank(&self) -> Rank {
        if self.id.is_idle() {
            return Rank::IDLE;
        }
        self.prio.map_or(Rank::FAIR, |prio| Rank::of(prio, self.is_stopper()))
    }

    /// A `migration/N` thread: of the stop class, though its priority looks like real time.
    pub fn is_stopper(&self) -> bool {
        self.prio == Some(Prio(0)) && self.comm.bytes().starts_with(b"migration/")
    }

    /// Its process; itself where no record has said it.
    pub fn group(&self) -> u32 {
        if self.tgid != 0 {
            self.tgid
        } else {
            self.id.pid()
        }
    }

    /// Its name, `swapper/N` for an idle task, or `?` where no record has said it.
    pub fn name(&self) -> Comm {
        if self.id.is_idle() {
            Comm::new(format!("swapper/{}", self.cpu).as_bytes())
        } else if self.comm.is_empty() {
            Comm::new(b"?")
        } else {
            self.comm
        }
    }

    /// Whether it waits for a CPU.
    pub fn is_waiting(&self) -> bool {
        matches!(self.mode, Mode::Waiting(_))
    }
}
