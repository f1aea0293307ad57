// SPDX-License-Identifier: GPL-2.0

//! How long threads waited for a CPU: from wake-up, from preemption, from their start.

use super::{Filter, View};
use abi::events::Context;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use trace::event::Timed;
use trace::fact::{Fact, Wait};
use trace::histogram::Histogram;
use trace::state::{Span, State};
use trace::table::{column, milliseconds, Out, Schema, Table, Unit, Value};
use trace::task::{Comm, TaskId};
use trace::thread::{Cause, Waker};

/// A row a cause.
pub const LATENCY: Schema = Schema {
    name: "latency",
    columns: &[
        column("from", "from", Unit::Text),
        column("count", "count", Unit::Count),
        column("mean_ns", "mean ms", Unit::Time),
        column("p50_ns", "p50 ms", Unit::Time),
        column("p90_ns", "p90 ms", Unit::Time),
        column("p99_ns", "p99 ms", Unit::Time),
        column("max_ns", "max ms", Unit::Time),
    ],
};

/// The longest wait of each cause, and with `--over` each that is too long.
pub const WAIT: Schema = Schema {
    name: "wait",
    columns: &[
        column("from", "from", Unit::Text),
        column("wait_ns", "wait ms", Unit::Time),
        column("time_ns", "until", Unit::Time),
        column("cpu", "CPU", Unit::Id),
        column("tid", "TID", Unit::Id),
        column("comm", "command", Unit::Text),
        column("instead_tid", "instead", Unit::Id),
        column("instead_comm", "", Unit::Text),
        column("instead_ns", "for ms", Unit::Time),
        column("woken_by", "woken by", Unit::Text),
    ],
};

/// What ran meanwhile, below a wait that `--over` tells.
pub const MEANWHILE: Schema = Schema {
    name: "meanwhile",
    columns: &[
        column("cpu", "CPU", Unit::Id),
        column("after_ns", "after", Unit::Time),
        column("ran_ns", "ran", Unit::Time),
        column("tid", "TID", Unit::Id),
        column("comm", "command", Unit::Text),
        column("rank", "rank", Unit::Text),
    ],
};

/// A row a power of two.
pub const HISTOGRAM: Schema = Schema {
    name: "latency_histogram",
    columns: &[
        column("from", "from", Unit::Text),
        column("at_least_ns", "at least ms", Unit::Time),
        column("below_ns", "below ms", Unit::Time),
        column("count", "count", Unit::Count),
        column("share", "%", Unit::Share),
        column("bar", "", Unit::Text),
    ],
};

/// A row a thread name: what waits most.
pub const BY_NAME: Schema = Schema {
    name: "latency_by_command",
    columns: &[
        column("comm", "command", Unit::Text),
        column("count", "count", Unit::Count),
        column("mean_ns", "mean ms", Unit::Time),
        column("max_ns", "max ms", Unit::Time),
        column("sum_ns", "sum ms", Unit::Time),
    ],
};

/// Names in that table.
const NAMES: usize = 10;

/// Different names that are kept.
const NAMES_KEPT: usize = 65_536;

/// Lines of what ran meanwhile, for each wait that is told.
const MEANWHILE_LINES: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: u64,
    sum: u64,
    max: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Latency {
    filter: Filter,
    over_ns: Option<u64>,
    histograms: BTreeMap<Cause, Histogram>,
    worst: BTreeMap<Cause, Long>,
    names: FxHashMap<Comm, Sums>,
}

/// A wait worth telling.
#[derive(Clone, Debug)]
struct Long {
    wait: Wait,
    comm: Comm,
    /// Who had the CPU for most of the time.
    instead: Option<(TaskId, Comm, u64)>,
}

impl Long {
    fn new(wait: &Wait, state: &State, spans: &[Span]) -> Self {
        let mut by_task: Vec<(TaskId, Comm, u64)> = vec![];
        for span in spans.iter().filter(|span| span.task != wait.task) {
            let ns = span.to.saturating_sub(span.from);
            match by_task.iter_mut().find(|(task, ..)| *task == span.task) {
                Some((.., sum)) => *sum = sum.saturating_add(ns),
                None => by_task.push((span.task, span.comm, ns)),
            }
        }
        let instead = by_task.into_iter().max_by_key(|(.., ns)| *ns);
        Long { wait: *wait, comm: state.name(wait.task), instead }
    }

    fn values(&self, state: &State) -> Vec<Value> {
        let wait = &self.wait;
        vec![
            wait.cause.name().into(),
            wait.length().into(),
            wait.to.saturating_sub(state.start.unwrap_or(wait.to)).into(),
            wait.cpu.into(),
            wait.task.pid().into(),
            self.comm.into(),
            self.instead.map(|(task, ..)| task.pid()).into(),
            self.instead.map(|(_, comm, _)| comm).into(),
            self.instead.map(|(.., ns)| ns).into(),
            wait.waker.map(|waker| who_woke(&waker)).into(),
        ]
    }
}

/// Who ended a sleep, in words.
pub fn who_woke(waker: &Waker) -> String {
    match waker.context {
        Context::Task => format!("{} {}", waker.task.pid(), waker.comm),
        Context::SoftIrq => format!("softirq on CPU {}", waker.cpu),
        Context::HardIrq => format!("interrupt on CPU {}", waker.cpu),
        Context::Nmi => format!("NMI on CPU {}", waker.cpu),
    }
}

impl Latency {
    /// Of the threads that `filter` wants; waits of at least `over_ns` are told as they end.
    pub fn new(filter: Filter, over_ns: Option<u64>) -> Self {
        Latency { filter, over_ns, ..Latency::default() }
    }

    /// The waits of each cause.
    pub fn histograms(&self) -> &BTreeMap<Cause, Histogram> {
        &self.histograms
    }

    fn tell(&self, long: &Long, spans: &[Span], state: &State, out: &mut dyn Out) {
        let wait = &long.wait;
        let at = wait.to.saturating_sub(state.start.unwrap_or(wait.to));
        let text = format!(
            "{:>12} ms  CPU {:<3} {} {} waited {} ms from {}{}",
            milliseconds(at),
            wait.cpu,
            wait.task.pid(),
            long.comm,
            milliseconds(wait.length()),
            wait.cause.name(),
            wait.waker.map_or(String::new(), |waker| format!(" by {}", who_woke(&waker))),
        );
        out.row(&WAIT, long.values(state), &text);
        for span in spans.iter().take(MEANWHILE_LINES) {
            let after = span.from.saturating_sub(wait.from);
            let ran = span.to.saturating_sub(span.from);
            let text = format!(
                "{:>12} ms    +{:<10} {:>7} {:<15} ran {:>9} ms, {}",
                "",
                milliseconds(after),
                span.task.pid(),
                span.comm.to_string(),
                milliseconds(ran),
                span.rank
            );
            let values = vec![
                wait.cpu.into(),
                after.into(),
                ran.into(),
                span.task.pid().into(),
                span.comm.into(),
                span.rank.to_string().into(),
            ];
            out.row(&MEANWHILE, values, &text);
        }
        if spans.len() > MEANWHILE_LINES {
            out.note(&format!("{:>12}       and {} more", "", spans.len() - MEANWHILE_LINES));
        }
    }
}

impl View for Latency {
    fn event(&mut self, _timed: &Timed, facts: &[Fact], state: &State, out: &mut dyn Out) {
        for fact in facts {
            let Fact::Wait(wait) = fact else { continue };
            if !self.filter.wants_cpu(wait.cpu) || !self.filter.wants(state, wait.task) {
                continue;
            }
            let ns = wait.length();
            self.histograms.entry(wait.cause).or_default().add(ns);
            let comm = state.name(wait.task);
            if self.names.len() < NAMES_KEPT || self.names.contains_key(&comm) {
                let sums = self.names.entry(comm).or_default();
                *sums = Sums { count: sums.count + 1, sum: sums.sum.saturating_add(ns), max: sums.max.max(ns) };
            }
            let is_worst = self.worst.get(&wait.cause).is_none_or(|worst| worst.wait.length() < ns);
            let is_over = self.over_ns.is_some_and(|over| ns >= over);
            if is_worst || is_over {
                let spans = state.meanwhile(wait.cpu, wait.from, wait.to);
                let long = Long::new(wait, state, &spans);
                if is_over {
                    self.tell(&long, &spans, state, out);
                }
                if is_worst {
                    self.worst.insert(wait.cause, long);
                }
            }
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        let mut table = Table::new(&LATENCY);
        for (cause, histogram) in &self.histograms {
            table.rows.push(vec![
                cause.name().into(),
                histogram.count().into(),
                histogram.mean().into(),
                histogram.percentile(0.5).into(),
                histogram.percentile(0.9).into(),
                histogram.percentile(0.99).into(),
                histogram.max().into(),
            ]);
        }
        out.table(&table);
        if self.histograms.is_empty() {
            out.note("no thread got a CPU after a wait whose beginning was seen");
            return;
        }
        out.note("");
        let mut worst = Table::new(&WAIT);
        worst.rows.extend(self.worst.values().map(|long| long.values(state)));
        out.table(&worst);
        out.note("");
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(comm, sums)| (std::cmp::Reverse(sums.max), **comm));
        let mut by_name = Table::new(&BY_NAME);
        for (comm, sums) in names.into_iter().take(NAMES) {
            by_name.rows.push(vec![
                (*comm).into(),
                sums.count.into(),
                sums.sum.checked_div(sums.count).into(),
                sums.max.into(),
                sums.sum.into(),
            ]);
        }
        out.table(&by_name);
        out.note("");
        let mut octaves = Table::new(&HISTOGRAM);
        for (cause, histogram) in &self.histograms {
            octaves.rows.extend(histogram.rows(cause.name()));
        }
        out.table(&octaves);
    }

    fn restart(&mut self, _state: &State) {
        self.histograms.clear();
        self.worst.clear();
        self.names.clear();
    }
}
