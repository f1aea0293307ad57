// SPDX-License-Identifier: GPL-2.0

//! Which mappings, functions, lines, threads or kinds have the most faults, and the most of their time.

use super::{mapping_name, private_start, Names, Sums, View};
use crate::code::CodeId;
use crate::fault::{Access, Kind};
use crate::session::{Known, Seen};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::sync::Arc;
use trace::state::State;
use trace::table::{column, Out, Schema, Table, Unit, Value};
use trace::task::Comm;

/// What rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// The mapping that was touched
    #[default]
    Mapping,
    /// The function that touched it
    Function,
    /// The line of source that touched it
    Line,
    /// The thread that touched it
    Thread,
    /// What the fault was for
    Kind,
}

/// A table: the columns that all have, and its own.
macro_rules! schema {
    ($name:literal, $($own:expr),+ $(,)?) => {
        Schema {
            name: $name,
            columns: &[
                column("faults", "faults", Unit::Count),
                column("share", "%", Unit::Share),
                column("major", "major", Unit::Count),
                column("time_ns", "ms", Unit::Time),
                column("time_share", "% of time", Unit::Share),
                column("mean_ns", "mean us", Unit::Micros),
                column("max_ns", "worst us", Unit::Micros),
                $($own),+
            ],
        }
    };
}

/// A row a mapping. A file is one, however many processes map it; anonymous memory is that of its process.
pub const MAPPING: Schema = schema![
    "top_mapping",
    column("processes", "processes", Unit::Count),
    column("pid", "PID", Unit::Id),
    column("comm", "command", Unit::Text),
    column("start", "from", Unit::Text),
    column("end", "to", Unit::Text),
    column("mapping", "mapping", Unit::Text),
];

/// A row a function.
pub const FUNCTION: Schema = schema![
    "top_function",
    column("module", "program or library", Unit::Text),
    column("function", "function", Unit::Text),
];

/// A row a line of source.
pub const LINE: Schema =
    schema!["top_line", column("line", "line", Unit::Text), column("function", "function", Unit::Text)];

/// A row a thread.
pub const THREAD: Schema = schema![
    "top_thread",
    column("pid", "PID", Unit::Id),
    column("tid", "TID", Unit::Id),
    column("comm", "thread", Unit::Text),
];

/// A row a kind.
pub const KIND: Schema = schema![
    "top_kind",
    column("kind", "kind", Unit::Text),
    column("access", "access", Unit::Text),
    column("by_kernel", "by", Unit::Text),
];

/// A mapping: a file by its name; memory of one process by its address space and where it begins too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct MappingKey {
    name: Arc<str>,
    space: u64,
    start: u64,
}

/// What is known of a mapping besides its sums.
#[derive(Clone, Debug, Default)]
struct Place {
    sums: Sums,
    processes: FxHashSet<u32>,
    pid: u32,
    comm: Comm,
    /// The range of all mappings of that name; of files in several processes, nothing that means anything.
    start: u64,
    end: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Top {
    by: By,
    rows: usize,
    all: Sums,
    mappings: FxHashMap<MappingKey, Place>,
    names: Names,
    codes: FxHashMap<CodeId, Sums>,
    threads: FxHashMap<(u32, u32), (u32, Comm, Sums)>,
    kinds: FxHashMap<(Kind, Access, bool), Sums>,
}

impl Top {
    /// The first `rows` rows.
    pub fn new(by: By, rows: usize) -> Self {
        Top { by, rows, ..Top::default() }
    }

    /// The cells that all tables begin with: the columns of `schema`.
    fn cells(&self, sums: &Sums) -> Vec<Value> {
        let timed = self.all.ns > 0;
        let time = |value: u64| if timed { Value::Int(value) } else { Value::None };
        vec![
            sums.count.into(),
            (sums.count as f64 / self.all.count as f64).into(),
            sums.major.into(),
            time(sums.ns),
            if timed { (sums.ns as f64 / self.all.ns as f64).into() } else { Value::None },
            sums.mean().filter(|_| timed).into(),
            time(sums.max),
        ]
    }

    /// Rows sorted by count, then by their name: the same in every run.
    fn table(&self, schema: &'static Schema, rows: Vec<(Sums, Vec<Value>)>, what: &str, out: &mut dyn Out) {
        let count = rows.len();
        let mut table = Table::new(schema);
        for (sums, rest) in rows.into_iter().take(self.rows) {
            let mut cells = self.cells(&sums);
            cells.extend(rest);
            table.rows.push(cells);
        }
        out.table(&table);
        if count > self.rows {
            out.note(&format!("{} more {what} not shown (-n)", count - self.rows));
        }
    }

    fn by_code(&self, known: &mut Known<'_>, out: &mut dyn Out) {
        let mut merged: FxHashMap<(Arc<str>, Arc<str>), Sums> = FxHashMap::default();
        for (id, sums) in &self.codes {
            let location = known.symbols.locate(known.codes, *id);
            let key = if self.by == By::Line {
                (location.line.unwrap_or_else(|| Arc::from("-")), location.function)
            } else {
                (location.module, location.function)
            };
            merged.entry(key).or_default().merge(sums);
        }
        let mut rows: Vec<_> = merged.into_iter().collect();
        rows.sort_by(|a, b| (Reverse(a.1.count), &a.0).cmp(&(Reverse(b.1.count), &b.0)));
        let rows = rows
            .into_iter()
            .map(|((first, second), sums)| (sums, vec![Value::from(&*first), Value::from(&*second)]))
            .collect();
        let (schema, what) = if self.by == By::Line { (&LINE, "lines") } else { (&FUNCTION, "functions") };
        self.table(schema, rows, what, out);
    }

    /// The mappings. One that has grown is several in the records: what overlaps belongs together.
    fn places(&self) -> Vec<(MappingKey, Place)> {
        let mut all: Vec<_> = self.mappings.iter().map(|(key, place)| (key.clone(), place.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let mut joined: Vec<(MappingKey, Place)> = vec![];
        for (key, place) in all {
            match joined.last_mut() {
                Some((last, whole)) if last.name == key.name && last.space == key.space && place.start < whole.end => {
                    whole.sums.merge(&place.sums);
                    whole.processes.extend(&place.processes);
                    whole.end = whole.end.max(place.end);
                }
                _ => joined.push((key, place)),
            }
        }
        joined
    }

    fn by_mapping(&self, out: &mut dyn Out) {
        let mut rows = self.places();
        rows.sort_by(|a, b| (Reverse(a.1.sums.count), &a.0).cmp(&(Reverse(b.1.sums.count), &b.0)));
        let rows = rows.into_iter().map(|(key, place)| {
            let one = place.processes.len() == 1;
            let hex = |value: u64| if one { Value::Text(format!("{value:#x}")) } else { Value::None };
            let rest = vec![
                place.processes.len().into(),
                one.then_some(place.pid).into(),
                one.then_some(place.comm).into(),
                hex(place.start),
                hex(place.end),
                (&*key.name).into(),
            ];
            (place.sums, rest)
        });
        self.table(&MAPPING, rows.collect(), "mappings", out);
    }

    fn by_thread(&self, out: &mut dyn Out) {
        let mut rows: Vec<_> = self.threads.iter().collect();
        rows.sort_by_key(|(key, (.., sums))| (Reverse(sums.count), **key));
        let rows = rows
            .into_iter()
            .map(|((_, tid), (pid, comm, sums))| (*sums, vec![(*pid).into(), (*tid).into(), (*comm).into()]));
        self.table(&THREAD, rows.collect(), "threads", out);
    }

    fn by_kind(&self, out: &mut dyn Out) {
        let mut rows: Vec<_> = self.kinds.iter().collect();
        rows.sort_by_key(|(key, sums)| (Reverse(sums.count), **key));
        let rows = rows.into_iter().map(|((kind, access, by_kernel), sums)| {
            let by = if *by_kernel { "kernel" } else { "program" };
            (*sums, vec![kind.name().into(), access.name().into(), by.into()])
        });
        self.table(&KIND, rows.collect(), "kinds", out);
    }
}

impl View for Top {
    fn fault(&mut self, seen: &Seen<'_>, _state: &State, _out: &mut dyn Out) {
        let fault = seen.fault;
        self.all.add(fault);
        match self.by {
            By::Mapping => {
                let name = mapping_name(seen);
                let is_private = !name.starts_with('/');
                let space = if is_private { seen.space } else { 0 };
                let key = MappingKey { name: self.names.get(name), space, start: private_start(seen) };
                let place = self.mappings.entry(key).or_default();
                place.sums.add(fault);
                place.processes.insert(fault.tgid);
                (place.pid, place.comm) = (fault.tgid, seen.process_comm);
                let (start, end) = seen.mapping.map_or((fault.address, fault.address), |here| (here.start, here.end));
                place.start = if place.sums.count == 1 { start } else { place.start.min(start) };
                place.end = place.end.max(end);
            }
            By::Function | By::Line => self.codes.entry(seen.code).or_default().add(fault),
            By::Thread => {
                let thread = self.threads.entry((fault.tgid, fault.tid)).or_default();
                (thread.0, thread.1) = (fault.tgid, seen.comm);
                thread.2.add(fault);
            }
            By::Kind => {
                let key = (fault.kind, fault.access, fault.by_kernel);
                self.kinds.entry(key).or_default().add(fault);
            }
        }
    }

    fn report(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()> {
        match self.by {
            By::Mapping => self.by_mapping(out),
            By::Function | By::Line => self.by_code(known, out),
            By::Thread => self.by_thread(out),
            By::Kind => self.by_kind(out),
        }
        let Sums { count, major, ns, .. } = self.all;
        let time = if ns > 0 { format!(", {} ms", trace::table::milliseconds(ns)) } else { String::new() };
        out.note(&format!("{count} faults, {major} of them major{time}"));
        Ok(())
    }

    fn restart(&mut self, _state: &State) {
        *self = Top::new(self.by, self.rows);
    }
}
