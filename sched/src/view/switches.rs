// SPDX-License-Identifier: GPL-2.0

//! Context switches of each CPU. From the counts in the rings' headers: exact, whatever records were lost.

use super::{Filter, View};
use abi::events::header::Counts;
use abi::events::Event;
use trace::event::{since, Timed, What};
use trace::fact::Fact;
use trace::state::{Cpu, State};
use trace::table::{column, Out, Schema, Table, Unit, Value};
use trace::thread::Mode;

/// A row a CPU, and one for all.
pub const SWITCHES: Schema = Schema {
    name: "switches",
    columns: &[
        column("cpu", "CPU", Unit::Text),
        column("switches", "switches", Unit::Count),
        column("voluntary", "voluntary", Unit::Count),
        column("involuntary", "involuntary", Unit::Count),
        column("from_idle", "from idle", Unit::Count),
        column("per_second", "per second", Unit::Number),
        column("idle_share", "idle %", Unit::Share),
    ],
};

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// The header's counts at the beginning of the interval, and when.
    base: Option<(Counts, u64)>,
    /// Of what was counted since then, what earlier intervals have told, and until when, ns.
    told: Counts,
    told_until: u64,
    /// Counted from records, where no header has been read since.
    seen: Counts,
    idle_ns: u64,
    /// The part of `idle_ns` that is known: since when.
    idle_since: Option<u64>,
}

impl Row {
    /// What this interval adds, how long it is, and until when that is, ns.
    fn interval(&self, here: &Cpu, start: u64, now: u64) -> (Counts, u64, u64) {
        match (self.base, here.counts, here.counted) {
            (Some((base, from)), Some((_, last)), Some((_, to))) if to > from.max(self.told_until) => {
                (since(&since(&last, &base), &self.told), to - from.max(self.told_until), to)
            }
            _ => (self.seen, now.saturating_sub(start), now),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Switches {
    filter: Filter,
    rows: Vec<Row>,
    start: Option<u64>,
}

impl Switches {
    /// Of the CPUs that `filter` wants.
    pub fn new(filter: Filter) -> Self {
        Switches { filter, ..Switches::default() }
    }

    fn row(&mut self, cpu: u32) -> &mut Row {
        let cpu = cpu as usize;
        if self.rows.len() <= cpu {
            self.rows.resize(cpu + 1, Row::default());
        }
        &mut self.rows[cpu]
    }
}

impl View for Switches {
    fn event(&mut self, timed: &Timed, facts: &[Fact], _state: &State, _out: &mut dyn Out) {
        if let What::Counts(counts) = &timed.what {
            let row = self.row(timed.cpu);
            row.base.get_or_insert((*counts, timed.ns));
            return;
        }
        self.start.get_or_insert(timed.ns);
        let start = self.start.unwrap_or_default();
        if let What::Event(Event::Switch(switch)) = &timed.what {
            let seen = &mut self.row(timed.cpu).seen;
            seen.switches += 1;
            if switch.prev == 0 {
                seen.from_idle += 1;
            } else if switch.flags.contains(abi::events::SwitchFlags::VOLUNTARY) {
                seen.voluntary += 1;
            }
        }
        for fact in facts {
            if let Fact::Slice(slice) = fact {
                let row = self.row(slice.cpu);
                row.idle_since.get_or_insert(slice.from.unwrap_or(slice.to).max(start));
                if slice.task.is_idle() {
                    let from = slice.from.unwrap_or(slice.to).max(start);
                    row.idle_ns = row.idle_ns.saturating_add(slice.to.saturating_sub(from));
                }
            }
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        let mut table = Table::new(&SWITCHES);
        let (mut all, mut all_ns, mut idle, mut cpus, mut known) = (Counts::default(), 0_u64, 0.0, 0_u32, true);
        let start = self.start.unwrap_or(state.now);
        for (cpu, here) in state.cpus().iter().enumerate() {
            let id = cpu as u32;
            if !self.filter.wants_cpu(id) {
                continue;
            }
            let row = *self.row(id);
            let (counts, ns, _) = row.interval(here, start, state.now);
            if counts == Counts::default() && here.current.is_none() {
                continue;
            }
            // A CPU that is idle now adds what has passed, and one that wrote nothing was in one state all the time.
            let running = here.current.and_then(|id| state.thread(id)).filter(|thread| thread.mode == Mode::Running);
            let now_idle = match running {
                Some(thread) if thread.id.is_idle() => state.now.saturating_sub(thread.since.max(start)),
                _ => 0,
            };
            let begin = row.idle_since.or(running.map(|thread| thread.since.max(start)));
            let seen_ns = begin.map(|begin| state.now.saturating_sub(begin)).filter(|ns| *ns > 0);
            let idle_share = seen_ns.map(|seen| (row.idle_ns.saturating_add(now_idle) as f64 / seen as f64).min(1.0));
            table.rows.push(line(Value::Text(id.to_string()), &counts, ns, idle_share));
            all = Counts {
                switches: all.switches.saturating_add(counts.switches),
                voluntary: all.voluntary.saturating_add(counts.voluntary),
                from_idle: all.from_idle.saturating_add(counts.from_idle),
                ..all
            };
            all_ns = all_ns.max(ns);
            cpus += 1;
            match idle_share {
                Some(share) => idle += share,
                None => known = false,
            }
        }
        let share = (known && cpus > 0).then(|| idle / f64::from(cpus.max(1)));
        table.rows.push(line("all".into(), &all, all_ns, share));
        out.table(&table);
    }

    fn restart(&mut self, state: &State) {
        let start = self.start.replace(state.now).unwrap_or(state.now);
        for (cpu, here) in state.cpus().iter().enumerate() {
            let row = self.row(cpu as u32);
            let (counts, _, told_until) = row.interval(here, start, state.now);
            // A header that is read later has counted what was told from records until then.
            let told = if row.base.is_some() { sum(&row.told, &counts) } else { Counts::default() };
            *row = Row { base: row.base, told, told_until, ..Row::default() };
        }
    }
}

fn sum(one: &Counts, other: &Counts) -> Counts {
    Counts {
        switches: one.switches.saturating_add(other.switches),
        voluntary: one.voluntary.saturating_add(other.voluntary),
        from_idle: one.from_idle.saturating_add(other.from_idle),
        ..*one
    }
}

fn line(cpu: Value, counts: &Counts, ns: u64, idle_share: Option<f64>) -> Vec<Value> {
    vec![
        cpu,
        counts.switches.into(),
        counts.voluntary.into(),
        counts.involuntary().into(),
        counts.from_idle.into(),
        (counts.switches as f64 * 1e9 / ns as f64).into(),
        idle_share.into(),
    ]
}
