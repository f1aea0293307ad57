// SPDX-License-Identifier: GPL-2.0

//! Processes or threads by CPU time.

use super::{Filter, View};
use rustc_hash::FxHashMap;
use trace::event::Timed;
use trace::fact::Fact;
use trace::state::State;
use trace::table::{column, Out, Schema, Table, Unit, Value};
use trace::task::Comm;
use trace::thread::{Mode, Thread};

/// A row a process.
pub const PROCESSES: Schema = Schema {
    name: "top",
    columns: &[
        column("pid", "PID", Unit::Id),
        column("run_ns", "run ms", Unit::Time),
        column("cpu_share", "% of a CPU", Unit::Share),
        column("voluntary", "voluntary", Unit::Count),
        column("involuntary", "involuntary", Unit::Count),
        column("mean_slice_ns", "slice ms", Unit::Time),
        column("wait_ns", "wait ms", Unit::Time),
        column("running", "", Unit::Text),
        column("comm", "command", Unit::Text),
    ],
};

/// A row a thread.
pub const THREADS: Schema = Schema {
    name: "top_threads",
    columns: &[
        column("pid", "PID", Unit::Id),
        column("tid", "TID", Unit::Id),
        column("run_ns", "run ms", Unit::Time),
        column("cpu_share", "% of a CPU", Unit::Share),
        column("voluntary", "voluntary", Unit::Count),
        column("involuntary", "involuntary", Unit::Count),
        column("mean_slice_ns", "slice ms", Unit::Time),
        column("wait_ns", "wait ms", Unit::Time),
        column("running", "", Unit::Text),
        column("comm", "command", Unit::Text),
    ],
};

/// Rows that are kept. Beyond twice as many, those with the least CPU time are added up in one.
const KEPT: usize = 65_536;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    pid: u32,
    tid: u32,
    comm: Comm,
    run_ns: u64,
    voluntary: u64,
    involuntary: u64,
    wait_ns: u64,
    slices: u64,
    /// One of its threads has a CPU now: its run time is as of now, and not as of a switch.
    running: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Top {
    filter: Filter,
    rows_max: usize,
    threads: bool,
    rows: FxHashMap<u64, Row>,
    others: Row,
    /// What the last interval has counted of a slice that was not over.
    carried: FxHashMap<u64, u64>,
    start: Option<u64>,
}

impl Top {
    /// The first `rows_max`, processes or `threads`.
    pub fn new(filter: Filter, rows_max: usize, threads: bool) -> Self {
        Top { filter, rows_max, threads, ..Top::default() }
    }

    /// The row of a thread or its process, with the newest name.
    fn row(&mut self, state: &State, thread: &Thread) -> &mut Row {
        let process = state.process(thread.group());
        let (key, comm) = match (self.threads, process) {
            (false, Some(process)) => (process.serial, process.comm),
            _ => (thread.serial, thread.name()),
        };
        if self.rows.len() > 2 * KEPT && !self.rows.contains_key(&key) {
            self.shrink();
        }
        let row = self.rows.entry(key).or_default();
        (row.pid, row.tid, row.comm) = (thread.group(), thread.id.pid(), comm);
        row
    }

    fn shrink(&mut self) {
        let mut run: Vec<u64> = self.rows.values().map(|row| row.run_ns).collect();
        let middle = run.len() - KEPT;
        let (_, least, _) = run.select_nth_unstable(middle);
        let least = *least;
        let others = &mut self.others;
        self.rows.retain(|_, row| {
            let keep = row.run_ns > least;
            if !keep {
                others.run_ns += row.run_ns;
                others.voluntary += row.voluntary;
                others.involuntary += row.involuntary;
                others.wait_ns += row.wait_ns;
                others.slices += row.slices;
            }
            keep
        });
    }

    /// What the threads that have a CPU now have run since they got it: (thread, ns).
    fn running<'a>(&self, state: &'a State) -> Vec<(&'a Thread, u64)> {
        let start = self.start.unwrap_or(state.now);
        state
            .cpus()
            .iter()
            .enumerate()
            .filter(|(cpu, _)| self.filter.wants_cpu(*cpu as u32))
            .filter_map(|(_, cpu)| state.thread(cpu.current?))
            .filter(|thread| thread.mode == Mode::Running && !thread.id.is_idle())
            .filter(|thread| self.filter.wants(state, thread.id))
            .map(|thread| (thread, state.now.saturating_sub(thread.since.max(start))))
            .collect()
    }
}

impl View for Top {
    fn event(&mut self, timed: &Timed, facts: &[Fact], state: &State, _out: &mut dyn Out) {
        self.start.get_or_insert(timed.ns);
        for fact in facts {
            let Fact::Slice(slice) = fact else { continue };
            if slice.task.is_idle() || !self.filter.wants_cpu(slice.cpu) || !self.filter.wants(state, slice.task) {
                continue;
            }
            let Some(thread) = state.thread(slice.task) else { continue };
            let carried = self.carried.remove(&slice.serial).unwrap_or(0);
            let row = self.row(state, thread);
            row.run_ns = row.run_ns.saturating_add(slice.run_ns.saturating_sub(carried));
            row.voluntary += slice.voluntary;
            row.involuntary += slice.involuntary;
            row.wait_ns = row.wait_ns.saturating_add(slice.delay_ns);
            row.slices += slice.voluntary + slice.involuntary;
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        let start = self.start.unwrap_or(state.now);
        let elapsed = state.now.saturating_sub(start);
        let kept = self.rows.clone();
        for (thread, ns) in self.running(state) {
            let row = self.row(state, thread);
            row.run_ns = row.run_ns.saturating_add(ns);
            row.running = true;
        }
        let mut rows: Vec<Row> = self.rows.values().copied().collect();
        self.rows = kept;
        rows.sort_by_key(|row| (std::cmp::Reverse(row.run_ns), row.pid, row.tid));
        let count = rows.len();
        rows.truncate(self.rows_max);
        if self.others.run_ns > 0 {
            rows.push(Row { comm: Comm::new(b"(others)"), ..self.others });
        }
        let mut table = Table::new(if self.threads { &THREADS } else { &PROCESSES });
        for row in &rows {
            let mut values: Vec<Value> = vec![row.pid.into()];
            if self.threads {
                values.push(row.tid.into());
            }
            values.extend([
                row.run_ns.into(),
                (row.run_ns as f64 / elapsed as f64).into(),
                row.voluntary.into(),
                row.involuntary.into(),
                row.run_ns.checked_div(row.slices + u64::from(row.running)).into(),
                row.wait_ns.into(),
                Value::from(if row.running { "+" } else { "" }),
                row.comm.into(),
            ]);
            table.rows.push(values);
        }
        out.table(&table);
        if rows.iter().any(|row| row.running) {
            out.note("+: has a CPU now; its run time is taken as of now");
        }
        if count > self.rows_max {
            let what = if self.threads { "threads" } else { "processes" };
            out.note(&format!("{} more {what} not shown (-n)", count - self.rows_max));
        }
    }

    fn restart(&mut self, state: &State) {
        self.carried = self.running(state).into_iter().map(|(thread, ns)| (thread.serial, ns)).collect();
        self.rows.clear();
        self.others = Row::default();
        self.start = Some(state.now);
    }
}
