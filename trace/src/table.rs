// SPDX-License-Identifier: GPL-2.0

//! Figures with names and units, written as text for people, and as CSV or JSON for programs.
//!
//! A column is named once. People read `run ms` and programs `run_ns`: the same value, in the unit that suits them.

use serde_json::{Map, Number, Value as Json};
use std::io::{self, Write};

/// A column's unit, which says how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A number that names something: PID, CPU.
    Id,
    /// ns; people read ms.
    Time,
    /// ns; people read us: of what is over in a moment.
    Micros,
    /// A share from 0 to 1; people read percent.
    Share,
    /// Any number with a fraction.
    Number,
    /// Words. At the end of a row they are not padded.
    Text,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in CSV and JSON, with `_ns` at its end where it is a time.
    pub name: &'static str,
    /// Its heading for people.
    pub heading: &'static str,
    /// What it holds.
    pub unit: Unit,
}

/// The columns of a kind of rows, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What JSON has as `row`, and the line before a CSV table.
    pub name: &'static str,
    /// From left to right.
    pub columns: &'static [Column],
}

/// A column, in short.
pub const fn column(name: &'static str, heading: &'static str, unit: Unit) -> Column {
    Column { name, heading, unit }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count, an id, a time in ns.
    Int(u64),
    /// A share, or any other number.
    Real(f64),
    /// Words.
    Text(String),
    /// Not known, or none.
    None,
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Int(value as u64)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Value::Real(value)
        } else {
            Value::None
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<crate::task::Comm> for Value {
    fn from(value: crate::task::Comm) -> Self {
        Value::Text(value.to_string())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::None, Into::into)
    }
}

impl Value {
    /// For people.
    fn text(&self, unit: Unit) -> String {
        match (self, unit) {
            (Value::Int(ns), Unit::Time) => milliseconds(*ns),
            (Value::Int(ns), Unit::Micros) => format!("{}.{}", ns / 1_000, ns / 100 % 10),
            (Value::Int(value), _) => value.to_string(),
            (Value::Real(value), Unit::Share) => format!("{:.1}", value * 100.0),
            (Value::Real(value), _) if value.abs() >= 1000.0 => format!("{value:.0}"),
            (Value::Real(value), _) => format!("{value:.2}"),
            (Value::Text(text), _) => text.clone(),
            (Value::None, _) => "-".to_owned(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Value::Int(value) => Json::Number((*value).into()),
            Value::Real(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::None => Json::Null,
        }
    }

    fn csv(&self) -> String {
        match self {
            Value::Int(value) => value.to_string(),
            Value::Real(value) => value.to_string(),
            Value::Text(text) if text.contains([',', '"', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
            Value::Text(text) => text.clone(),
            Value::None => String::new(),
        }
    }
}

/// ms with a fraction that still says something: three digits after the point.
pub fn milliseconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000, ns / 1_000 % 1_000)
}

/// Rows of one schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its columns.
    pub schema: &'static Schema,
    /// Each as long as there are columns.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// Without rows.
    pub fn new(schema: &'static Schema) -> Self {
        Table { schema, rows: vec![] }
    }
}

/// How output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// A table after the other, each with a line of its name and one of its columns.
    Csv,
    /// An object a line.
    Json,
}

/// Where views write to.
pub trait Out {
    /// A row that is told as it happens. `text` is what people read.
    fn row(&mut self, schema: &'static Schema, values: Vec<Value>, text: &str);

    /// A whole table.
    fn table(&mut self, table: &Table);

    /// A remark that belongs to what was written last.
    fn note(&mut self, text: &str);
}

/// Writes to a file, a pipe or memory.
///
/// The first error is kept and everything after it is dropped: views need not care.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    format: Format,
    /// The schema of the CSV rows that were written last.
    last: Option<&'static str>,
    error: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    /// Writes to `to`.
    pub fn new(to: W, format: Format) -> Self {
        Writer { to, format, last: None, error: None }
    }

    /// What went wrong, once.
    ///
    /// # Errors
    ///
    /// The first error of any write.
    pub fn check(&mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.to.flush(),
        }
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.to
    }

    /// What is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    fn write(&mut self, text: &str) {
        if self.error.is_none() {
            if let Err(error) = self.to.write_all(text.as_bytes()) {
                self.error = Some(error);
            }
        }
    }

    fn csv(&mut self, schema: &'static Schema, rows: &[Vec<Value>]) {
        let mut text = String::new();
        if self.last != Some(schema.name) {
            if self.last.is_some() {
                text.push('\n');
            }
            let names: Vec<_> = schema.columns.iter().map(|column| column.name).collect();
            text.push_str(&format!("# table: {}\n{}\n", schema.name, names.join(",")));
            self.last = Some(schema.name);
        }
        for row in rows {
            let cells: Vec<_> = row.iter().map(Value::csv).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        self.write(&text);
    }

    fn json(&mut self, schema: &'static Schema, rows: &[Vec<Value>]) {
        let mut text = String::new();
        for row in rows {
            let mut object = Map::new();
            object.insert("row".into(), Json::String(schema.name.into()));
            for (column, value) in schema.columns.iter().zip(row) {
                object.insert(column.name.into(), value.json());
            }
            text.push_str(&Json::Object(object).to_string());
            text.push('\n');
        }
        self.write(&text);
    }
}

impl<W: Write> Out for Writer<W> {
    fn row(&mut self, schema: &'static Schema, values: Vec<Value>, text: &str) {
        match self.format {
            Format::Text => self.write(&format!("{text}\n")),
            Format::Csv => self.csv(schema, &[values]),
            Format::Json => self.json(schema, &[values]),
        }
    }

    fn table(&mut self, table: &Table) {
        match self.format {
            Format::Text => self.write(&aligned(table)),
            Format::Csv => self.csv(table.schema, &table.rows),
            Format::Json => self.json(table.schema, &table.rows),
        }
    }

    fn note(&mut self, text: &str) {
        match self.format {
            Format::Text => self.write(&format!("{text}\n")),
            Format::Csv => self.write(&format!("# {text}\n")),
            Format::Json => self.write(&format!("{}\n", serde_json::json!({"row": "note", "text": text}))),
        }
    }
}

/// The table as people read it: numbers to the right, words to the left.
fn aligned(table: &Table) -> String {
    let columns = table.schema.columns;
    let cells: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| columns.iter().zip(row).map(|(column, value)| value.text(column.unit)).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(n, column)| {
            let longest = cells.iter().map(|row| row[n].chars().count()).max().unwrap_or(0);
            longest.max(column.heading.chars().count())
        })
        .collect();
    let line = |row: Vec<&str>| {
        let mut line = String::new();
        for ((text, width), column) in row.iter().zip(&widths).zip(columns) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let padding = " ".repeat(width.saturating_sub(text.chars().count()));
            if column.unit == Unit::Text {
                line.push_str(text);
                line.push_str(&padding);
            } else {
                line.push_str(&padding);
                line.push_str(text);
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    };
    let mut text = line(columns.iter().map(|column| column.heading).collect());
    for row in &cells {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema {
        name: "top",
        columns: &[
            column("pid", "PID", Unit::Id),
            column("run_ns", "run ms", Unit::Time),
            column("share", "%", Unit::Share),
            column("comm", "command", Unit::Text),
        ],
    };

    fn written(format: Format) -> String {
        let mut table = Table::new(&SCHEMA);
        table.rows.push(vec![7_u32.into(), 12_345_678_u64.into(), 0.5.into(), "a,b".into()]);
        table.rows.push(vec![4_194_303_u32.into(), Value::None, f64::NAN.into(), "x \"y\"".into()]);
        let mut writer = Writer::new(vec![], format);
        writer.table(&table);
        writer.note("lost: 0");
        writer.check().unwrap();
        String::from_utf8(writer.into_inner()).unwrap()
    }

    #[test]
    fn people_read_milliseconds_and_percent_in_columns() {
        let expected =
            "    PID  run ms     %  command\n      7  12.345  50.0  a,b\n4194303       -     -  x \"y\"\nlost: 0\n";
        assert_eq!(written(Format::Text), expected);
    }

    #[test]
    fn programs_read_ns_and_quoted_words() {
        let expected =
            "# table: top\npid,run_ns,share,comm\n7,12345678,0.5,\"a,b\"\n4194303,,,\"x \"\"y\"\"\"\n# lost: 0\n";
        assert_eq!(written(Format::Csv), expected);
    }

    #[test]
    fn every_json_line_is_an_object_that_says_what_it_is() {
        let text = written(Format::Json);
        let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["run_ns"], 12_345_678);
        assert_eq!(lines[1]["comm"], "x \"y\"");
        assert!(lines[1]["share"].is_null());
        assert_eq!(lines[2]["row"], "note");
    }

    #[test]
    fn rows_of_the_same_kind_share_their_csv_heading() {
        let mut writer = Writer::new(vec![], Format::Csv);
        for pid in [1_u32, 2] {
            writer.row(&SCHEMA, vec![pid.into(), 1_u64.into(), 0.0.into(), "c".into()], "");
        }
        let text = String::from_utf8(writer.into_inner()).unwrap();
        assert_eq!(text, "# table: top\npid,run_ns,share,comm\n1,1,0,c\n2,1,0,c\n");
    }
}
