// SPDX-License-Identifier: GPL-2.0

//! The file of `monitor --per-process` or `--json`: one row or object a process and tick, counters since registration.

use crate::interval::{add, Interval, CLASSIC_RATE_HZ};
use crate::profile::{without_samples, Opening, CUT_SHORT, UNENDED};
use crate::trace::Trace;
use abi::samples::Flags;
use format::columns::{MAJOR_TOTAL, MINOR_TOTAL, SYSTEM_NS_TOTAL, USER_NS_TOTAL};
use format::comments::Comments;
use format::error::{Error, LineError};
use format::input::Lines;
use format::json;
use format::processes::{Reader, NEEDED};
use std::collections::HashMap;

pub use format::processes::is_header_row;

/// Rows kept of a file, over all its processes.
const ROWS: usize = 1 << 17;

/// What a process's counters were at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Seconds since the first interval of the file began.
    pub time_s: f64,
    /// A value for each of [`Processes::columns`]; `None` where the kernel does not count it (`n/a`).
    pub values: Box<[Option<u64>]>,
}

/// One registration of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its PID.
    pub pid: u64,
    /// Its name when last seen.
    pub comm: String,
    /// When it was registered, in seconds: at its row flagged `first`; or its first row, where there is no such row; or one
    /// interval before that, in a file without flags.
    pub start_s: f64,
    /// Its registration was not in the file: what was counted until its first row belongs to no interval.
    pub is_joined: bool,
    /// Its rows in order of time. The last one is always kept: it has the totals.
    pub rows: Vec<Row>,
    /// Rows read.
    pub samples: u64,
}

/// A file, read.
#[derive(Debug, Clone)]
pub struct Processes {
    /// What the user called the file.
    pub path: String,
    /// What its comments say.
    pub comments: Comments,
    /// Names of the columns with numbers.
    pub columns: Vec<String>,
    /// Its processes in order of their first row.
    pub list: Vec<Process>,
    /// What the reader should know about the file, a sentence each.
    pub notices: Vec<String>,
}

impl Processes {
    /// Place of a column in the values of a row.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The last value of a column for a process; `None` without the column, or where it is n/a.
    pub fn last(&self, process: &Process, name: &str) -> Option<u64> {
        process.rows.last()?.values[self.column(name)?]
    }

    /// The intervals of one process: differences of its rows. One of less than half the nominal length is counted with its
    /// neighbour: the counters of a process that runs on another CPU lag a little, and in a short interval that is much.
    ///
    /// # Errors
    /// Sums beyond 64 bits.
    pub fn trace(&self, process: &Process) -> Result<Trace, LineError> {
        let place = |name| self.column(name).unwrap_or_default();
        let (minor, major) = (place(MINOR_TOTAL), place(MAJOR_TOTAL));
        let (user, system) = (place(USER_NS_TOTAL), place(SYSTEM_NS_TOTAL));
        let shortest_s = self.nominal_s() / 2.0;
        let mut trace = Trace::default();
        let counts = |row: &Row| {
            let value = |column: usize| row.values[column].unwrap_or(0);
            [value(minor), value(major), value(user).saturating_add(value(system))]
        };
        let (mut before, rows) = match &process.rows[..] {
            [first, rest @ ..] if process.is_joined => ((first.time_s, counts(first)), rest),
            rows => ((process.start_s, [0u64; 3]), rows),
        };
        let mut pending: Option<Interval> = None;
        for row in rows {
            let now = counts(row);
            let interval = Interval {
                start_s: before.0,
                end_s: row.time_s,
                length_s: row.time_s - before.0,
                minor: now[0].saturating_sub(before.1[0]),
                major: now[1].saturating_sub(before.1[1]),
                cpu_ns: now[2].saturating_sub(before.1[2]),
            };
            before = (row.time_s, now);
            match &mut pending {
                Some(pending) if pending.length_s < shortest_s || interval.length_s < shortest_s => {
                    pending.end_s = interval.end_s;
                    pending.length_s += interval.length_s;
                    add(&mut pending.minor, interval.minor, MINOR_TOTAL)?;
                    add(&mut pending.major, interval.major, MAJOR_TOTAL)?;
                    add(&mut pending.cpu_ns, interval.cpu_ns, "cpu_ns")?;
                }
                _ => {
                    if let Some(done) = pending.replace(interval) {
                        trace.push(&done)?;
                    }
                }
            }
        }
        if let Some(last) = pending.filter(|last| last.length_s > 0.0) {
            trace.push(&last)?;
        }
        Ok(trace)
    }

    /// Length of an undisturbed interval, in seconds.
    pub fn nominal_s(&self) -> f64 {
        1.0 / self.comments.preamble.rate_hz.unwrap_or(CLASSIC_RATE_HZ)
    }
}

/// Reads the rest of a file whose first line is its header row.
///
/// # Errors
/// Reading failed, a row is wrong, or there is none.
pub fn read(lines: Lines, opening: Opening) -> Result<Processes, Error> {
    read_bounded(lines, opening, ROWS)
}

fn read_bounded(mut lines: Lines, opening: Opening, limit: usize) -> Result<Processes, Error> {
    let Opening { comments, first } = opening;
    let Some((head, _)) = first else { return Err(without_samples(&lines)) };
    let reader = Reader::new(&head).map_err(|why| lines.wrong(why))?;
    let is_json = reader.is_json();
    let mut table = Table::new(comments, reader, limit);
    if is_json {
        table.row(&head).map_err(|why| lines.wrong(why))?;
    }
    loop {
        let taken = match lines.next_line()? {
            None => break,
            Some(line) if line.text.trim().is_empty() => Ok(()),
            Some(line) if line.text.starts_with('#') => table.comments.take(line.text),
            Some(line) if is_json && line.complete && json::is_comment(line.text) => {
                json::take_comment(line.text, &mut table.comments)
            }
            Some(line) if !line.complete => {
                table.cut = true;
                Ok(())
            }
            Some(line) => table.row(line.text),
        };
        taken.map_err(|why| lines.wrong(why))?;
    }
    if table.list.is_empty() {
        return Err(without_samples(&lines));
    }
    let mut notices = Vec::new();
    if table.cut {
        notices.push(format!("line {} has no end: its writer was interrupted", lines.number()));
    }
    if lines.is_cut() {
        notices.push(CUT_SHORT.into());
    } else if table.comments.is_ours && table.comments.trailer.samples.is_none() {
        notices.push(UNENDED.into());
    }
    notices.extend(table.comments.trailer.notices());
    Ok(Processes {
        path: lines.name().to_owned(),
        columns: table.reader.columns().map(str::to_owned).collect(),
        comments: table.comments,
        list: table.list,
        notices,
    })
}

struct Table {
    comments: Comments,
    reader: Reader,
    /// Where the counters that never fall are among the values.
    counters: Vec<usize>,
    /// The time that is 0 in figures, in ns of the file's clock.
    zero_ns: Option<f64>,
    list: Vec<Process>,
    /// Registrations that go on: by number, or by PID in a file without numbers.
    open: HashMap<u64, usize>,
    rows: usize,
    /// Rows kept at most; two for each process always are.
    limit: usize,
    /// Rows of a process that fall into the same stretch of time are thinned to the last of them.
    width_s: f64,
    cut: bool,
}

impl Table {
    fn new(comments: Comments, reader: Reader, limit: usize) -> Self {
        let counters =
            reader.columns().enumerate().filter(|(_, name)| NEEDED.contains(name) && name.ends_with("_total"));
        let counters = counters.map(|(index, _)| index).collect();
        Self {
            comments,
            reader,
            counters,
            zero_ns: None,
            list: Vec::new(),
            open: HashMap::new(),
            rows: 0,
            limit,
            width_s: 1.0 / 1024.0,
            cut: false,
        }
    }

    fn row(&mut self, line: &str) -> Result<(), LineError> {
        let format::processes::Row { time_ns, pid, comm, registration, flags, values } = self.reader.row(line)?;
        // The record that a registration writes at once, all zero, begins an interval; any other ends one.
        let begins = flags.contains(Flags::FIRST);
        let nominal_s = 1.0 / self.comments.preamble.rate_hz.unwrap_or(CLASSIC_RATE_HZ);
        let has_flags = self.reader.has_flags();
        let before_s = if begins || has_flags { 0.0 } else { nominal_s };
        let zero_ns = *self.zero_ns.get_or_insert(time_ns as f64 - before_s * 1e9);
        let time_s = (time_ns as f64 - zero_ns) / 1e9;
        let registration = registration.unwrap_or(pid);
        let index = match self.open.get(&registration) {
            Some(&index) if !begins => index,
            _ => {
                let start_s = (time_s - before_s).max(0.0);
                let is_joined = has_flags && !begins;
                self.list.push(Process { pid, comm: comm.clone(), start_s, is_joined, rows: Vec::new(), samples: 0 });
                self.open.insert(registration, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        let process = &mut self.list[index];
        if process.comm != comm {
            process.comm = comm;
        }
        process.samples += 1;
        let row = Row { time_s, values: values.into() };
        match process.rows.last_mut() {
            Some(last) => {
                for &counter in &self.counters {
                    if let (Some(before), Some(now)) = (last.values[counter], row.values[counter]) {
                        if now < before {
                            let column = self.reader.columns().nth(counter).unwrap_or_default().to_owned();
                            return Err(LineError::CounterBackwards { column, pid, before, now });
                        }
                    }
                }
                let is_origin = process.is_joined && process.samples == 2;
                if (last.time_s / self.width_s) as u64 == (time_s / self.width_s) as u64 && !is_origin {
                    *last = row;
                } else {
                    process.rows.push(row);
                    self.rows += 1;
                }
            }
            None => {
                process.rows.push(row);
                self.rows += 1;
            }
        }
        if flags.contains(Flags::FINAL) {
            self.open.remove(&registration);
        }
        if self.rows > self.limit.max(2 * self.list.len()) {
            self.thin();
        }
        Ok(())
    }

    fn thin(&mut self) {
        self.width_s *= 2.0;
        let width_s = self.width_s;
        self.rows = 0;
        for process in &mut self.list {
            // Where the registration was not in the file, its first row is what all others are counted from.
            let origin_s = process.rows.first().filter(|_| process.is_joined).map(|row| row.time_s);
            process.rows.dedup_by(|next, kept| {
                let together =
                    (next.time_s / width_s) as u64 == (kept.time_s / width_s) as u64 && Some(kept.time_s) != origin_s;
                if together {
                    std::mem::swap(next, kept);
                }
                together
            });
            self.rows += process.rows.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::opening;

    const HEAD: &str =
        "time_ns,tick,jiffies,pid,comm,threads,flags,minor_total,major_total,user_ns_total,system_ns_total,rss_pages,swapin_ns_total";

    fn parse(rows: &str) -> Result<Processes, Error> {
        parse_bounded(rows, ROWS)
    }

    fn parse_bounded(rows: &str, limit: usize) -> Result<Processes, Error> {
        let text = format!("# mp3 per-process 1\n# hz: 250\n# rate_hz: 20\n{HEAD}\n{rows}");
        let mut lines = Lines::new("p.csv".into(), std::io::Cursor::new(text.into_bytes())).unwrap();
        let opening = opening(&mut lines)?;
        assert!(is_header_row(&opening.first.as_ref().unwrap().0));
        read_bounded(lines, opening, limit)
    }

    #[test]
    fn reads_processes_by_column_name() {
        let read = parse(
            "1000000000,1,10,7,\"a,\"\"b\",1,first,0,0,0,0,100,n/a\n\
             1050000000,2,22,7,\"a,\"\"b\",1,,9,1,20,2,200,n/a\n\
             1050000000,2,22,8,work,1,first,0,0,0,0,10,77\n\
             1060000000,3,25,7,renamed,1,final|exited,11,1,30,3,0,n/a\n",
        )
        .unwrap();
        assert_eq!(read.list.len(), 2);
        let (first, second) = (&read.list[0], &read.list[1]);
        assert_eq!((first.pid, first.comm.as_str(), first.samples), (7, "renamed", 3));
        assert_eq!(read.last(first, "minor_total"), Some(11));
        assert_eq!(read.last(first, "swapin_ns_total"), None);
        assert_eq!(read.last(second, "swapin_ns_total"), Some(77));
        assert_eq!((first.start_s, second.start_s), (0.0, 0.05));
        let totals = read.trace(first).unwrap().totals();
        assert_eq!((totals.minor, totals.major, totals.cpu_ns), (11, 1, 33));
    }

    #[test]
    fn a_pid_registered_again_is_another_line() {
        let read =
            parse("1,1,1,7,a,1,first,5,0,1,1,1,1\n2,1,1,7,a,1,final,6,0,1,1,1,1\n3,1,1,7,b,1,first,2,0,1,1,1,1\n");
        assert_eq!(read.unwrap().list.len(), 2);
    }

    #[test]
    fn a_short_interval_is_counted_with_its_neighbour() {
        let row = |ms: u64, flags: &str, cpu: u64| {
            format!("{},1,1,7,a,1,{flags},{cpu},0,0,{cpu}000000,1,1\n", ms * 1_000_000)
        };
        let rows = [
            row(0, "first", 0),
            row(5, "", 5),
            row(55, "", 55),
            row(165, "", 65),
            row(176, "", 176),
            row(177, "final", 177),
        ];
        let read = parse(&rows.concat()).unwrap();
        let trace = read.trace(&read.list[0]).unwrap();
        let minor: Vec<u64> = trace.buckets().iter().map(|bucket| bucket.minor).collect();
        assert_eq!(minor, [55, 122]);
        assert!(trace.peak(|bucket| bucket.cpu_percent) < 101.0);
    }

    #[test]
    fn thinning_keeps_the_totals() {
        let mut rows = String::new();
        for tick in 0..=10_000u64 {
            let flags = if tick == 0 { "first" } else { "" };
            rows += &format!("{},{tick},{tick},7,a,1,{flags},{},{tick},1,1,1,1\n", tick * 50_000_000, tick * 3);
        }
        let read = parse_bounded(&rows, 100).unwrap();
        assert!((50..=100).contains(&read.list[0].rows.len()));
        assert_eq!(read.last(&read.list[0], "minor_total"), Some(30_000));
        assert_eq!(read.trace(&read.list[0]).unwrap().totals().minor, 30_000);
    }

    #[test]
    fn what_was_counted_before_its_first_row_is_in_no_interval() {
        let row = |tick: u64| format!("{},{tick},{tick},7,a,1,,{},0,0,0,1,1\n", tick * 50_000_000, 1_000_000 + tick);
        let read = parse(&(100..=200).map(row).collect::<String>()).unwrap();
        let process = &read.list[0];
        assert!(process.is_joined);
        let trace = read.trace(process).unwrap();
        assert_eq!(trace.totals().minor, 100);
        assert!((trace.peak(|bucket| bucket.minor_rate) - 20.0).abs() < 1e-6);
        assert_eq!(read.last(process, "minor_total"), Some(1_000_200), "the total stays");
    }

    #[test]
    fn says_which_line_and_why() {
        let message = |rows: &str| parse(rows).unwrap_err().to_string();
        assert!(message("1,2,3\n").starts_with("p.csv: line 5: 3 fields where the header row names 13"));
        assert!(message("1,1,1,7,a,1,,-5,0,1,1,1,1\n").contains("minor_total: -5 is negative"));
        assert!(message("1,1,1,7,a,1,,5,0,1,1,1,1\n2,1,1,7,a,1,,4,0,1,1,1,1\n")
            .contains("line 6: minor_total of process 7 falls from 5 to 4"));
        assert!(message("1,1,1,7,\"a,1,,5,0,1,1,1,1\n").contains("a quote is not closed"));
        assert!(message("").starts_with("p.csv: no samples"));
    }
}
