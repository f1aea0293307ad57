// SPDX-License-Identifier: GPL-2.0

//! How long faults took: by kind, where the time went, and the slowest ones.

use super::{mapping_name, took, Sums, View};
use crate::code::CodeId;
use crate::fault::{Fault, Kind};
use crate::session::{Known, Seen};
use crate::waited::{Waited, Why};
use sched::view::latency::who_woke;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use trace::histogram::Histogram;
use trace::state::State;
use trace::table::{column, milliseconds, Out, Schema, Table, Unit, Value};
use trace::task::{Comm, TaskId};

/// A row a kind.
pub const LATENCY: Schema = Schema {
    name: "fault_latency",
    columns: &[
        column("kind", "kind", Unit::Text),
        column("faults", "faults", Unit::Count),
        column("sum_ns", "ms", Unit::Time),
        column("mean_ns", "mean us", Unit::Micros),
        column("p50_ns", "p50 us", Unit::Micros),
        column("p90_ns", "p90 us", Unit::Micros),
        column("p99_ns", "p99 us", Unit::Micros),
        column("p999_ns", "p99.9 us", Unit::Micros),
        column("max_ns", "max us", Unit::Micros),
    ],
};

/// A row a kind: where its time went.
pub const TIME: Schema = Schema {
    name: "fault_time",
    columns: &[
        column("kind", "kind", Unit::Text),
        column("sum_ns", "ms", Unit::Time),
        column("cpu_ns", "on a CPU ms", Unit::Time),
        column("block_io_ns", "block I/O ms", Unit::Time),
        column("asleep_ns", "asleep ms", Unit::Time),
        column("runnable_ns", "without a CPU ms", Unit::Time),
    ],
};

/// A row a slow fault.
pub const SLOW: Schema = Schema {
    name: "slow_fault",
    columns: &[
        column("took_ns", "took us", Unit::Micros),
        column("time_ns", "at ms", Unit::Time),
        column("tid", "TID", Unit::Id),
        column("comm", "thread", Unit::Text),
        column("kind", "kind", Unit::Text),
        column("access", "access", Unit::Text),
        column("address", "address", Unit::Text),
        column("mapping", "mapping", Unit::Text),
        column("function", "function", Unit::Text),
        column("line", "line", Unit::Text),
        column("cpu_ns", "CPU us", Unit::Micros),
        column("block_io_ns", "I/O us", Unit::Micros),
        column("asleep_ns", "asleep us", Unit::Micros),
        column("runnable_ns", "no CPU us", Unit::Micros),
        column("why", "waited for", Unit::Text),
    ],
};

/// A row a power of two.
pub const HISTOGRAM: Schema = Schema {
    name: "fault_histogram",
    columns: &[
        column("kind", "kind", Unit::Text),
        column("at_least_ns", "at least us", Unit::Micros),
        column("below_ns", "below us", Unit::Micros),
        column("faults", "faults", Unit::Count),
        column("share", "%", Unit::Share),
        column("bar", "", Unit::Text),
    ],
};

/// A fault worth telling.
#[derive(Clone, Debug)]
struct Slow {
    fault: Fault,
    comm: Comm,
    mapping: String,
    code: CodeId,
    waited: Option<Waited>,
    instead: Option<(TaskId, Comm, u64)>,
}

impl Slow {
    fn new(seen: &Seen<'_>, state: &State) -> Self {
        Slow {
            fault: *seen.fault,
            comm: seen.comm,
            mapping: mapping_name(seen).to_owned(),
            code: seen.code,
            waited: seen.waited,
            instead: seen.waited.and_then(|waited| waited.instead(state, seen.fault.tid)),
        }
    }

    /// The slower one first; of two, the earlier.
    fn order(&self) -> (u64, std::cmp::Reverse<u64>) {
        (took(&self.fault), std::cmp::Reverse(self.fault.from))
    }

    /// What the thread waited for, in words.
    fn why(&self) -> Option<String> {
        let waited = self.waited?;
        let mut text = match waited.longest?.why {
            Why::BlockIo(waker) => format!("block I/O, ended by {}", who_woke(&waker)),
            Why::Sleep(waker) => format!("sleep, ended by {}", who_woke(&waker)),
            Why::Runnable(cpu) => format!("CPU {cpu}"),
        };
        if let Some((task, comm, ns)) = self.instead {
            text.push_str(&format!("; {} {comm} had the CPU for {} ms", task.pid(), milliseconds(ns)));
        }
        Some(text)
    }

    fn values(&self, known: &mut Known<'_>) -> Vec<Value> {
        let location = known.symbols.locate(known.codes, self.code);
        let Fault { from, tid, address, access, kind, .. } = self.fault;
        let took = took(&self.fault);
        vec![
            took.into(),
            from.saturating_sub(known.state.start.unwrap_or(from)).into(),
            tid.into(),
            self.comm.into(),
            kind.name().into(),
            access.name().into(),
            format!("{address:#x}").into(),
            self.mapping.as_str().into(),
            (&*location.function).into(),
            location.line.as_deref().into(),
            self.waited.map(|waited| took.saturating_sub(waited.sum())).into(),
            self.waited.map(|waited| waited.block_io).into(),
            self.waited.map(|waited| waited.asleep).into(),
            self.waited.map(|waited| waited.runnable).into(),
            self.why().into(),
        ]
    }

    /// In a line, as it happens; names of functions come at the end only.
    fn line(&self, start: u64) -> String {
        let fault = &self.fault;
        let mut text = format!(
            "{:>12} ms  {} {} {} us: {}, {} of {:#x} in {}",
            milliseconds(fault.from.saturating_sub(start)),
            fault.tid,
            self.comm,
            took(fault) / 1_000,
            fault.kind.name(),
            fault.access.name(),
            fault.address,
            self.mapping,
        );
        if let Some(why) = self.why() {
            text.push_str(&format!("; {why}"));
        }
        text
    }
}

impl PartialEq for Slow {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Slow {}

impl PartialOrd for Slow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slow {
    /// The fastest is the greatest: it is the one that a heap gives away.
    fn cmp(&self, other: &Self) -> Ordering {
        other.order().cmp(&self.order())
    }
}

#[derive(Clone, Debug, Default)]
struct OfKind {
    histogram: Histogram,
    sums: Sums,
    waited: Waited,
    /// Time of the faults of which it is known what the thread did, ns.
    told: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Latency {
    rows: usize,
    over_ns: Option<u64>,
    kinds: BTreeMap<Kind, OfKind>,
    slowest: BinaryHeap<Slow>,
    untimed: u64,
}

impl Latency {
    /// With the `rows` slowest; faults of at least `over_ns` are told as they end.
    pub fn new(rows: usize, over_ns: Option<u64>) -> Self {
        Latency { rows, over_ns, ..Latency::default() }
    }
}

impl View for Latency {
    fn fault(&mut self, seen: &Seen<'_>, state: &State, out: &mut dyn Out) {
        let Some(ns) = seen.fault.took else {
            self.untimed += 1;
            return;
        };
        let of_kind = self.kinds.entry(seen.fault.kind).or_default();
        of_kind.histogram.add(ns);
        of_kind.sums.add(seen.fault);
        if let Some(waited) = seen.waited {
            let sum = &mut of_kind.waited;
            sum.block_io = sum.block_io.saturating_add(waited.block_io);
            sum.asleep = sum.asleep.saturating_add(waited.asleep);
            sum.runnable = sum.runnable.saturating_add(waited.runnable);
            of_kind.told = of_kind.told.saturating_add(ns);
        }
        let is_over = self.over_ns.is_some_and(|over| ns >= over);
        let is_slow =
            self.slowest.len() < self.rows || self.slowest.peek().is_some_and(|fastest| took(&fastest.fault) < ns);
        if !is_over && !is_slow {
            return;
        }
        let slow = Slow::new(seen, state);
        if is_over {
            let fault = &slow.fault;
            let mut values: Vec<Value> = vec![
                ns.into(),
                fault.from.saturating_sub(state.start.unwrap_or(fault.from)).into(),
                fault.tid.into(),
                slow.comm.into(),
                fault.kind.name().into(),
                fault.access.name().into(),
                format!("{:#x}", fault.address).into(),
                slow.mapping.as_str().into(),
                Value::None,
                Value::None,
            ];
            values.extend([
                slow.waited.map(|waited| ns.saturating_sub(waited.sum())).into(),
                slow.waited.map(|waited| waited.block_io).into(),
                slow.waited.map(|waited| waited.asleep).into(),
                slow.waited.map(|waited| waited.runnable).into(),
                slow.why().into(),
            ]);
            out.row(&SLOW, values, &slow.line(state.start.unwrap_or(fault.from)));
        }
        if is_slow && self.rows > 0 {
            self.slowest.push(slow);
            if self.slowest.len() > self.rows {
                self.slowest.pop();
            }
        }
    }

    fn report(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()> {
        if self.kinds.is_empty() {
            out.note(match self.untimed {
                0 => "no faults",
                _ => "no latencies were recorded (--no-latency)",
            });
            return Ok(());
        }
        let mut table = Table::new(&LATENCY);
        let mut all = Histogram::default();
        for (kind, OfKind { histogram, .. }) in &self.kinds {
            all.merge(histogram);
            table.rows.push(percentiles(kind.name(), histogram));
        }
        if self.kinds.len() > 1 {
            table.rows.push(percentiles("all", &all));
        }
        out.table(&table);
        if self.kinds.values().any(|of_kind| of_kind.told > 0) {
            out.note("");
            let mut table = Table::new(&TIME);
            for (kind, OfKind { waited, told, .. }) in &self.kinds {
                table.rows.push(vec![
                    kind.name().into(),
                    (*told).into(),
                    told.saturating_sub(waited.sum()).into(),
                    waited.block_io.into(),
                    waited.asleep.into(),
                    waited.runnable.into(),
                ]);
            }
            out.table(&table);
        }
        out.note("");
        let mut slowest: Vec<&Slow> = self.slowest.iter().collect();
        slowest.sort();
        let mut table = Table::new(&SLOW);
        table.rows.extend(slowest.into_iter().map(|slow| slow.values(known)));
        out.table(&table);
        out.note("");
        let mut octaves = Table::new(&HISTOGRAM);
        for (kind, OfKind { histogram, .. }) in &self.kinds {
            octaves.rows.extend(histogram.rows(kind.name()));
        }
        out.table(&octaves);
        if self.untimed > 0 {
            out.note(&format!("{} faults without a latency are left out", self.untimed));
        }
        Ok(())
    }

    fn restart(&mut self, _state: &State) {
        *self = Latency::new(self.rows, self.over_ns);
    }
}

fn percentiles(name: &str, histogram: &Histogram) -> Vec<Value> {
    vec![
        name.into(),
        histogram.count().into(),
        histogram.sum().into(),
        histogram.mean().into(),
        histogram.percentile(0.5).into(),
        histogram.percentile(0.9).into(),
        histogram.percentile(0.99).into(),
        histogram.percentile(0.999).into(),
        histogram.max().into(),
    ]
}
