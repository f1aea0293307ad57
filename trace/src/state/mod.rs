// SPDX-License-Identifier: GPL-2.0

//! The state machine: what every thread and every CPU does, from the events of all CPUs in the order of their time.
//!
//! ```text
//!              WAKING                         SWITCH to it
//!   Blocked ------------> Waiting(Woken) ----------------------> Running
//!      ^                    Waiting(New)  <- NEWTASK                | SWITCH from it
//!      |                    Waiting(Preempted) <--------------------+  still runnable
//!      +------------------------------------------------------------+  otherwise
//! ```
//!
//! A thread can be woken while it is still on its CPU: after it was taken off the run queue and before its switch was
//! recorded. Its wait then begins at the switch. Whether such a wake-up was that, or one that found the thread still on
//! the run queue and so did nothing, shows only later: in the first case the thread runs without another wake-up.
//!
//! After a gap in any CPU's records, no interval that began before it is told: something in it may not have been seen.

mod cpu;
mod known;
mod life;
mod switch;
mod waking;

pub use cpu::{Cpu, Span};
pub use known::Known;

use crate::event::{Timed, What};
use crate::fact::Fact;
use crate::losses::Losses;
use crate::task::{Comm, TaskId};
use crate::thread::{Mode, Thread};
use rustc_hash::FxHashMap;

/// Processes that have ended, of which the names are kept.
const DEAD_PROCESSES: usize = 65_536;

/// All threads and CPUs, at the time of the last event.
#[derive(Debug, Default)]
pub struct State {
    /// The time of the last event, ns.
    pub now: u64,
    /// The time of the first event, ns.
    pub start: Option<u64>,
    threads: FxHashMap<TaskId, Thread>,
    processes: FxHashMap<u32, Process>,
    cpus: Vec<Cpu>,
    serials: u64,
    epoch: u32,
    gap_until: u64,
    /// What was lost so far.
    pub losses: Losses,
    buried: Vec<TaskId>,
}

/// A process: a thread group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// The process that started it; 0 where no record has said it.
    pub parent: u32,
    /// The name of its leader, or of the thread that was seen first.
    pub comm: Comm,
    /// Threads that are alive.
    pub threads: u32,
    /// How it ended, as wait(2) has it.
    pub code: Option<i32>,
    /// Number of this process among all that were seen: PIDs are used again, this is not.
    pub serial: u64,
}

impl State {
    /// Nothing known.
    pub fn new() -> Self {
        State::default()
    }

    /// The thread that has this PID now.
    pub fn thread(&self, id: TaskId) -> Option<&Thread> {
        self.threads.get(&id)
    }

    /// All threads that are alive, and idle tasks.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.values()
    }

    /// A process, dead or alive.
    pub fn process(&self, tgid: u32) -> Option<&Process> {
        self.processes.get(&tgid)
    }

    /// All processes, by thread group.
    pub fn processes(&self) -> impl Iterator<Item = (u32, &Process)> {
        self.processes.iter().map(|(tgid, process)| (*tgid, process))
    }

    /// All CPUs that an event was of.
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// The name of a thread, `?` where none is known.
    pub fn name(&self, id: TaskId) -> Comm {
        match self.threads.get(&id) {
            Some(thread) => thread.name(),
            None => Comm::new(b"?"),
        }
    }

    /// The time from the first to the last event, ns.
    pub fn elapsed(&self) -> u64 {
        self.start.map_or(0, |start| self.now.saturating_sub(start))
    }

    /// Nothing has happened until `ns`: time goes on all the same.
    pub fn advance(&mut self, ns: u64) {
        self.now = self.now.max(ns);
    }

    /// Takes the next event and adds to `facts` what follows from it.
    pub fn apply(&mut self, timed: &Timed, facts: &mut Vec<Fact>) {
        for id in self.buried.drain(..) {
            if let Some(thread) = self.threads.get(&id) {
                if thread.mode == Mode::Dead {
                    if let Some(process) = self.processes.get_mut(&thread.group()) {
                        process.threads = process.threads.saturating_sub(1);
                    }
                    self.threads.remove(&id);
                }
            }
        }
        self.forget_processes();
        // The first snapshot is stamped a little after the first events.
        self.start = Some(self.start.map_or(timed.ns, |start| start.min(timed.ns)));
        self.now = self.now.max(timed.ns);
        if self.cpus.len() <= timed.cpu as usize {
            self.cpus.resize_with(timed.cpu as usize + 1, Cpu::default);
        }
        match &timed.what {
            What::Event(event) => self.event(timed.ns, timed.cpu, event, facts),
            What::Path(_) => {}
            What::Lost(lost) => {
                self.losses.lose(lost);
                self.epoch = self.epoch.wrapping_add(1);
                self.gap_until = self.gap_until.max(lost.until_ns);
                let cpu = &mut self.cpus[timed.cpu as usize];
                cpu.since = None;
                if let Some(thread) = cpu.current.take().and_then(|id| self.threads.get_mut(&id)) {
                    thread.mode = Mode::Unknown;
                }
            }
            What::Counts(counts) => {
                let cpu = &mut self.cpus[timed.cpu as usize];
                let (first, first_ns) = match (cpu.counts, cpu.counted) {
                    (Some((first, _)), Some((first_ns, _))) => (first, first_ns),
                    _ => (*counts, timed.ns),
                };
                cpu.counts = Some((first, *counts));
                cpu.counted = Some((first_ns, timed.ns));
            }
        }
    }

    /// Whether an interval that began in this epoch can be told: nothing was lost since.
    fn is_certain(&self, epoch: u32) -> bool {
        epoch == self.epoch
    }

    /// The epoch of something that begins at `ns`: none that will ever be certain, inside of a gap.
    fn epoch_at(&self, ns: u64) -> u32 {
        if ns < self.gap_until {
            self.epoch.wrapping_sub(1)
        } else {
            self.epoch
        }
    }

    fn thread_mut(&mut self, id: TaskId, ns: u64) -> &mut Thread {
        let serials = &mut self.serials;
        self.threads.entry(id).or_insert_with(|| {
            *serials += 1;
            Thread::new(id, *serials, ns)
        })
    }

    fn process_mut(&mut self, tgid: u32) -> &mut Process {
        let serials = &mut self.serials;
        self.processes.entry(tgid).or_insert_with(|| {
            *serials += 1;
            Process { serial: *serials, ..Process::default() }
        })
    }

    /// Drops processes that have ended, once there are many: what was told of them is in the views.
    fn forget_processes(&mut self) {
        if self.processes.len() > 2 * self.threads.len() + DEAD_PROCESSES {
            self.processes.retain(|_, process| process.threads > 0);
        }
    }

    fn set_group(&mut self, id: TaskId, tgid: u32, ns: u64) {
        let thread = self.thread_mut(id, ns);
        if thread.tgid == tgid {
            return;
        }
        thread.tgid = tgid;
        let comm = thread.comm;
        let process = self.process_mut(tgid);
        process.threads += 1;
        if process.comm.is_empty() {
            process.comm = comm;
        }
    }

    fn set_name(&mut self, id: TaskId, comm: Comm, ns: u64) {
        let thread = self.thread_mut(id, ns);
        if ns < thread.comm_ns {
            return;
        }
        thread.comm = comm;
        thread.comm_ns = ns;
        let group = thread.group();
        if group == id.pid() {
            self.process_mut(group).comm = comm;
        } else if let Some(process) = self.processes.get_mut(&group) {
            if process.comm.is_empty() {
                process.comm = comm;
            }
        }
    }

    /// How long a thread has been in its mode, ns; none where a loss may have hidden something.
    pub fn age(&self, thread: &Thread) -> Option<u64> {
        (self.is_certain(thread.epoch) && thread.mode != Mode::Unknown).then(|| self.now.saturating_sub(thread.since))
    }

    /// Run time since the first event, ns, and whether its end is extrapolated because the thread has a CPU now.
    pub fn run_time(&self, thread: &Thread) -> (u64, bool) {
        match thread.mode {
            Mode::Running => (thread.run.added().saturating_add(self.now.saturating_sub(thread.since)), true),
            _ => (thread.run.added(), false),
        }
    }
}
