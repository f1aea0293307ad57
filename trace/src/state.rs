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

use crate::event::{Timed, What};
use crate::fact::{Ended, Fact, Sleep, Slice, Wait};
use crate::losses::Losses;
use crate::task::{Comm, TaskId};
use crate::thread::{Blocked, Cause, Mode, Thread, Waker};
use crate::total::Total;
use abi::events::header::Counts;
use abi::events::life::CLONE_THREAD;
use abi::events::{Event, Switch, SwitchFlags, TotalsPart, Waking};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Slices that each CPU's history holds.
const HISTORY: usize = 4096;

/// Processes that have ended, of which the names are kept.
const DEAD_PROCESSES: usize = 65_536;

/// After how many lost records the low bits of a thread's involuntary switches may have wrapped.
const INVOLUNTARY_CERTAIN: u64 = 200;

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

/// One CPU.
#[derive(Debug, Default)]
pub struct Cpu {
    /// Who has it, where that is known.
    pub current: Option<TaskId>,
    /// Since when, ns.
    pub since: Option<u64>,
    /// The thread that has it was let in by the fair server.
    pub fair_server: bool,
    /// The first counts of its ring's header, and the last.
    pub counts: Option<(Counts, Counts)>,
    /// When these were read, ns.
    pub counted: Option<(u64, u64)>,
    /// Slices of the past, oldest first.
    pub history: VecDeque<Span>,
}

/// A slice in a CPU's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Who had the CPU.
    pub task: TaskId,
    /// Its name.
    pub comm: Comm,
    /// Its rank.
    pub rank: crate::task::Rank,
    /// From, ns.
    pub from: u64,
    /// To, ns.
    pub to: u64,
}

/// What a checkpoint says.
#[derive(Debug, Default)]
pub struct Known {
    /// Its time, ns.
    pub now: u64,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Processes: thread group, parent's thread group, name.
    pub processes: Vec<(u32, u32, Comm)>,
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

    /// Begins with what a checkpoint says. Totals count from there.
    pub fn from_known(known: Known) -> Self {
        let mut state = State { now: known.now, ..State::default() };
        for (tgid, parent, comm) in known.processes {
            let process = state.process_mut(tgid);
            (process.parent, process.comm) = (parent, comm);
        }
        for mut thread in known.threads {
            state.serials += 1;
            thread.serial = state.serials;
            let (id, cpu, group) = (thread.id, thread.cpu as usize, thread.tgid);
            if thread.mode == Mode::Running {
                if state.cpus.len() <= cpu {
                    state.cpus.resize_with(cpu + 1, Cpu::default);
                }
                (state.cpus[cpu].current, state.cpus[cpu].since) = (Some(id), Some(thread.since));
            }
            if group != 0 {
                state.process_mut(group).threads += 1;
            }
            state.threads.insert(id, thread);
        }
        state
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

    fn event(&mut self, ns: u64, cpu: u32, event: &Event, facts: &mut Vec<Fact>) {
        match event {
            Event::Switch(switch) => self.switch(ns, cpu, switch, facts),
            Event::Waking(waking) => self.waking(ns, cpu, waking, facts),
            Event::Migrate(migrate) => {
                let thread = self.thread_mut(TaskId::new(migrate.tid, cpu), ns);
                thread.prio = Some(migrate.prio);
                thread.allowed_cpus = migrate.allowed_cpus;
                if migrate.from != migrate.to {
                    thread.migrations += 1;
                }
                thread.cpu = u32::from(migrate.to);
                self.set_group(TaskId::new(migrate.tid, cpu), migrate.tgid, ns);
            }
            Event::Priority(priority) => {
                let thread = self.thread_mut(TaskId::new(priority.tid, cpu), ns);
                thread.prio = Some(priority.new);
                thread.boosted_by = (priority.donor != 0).then_some(priority.donor);
                self.set_group(TaskId::new(priority.tid, cpu), priority.tgid, ns);
            }
            Event::NewTask(new) => {
                let id = TaskId::new(new.tid, cpu);
                let epoch = self.epoch_at(ns);
                let lost = self.losses.records;
                self.forget(id);
                let thread = self.thread_mut(id, ns);
                thread.kernel = new.kernel;
                thread.prio = Some(new.prio);
                thread.cpu = cpu;
                thread.lost_before = lost;
                (thread.run, thread.delay) = (Total::zero(), Total::zero());
                (thread.voluntary, thread.involuntary) = (Total::zero(), Total::zero());
                (thread.mode, thread.since, thread.epoch) = (Mode::Waiting(Cause::New), ns, epoch);
                if new.clone_flags & CLONE_THREAD == 0 {
                    // A process of its own, whatever had this number before.
                    self.processes.remove(&new.tgid);
                    self.process_mut(new.tgid).parent = new.parent_tgid;
                }
                self.set_group(id, new.tgid, ns);
            }
            Event::Exec(exec) => {
                if exec.old_tid != exec.tid {
                    self.take_over(exec.old_tid, exec.tid, cpu);
                }
                self.set_group(TaskId::new(exec.tid, cpu), exec.tgid, ns);
            }
            Event::Exit(exit) => {
                let id = TaskId::new(exit.tid, cpu);
                self.set_group(id, exit.tgid, ns);
                if exit.group_dead {
                    let process = self.process_mut(exit.tgid);
                    process.code = Some(exit.group_code);
                    if process.parent == 0 {
                        process.parent = exit.parent_tgid;
                    }
                }
            }
            Event::Name(name) => {
                let id = TaskId::new(name.tid, cpu);
                self.thread_mut(id, ns).kernel = name.kernel;
                self.set_group(id, name.tgid, ns);
                self.set_name(id, Comm::new(&name.comm), ns);
            }
            Event::Task(task) => {
                let id = TaskId::new(task.tid, cpu);
                let epoch = self.epoch_at(ns);
                let thread = self.thread_mut(id, ns);
                thread.kernel = task.kernel;
                thread.allowed_cpus = task.allowed_cpus;
                thread.cgroup = task.cgroup;
                if thread.mode == Mode::Unknown {
                    thread.prio = Some(task.prio);
                    thread.cpu = u32::from(task.cpu);
                    if task.running {
                        (thread.mode, thread.since, thread.epoch) = (Mode::Running, ns, epoch);
                        thread.was_running = true;
                        let (on, since) = (thread.cpu, thread.since);
                        if self.cpus.len() <= on as usize {
                            self.cpus.resize_with(on as usize + 1, Cpu::default);
                        }
                        let on = &mut self.cpus[on as usize];
                        if on.current.is_none() {
                            (on.current, on.since) = (Some(id), Some(since));
                        }
                    }
                }
                self.set_group(id, task.tgid, ns);
                let process = self.process_mut(task.tgid);
                if process.parent == 0 {
                    process.parent = task.parent_tgid;
                }
            }
            Event::Totals(totals) => {
                let id = TaskId::new(totals.tid, cpu);
                let lost = self.losses.records;
                let thread = self.thread_mut(id, ns);
                match totals.part {
                    TotalsPart::Times { run_ns, delay_ns } => {
                        thread.run.learn(run_ns);
                        thread.delay.learn(delay_ns);
                    }
                    TotalsPart::Switches { voluntary, involuntary } => {
                        thread.voluntary.learn(voluntary);
                        thread.involuntary.learn(involuntary);
                        thread.involuntary_uncertain = false;
                        thread.lost_before = lost;
                    }
                    _ => {}
                }
                self.set_group(id, totals.tgid, ns);
            }
            // Page faults are others' matter, and whatever later versions add.
            _ => {}
        }
    }

    /// What had this PID is gone, whether or not its end was seen.
    fn forget(&mut self, id: TaskId) {
        if let Some(thread) = self.threads.remove(&id) {
            if let Some(process) = self.processes.get_mut(&thread.group()) {
                process.threads = process.threads.saturating_sub(1);
            }
        }
    }

    /// execve by a thread that is not the leader: it takes the leader's PID.
    fn take_over(&mut self, old: u32, new: u32, cpu: u32) {
        let (old, new) = (TaskId::new(old, cpu), TaskId::new(new, cpu));
        let Some(mut thread) = self.threads.remove(&old) else { return };
        thread.id = new;
        // The leader has ended before. If a switch under its PID was seen between its end and this event, it was of the
        // thread that has the PID now.
        if let Some(other) = self.threads.remove(&new) {
            if !matches!(other.mode, Mode::Dead | Mode::Unknown) {
                (thread.mode, thread.since, thread.epoch) = (other.mode, other.since, other.epoch);
                (thread.waker, thread.pending, thread.cpu) = (other.waker, other.pending, other.cpu);
                for (ours, theirs, bits) in [
                    (&mut thread.run, &other.run, 48),
                    (&mut thread.delay, &other.delay, 48),
                    (&mut thread.voluntary, &other.voluntary, 16),
                    (&mut thread.involuntary, &other.involuntary, 8),
                ] {
                    if theirs.is_known() {
                        ours.learn_low(theirs.value(), bits, 0);
                    }
                }
            }
            // The new name comes before this event.
            if other.mode != Mode::Dead && other.comm_ns > thread.comm_ns {
                (thread.comm, thread.comm_ns) = (other.comm, other.comm_ns);
            }
            if let Some(process) = self.processes.get_mut(&thread.group()) {
                process.threads = process.threads.saturating_sub(1);
            }
        }
        for cpu in &mut self.cpus {
            if cpu.current == Some(old) {
                cpu.current = Some(new);
            }
        }
        self.threads.insert(new, thread);
    }

    fn switch(&mut self, ns: u64, cpu: u32, switch: &Switch, facts: &mut Vec<Fact>) {
        let (prev, next) = (TaskId::new(switch.prev, cpu), TaskId::new(switch.next, cpu));
        let flags = switch.flags;
        let has = |flag: SwitchFlags| flags.contains(flag);
        let (epoch, lost) = (self.epoch_at(ns), self.losses.records);
        let here = &mut self.cpus[cpu as usize];
        let since_here = here.since;
        let old = here.current.replace(next);
        here.since = Some(ns);
        here.fair_server = has(SwitchFlags::FAIR_SERVER);
        // With a filter, or after a loss, the thread that leaves is not the one that came last.
        if let Some(old) = old.filter(|old| *old != prev) {
            if let Some(thread) = self.threads.get_mut(&old).filter(|thread| thread.mode == Mode::Running) {
                if thread.cpu == cpu {
                    thread.mode = Mode::Unknown;
                }
            }
        }

        let thread = self.thread_mut(prev, ns);
        let from = match thread.mode {
            Mode::Running if thread.cpu == cpu || prev.is_idle() => Some(thread.since),
            _ => None,
        };
        let from = from.or(since_here.filter(|_| old == Some(prev)));
        let length = from.map_or(0, |from| ns.saturating_sub(from));
        thread.cpu = cpu;
        thread.prio = Some(switch.prev_prio);
        let voluntary = has(SwitchFlags::VOLUNTARY);
        let (mut run_ns, mut delay_ns, mut left, mut pushed) = (0, 0, 0, 0);
        if !prev.is_idle() {
            run_ns = thread.run.learn_low(switch.run_ns, 48, length);
            if thread.was_running {
                // The snapshot's run time was as of the scheduler's last look at it, before the snapshot: that part
                // belongs to the time before.
                run_ns = thread.run.cut(run_ns, length);
            }
            delay_ns = thread.delay.learn_low(switch.delay_ns, 48, 0);
            if lost.saturating_sub(thread.lost_before) > INVOLUNTARY_CERTAIN {
                thread.involuntary_uncertain = true;
            }
            left = thread.voluntary.learn_low(u64::from(switch.voluntary), 16, u64::from(voluntary));
            pushed = thread.involuntary.learn_low(u64::from(switch.involuntary), 8, u64::from(!voluntary));
        }
        thread.lost_before = lost;
        thread.was_running = false;
        let still_runnable = switch.still_runnable();
        let dead = has(SwitchFlags::DEAD);
        thread.mode = if dead {
            Mode::Dead
        } else if prev.is_idle() {
            Mode::Blocked(Blocked { state: switch.state, io_wait: false })
        } else if still_runnable {
            Mode::Waiting(if has(SwitchFlags::THROTTLED) { Cause::Throttled } else { Cause::Preempted })
        } else {
            Mode::Blocked(Blocked { state: switch.state, io_wait: has(SwitchFlags::IO_WAIT) })
        };
        (thread.since, thread.epoch) = (ns, epoch);
        if still_runnable {
            thread.pending = None;
        }
        let (serial, comm, rank) = (thread.serial, thread.name(), thread.rank());
        facts.push(Fact::Slice(Slice {
            task: prev,
            serial,
            cpu,
            from,
            to: ns,
            run_ns,
            delay_ns,
            voluntary: left,
            involuntary: pushed,
            state: switch.state,
            still_runnable,
            next,
        }));
        if let Some(from) = from {
            let history = &mut self.cpus[cpu as usize].history;
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(Span { task: prev, comm, rank, from, to: ns });
        }
        if dead {
            facts.push(Fact::Ended(Ended { task: prev, serial, ns }));
            self.buried.push(prev);
        }

        let now_epoch = self.epoch;
        let thread = self.thread_mut(next, ns);
        let (mode, since) = (thread.mode, thread.since);
        let certain = thread.epoch == now_epoch;
        let pending = thread.pending.take();
        thread.cpu = cpu;
        thread.prio = Some(switch.next_prio);
        let serial = thread.serial;
        if !next.is_idle() {
            match (mode, pending) {
                (Mode::Waiting(cause), _) if certain => {
                    let waker = thread.waker.filter(|_| cause == Cause::Woken);
                    facts.push(Fact::Wait(Wait { task: next, serial, cpu, from: since, to: ns, cause, waker }));
                }
                (Mode::Blocked(blocked), Some(waker)) if certain => {
                    // Woken before its own switch was recorded: it never slept, and waited from the switch on.
                    let Blocked { state, io_wait } = blocked;
                    facts.push(Fact::Sleep(Sleep {
                        task: next,
                        serial,
                        from: since,
                        to: since,
                        state,
                        io_wait,
                        waker,
                    }));
                    let cause = Cause::Woken;
                    let waker = Some(waker);
                    facts.push(Fact::Wait(Wait { task: next, serial, cpu, from: since, to: ns, cause, waker }));
                    thread.waker = waker;
                }
                _ => {}
            }
        }
        (thread.mode, thread.since, thread.epoch) = (Mode::Running, ns, epoch);
    }

    fn waking(&mut self, ns: u64, cpu: u32, waking: &Waking, facts: &mut Vec<Fact>) {
        let (wakee, task) = (TaskId::new(waking.wakee, cpu), TaskId::new(waking.waker, cpu));
        let waker = Waker {
            ns,
            cpu,
            task,
            comm: self.name(task),
            context: waking.context,
            prio: waking.waker_prio,
            call: waking.waker_call,
            wakee_call: waking.wakee_call,
            argument: waking.argument,
        };
        let (epoch, now_epoch) = (self.epoch_at(ns), self.epoch);
        let thread = self.thread_mut(wakee, ns);
        thread.prio = Some(waking.wakee_prio);
        let certain = thread.epoch == now_epoch;
        match thread.mode {
            Mode::Running => {
                thread.pending = Some(waker);
                return;
            }
            Mode::Waiting(_) if certain => {
                // Preempted on its way to sleep: it kept its place in the run queue, and its wait.
                thread.waker = Some(waker);
                return;
            }
            Mode::Blocked(blocked) if certain => {
                let Blocked { state, io_wait } = blocked;
                let (serial, from) = (thread.serial, thread.since);
                facts.push(Fact::Sleep(Sleep { task: wakee, serial, from, to: ns, state, io_wait, waker }));
            }
            _ => {}
        }
        thread.pending = None;
        thread.waker = Some(waker);
        thread.cpu = u32::from(waking.previous_cpu);
        (thread.mode, thread.since, thread.epoch) = (Mode::Waiting(Cause::Woken), ns, epoch);
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

    /// Who had `cpu` between `from` and `to`, oldest first, cut to these limits; the running one included.
    pub fn meanwhile(&self, cpu: u32, from: u64, to: u64) -> Vec<Span> {
        let Some(here) = self.cpus.get(cpu as usize) else { return vec![] };
        let begin = here.history.partition_point(|span| span.to <= from);
        let current = here.current.zip(here.since).and_then(|(id, since)| {
            let thread = self.threads.get(&id)?;
            let (comm, rank) = (thread.name(), thread.rank());
            (since < to).then_some(Span { task: id, comm, rank, from: since, to })
        });
        here.history
            .range(begin..)
            .copied()
            .chain(current)
            .filter(|span| span.from < to && span.to > from)
            .map(|span| Span { from: span.from.max(from), to: span.to.min(to), ..span })
            .collect()
    }
}
