// SPDX-License-Identifier: GPL-2.0

//! The numbers of a page's charts.
//!
//! A column that grows is written as its first value and then the differences: counters are long numbers that grow by little.

use crate::delays::{Delay, DELAYS};
use crate::number::thousands;
use crate::processes::{Process, Processes, Row};
use crate::trace::Trace;
use format::columns;
use serde::Serialize;

/// Points written of a line, at most: enough for a chart as wide as a screen.
const POINTS: usize = 1200;

/// Points written of all processes of a run together, as long as each has [`FEWEST`].
const POINTS_OF_ALL: usize = 240_000;

/// Points that a process has in any case, if it has so many rows.
const FEWEST: usize = 60;

/// All numbers of a page.
#[derive(Debug, Serialize)]
pub struct Page {
    /// Its sections.
    pub studies: Vec<Group>,
}

/// Runs that belong together.
#[derive(Debug, Serialize)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// Metrics against the number of programs; empty where all runs have as many.
    pub trends: Vec<Trend>,
    /// The runs, of which one is shown at a time.
    pub runs: Vec<Run>,
}

/// A chart of metrics against the number of programs.
#[derive(Debug, Serialize)]
pub struct Trend {
    /// Its heading.
    pub title: &'static str,
    /// Of its values.
    pub unit: &'static str,
    /// What is drawn.
    pub lines: Vec<TrendLine>,
}

/// A line of a [`Trend`].
#[derive(Debug, Serialize)]
pub struct TrendLine {
    /// What it is called.
    pub name: String,
    /// Numbers of programs.
    pub n: Vec<usize>,
    /// As many values.
    pub value: Vec<f64>,
}

/// A run, or a file.
#[derive(Debug, Serialize)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// CPUs of the machine, if they are known.
    pub cpus: Option<u64>,
    /// Length of an undisturbed interval, s.
    pub nominal_s: f64,
    /// Kinds of waiting that the kernel counted: key and name.
    pub waits: Vec<(&'static str, &'static str)>,
    /// Why there are none, in the monitor's words.
    pub delays: Option<String>,
    /// The sum of all processes, then each process.
    pub series: Vec<Series>,
}

impl Run {
    /// The run of a file of processes. `sum` is the line of all of them; `name` says what a process is called.
    pub fn new(
        run: &str,
        cpus: Option<u64>,
        processes: &Processes,
        sum: Series,
        name: impl Fn(&Process) -> String,
    ) -> Self {
        let waits: Vec<Delay> = DELAYS
            .into_iter()
            .filter(|delay| {
                processes.column(delay.column).is_some_and(|column| {
                    processes.list.iter().any(|p| p.rows.iter().any(|row| row.values[column].is_some()))
                })
            })
            .collect();
        let most = (POINTS_OF_ALL / processes.list.len().max(1)).clamp(FEWEST, POINTS);
        let mut series = vec![sum];
        series.extend(processes.list.iter().map(|process| Series::of(processes, process, name(process), &waits, most)));
        Run {
            name: run.into(),
            cpus,
            nominal_s: processes.nominal_s(),
            waits: waits.iter().map(|delay| (delay.key, delay.name)).collect(),
            delays: processes.comments.preamble.delays.clone(),
            series,
        }
    }
}

/// A process, or the sum of all.
#[derive(Debug, Serialize)]
pub struct Series {
    name: String,
    sum: bool,
    /// When it was registered, µs.
    start_us: i64,
    /// Times of its points, µs, since the first registration.
    time_us: Vec<i64>,
    /// Lengths of the sum's intervals, µs: more precise than differences of jiffies; empty for a process.
    length_us: Vec<i64>,
    /// Minor page faults since `start_us`.
    minor: Vec<i64>,
    /// Major page faults since `start_us`.
    major: Vec<i64>,
    /// CPU time since `start_us`, ns.
    cpu_ns: Vec<i64>,
    /// Resident pages; empty for the sum.
    resident: Vec<i64>,
    /// Pages in swap; empty for the sum.
    swapped: Vec<i64>,
    /// Time waited since `start_us`, ns, one column for each of the run's kinds; empty for the sum.
    waited_ns: Vec<Vec<i64>>,
}

impl Series {
    fn empty(name: String, sum: bool, start_s: f64) -> Self {
        Series {
            name,
            sum,
            start_us: micros(start_s),
            time_us: Vec::new(),
            length_us: Vec::new(),
            minor: Vec::new(),
            major: Vec::new(),
            cpu_ns: Vec::new(),
            resident: Vec::new(),
            swapped: Vec::new(),
            waited_ns: Vec::new(),
        }
    }

    /// The sum of all processes, of which `trace` has the intervals; it begins `lag_s` after the time that is 0.
    pub fn sum(trace: &Trace, lag_s: f64) -> Self {
        let trace = trace.coarser(POINTS);
        let (mut minor, mut major, mut cpu_ns) = (0i64, 0i64, 0i64);
        let mut series = Self::empty("all processes".into(), true, lag_s);
        for bucket in trace.buckets() {
            minor = minor.saturating_add_unsigned(bucket.minor);
            major = major.saturating_add_unsigned(bucket.major);
            cpu_ns = cpu_ns.saturating_add_unsigned(bucket.cpu_ns);
            series.time_us.push(micros(bucket.end_s + lag_s));
            series.length_us.push(micros(bucket.length_s));
            series.minor.push(minor);
            series.major.push(major);
            series.cpu_ns.push(cpu_ns);
        }
        series.differences();
        series
    }

    /// The sum of all processes of a file that has no line for it: what each counted from one row to its next one belongs to the
    /// stretch of time in which the latter is.
    pub fn sum_of(processes: &Processes) -> Self {
        let rows = || processes.list.iter().flat_map(|process| &process.rows);
        let end_s = rows().map(|row| row.time_s).fold(0.0, f64::max);
        let width_s = processes.nominal_s().max(end_s / POINTS as f64);
        let stretches = (end_s / width_s).floor() as usize + 1;
        let mut counts = vec![[0u64; 3]; stretches];
        let columns = Columns::of(processes);
        for process in &processes.list {
            let mut before = [0; 3];
            for (index, row) in process.rows.iter().enumerate() {
                let now = columns.counts(row);
                let stretch = ((row.time_s / width_s) as usize).min(stretches - 1);
                if index > 0 || !process.is_joined {
                    for (sum, (now, before)) in counts[stretch].iter_mut().zip(now.iter().zip(before)) {
                        *sum = sum.saturating_add(now.saturating_sub(before));
                    }
                }
                before = now;
            }
        }
        let mut series = Self::empty("all processes".into(), true, 0.0);
        let mut sums = [0i64; 3];
        for (stretch, counts) in counts.iter().enumerate() {
            for (sum, &count) in sums.iter_mut().zip(counts) {
                *sum = sum.saturating_add_unsigned(count);
            }
            series.time_us.push(micros((stretch + 1) as f64 * width_s));
            series.length_us.push(micros(width_s));
            series.minor.push(sums[0]);
            series.major.push(sums[1]);
            series.cpu_ns.push(sums[2]);
        }
        series.differences();
        series
    }

    fn of(processes: &Processes, process: &Process, name: String, waits: &[Delay], most: usize) -> Self {
        let rows = thinned(&process.rows, most);
        let column = |name: &str| {
            let place = processes.column(name);
            rows.iter().map(|row| place.and_then(|place| row.values[place]).unwrap_or(0) as i64).collect::<Vec<i64>>()
        };
        let columns = Columns::of(processes);
        let mut series = Self::empty(name, false, process.start_s);
        series.time_us = rows.iter().map(|row| micros(row.time_s)).collect();
        series.minor = column(columns::MINOR_TOTAL);
        series.major = column(columns::MAJOR_TOTAL);
        series.cpu_ns = rows.iter().map(|row| columns.counts(row)[2] as i64).collect();
        series.resident = column(columns::RESIDENT_PAGES);
        series.swapped = column(columns::SWAPPED_PAGES);
        series.waited_ns = waits.iter().map(|delay| column(delay.column)).collect();
        series.differences();
        series
    }

    fn differences(&mut self) {
        let columns = [
            &mut self.time_us,
            &mut self.minor,
            &mut self.major,
            &mut self.cpu_ns,
            &mut self.resident,
            &mut self.swapped,
        ];
        columns.into_iter().chain(&mut self.waited_ns).for_each(differences);
    }

    /// Its row in a table: name, minor and major faults, CPU time in s, first and last time in s.
    pub fn row(&self) -> Vec<String> {
        let sum = |column: &[i64]| column.iter().sum::<i64>();
        let seconds = |micros: i64| format!("{:.3}", micros as f64 / 1e6);
        vec![
            self.name.clone(),
            thousands(sum(&self.minor).unsigned_abs()),
            thousands(sum(&self.major).unsigned_abs()),
            format!("{:.3}", sum(&self.cpu_ns) as f64 / 1e9),
            seconds(self.start_us),
            seconds(sum(&self.time_us)),
        ]
    }
}

/// Places of the counters that a sum has.
struct Columns {
    minor: Option<usize>,
    major: Option<usize>,
    user: Option<usize>,
    system: Option<usize>,
}

impl Columns {
    fn of(processes: &Processes) -> Self {
        Columns {
            minor: processes.column(columns::MINOR_TOTAL),
            major: processes.column(columns::MAJOR_TOTAL),
            user: processes.column(columns::USER_NS_TOTAL),
            system: processes.column(columns::SYSTEM_NS_TOTAL),
        }
    }

    /// Minor faults, major faults, CPU time in ns.
    fn counts(&self, row: &Row) -> [u64; 3] {
        let value = |place: Option<usize>| place.and_then(|place| row.values[place]).unwrap_or(0);
        [value(self.minor), value(self.major), value(self.user).saturating_add(value(self.system))]
    }
}

fn differences(column: &mut Vec<i64>) {
    let mut before = 0;
    for value in column {
        (*value, before) = (value.saturating_sub(before), *value);
    }
}

/// Every n-th row, so that at most `most` remain, and the last row: it has the totals.
fn thinned(rows: &[Row], most: usize) -> Vec<&Row> {
    let step = rows.len().div_ceil(most).max(1);
    let mut thinned: Vec<&Row> = rows.iter().step_by(step).collect();
    if rows.len() % step != 1 && step > 1 {
        thinned.extend(rows.last());
    }
    thinned
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_written_as_differences() {
        let mut column = vec![5, 7, 7, 20];
        differences(&mut column);
        assert_eq!(column, [5, 2, 0, 13]);
    }

    #[test]
    fn thinning_keeps_the_last_row() {
        for count in [0usize, 1, 2, POINTS, POINTS + 1, 2 * POINTS, 2 * POINTS + 1, 7 * POINTS + 5] {
            let rows: Vec<Row> = (0..count).map(|at| Row { time_s: at as f64, values: Box::default() }).collect();
            let thinned = thinned(&rows, POINTS);
            assert!(thinned.len() <= POINTS + 1);
            assert_eq!(thinned.last().map(|row| row.time_s), rows.last().map(|row| row.time_s));
            assert!(thinned.windows(2).all(|pair| pair[0].time_s < pair[1].time_s), "no row twice");
        }
    }
}
