// SPDX-License-Identifier: GPL-2.0

//! A scheduler for tests: told what threads do, it writes the records that the module would, and keeps the truth beside.
//!
//! It follows the kernel where that matters for the records: what a switch counts as voluntary, where the run-queue delay
//! begins and ends, which of two events comes first.

use crate::event::{Timed, What};
use abi::events::header::Counts;
use abi::events::{
    Context, Event, Exec, Exit, Migrate, Name, NewTask, Prio, Priority, State, Switch, SwitchFlags, Task, Totals,
    TotalsPart, Waking,
};
use std::collections::BTreeMap;

/// How a thread leaves its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It goes to sleep.
    Sleep(State),
    /// It waits for block I/O.
    BlockIo,
    /// It is preempted.
    Preempted,
    /// It is dead.
    Dead,
}

/// The truth about a thread.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Its process.
    pub tgid: u32,
    /// Its process's parent.
    pub parent: u32,
    /// Its name.
    pub comm: [u8; 16],
    /// Its priority.
    pub prio: Prio,
    /// Run time, ns.
    pub run_ns: u64,
    /// Run-queue delay, ns.
    pub delay_ns: u64,
    /// Voluntary switches.
    pub voluntary: u64,
    /// Involuntary switches.
    pub involuntary: u64,
    /// Migrations.
    pub migrations: u32,
    /// The CPU that it is on, or was on last.
    pub cpu: u32,
    /// What it does now.
    pub now: Doing,
    /// The system call that it is in, and its first argument.
    pub call: Option<(u16, u64)>,
    /// CPUs that it may use.
    pub allowed: u16,
    /// CPU time by CPU, ns.
    pub cpu_ns: Vec<u64>,
    /// How long each of its waits for a CPU was, ns.
    pub waits: Vec<u64>,
    /// How long each of its sleeps was, ns.
    pub sleeps: Vec<u64>,
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It runs.
    Runs,
    /// It is in a run queue since then, ns.
    Waits(u64),
    /// It sleeps since then, ns.
    Sleeps(u64),
    /// It is gone.
    Gone,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Model {
    /// The time, ns.
    pub now: u64,
    /// Threads by PID, dead ones too.
    pub threads: BTreeMap<u32, Truth>,
    /// Who runs on each CPU (0: its idle task), and since when, ns.
    pub cpus: Vec<(u32, u64)>,
    /// What each CPU's header counts.
    pub counts: Vec<Counts>,
    /// What was written.
    pub events: Vec<Timed>,
}

/// A name as the kernel keeps it.
pub fn comm(name: &str) -> [u8; 16] {
    let mut comm = [0; 16];
    for (to, from) in comm.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    comm
}

impl Model {
    /// `cpus` idle CPUs at `now` ns.
    pub fn new(cpus: usize, now: u64) -> Self {
        Model {
            now,
            threads: BTreeMap::new(),
            cpus: vec![(0, now); cpus],
            counts: vec![Counts::default(); cpus],
            events: vec![],
        }
    }

    /// Time passes.
    pub fn pass(&mut self, ns: u64) -> &mut Self {
        self.now += ns;
        self
    }

    fn emit(&mut self, cpu: u32, event: Event) {
        self.events.push(Timed { ns: self.now, cpu, what: What::Event(event) });
    }

    /// A thread that sleeps and that no record has told of: it was there before.
    pub fn existing(&mut self, tid: u32, tgid: u32, name: &str) -> &mut Self {
        let cpus = self.cpus.len();
        let truth = Truth {
            tgid,
            parent: 1,
            comm: comm(name),
            prio: Prio(120),
            run_ns: 1_000_000 * u64::from(tid),
            delay_ns: 7_000 * u64::from(tid),
            voluntary: 1_000 + u64::from(tid),
            involuntary: 250 + u64::from(tid),
            migrations: 0,
            cpu: 0,
            now: Doing::Sleeps(self.now),
            call: None,
            allowed: cpus as u16,
            cpu_ns: vec![0; cpus],
            waits: vec![],
            sleeps: vec![],
        };
        self.threads.insert(tid, truth);
        self
    }

    /// Changes what a thread is.
    pub fn set(&mut self, tid: u32, change: impl FnOnce(&mut Truth)) -> &mut Self {
        if let Some(truth) = self.threads.get_mut(&tid) {
            change(truth);
        }
        self
    }

    /// The records of a snapshot.
    pub fn snapshot(&mut self) -> &mut Self {
        let mut events = vec![];
        for (tid, truth) in self.threads.iter().filter(|(_, truth)| truth.now != Doing::Gone) {
            let (tid, tgid) = (*tid, truth.tgid);
            let running = truth.now == Doing::Runs;
            events.push(Event::Name(Name { tid, tgid, kernel: false, comm: truth.comm }));
            events.push(Event::Task(Task {
                tid,
                tgid,
                parent_tgid: truth.parent,
                running,
                prio: truth.prio,
                cpu: truth.cpu as u16,
                allowed_cpus: truth.allowed,
                ..Task::default()
            }));
            let (run_ns, delay_ns) = (truth.run_ns, truth.delay_ns);
            for part in [
                TotalsPart::Times { run_ns, delay_ns },
                TotalsPart::Switches { voluntary: truth.voluntary, involuntary: truth.involuntary },
            ] {
                events.push(Event::Totals(Totals { tid, tgid, part }));
            }
        }
        for event in events {
            self.emit(0, event);
        }
        self
    }

    /// What the headers of the rings have counted.
    pub fn count(&mut self) -> &mut Self {
        for cpu in 0..self.cpus.len() {
            let counts = self.counts[cpu];
            self.events.push(Timed { ns: self.now, cpu: cpu as u32, what: What::Counts(counts) });
        }
        self
    }

    /// The thread on `cpu` (or an interrupt there) wakes `tid`.
    pub fn wake(&mut self, cpu: u32, context: Context, tid: u32) -> &mut Self {
        let waker = self.cpus[cpu as usize].0;
        let by = self.threads.get(&waker).map(|truth| (truth.prio, truth.call.map(|(call, _)| call)));
        let (waker_prio, waker_call) = by.unwrap_or((Prio(140), None));
        let now = self.now;
        let Some(truth) = self.threads.get_mut(&tid) else { return self };
        let waking = Waking {
            wakee: tid,
            waker,
            context,
            wakee_prio: truth.prio,
            waker_prio,
            previous_cpu: truth.cpu as u16,
            waker_call,
            wakee_call: truth.call.map(|(call, _)| call),
            argument: truth.call.map_or(0, |(_, argument)| argument),
            ..Waking::default()
        };
        if let Doing::Sleeps(since) = truth.now {
            truth.sleeps.push(now - since);
            truth.now = Doing::Waits(now);
        }
        self.counts[cpu as usize].wakings += 1;
        self.emit(cpu, Event::Waking(waking));
        self
    }

    /// `tid` is to run on `to`; the thread on `cpu` moves it there.
    pub fn migrate(&mut self, cpu: u32, tid: u32, to: u32, forced: bool) -> &mut Self {
        let by = self.cpus[cpu as usize].0;
        let Some(truth) = self.threads.get_mut(&tid) else { return self };
        let migrate = Migrate {
            tid,
            tgid: truth.tgid,
            by,
            from: truth.cpu as u16,
            to: to as u16,
            prio: truth.prio,
            forced,
            allowed_cpus: truth.allowed,
            migrations: truth.migrations,
            ..Migrate::default()
        };
        if truth.cpu != to {
            truth.migrations += 1;
        }
        truth.cpu = to;
        self.emit(cpu, Event::Migrate(migrate));
        self
    }

    /// The thread on `cpu` leaves it for `next` (0: the idle task), which was waiting.
    pub fn switch(&mut self, cpu: u32, leave: Leave, next: u32) -> &mut Self {
        self.switch_flags(cpu, leave, next, SwitchFlags::NONE)
    }

    /// As [`Model::switch`], with flags beside those that follow.
    pub fn switch_flags(&mut self, cpu: u32, leave: Leave, next: u32, more: SwitchFlags) -> &mut Self {
        let now = self.now;
        let (prev, since) = self.cpus[cpu as usize];
        let mut switch =
            Switch { prev, next, flags: more, prev_prio: Prio(140), next_prio: Prio(140), ..Switch::default() };
        let counts = &mut self.counts[cpu as usize];
        counts.switches += 1;
        if let Some(truth) = self.threads.get_mut(&prev) {
            truth.run_ns += now - since;
            truth.cpu_ns[cpu as usize] += now - since;
            let voluntary = leave != Leave::Preempted;
            if voluntary {
                truth.voluntary += 1;
                counts.voluntary += 1;
                switch.flags |= SwitchFlags::VOLUNTARY;
            } else {
                truth.involuntary += 1;
            }
            match leave {
                Leave::Sleep(state) => {
                    switch.state = state;
                    truth.now = Doing::Sleeps(now);
                }
                Leave::BlockIo => {
                    switch.state = State::Uninterruptible;
                    switch.flags |= SwitchFlags::IO_WAIT;
                    truth.now = Doing::Sleeps(now);
                }
                Leave::Preempted => truth.now = Doing::Waits(now),
                Leave::Dead => {
                    switch.state = State::Dead;
                    switch.flags |= SwitchFlags::DEAD;
                    truth.now = Doing::Gone;
                }
            }
            switch.run_ns = truth.run_ns & ((1 << 48) - 1);
            switch.delay_ns = truth.delay_ns & ((1 << 48) - 1);
            switch.voluntary = truth.voluntary as u16;
            switch.involuntary = truth.involuntary as u8;
            switch.prev_prio = truth.prio;
        } else {
            counts.from_idle += 1;
        }
        if let Some(truth) = self.threads.get_mut(&next) {
            if let Doing::Waits(since) = truth.now {
                truth.delay_ns += now - since;
                truth.waits.push(now - since);
            }
            truth.now = Doing::Runs;
            truth.cpu = cpu;
            switch.next_prio = truth.prio;
        }
        self.cpus[cpu as usize] = (next, now);
        self.emit(cpu, Event::Switch(switch));
        self
    }

    /// The thread on `cpu` makes another: a process of its own where `tid == tgid`.
    pub fn spawn(&mut self, cpu: u32, tid: u32, tgid: u32) -> &mut Self {
        let parent = self.cpus[cpu as usize].0;
        let from = self.threads.get(&parent);
        let (name, prio) = from.map_or((comm("init"), Prio(120)), |truth| (truth.comm, truth.prio));
        let parent_tgid = from.map_or(0, |truth| truth.tgid);
        let cpus = self.cpus.len();
        let clone_flags = if tid == tgid { 0x0120_0000 } else { 0x003d_0f00 };
        let new = NewTask { tid, tgid, parent, parent_tgid, clone_flags, prio, kernel: false };
        let truth = Truth {
            tgid,
            parent: parent_tgid,
            comm: name,
            prio,
            run_ns: 0,
            delay_ns: 0,
            voluntary: 0,
            involuntary: 0,
            migrations: 0,
            cpu,
            now: Doing::Waits(self.now),
            call: None,
            allowed: cpus as u16,
            cpu_ns: vec![0; cpus],
            waits: vec![],
            sleeps: vec![],
        };
        self.threads.insert(tid, truth);
        self.emit(cpu, Event::NewTask(new));
        self.emit(cpu, Event::Name(Name { tid, tgid, kernel: false, comm: name }));
        self
    }

    /// The thread on `cpu` executes `path`, after which it has its group's PID.
    pub fn exec(&mut self, cpu: u32, path: &str) -> &mut Self {
        let old_tid = self.cpus[cpu as usize].0;
        let Some(mut truth) = self.threads.remove(&old_tid) else { return self };
        let tid = truth.tgid;
        truth.comm = comm(path.rsplit('/').next().unwrap_or_default());
        let name = Name { tid, tgid: tid, kernel: false, comm: truth.comm };
        self.threads.insert(tid, truth);
        self.cpus[cpu as usize].0 = tid;
        let bytes = path.as_bytes();
        let exec = Exec { tid, tgid: tid, old_tid, text_bytes: bytes.len() as u8, path_bytes: bytes.len() as u16 };
        self.emit(cpu, Event::Name(name));
        self.emit(cpu, Event::Exec(exec));
        let path = crate::event::Path { tid, path: bytes.into(), cut: 0 };
        self.events.push(Timed { ns: self.now, cpu, what: What::Path(path) });
        self
    }

    /// The thread on `cpu` ends with this wait status. Its last switch is still to come.
    pub fn exit(&mut self, cpu: u32, code: i32) -> &mut Self {
        let tid = self.cpus[cpu as usize].0;
        let Some(truth) = self.threads.get(&tid) else { return self };
        let tgid = truth.tgid;
        let others =
            self.threads.iter().any(|(id, truth)| *id != tid && truth.tgid == tgid && truth.now != Doing::Gone);
        let exit = Exit { tid, tgid, parent_tgid: truth.parent, group_dead: !others, code, group_code: code };
        self.emit(cpu, Event::Exit(exit));
        self
    }

    /// The kernel gives `tid` the priority `new` on behalf of `donor`; 0: it returns to its own.
    pub fn boost(&mut self, cpu: u32, tid: u32, new: Prio, donor: u32) -> &mut Self {
        let by = self.cpus[cpu as usize].0;
        let Some(truth) = self.threads.get_mut(&tid) else { return self };
        let old = std::mem::replace(&mut truth.prio, new);
        let tgid = truth.tgid;
        self.emit(cpu, Event::Priority(Priority { tid, tgid, by, context: Context::Task, old, new, donor }));
        self
    }

    /// Runs all events through a view and returns what it wrote as text, its report included.
    pub fn view(&self, view: Box<dyn crate::view::View>) -> String {
        self.view_as(view, crate::table::Format::Text)
    }

    /// As [`Model::view`], in any format.
    pub fn view_as(&self, view: Box<dyn crate::view::View>, format: crate::table::Format) -> String {
        let mut session = crate::view::Session::new(view);
        let mut out = crate::table::Writer::new(vec![], format);
        for timed in &self.events {
            session.take(timed, &mut out);
            session.tick(timed.ns, &mut out);
        }
        session.tick(self.now, &mut out);
        session.report(&mut out);
        String::from_utf8_lossy(&out.into_inner()).into_owned()
    }
}
