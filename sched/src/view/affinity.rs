// SPDX-License-Identifier: GPL-2.0

//! On which CPUs threads ran, and how often they were moved.

use super::{Filter, View};
use abi::events::Event;
use rustc_hash::FxHashMap;
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::state::State;
use trace::table::{column, Out, Schema, Table, Unit, Value};
use trace::task::{Comm, TaskId};
use trace::thread::Mode;

/// A row a process.
pub const PROCESSES: Schema = Schema { name: "affinity", columns: &COLUMNS };

/// A row a thread.
pub const THREADS: Schema = Schema { name: "affinity_threads", columns: &COLUMNS };

const COLUMNS: [trace::table::Column; 13] = [
    column("pid", "PID", Unit::Id),
    column("tid", "TID", Unit::Id),
    column("comm", "command", Unit::Text),
    column("run_ns", "run ms", Unit::Time),
    column("score", "score", Unit::Number),
    column("migrations", "migrations", Unit::Count),
    column("migrations_per_second", "per second", Unit::Number),
    column("at_wake_up", "at wake-up", Unit::Count),
    column("while_runnable", "runnable", Unit::Count),
    column("forced", "forced", Unit::Count),
    column("allowed_cpus", "allowed", Unit::Count),
    column("shares", "share of its time on each CPU", Unit::Text),
    column("verdict", "", Unit::Text),
];

/// A row a pair of CPUs.
pub const ROUTES: Schema = Schema {
    name: "migrations",
    columns: &[
        column("from", "from CPU", Unit::Id),
        column("to", "to CPU", Unit::Id),
        column("count", "migrations", Unit::Count),
    ],
};

/// A thread migrates too much where it does so at least this often in a second of its run time...
const TOO_MANY_PER_SECOND: f64 = 100.0;
/// ...and was this often at least moved at all.
const TOO_MANY: u64 = 10;

/// Threads that are kept.
const KEPT: usize = 65_536;

#[derive(Clone, Debug, Default)]
struct Row {
    pid: u32,
    tid: u32,
    comm: Comm,
    run_ns: u64,
    cpu_ns: Vec<u64>,
    /// Times that it got a CPU after it had had one.
    arrivals: u64,
    /// Of them, those on the CPU that it had last.
    stays: u64,
    last_cpu: Option<u32>,
    migrations: u64,
    at_wake_up: u64,
    forced: u64,
    allowed: u16,
}

impl Row {
    /// The share of arrivals on the CPU that the thread had last: 1 never moved, 0 moved every time.
    fn score(&self) -> Option<f64> {
        (self.arrivals > 0).then(|| self.stays as f64 / self.arrivals as f64)
    }

    fn per_second(&self, elapsed: u64) -> f64 {
        self.migrations as f64 * 1e9 / elapsed as f64
    }

    fn verdict(&self) -> &'static str {
        let often = self.migrations as f64 * 1e9 / self.run_ns.max(1) as f64;
        match () {
            () if self.migrations < TOO_MANY || often < TOO_MANY_PER_SECOND => "",
            () if self.forced * 2 > self.migrations => "migrates much, forced by its mask",
            () => "migrates too much",
        }
    }

    fn add(&mut self, other: &Row) {
        self.run_ns = self.run_ns.saturating_add(other.run_ns);
        self.arrivals += other.arrivals;
        self.stays += other.stays;
        self.migrations += other.migrations;
        self.at_wake_up += other.at_wake_up;
        self.forced += other.forced;
        self.allowed = self.allowed.max(other.allowed);
        if self.cpu_ns.len() < other.cpu_ns.len() {
            self.cpu_ns.resize(other.cpu_ns.len(), 0);
        }
        for (sum, ns) in self.cpu_ns.iter_mut().zip(&other.cpu_ns) {
            *sum = sum.saturating_add(*ns);
        }
    }

    fn values(&self, elapsed: u64, is_thread: bool) -> Vec<Value> {
        let shares: Vec<String> = self
            .cpu_ns
            .iter()
            .enumerate()
            .filter(|(_, ns)| **ns > 0)
            .map(|(cpu, ns)| format!("{cpu}:{:.1}%", *ns as f64 * 100.0 / self.run_ns.max(1) as f64))
            .collect();
        vec![
            self.pid.into(),
            if is_thread { self.tid.into() } else { Value::None },
            self.comm.into(),
            self.run_ns.into(),
            self.score().into(),
            self.migrations.into(),
            self.per_second(elapsed).into(),
            self.at_wake_up.into(),
            (self.migrations - self.at_wake_up - self.forced).into(),
            self.forced.into(),
            (self.allowed > 0).then_some(u64::from(self.allowed)).into(),
            shares.join(" ").into(),
            self.verdict().into(),
        ]
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Affinity {
    filter: Filter,
    rows_max: usize,
    rows: FxHashMap<u64, (u64, Row)>,
    routes: FxHashMap<(u16, u16), u64>,
    start: Option<u64>,
    dropped: u64,
}

impl Affinity {
    /// The first `rows_max` of the threads that `filter` wants, most migrations first.
    pub fn new(filter: Filter, rows_max: usize) -> Self {
        Affinity { filter, rows_max, ..Affinity::default() }
    }

    fn row(&mut self, state: &State, id: TaskId) -> Option<&mut Row> {
        if id.is_idle() || !self.filter.wants(state, id) {
            return None;
        }
        let thread = state.thread(id)?;
        if self.rows.len() >= KEPT && !self.rows.contains_key(&thread.serial) {
            self.dropped += 1;
            return None;
        }
        let process = state.process(thread.group()).map_or(thread.serial, |process| process.serial);
        let (of, row) = self.rows.entry(thread.serial).or_default();
        *of = process;
        (row.pid, row.tid, row.comm) = (thread.group(), id.pid(), thread.name());
        row.allowed = thread.allowed_cpus;
        Some(row)
    }
}

impl View for Affinity {
    fn event(&mut self, timed: &Timed, facts: &[Fact], state: &State, _out: &mut dyn Out) {
        self.start.get_or_insert(timed.ns);
        if let What::Event(Event::Migrate(migrate)) = &timed.what {
            if migrate.from != migrate.to {
                let id = TaskId::new(migrate.tid, timed.cpu);
                // Between a wake-up and its first CPU, the scheduler chooses one; later it is balancing.
                let woken = state.thread(id).is_some_and(|thread| match thread.mode {
                    Mode::Waiting(trace::thread::Cause::Woken | trace::thread::Cause::New) => {
                        thread.waker.is_none_or(|waker| waker.cpu == timed.cpu)
                    }
                    _ => false,
                });
                if let Some(row) = self.row(state, id) {
                    row.migrations += 1;
                    if migrate.forced {
                        row.forced += 1;
                    } else if woken {
                        row.at_wake_up += 1;
                    }
                    *self.routes.entry((migrate.from, migrate.to)).or_default() += 1;
                }
            }
        }
        for fact in facts {
            let Fact::Slice(slice) = fact else { continue };
            let Some(row) = self.row(state, slice.task) else { continue };
            let cpu = slice.cpu as usize;
            if row.cpu_ns.len() <= cpu {
                row.cpu_ns.resize(cpu + 1, 0);
            }
            row.cpu_ns[cpu] = row.cpu_ns[cpu].saturating_add(slice.run_ns);
            row.run_ns = row.run_ns.saturating_add(slice.run_ns);
            if let Some(last) = row.last_cpu.replace(slice.cpu) {
                row.arrivals += 1;
                row.stays += u64::from(last == slice.cpu);
            }
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        let elapsed = state.now.saturating_sub(self.start.unwrap_or(state.now));
        let mut processes: FxHashMap<u64, (Row, u32)> = FxHashMap::default();
        for (of, row) in self.rows.values() {
            let (sum, threads) = processes.entry(*of).or_default();
            sum.add(row);
            *threads += 1;
            sum.pid = row.pid;
            sum.comm =
                state.process(row.pid).filter(|process| process.serial == *of).map_or(row.comm, |process| process.comm);
        }
        let mut rows: Vec<&Row> = processes.values().map(|(row, _)| row).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse((row.migrations, row.run_ns)), row.pid));
        let mut table = Table::new(&PROCESSES);
        table.rows.extend(rows.iter().take(self.rows_max).map(|row| row.values(elapsed, false)));
        out.table(&table);
        out.note("");
        let mut rows: Vec<&Row> = self
            .rows
            .values()
            .filter(|(of, _)| processes.get(of).is_some_and(|(_, threads)| *threads > 1))
            .map(|(_, row)| row)
            .collect();
        if !rows.is_empty() {
            rows.sort_by_key(|row| (std::cmp::Reverse((row.migrations, row.run_ns)), row.tid));
            let mut table = Table::new(&THREADS);
            table.rows.extend(rows.iter().take(self.rows_max).map(|row| row.values(elapsed, true)));
            out.table(&table);
            out.note("");
        }
        let mut routes: Vec<_> = self.routes.iter().collect();
        routes.sort_by_key(|(route, count)| (std::cmp::Reverse(**count), **route));
        let mut table = Table::new(&ROUTES);
        for ((from, to), count) in routes {
            table.rows.push(vec![u32::from(*from).into(), u32::from(*to).into(), (*count).into()]);
        }
        out.table(&table);
        if self.dropped > 0 {
            out.note(&format!("{} events left out: more than {KEPT} threads", self.dropped));
        }
    }

    fn restart(&mut self, state: &State) {
        let last: FxHashMap<u64, u32> =
            self.rows.iter().filter_map(|(serial, (_, row))| Some((*serial, row.last_cpu?))).collect();
        self.rows.clear();
        self.routes.clear();
        self.start = Some(state.now);
        for thread in state.threads() {
            if let Some(last) = last.get(&thread.serial) {
                let process = state.process(thread.group()).map_or(thread.serial, |process| process.serial);
                let row = Row {
                    pid: thread.group(),
                    tid: thread.id.pid(),
                    comm: thread.name(),
                    last_cpu: Some(*last),
                    ..Row::default()
                };
                self.rows.insert(thread.serial, (process, row));
            }
        }
    }
}
