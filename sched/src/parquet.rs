// SPDX-License-Identifier: GPL-2.0

//! A recording as Parquet, one table for each kind of event, for people who work with data.
//!
//! Columns have the names and units of the records. Times are CLOCK_BOOTTIME in ns.

use crate::view::watch::printable;
use abi::events::{Event, SwitchFlags, TotalsPart};
use anyhow::{Context, Result};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use trace::event::{Timed, What};

/// Rows that are held before they are written.
const ROWS: usize = 1 << 18;

/// A column: numbers, or words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
}

/// A table: its name and its columns behind `time_ns` and `cpu`.
struct Schema {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
}

const SWITCH: Schema = Schema {
    name: "switch",
    columns: &[
        ("prev_tid", Kind::Number),
        ("next_tid", Kind::Number),
        ("prev_state", Kind::Text),
        ("still_runnable", Kind::Number),
        ("voluntary", Kind::Number),
        ("io_wait", Kind::Number),
        ("throttled", Kind::Number),
        ("fair_server", Kind::Number),
        ("dead", Kind::Number),
        ("prev_run_ns_mod_2_48", Kind::Number),
        ("prev_run_delay_ns_mod_2_48", Kind::Number),
        ("prev_prio", Kind::Number),
        ("next_prio", Kind::Number),
    ],
};
const WAKING: Schema = Schema {
    name: "waking",
    columns: &[
        ("wakee_tid", Kind::Number),
        ("waker_tid", Kind::Number),
        ("context", Kind::Text),
        ("wakee_state", Kind::Text),
        ("io_wait", Kind::Number),
        ("previous_cpu", Kind::Number),
        ("wakee_call", Kind::Text),
        ("waker_call", Kind::Text),
        ("wakee_argument", Kind::Number),
        ("wakee_prio", Kind::Number),
        ("waker_prio", Kind::Number),
    ],
};
const MIGRATE: Schema = Schema {
    name: "migrate",
    columns: &[
        ("tid", Kind::Number),
        ("tgid", Kind::Number),
        ("from_cpu", Kind::Number),
        ("to_cpu", Kind::Number),
        ("by_tid", Kind::Number),
        ("forced", Kind::Number),
        ("allowed_cpus", Kind::Number),
    ],
};
const PRIORITY: Schema = Schema {
    name: "priority",
    columns: &[
        ("tid", Kind::Number),
        ("tgid", Kind::Number),
        ("old_prio", Kind::Number),
        ("new_prio", Kind::Number),
        ("donor_tid", Kind::Number),
    ],
};
const NEW_TASK: Schema = Schema {
    name: "new_task",
    columns: &[
        ("tid", Kind::Number),
        ("tgid", Kind::Number),
        ("parent_tid", Kind::Number),
        ("parent_tgid", Kind::Number),
        ("clone_flags", Kind::Number),
        ("prio", Kind::Number),
        ("kernel", Kind::Number),
    ],
};
const EXEC: Schema = Schema { name: "exec", columns: &[("tid", Kind::Number), ("path", Kind::Text)] };
const EXIT: Schema = Schema {
    name: "exit",
    columns: &[
        ("tid", Kind::Number),
        ("tgid", Kind::Number),
        ("group_dead", Kind::Number),
        ("code", Kind::Number),
        ("group_code", Kind::Number),
    ],
};
const NAME: Schema =
    Schema { name: "name", columns: &[("tid", Kind::Number), ("tgid", Kind::Number), ("comm", Kind::Text)] };
const IRQ: Schema = Schema {
    name: "irq",
    columns: &[
        ("class", Kind::Text),
        ("number", Kind::Number),
        ("tid", Kind::Number),
        ("duration_ns", Kind::Number),
        ("nested_ns", Kind::Number),
    ],
};
const TASK: Schema = Schema {
    name: "task",
    columns: &[
        ("tid", Kind::Number),
        ("tgid", Kind::Number),
        ("parent_tgid", Kind::Number),
        ("kernel", Kind::Number),
        ("policy", Kind::Number),
        ("prio", Kind::Number),
        ("allowed_cpus", Kind::Number),
        ("cgroup", Kind::Number),
    ],
};
const TOTALS: Schema = Schema {
    name: "totals",
    columns: &[("tid", Kind::Number), ("tgid", Kind::Number), ("what", Kind::Text), ("value", Kind::Number)],
};
const LOST: Schema = Schema {
    name: "lost",
    columns: &[("records", Kind::Number), ("until_ns", Kind::Number), ("dropped", Kind::Number)],
};
const COUNTS: Schema = Schema {
    name: "counts",
    columns: &[
        ("switches", Kind::Number),
        ("voluntary", Kind::Number),
        ("from_idle", Kind::Number),
        ("wakings", Kind::Number),
        ("migrations", Kind::Number),
        ("interrupts", Kind::Number),
        ("dropped", Kind::Number),
    ],
};

/// A cell.
enum Cell {
    Number(i64),
    Text(String),
}

macro_rules! cells {
    ($($value:expr),* $(,)?) => { vec![$(Cell::from($value)),*] };
}

macro_rules! numbers {
    ($($kind:ty),*) => { $(
        impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Cell::Number(value as i64)
            }
        }
    )* };
}

numbers!(bool, i16, i32, u8, u16, u32, u64);

impl From<char> for Cell {
    fn from(value: char) -> Self {
        Cell::Text(value.to_string())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Cell::Text(value)
    }
}

fn call(number: Option<u16>) -> String {
    number.map_or(String::new(), crate::syscall::name)
}

/// The rows that an event makes.
fn rows(timed: &Timed) -> Vec<(&'static Schema, Vec<Cell>)> {
    let row = match &timed.what {
        What::Event(Event::Switch(e)) => (
            &SWITCH,
            cells![
                e.prev,
                e.next,
                e.state.letter(),
                e.still_runnable(),
                e.flags.contains(SwitchFlags::VOLUNTARY),
                e.flags.contains(SwitchFlags::IO_WAIT),
                e.flags.contains(SwitchFlags::THROTTLED),
                e.flags.contains(SwitchFlags::FAIR_SERVER),
                e.flags.contains(SwitchFlags::DEAD),
                e.run_ns,
                e.delay_ns,
                e.prev_prio.0,
                e.next_prio.0,
            ],
        ),
        What::Event(Event::Waking(e)) => (
            &WAKING,
            cells![
                e.wakee,
                e.waker,
                format!("{:?}", e.context).to_lowercase(),
                e.wakee_state.letter(),
                e.io_wait,
                e.previous_cpu,
                call(e.wakee_call),
                call(e.waker_call),
                e.argument,
                e.wakee_prio.0,
                e.waker_prio.0,
            ],
        ),
        What::Event(Event::Migrate(e)) => {
            (&MIGRATE, cells![e.tid, e.tgid, e.from, e.to, e.by, e.forced, e.allowed_cpus])
        }
        What::Event(Event::Priority(e)) => (&PRIORITY, cells![e.tid, e.tgid, e.old.0, e.new.0, e.donor]),
        What::Event(Event::NewTask(e)) => {
            (&NEW_TASK, cells![e.tid, e.tgid, e.parent, e.parent_tgid, e.clone_flags, e.prio.0, e.kernel])
        }
        What::Event(Event::Exit(e)) => (&EXIT, cells![e.tid, e.tgid, e.group_dead, e.code, e.group_code]),
        What::Event(Event::Name(e)) => (&NAME, cells![e.tid, e.tgid, printable(e.bytes())]),
        What::Event(Event::Irq(e)) => {
            (&IRQ, cells![format!("{:?}", e.class).to_lowercase(), e.number, e.tid, e.duration_ns, e.nested_ns])
        }
        What::Event(Event::Task(e)) => {
            (&TASK, cells![e.tid, e.tgid, e.parent_tgid, e.kernel, e.policy, e.prio.0, e.allowed_cpus, e.cgroup])
        }
        What::Event(Event::Totals(e)) => {
            let pairs = match e.part {
                TotalsPart::Times { run_ns, delay_ns } => [("run_ns", run_ns), ("run_delay_ns", delay_ns)],
                TotalsPart::Switches { voluntary, involuntary } => {
                    [("voluntary", voluntary), ("involuntary", involuntary)]
                }
                TotalsPart::Placement { migrations, started_ns } => {
                    [("migrations", migrations), ("started_ns", started_ns)]
                }
                TotalsPart::Other { .. } => return vec![],
            };
            return pairs.map(|(what, value)| (&TOTALS, cells![e.tid, e.tgid, what.to_owned(), value])).into();
        }
        What::Path(path) => (&EXEC, cells![path.tid, printable(&path.path)]),
        What::Lost(lost) => (&LOST, cells![lost.records, lost.until_ns, lost.dropped]),
        What::Counts(e) => {
            (&COUNTS, cells![e.switches, e.voluntary, e.from_idle, e.wakings, e.migrations, e.interrupts, e.dropped])
        }
        What::Event(Event::Exec(_) | Event::Text(_) | Event::SnapshotEnd(_)) => return vec![],
        // Page faults are a matter of `faults`.
        What::Event(
            Event::Fault(_)
            | Event::FaultPlace(_)
            | Event::FaultEntry(_)
            | Event::FaultSignal(_)
            | Event::FaultTotals(_)
            | Event::Map(_)
            | Event::MapFile(_),
        ) => return vec![],
    };
    vec![row]
}

/// Values of one column that are not written yet.
enum Values {
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
}

struct Table {
    name: &'static str,
    writer: SerializedFileWriter<File>,
    columns: Vec<Values>,
    rows: usize,
}

impl Table {
    fn new(directory: &Path, schema: &'static Schema) -> Result<Self> {
        let path = directory.join(format!("{}.parquet", schema.name));
        let columns = [("time_ns", Kind::Number), ("cpu", Kind::Number)];
        let columns: Vec<_> = columns.iter().chain(schema.columns).copied().collect();
        let fields = columns
            .iter()
            .map(|(name, kind)| {
                let column = match kind {
                    Kind::Number => Type::primitive_type_builder(name, Physical::INT64),
                    Kind::Text => Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                        .with_logical_type(Some(LogicalType::String)),
                };
                Ok(Arc::new(column.with_repetition(Repetition::REQUIRED).build()?))
            })
            .collect::<Result<Vec<_>>>()?;
        let root = Type::group_type_builder(schema.name).with_fields(fields).build()?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let writer = SerializedFileWriter::new(file, Arc::new(root), Arc::new(properties))?;
        let columns = columns
            .iter()
            .map(|(_, kind)| match kind {
                Kind::Number => Values::Numbers(vec![]),
                Kind::Text => Values::Texts(vec![]),
            })
            .collect();
        Ok(Table { name: schema.name, writer, columns, rows: 0 })
    }

    fn push(&mut self, row: impl Iterator<Item = Cell>) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(row) {
            match (column, cell) {
                (Values::Numbers(values), Cell::Number(value)) => values.push(value),
                (Values::Texts(values), Cell::Text(value)) => values.push(value.into_bytes().into()),
                (Values::Numbers(values), Cell::Text(_)) => values.push(0),
                (Values::Texts(values), Cell::Number(value)) => values.push(value.to_string().into_bytes().into()),
            }
        }
        self.rows += 1;
        if self.rows >= ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            match column {
                Values::Numbers(values) => {
                    writer.typed::<Int64Type>().write_batch(values, None, None)?;
                    values.clear();
                }
                Values::Texts(values) => {
                    writer.typed::<ByteArrayType>().write_batch(values, None, None)?;
                    values.clear();
                }
            }
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// Writes the tables of some events into `directory`. A kind of which there is no event has no table.
pub struct Exporter<'a> {
    directory: &'a Path,
    tables: Vec<Table>,
}

impl<'a> Exporter<'a> {
    /// Makes the directory, if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn new(directory: &'a Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        Ok(Exporter { directory, tables: vec![] })
    }

    /// Writes the next event.
    ///
    /// # Errors
    ///
    /// A table cannot be written.
    pub fn push(&mut self, timed: &Timed) -> Result<()> {
        for (schema, cells) in rows(timed) {
            let at = match self.tables.iter().position(|table| table.name == schema.name) {
                Some(at) => at,
                None => {
                    self.tables.push(Table::new(self.directory, schema)?);
                    self.tables.len() - 1
                }
            };
            let first = [Cell::from(timed.ns), Cell::from(timed.cpu)];
            self.tables[at].push(first.into_iter().chain(cells))?;
        }
        Ok(())
    }

    /// Ends the tables.
    ///
    /// # Errors
    ///
    /// A table cannot be written.
    pub fn finish(self) -> Result<()> {
        for mut table in self.tables {
            table.flush()?;
            table.writer.close()?;
        }
        Ok(())
    }
}

/// Writes the recording `from` as tables into `directory`.
///
/// # Errors
///
/// The recording cannot be read, or a table not be written.
pub fn export(from: &Path, directory: &Path) -> Result<()> {
    let mut reader = trace::recording::open(from)?;
    let mut exporter = Exporter::new(directory)?;
    while let Some(chunk) = reader.next_chunk().with_context(|| from.display().to_string())? {
        for timed in &chunk.events {
            exporter.push(timed)?;
        }
    }
    exporter.finish()?;
    if let Some(end) = reader.ending() {
        eprintln!("sched: {}: {end}", from.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::events::{Context as WakeContext, State};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use trace::model::{Leave, Model};

    #[test]
    fn every_event_is_a_row_of_its_kinds_table() {
        let mut model = Model::new(1, 5_000);
        model.existing(1, 1, "one").snapshot().count();
        for _ in 0..100 {
            model.pass(10).wake(0, WakeContext::SoftIrq, 1).switch(0, Leave::Dead, 1).pass(7);
            model.switch(0, Leave::Sleep(State::Sleeping), 0);
        }
        let directory = std::env::temp_dir().join(format!("mp3-sched-parquet-{}", std::process::id()));
        let mut exporter = Exporter::new(&directory).unwrap();
        for timed in &model.events {
            exporter.push(timed).unwrap();
        }
        exporter.finish().unwrap();
        let open = |name: &str| {
            SerializedFileReader::new(File::open(directory.join(format!("{name}.parquet"))).unwrap()).unwrap()
        };
        for (name, count) in [("switch", 200), ("waking", 100), ("name", 1), ("totals", 4), ("counts", 1)] {
            assert_eq!(open(name).metadata().file_metadata().num_rows(), count, "{name}");
        }
        let file = open("switch");
        let row = file.get_row_iter(None).unwrap().nth(1).unwrap().unwrap();
        assert_eq!((row.get_long(0).unwrap(), row.get_long(2).unwrap()), (5_017, 1));
        assert_eq!(row.get_string(4).unwrap(), "S");
        assert!(!directory.join("irq.parquet").exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
