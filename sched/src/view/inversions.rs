// SPDX-License-Identifier: GPL-2.0

//! Priority inversion: a thread that must wait although the scheduler's own order says that it should run.
//!
//! **Direct**: H is deadline or real time and runnable, and waits for the CPU on which a thread of lower rank runs. One that
//! the fair server let in is exempt: the scheduler means it.
//!
//! **Through a lock**: H slept, a thread L of lower rank ended its sleep, and meanwhile L was runnable while a thread M of a
//! rank between theirs had L's CPU. What counts is the time that M had, not L's own work under the lock. *Certain* where H slept in a futex call and L
//! woke it from one, or where L had inherited H's priority; *possible* for other wake-ups in task context. Interrupts hold no
//! locks for anyone.
//!
//! Ranks are those of [`Rank`]: nice levels are one rank, and no inversion is possible between them.

use super::{Filter, View};
use crate::syscall;
use abi::events::{Context, Event};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use trace::event::{Timed, What};
use trace::fact::{Fact, Sleep};
use trace::state::State;
use trace::table::{column, milliseconds, Out, Schema, Table, Unit, Value};
use trace::task::{Comm, Rank, TaskId};

/// A row an inversion, at its end.
pub const INVERSION: Schema = Schema {
    name: "inversion",
    columns: &[
        column("kind", "kind", Unit::Text),
        column("certainty", "", Unit::Text),
        column("time_ns", "until", Unit::Time),
        column("length_ns", "ms", Unit::Time),
        column("cpu", "CPU", Unit::Id),
        column("tid", "TID", Unit::Id),
        column("comm", "waited", Unit::Text),
        column("rank", "rank", Unit::Text),
        column("holder_tid", "for", Unit::Id),
        column("holder_comm", "", Unit::Text),
        column("holder_rank", "rank", Unit::Text),
        column("by_tid", "behind", Unit::Id),
        column("by_comm", "", Unit::Text),
        column("by_rank", "rank", Unit::Text),
    ],
};

/// A row an alert: an inversion that lasts.
pub const ALERT: Schema = Schema {
    name: "inversion_alert",
    columns: &[
        column("time_ns", "time", Unit::Time),
        column("so_far_ns", "so far", Unit::Time),
        column("cpu", "CPU", Unit::Id),
        column("tid", "TID", Unit::Id),
        column("comm", "waits", Unit::Text),
        column("rank", "rank", Unit::Text),
        column("by_tid", "behind", Unit::Id),
        column("by_comm", "", Unit::Text),
        column("by_rank", "rank", Unit::Text),
    ],
};

/// A row a boost.
pub const BOOST: Schema = Schema {
    name: "boost",
    columns: &[
        column("time_ns", "time", Unit::Time),
        column("tid", "TID", Unit::Id),
        column("comm", "command", Unit::Text),
        column("old_rank", "from", Unit::Text),
        column("new_rank", "to", Unit::Text),
        column("donor_tid", "for", Unit::Id),
        column("donor_comm", "", Unit::Text),
    ],
};

/// Waits of a thread that are kept, for the day it turns out to have held a lock.
const WAITS: usize = 64;

/// Inversions that are kept for the final table.
const KEPT: usize = 10_000;

/// A direct inversion that goes on.
#[derive(Clone, Copy, Debug)]
struct Direct {
    cpu: u32,
    since: u64,
    by: TaskId,
    alerted: bool,
}

/// A wait of the past: which CPU, from, to (ns).
type Waited = (u32, u64, u64);

#[derive(Clone, Copy, Debug)]
struct Found {
    kind: &'static str,
    certainty: &'static str,
    until: u64,
    length: u64,
    cpu: u32,
    waited: (TaskId, Comm, Rank),
    holder: Option<(TaskId, Comm, Rank)>,
    by: (TaskId, Comm, Rank),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Inversions {
    filter: Filter,
    for_ns: u64,
    direct: FxHashMap<TaskId, Direct>,
    /// Deadline and real-time threads that wait for a CPU.
    waiting: FxHashSet<TaskId>,
    /// The last waits of threads, with their serial numbers.
    waits: FxHashMap<TaskId, (u64, VecDeque<Waited>)>,
    /// Who was boosted last on behalf of which donor: (holder, when it began, ns).
    boosted: FxHashMap<TaskId, (TaskId, u64)>,
    found: Vec<Found>,
    count: u64,
    short: u64,
    boosts: u64,
}

impl Inversions {
    /// Those of at least `for_ns` that delay a thread that `filter` wants.
    pub fn new(filter: Filter, for_ns: u64) -> Self {
        Inversions { filter, for_ns, ..Inversions::default() }
    }

    fn who(state: &State, id: TaskId) -> (TaskId, Comm, Rank) {
        let rank = state.thread(id).map_or(Rank::FAIR, |thread| thread.rank());
        (id, state.name(id), rank)
    }

    /// Begins and ends direct inversions on `cpu`, as of `ns`.
    fn look_at(&mut self, cpu: u32, ns: u64, state: &State, out: &mut dyn Out) {
        let Some(here) = state.cpus().get(cpu as usize) else { return };
        let runner = here.current.filter(|_| !here.fair_server).and_then(|id| state.thread(id));
        let runner = runner.map(|thread| (thread.id, thread.rank()));
        let over: Vec<TaskId> = self
            .direct
            .iter()
            .filter(|(id, direct)| {
                direct.cpu == cpu && {
                    let waits = state.thread(**id).filter(|thread| thread.is_waiting() && thread.cpu == cpu);
                    waits.is_none_or(|thread| runner.is_none_or(|(_, rank)| rank >= thread.rank()))
                }
            })
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.end(id, ns, state, out);
        }
    }

    fn note_waiting(&mut self, id: TaskId, state: &State) {
        if state.thread(id).is_some_and(|thread| thread.is_waiting() && thread.rank().is_real_time()) {
            self.waiting.insert(id);
        }
    }

    /// Those that wait for `cpu` may have to look at another thread on it now.
    fn begin_waiting(&mut self, cpu: u32, ns: u64, state: &State) {
        let here: Vec<TaskId> = self
            .waiting
            .iter()
            .copied()
            .filter(|id| state.thread(*id).is_some_and(|thread| thread.cpu == cpu))
            .collect();
        for id in here {
            self.begin(id, ns, state);
        }
    }

    fn begin(&mut self, id: TaskId, ns: u64, state: &State) {
        let Some(thread) = state.thread(id) else { return };
        if !thread.is_waiting() || !thread.rank().is_real_time() || !self.filter.wants(state, id) {
            return;
        }
        let Some(here) = state.cpus().get(thread.cpu as usize).filter(|here| !here.fair_server) else { return };
        let Some(runner) = here.current.and_then(|id| state.thread(id)) else { return };
        if runner.rank() < thread.rank() {
            let cpu = thread.cpu;
            let direct = self.direct.entry(id).or_insert(Direct { cpu, since: ns, by: runner.id, alerted: false });
            direct.cpu = cpu;
        }
    }

    fn end(&mut self, id: TaskId, ns: u64, state: &State, out: &mut dyn Out) {
        let Some(direct) = self.direct.remove(&id) else { return };
        let length = ns.saturating_sub(direct.since);
        let by = Self::who(state, direct.by);
        let waited = Self::who(state, id);
        let cpu = direct.cpu;
        self.tell(
            Found { kind: "direct", certainty: "certain", until: ns, length, cpu, waited, holder: None, by },
            state,
            out,
        );
    }

    /// Tells of the direct inversions that have lasted long enough at `now`.
    fn alert(&mut self, now: u64, state: &State, out: &mut dyn Out) {
        let mut due: Vec<(u64, TaskId, Direct)> = vec![];
        for (id, direct) in &mut self.direct {
            let at = direct.since.saturating_add(self.for_ns);
            if !direct.alerted && at <= now {
                direct.alerted = true;
                due.push((at, *id, *direct));
            }
        }
        due.sort_by_key(|(at, id, _)| (*at, *id));
        for (at, id, direct) in due {
            let (waits, by) = (Self::who(state, id), Self::who(state, direct.by));
            let at = at.saturating_sub(state.start.unwrap_or(at));
            let text = format!(
                "{:>12} ms  CPU {:<3} ALERT: {} {} ({}) waits for {} ms already behind {} {} ({})",
                milliseconds(at),
                direct.cpu,
                waits.0.pid(),
                waits.1,
                waits.2,
                milliseconds(self.for_ns),
                by.0.pid(),
                by.1,
                by.2
            );
            out.row(
                &ALERT,
                vec![
                    at.into(),
                    self.for_ns.into(),
                    direct.cpu.into(),
                    waits.0.pid().into(),
                    waits.1.into(),
                    waits.2.to_string().into(),
                    by.0.pid().into(),
                    by.1.into(),
                    by.2.to_string().into(),
                ],
                &text,
            );
        }
    }

    fn tell(&mut self, found: Found, state: &State, out: &mut dyn Out) {
        if found.length < self.for_ns {
            self.short += 1;
            return;
        }
        self.count += 1;
        let at = found.until.saturating_sub(state.start.unwrap_or(found.until));
        let name = |(id, comm, rank): (TaskId, Comm, Rank)| format!("{} {comm} ({rank})", id.pid());
        let holder = found.holder.map_or(String::new(), |holder| format!(" for {}", name(holder)));
        let text = format!(
            "{:>12} ms  CPU {:<3} {} inversion ({}) of {} ms over: {} waited{holder} behind {}",
            milliseconds(at),
            found.cpu,
            found.kind,
            found.certainty,
            milliseconds(found.length),
            name(found.waited),
            name(found.by),
        );
        out.row(&INVERSION, values(&found, state), &text);
        if self.found.len() < KEPT {
            self.found.push(found);
        }
    }

    /// H slept and L ended it: was L kept from its CPU by one in between meanwhile?
    fn through_lock(&mut self, sleep: &Sleep, state: &State, out: &mut dyn Out) {
        let high = Self::who(state, sleep.task);
        let low_id = sleep.waker.task;
        if sleep.waker.context != Context::Task || low_id.is_idle() || !self.filter.wants(state, sleep.task) {
            return;
        }
        let boost = self.boosted.get(&sleep.task).filter(|(low, since)| *low == low_id && *since >= sleep.from);
        let (_, low_comm, low_rank) = Self::who(state, low_id);
        // With priority inheritance L has H's own rank by now: what it waited before that is what counts.
        if low_rank >= high.2 && boost.is_none() {
            return;
        }
        let in_futex = |call: Option<u16>| call.is_some_and(syscall::is_futex);
        let is_certain = boost.is_some() || (in_futex(sleep.waker.wakee_call) && in_futex(sleep.waker.call));
        let Some(low) = state.thread(low_id) else { return };
        let Some((_, waits)) = self.waits.get(&low_id).filter(|(serial, _)| *serial == low.serial) else { return };
        let mut length = 0;
        let mut most: Option<(u64, TaskId, Comm, Rank, u32)> = None;
        for (cpu, from, to) in waits {
            let (from, to) = ((*from).max(sleep.from), (*to).min(sleep.to));
            if from >= to {
                continue;
            }
            for span in state.meanwhile(*cpu, from, to) {
                let is_between = span.rank > Rank::FAIR && span.rank < high.2 && span.task != low_id;
                if is_between && (span.rank > low_rank || boost.is_some()) {
                    let ns = span.to - span.from;
                    length = u64::saturating_add(length, ns);
                    if most.is_none_or(|(longest, ..)| longest < ns) {
                        most = Some((ns, span.task, span.comm, span.rank, *cpu));
                    }
                }
            }
        }
        let Some((_, task, comm, rank, cpu)) = most else { return };
        self.tell(
            Found {
                kind: "lock",
                certainty: if is_certain { "certain" } else { "possible" },
                until: sleep.to,
                length,
                cpu,
                waited: high,
                holder: Some((low_id, low_comm, low_rank)),
                by: (task, comm, rank),
            },
            state,
            out,
        );
    }
}

fn values(found: &Found, state: &State) -> Vec<Value> {
    let at = found.until.saturating_sub(state.start.unwrap_or(found.until));
    let mut values: Vec<Value> =
        vec![found.kind.into(), found.certainty.into(), at.into(), found.length.into(), found.cpu.into()];
    for who in [Some(found.waited), found.holder, Some(found.by)] {
        values.push(who.map(|(id, ..)| id.pid()).into());
        values.push(who.map(|(_, comm, _)| comm).into());
        values.push(who.map(|(.., rank)| rank.to_string()).into());
    }
    values
}

impl View for Inversions {
    fn event(&mut self, timed: &Timed, facts: &[Fact], state: &State, out: &mut dyn Out) {
        let cpu = timed.cpu;
        // Before this event, which may end one of them.
        self.alert(timed.ns, state, out);
        match &timed.what {
            What::Event(Event::Switch(switch)) => {
                let (prev, next) = (TaskId::new(switch.prev, cpu), TaskId::new(switch.next, cpu));
                self.end(next, timed.ns, state, out);
                self.look_at(cpu, timed.ns, state, out);
                self.waiting.remove(&next);
                self.note_waiting(prev, state);
                self.begin_waiting(cpu, timed.ns, state);
            }
            What::Event(Event::Waking(waking)) => {
                let id = TaskId::new(waking.wakee, cpu);
                self.note_waiting(id, state);
                self.begin(id, timed.ns, state);
            }
            What::Event(Event::NewTask(new)) => {
                let id = TaskId::new(new.tid, cpu);
                self.waiting.remove(&id);
                self.direct.remove(&id);
            }
            What::Event(Event::Migrate(migrate)) => {
                let id = TaskId::new(migrate.tid, cpu);
                // It waits for another CPU now.
                for cpu in [migrate.from, migrate.to] {
                    self.look_at(u32::from(cpu), timed.ns, state, out);
                }
                if let Some(direct) = self.direct.get(&id).copied() {
                    if direct.cpu != u32::from(migrate.to) {
                        self.end(id, timed.ns, state, out);
                    }
                }
                self.begin(id, timed.ns, state);
            }
            What::Event(Event::Priority(priority)) => {
                let id = TaskId::new(priority.tid, cpu);
                self.boosts += 1;
                if priority.donor != 0 {
                    let donor = TaskId::new(priority.donor, cpu);
                    self.boosted.insert(donor, (id, timed.ns));
                }
                if self.filter.wants(state, id) {
                    let at = timed.ns.saturating_sub(state.start.unwrap_or(timed.ns));
                    let donor = (priority.donor != 0).then(|| TaskId::new(priority.donor, cpu));
                    let (old, new) = (Rank::of(priority.old, false), Rank::of(priority.new, false));
                    let comm = state.name(id);
                    let verb = if new > old { "is raised" } else { "returns" };
                    let on_behalf = donor
                        .map_or(String::new(), |donor| format!(" on behalf of {} {}", donor.pid(), state.name(donor)));
                    let text = format!(
                        "{:>12} ms  {} {comm} {verb} from {old} to {new}{on_behalf}",
                        milliseconds(at),
                        id.pid()
                    );
                    out.row(
                        &BOOST,
                        vec![
                            at.into(),
                            id.pid().into(),
                            comm.into(),
                            old.to_string().into(),
                            new.to_string().into(),
                            donor.map(TaskId::pid).into(),
                            donor.map(|donor| state.name(donor)).into(),
                        ],
                        &text,
                    );
                }
                for cpu in 0..state.cpus().len() as u32 {
                    self.look_at(cpu, timed.ns, state, out);
                }
                self.note_waiting(id, state);
                self.begin(id, timed.ns, state);
            }
            What::Lost(_) => self.direct.clear(),
            _ => {}
        }
        for fact in facts {
            match fact {
                Fact::Wait(wait) if !wait.task.is_idle() => {
                    // Kept of every thread: any of them may turn out to have held a lock.
                    let (serial, waits) = self.waits.entry(wait.task).or_default();
                    if *serial != wait.serial {
                        (*serial, *waits) = (wait.serial, VecDeque::new());
                    }
                    if waits.len() == WAITS {
                        waits.pop_front();
                    }
                    waits.push_back((wait.cpu, wait.from, wait.to));
                }
                Fact::Sleep(sleep) if Self::who(state, sleep.task).2.is_real_time() => {
                    self.through_lock(sleep, state, out);
                }
                Fact::Ended(ended) => {
                    self.waits.remove(&ended.task);
                    self.boosted.remove(&ended.task);
                    self.direct.remove(&ended.task);
                    self.waiting.remove(&ended.task);
                }
                _ => {}
            }
        }
    }

    fn tick(&mut self, state: &State, out: &mut dyn Out) {
        self.alert(state.now, state, out);
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        let mut table = Table::new(&INVERSION);
        table.rows.extend(self.found.iter().map(|found| values(found, state)));
        out.table(&table);
        out.note(&format!(
            "{} inversions of at least {} ms, {} shorter ones; {} changes of inherited priority",
            self.count,
            milliseconds(self.for_ns),
            self.short,
            self.boosts
        ));
    }

    fn restart(&mut self, _state: &State) {
        self.found.clear();
        (self.count, self.short, self.boosts) = (0, 0, 0);
    }
}
