// SPDX-License-Identifier: GPL-2.0

//! CSV as RFC 4180 has it: a row per process and tick, counters since registration, between comment lines.

use crate::columns::{
    Counted, COMM, FLAGS, LEADING, MAJOR_TOTAL, MINOR_TOTAL, PID, REGISTRATION, SYSTEM_NS_TOTAL, TEXT, TIME_NS,
    USER_NS_TOTAL,
};
use crate::comm::Printable;
use crate::comments::{Kind, Preamble, Trailer};
use crate::error::{shorten, LineError};
use crate::{flags, json, number, Format};
use abi::samples::{Flags, SampleRecord, COUNTERS};

/// What a column says where the kernel does not count.
pub const NOT_COUNTED: &str = "n/a";

/// Columns that a reader needs. Totals among them never fall.
pub const NEEDED: [&str; 7] = [TIME_NS, PID, COMM, MINOR_TOTAL, MAJOR_TOTAL, USER_NS_TOTAL, SYSTEM_NS_TOTAL];

/// The writer: every record as it stands in the ring, delay columns [`NOT_COUNTED`] where the kernel does not count.
#[derive(Debug, Default)]
pub struct Csv;

impl Format for Csv {
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble) {
        preamble.write(out, Kind::Processes);
        out.extend_from_slice(
            b"# units: time_ns is CLOCK_MONOTONIC; _ns in ns; _total since registration; pages of 4 KiB as they stand\n",
        );
        let counters = COUNTERS.iter().map(|counter| counter.column);
        for (index, column) in LEADING.into_iter().chain(counters).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(column.as_bytes());
        }
        out.push(b'\n');
    }

    fn sample(&mut self, out: &mut Vec<u8>, sample: &SampleRecord, counted: Counted) {
        for number in [sample.time_ns, sample.tick, sample.jiffies] {
            number::write(out, number);
            out.push(b',');
        }
        number::write(out, sample.pid);
        out.push(b',');
        push_field(out, Printable::new(sample.comm_bytes()).as_bytes());
        out.push(b',');
        number::write(out, sample.registration);
        out.push(b',');
        flags::write(out, sample.flags);
        out.push(b',');
        number::write(out, sample.threads);
        out.push(b',');
        number::write(out, sample.user);
        let counted = counted.in_record(sample.flags);
        for (index, number) in sample.numbers().into_iter().enumerate() {
            out.push(b',');
            if counted.has(index) {
                number::write(out, number);
            } else {
                out.extend_from_slice(NOT_COUNTED.as_bytes());
            }
        }
        out.push(b'\n');
    }

    fn trailer(&mut self, out: &mut Vec<u8>, trailer: &Trailer) {
        trailer.write(out);
    }
}

/// Quotes `field` where a reader would otherwise misunderstand it.
fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    let quoted =
        field.iter().any(|byte| b"\",".contains(byte)) || field.first() == Some(&b' ') || field.last() == Some(&b' ');
    if !quoted {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for &byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// One row, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `CLOCK_MONOTONIC`, ns.
    pub time_ns: u64,
    /// Process ID.
    pub pid: u64,
    /// Command name.
    pub comm: String,
    /// Which registration; none in files of other writers.
    pub registration: Option<u64>,
    /// What happened.
    pub flags: Flags,
    /// A value for each of [`Reader::columns`]; `None` where the kernel does not count it.
    pub values: Vec<Option<u64>>,
}

/// The reader of the rows, by the names in the header row; or of objects, which are read as rows.
#[derive(Debug, Clone)]
pub struct Reader {
    is_json: bool,
    fields: usize,
    /// Place in the row and name of the columns with numbers.
    numbers: Vec<(usize, String)>,
    time: usize,
    pid: usize,
    comm: usize,
    flags: Option<usize>,
    registration: Option<usize>,
}

/// Whether `line` is the header row of such a file, or the first record of one of [`json`].
pub fn is_header_row(line: &str) -> bool {
    is_object(line) || line.split(',').any(|name| name.trim() == MINOR_TOTAL)
}

fn is_object(line: &str) -> bool {
    line.trim_start().starts_with('{')
}

impl Reader {
    /// Takes the header row, or the first record of a file of objects, which is yet to be read.
    ///
    /// # Errors
    /// It is not CSV, or lacks one of the columns of [`NEEDED`].
    pub fn new(header_row: &str) -> Result<Self, LineError> {
        let is_json = is_object(header_row);
        let head = if is_json { json::columns() } else { split(header_row)? };
        let place = |name: &str| head.iter().position(|column| column == name);
        let needed = |name: &str| place(name).ok_or_else(|| LineError::NoColumn { column: name.into() });
        for name in NEEDED {
            needed(name)?;
        }
        let numbers = head
            .iter()
            .enumerate()
            .filter(|(_, name)| !TEXT.contains(&name.as_str()))
            .map(|(at, name)| (at, name.clone()));
        Ok(Reader {
            is_json,
            fields: head.len(),
            numbers: numbers.collect(),
            time: needed(TIME_NS)?,
            pid: needed(PID)?,
            comm: needed(COMM)?,
            flags: place(FLAGS),
            registration: place(REGISTRATION),
        })
    }

    /// Whether the line given to [`Reader::new`] is a record.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether there is a column of flags.
    pub fn has_flags(&self) -> bool {
        self.flags.is_some()
    }

    /// Names of the columns with numbers, in the order of [`Row::values`].
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.numbers.iter().map(|(_, name)| name.as_str())
    }

    /// Reads a row.
    ///
    /// # Errors
    /// It is not CSV, has another number of fields than the header row, or a needed column is not a whole number.
    pub fn row(&self, line: &str) -> Result<Row, LineError> {
        let mut fields = if self.is_json { json::fields(line)? } else { split(line)? };
        if fields.len() != self.fields {
            return Err(LineError::Fields { found: fields.len(), expected: self.fields });
        }
        let mut values = Vec::with_capacity(self.numbers.len());
        for (place, name) in &self.numbers {
            let needed = NEEDED.contains(&name.as_str());
            values.push(match fields[*place].trim() {
                NOT_COUNTED | "" if !needed => None,
                field if needed => Some(number::read(name, field)?),
                // A column that this program does not know may hold anything.
                field => field.parse().ok(),
            });
        }
        Ok(Row {
            time_ns: number::read(TIME_NS, fields[self.time].trim())?,
            pid: number::read(PID, fields[self.pid].trim())?,
            registration: match self.registration {
                Some(place) => Some(number::read(REGISTRATION, fields[place].trim())?),
                None => None,
            },
            flags: self.flags.map_or(Flags::default(), |place| flags::read(&fields[place])),
            comm: std::mem::take(&mut fields[self.comm]),
            values,
        })
    }
}

/// Splits a line of CSV (RFC 4180, without line breaks in fields).
fn split(line: &str) -> Result<Vec<String>, LineError> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(',').unwrap_or(rest.len());
            fields.push(rest[..end].to_owned());
            if end == rest.len() {
                return Ok(fields);
            }
            rest = &rest[end + 1..];
            continue;
        };
        let mut field = String::new();
        let mut left = quoted;
        loop {
            let Some(end) = left.find('"') else {
                return Err(LineError::Csv(format!("a quote is not closed: '{}'", shorten(rest))));
            };
            field.push_str(&left[..end]);
            left = &left[end + 1..];
            let Some(more) = left.strip_prefix('"') else { break };
            field.push('"');
            left = more;
        }
        fields.push(field);
        match left.strip_prefix(',') {
            Some(more) => rest = more,
            None if left.is_empty() => return Ok(fields),
            None => return Err(LineError::Csv(format!("text behind a quoted field: '{}'", shorten(left)))),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::comments::tests::preamble;
    use abi::samples::{Levels, Totals};

    pub(crate) fn sample(comm: &[u8], flags: Flags) -> SampleRecord {
        let mut name = [0; 16];
        name[..comm.len()].copy_from_slice(comm);
        SampleRecord {
            sequence: 0,
            time_ns: 7_000_000_000,
            tick: 40,
            jiffies: 4_294_937_296,
            pid: 123,
            flags,
            threads: 2,
            user: 0,
            comm: name,
            registration: 3,
            totals: Totals::from_array(std::array::from_fn(|index| index as u64 + 1)),
            levels: Levels { resident_pages: 100, ..Levels::default() },
        }
    }

    fn row(comm: &[u8], flags: Flags) -> String {
        let mut out = vec![];
        Csv.sample(&mut out, &sample(comm, flags), Counted::ALL);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_and_values_go_together() {
        let mut out = vec![];
        Csv.preamble(&mut out, &preamble());
        let text = String::from_utf8(out).unwrap();
        let columns: Vec<_> = text.lines().last().unwrap().split(',').collect();
        let row = row(b"work", Flags::FINAL | Flags::EXITED | Flags::DELAYS);
        let values: Vec<_> = row.trim_end().split(',').collect();
        let pairs: Vec<_> = columns.iter().zip(&values).map(|(column, value)| format!("{column}={value}")).collect();
        assert_eq!(columns.len(), values.len());
        let counters = COUNTERS.iter().zip(sample(b"work", Flags::DELAYS).numbers());
        let counters: String = counters.map(|(counter, number)| format!(" {}={number}", counter.column)).collect();
        assert_eq!(
            pairs.join(" "),
            "time_ns=7000000000 tick=40 jiffies=4294937296 pid=123 comm=work registration=3 flags=final|exited|delays \
             threads=2 user=0"
                .to_owned()
                + &counters
        );
        assert!(counters.starts_with(" minor_total=1 major_total=2 user_ns_total=3 system_ns_total=4 "), "{counters}");
        assert!(
            counters.contains(" wpcopy_delay_ns_total=13 ") && counters.contains(" resident_pages=100 "),
            "{counters}"
        );
    }

    #[test]
    fn what_the_kernel_does_not_count_is_not_0() {
        assert!(row(b"work", Flags::default()).ends_with(",7,n/a,n/a,n/a,n/a,n/a,n/a,100,0\n"));
    }

    #[test]
    fn names_cannot_break_a_row() {
        assert!(row(b"a,\"b\"", Flags::default()).contains(",123,\"a,\"\"b\"\"\",3,,2,"));
        assert!(row(b"a\nb", Flags::default()).contains(r",123,a\x0ab,3,"));
        assert!(row(b" a", Flags::default()).contains(",\" a\",3,"));
    }

    #[test]
    fn a_header_row_is_known_by_a_column_and_an_object_by_its_brace() {
        for line in ["time_ns, minor_total", "minor_total,x", "  {\"pid\":1}"] {
            assert!(is_header_row(line), "{line}");
        }
        for line in ["", "time_ns,pid", "minor_totals,major", "1 2 3 4"] {
            assert!(!is_header_row(line), "{line}");
        }
    }

    #[test]
    fn files_of_other_writers_need_a_few_columns() {
        let needed = NEEDED.join(",");
        let reader = Reader::new(&needed).unwrap();
        assert!(!reader.has_flags() && !reader.is_json());
        assert!(Reader::new(&format!("{needed},flags,colour")).unwrap().has_flags());
        assert!(Reader::new("{}").unwrap().is_json());
        for missing in NEEDED {
            let row = NEEDED.into_iter().filter(|name| *name != missing).collect::<Vec<_>>().join(",");
            assert!(matches!(Reader::new(&row), Err(LineError::NoColumn { column }) if column == missing));
        }
        let reader = Reader::new(&format!("{needed},colour,threads")).unwrap();
        let read = reader.row(&format!("{},red,3", ["1"; NEEDED.len()].join(","))).unwrap();
        let value = |name| read.values[reader.columns().position(|column| column == name).unwrap()];
        assert_eq!((read.time_ns, read.pid, read.registration, &*read.comm), (1, 1, None, "1"));
        assert_eq!((value("colour"), value("threads")), (None, Some(3)));
    }

    #[test]
    fn rows_that_are_none_are_refused() {
        let reader = Reader::new(&NEEDED.join(",")).unwrap();
        let fields = NEEDED.len();
        let row = |with: &str| reader.row(&[&vec!["1"; fields - 1][..], &[with]].concat().join(","));
        assert!(row("1").is_ok());
        assert!(
            matches!(row("1,1"), Err(LineError::Fields { found, expected }) if (found, expected) == (fields + 1, fields))
        );
        assert!(matches!(row("\"1"), Err(LineError::Csv(why)) if why.contains("a quote is not closed")));
        assert!(matches!(row("\"1\"1"), Err(LineError::Csv(why)) if why.contains("text behind a quoted field")));
        let last = NEEDED[fields - 1];
        for wrong in ["", "n/a", "-1", "one", "18446744073709551616"] {
            assert_eq!(row(wrong).is_err(), last != COMM, "{last}={wrong}");
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let mut out = vec![];
        Csv.preamble(&mut out, &preamble());
        let head = String::from_utf8(out).unwrap();
        let reader = Reader::new(head.lines().last().unwrap()).unwrap();
        let read = reader.row(row(b"a,\"b\" ", Flags::FIRST | Flags::DELAYS).trim_end_matches('\n')).unwrap();
        assert_eq!((read.time_ns, read.pid, read.registration), (7_000_000_000, 123, Some(3)));
        assert_eq!((read.comm.as_str(), read.flags), ("a,\"b\" ", Flags::FIRST | Flags::DELAYS));
        let value = |name| read.values[reader.columns().position(|column| column == name).unwrap()];
        assert_eq!((value("minor_total"), value("wpcopy_delay_ns_total")), (Some(1), Some(13)));
        assert_eq!(value("resident_pages"), Some(100));
        let read = reader.row(row(b"a", Flags::default()).trim_end()).unwrap();
        assert_eq!(
            read.values.iter().filter(|value| value.is_none()).count(),
            COUNTERS.iter().filter(|counter| counter.needs_delays).count()
        );
    }
}
