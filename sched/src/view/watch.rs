// SPDX-License-Identifier: GPL-2.0

//! Processes with a name, also those that are started later, and their children: what they start, what they execute, and
//! where their time went.

use super::{ancestors, View};
use abi::events::life::CLONE_THREAD;
use abi::events::{Event, IrqClass};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::state::State;
use trace::table::{column, milliseconds, Out, Schema, Table, Unit};
use trace::task::{Comm, TaskId};
use trace::thread::Mode;

/// What happened to a watched process.
pub const LIFE: Schema = Schema {
    name: "life",
    columns: &[
        column("time_ns", "time", Unit::Time),
        column("what", "what", Unit::Text),
        column("pid", "PID", Unit::Id),
        column("child", "child", Unit::Id),
        column("comm", "command", Unit::Text),
        column("detail", "detail", Unit::Text),
    ],
};

/// Where the time of the watched processes went.
pub const TIMES: Schema = Schema {
    name: "watch",
    columns: &[
        column("cpu", "CPU", Unit::Id),
        column("pid", "PID", Unit::Id),
        column("run_ns", "run ms", Unit::Time),
        column("hrtimer_ns", "in timer interrupts ms", Unit::Time),
        column("comm", "command", Unit::Text),
    ],
};

const CLONE_VM: u64 = 0x0000_0100;
const CLONE_VFORK: u64 = 0x0000_4000;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    run_ns: u64,
    timer_ns: u64,
    comm: Comm,
}

/// See the module.
#[derive(Debug)]
pub struct Watch {
    name: String,
    /// Processes that are watched, by serial number of the process.
    watched: FxHashSet<u64>,
    /// Time by CPU, process and its serial number.
    rows: BTreeMap<(u32, u32, u64), Row>,
    /// Threads of which a slice has been counted up to here, at the last restart.
    carried: FxHashMap<u64, u64>,
    start: Option<u64>,
    /// What processes that are not watched have executed last: their names may change afterwards.
    executed: FxHashMap<u32, (Timed, String)>,
}

/// Programs of processes that are not watched, of which the paths are kept.
const EXECUTED: usize = 4096;

impl Watch {
    /// Processes whose name contains `name`.
    pub fn new(name: &str) -> Self {
        Watch {
            name: name.to_owned(),
            watched: FxHashSet::default(),
            rows: BTreeMap::new(),
            carried: FxHashMap::default(),
            start: None,
            executed: FxHashMap::default(),
        }
    }

    /// Whether this process is watched: by its name, now or earlier, or since one of its ancestors is.
    fn is_watched(&mut self, state: &State, tgid: u32) -> bool {
        let Some(process) = state.process(tgid) else { return false };
        if self.watched.contains(&process.serial) {
            return true;
        }
        let named = process.comm.contains(self.name.as_bytes());
        let inherits = || ancestors(state, tgid).filter_map(|tgid| state.process(tgid));
        let watched = named || inherits().any(|parent| self.watched.contains(&parent.serial));
        if watched {
            self.watched.insert(process.serial);
        }
        watched
    }

    fn group_of(&mut self, state: &State, id: TaskId) -> Option<u32> {
        let group = state.thread(id).filter(|_| !id.is_idle())?.group();
        self.is_watched(state, group).then_some(group)
    }

    fn row(&mut self, state: &State, cpu: u32, tgid: u32) -> Option<&mut Row> {
        let process = state.process(tgid)?;
        let row = self.rows.entry((cpu, tgid, process.serial)).or_default();
        row.comm = process.comm;
        Some(row)
    }

    fn life(&self, timed: &Timed, state: &State, event: (&'static str, u32, Option<u32>, &str), out: &mut dyn Out) {
        let (what, pid, child, detail) = event;
        let ns = timed.ns.saturating_sub(state.start.unwrap_or(timed.ns));
        let comm = state.process(pid).map(|process| process.comm).unwrap_or_default();
        let text = match (what, child) {
            ("exec", _) => format!("PID {pid} executed {detail}"),
            ("exit", _) => format!("PID {pid} ({comm}) {detail}"),
            (what, Some(child)) => format!("PID {pid} ({comm}) {what} PID {child}"),
            _ => format!("PID {pid} ({comm}) {what}"),
        };
        let text = format!("{:>12} ms  {text}", milliseconds(ns));
        let values = vec![ns.into(), what.into(), pid.into(), child.into(), comm.into(), detail.into()];
        out.row(&LIFE, values, &text);
    }

    fn table(&mut self, state: &State, out: &mut dyn Out) {
        let mut rows = self.rows.clone();
        let start = self.start.unwrap_or(state.now);
        for (cpu, here) in state.cpus().iter().enumerate() {
            let Some(thread) = here.current.and_then(|id| state.thread(id)) else { continue };
            if thread.id.is_idle() || thread.mode != Mode::Running || !self.is_watched(state, thread.group()) {
                continue;
            }
            let Some(process) = state.process(thread.group()) else { continue };
            let row = rows.entry((cpu as u32, thread.group(), process.serial)).or_default();
            row.run_ns = row.run_ns.saturating_add(state.now.saturating_sub(thread.since.max(start)));
            row.comm = process.comm;
        }
        let mut table = Table::new(&TIMES);
        for ((cpu, tgid, _), row) in rows {
            table.rows.push(vec![cpu.into(), tgid.into(), row.run_ns.into(), row.timer_ns.into(), row.comm.into()]);
        }
        out.table(&table);
    }
}

/// How wait(2)'s status reads.
pub fn ending(code: i32) -> String {
    match code & 0x7f {
        0 => format!("exited with status {}", (code >> 8) & 0xff),
        signal => format!("was ended by signal {signal}"),
    }
}

impl View for Watch {
    fn event(&mut self, timed: &Timed, facts: &[Fact], state: &State, out: &mut dyn Out) {
        self.start.get_or_insert(timed.ns);
        match &timed.what {
            What::Event(Event::NewTask(new)) if self.is_watched(state, new.parent_tgid) => {
                if let Some(child) = state.process(new.tgid) {
                    self.watched.insert(child.serial);
                }
                let what = match new.clone_flags {
                    flags if flags & CLONE_THREAD != 0 => "cloned thread",
                    flags if flags & CLONE_VFORK != 0 => "vforked",
                    flags if flags & CLONE_VM != 0 => "cloned",
                    _ => "forked",
                };
                self.life(timed, state, (what, new.parent_tgid, Some(new.tid), ""), out);
            }
            What::Event(Event::Name(name)) if self.is_watched(state, name.tgid) => {
                // A program that renames itself once it runs, such as the applets of busybox.
                if let Some((at, path)) = self.executed.remove(&name.tgid) {
                    self.life(&at, state, ("exec", name.tgid, None, &path), out);
                }
            }
            What::Path(path) => {
                // Before and after: a process is watched for the name that it had or for the one that it gets.
                let by_path = path.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                let by_path = Comm::new(by_path).contains(self.name.as_bytes());
                if by_path {
                    if let Some(process) = state.process(path.tid) {
                        self.watched.insert(process.serial);
                    }
                }
                let cut = if path.cut > 0 { "..." } else { "" };
                let name = format!("{cut}{}", printable(&path.path));
                if self.is_watched(state, path.tid) {
                    self.executed.remove(&path.tid);
                    self.life(timed, state, ("exec", path.tid, None, &name), out);
                } else {
                    if self.executed.len() >= EXECUTED {
                        self.executed.clear();
                    }
                    self.executed.insert(path.tid, (timed.clone(), name));
                }
            }
            What::Event(Event::Exit(exit)) if exit.group_dead && !self.is_watched(state, exit.tgid) => {
                self.executed.remove(&exit.tgid);
            }
            What::Event(Event::Exit(exit)) if exit.group_dead => {
                let code = if exit.group_code != 0 { exit.group_code } else { exit.code };
                self.life(timed, state, ("exit", exit.tgid, None, &ending(code)), out);
            }
            What::Event(Event::Irq(irq)) if irq.class == IrqClass::Timer => {
                if let Some(group) = self.group_of(state, TaskId::new(irq.tid, timed.cpu)) {
                    if let Some(row) = self.row(state, timed.cpu, group) {
                        row.timer_ns = row.timer_ns.saturating_add(irq.own_ns());
                    }
                }
            }
            _ => {}
        }
        for fact in facts {
            match fact {
                Fact::Slice(slice) => {
                    let carried = self.carried.remove(&slice.serial).unwrap_or(0);
                    if let Some(group) = self.group_of(state, slice.task) {
                        let ns = slice.run_ns.saturating_sub(carried);
                        if let Some(row) = self.row(state, slice.cpu, group) {
                            row.run_ns = row.run_ns.saturating_add(ns);
                        }
                    }
                }
                Fact::Ended(ended) => {
                    let Some(group) = self.group_of(state, ended.task) else { continue };
                    let last =
                        state.process(group).is_some_and(|process| process.threads <= 1 && process.code.is_some());
                    if last {
                        self.table(state, out);
                    }
                }
                _ => {}
            }
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        self.table(state, out);
    }

    fn restart(&mut self, state: &State) {
        self.carried = state
            .threads()
            .filter(|thread| thread.mode == Mode::Running)
            .map(|thread| (thread.serial, state.now.saturating_sub(thread.since.max(self.start.unwrap_or(0)))))
            .collect();
        self.rows.clear();
        self.start = Some(state.now);
    }
}

/// A path for a line of text: what is not printable becomes a question mark.
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
