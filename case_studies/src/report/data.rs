// SPDX-License-Identifier: GPL-2.0

//! The numbers of the page's charts.
//!
//! A column that grows is written as its first value and then the differences: counters are long numbers that grow by little.

use crate::study::metrics::{Delay, Metrics, DELAYS};
use crate::study::run::Run;
use crate::study::Study;
use format::columns;
use plot::processes::{Process, Row};
use serde::Serialize;

/// Points written of a process, at most: enough for a chart as wide as a screen.
const POINTS: usize = 1200;

/// All numbers of a page.
#[derive(Debug, Serialize)]
pub struct Page {
    studies: Vec<StudyData>,
}

#[derive(Debug, Serialize)]
struct StudyData {
    name: String,
    /// Metrics against the number of programs; empty where all runs have as many.
    trends: Vec<Trend>,
    runs: Vec<RunData>,
}

#[derive(Debug, Serialize)]
struct Trend {
    title: &'static str,
    unit: &'static str,
    lines: Vec<TrendLine>,
}

#[derive(Debug, Serialize)]
struct TrendLine {
    name: String,
    n: Vec<usize>,
    value: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct RunData {
    name: String,
    cpus: u32,
    /// Length of an undisturbed interval, s.
    nominal_s: f64,
    /// Kinds of waiting that the kernel counted: key and name.
    waits: Vec<(&'static str, &'static str)>,
    /// Why there are none, in the monitor's words.
    delays: Option<String>,
    series: Vec<Series>,
}

/// A process, or the sum of all.
#[derive(Debug, Serialize)]
struct Series {
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

/// Metrics for the page of these studies.
pub fn page(studies: &[Study]) -> Page {
    Page { studies: studies.iter().map(study).collect() }
}

fn study(study: &Study) -> StudyData {
    StudyData { name: study.name.clone(), trends: trends(study), runs: study.runs.iter().map(run).collect() }
}

fn trends(study: &Study) -> Vec<Trend> {
    let metrics: Vec<Metrics> = study.runs.iter().map(Metrics::of).collect();
    if metrics.windows(2).all(|pair| pair[0].processes == pair[1].processes) {
        return Vec::new();
    }
    let line = |name: &str, value: &dyn Fn(&Metrics) -> Option<f64>| {
        let known = metrics.iter().filter_map(|metrics| Some((metrics.processes, value(metrics)?)));
        let (n, value) = known.unzip();
        TrendLine { name: name.into(), n, value }
    };
    let waits: Vec<TrendLine> = DELAYS
        .iter()
        .enumerate()
        .map(|(index, delay)| line(delay.name, &|metrics| metrics.delays_s[index]))
        .filter(|line| !line.n.is_empty())
        .collect();
    let one = |title, unit, line| Trend { title, unit, lines: vec![line] };
    let mut trends = vec![
        one("CPU utilisation", "% of all CPUs", line("utilisation", &|n| Some(n.utilisation_percent))),
        one("Completion time", "s", line("completion", &|n| Some(n.wall_s))),
        one("Major page faults", "count", line("major", &|n| Some(n.major as f64))),
        one("Minor page faults", "count", line("minor", &|n| Some(n.minor as f64))),
    ];
    if !waits.is_empty() {
        trends.push(Trend { title: "Time lost waiting", unit: "s, summed over processes", lines: waits });
    }
    trends
}

fn run(run: &Run) -> RunData {
    let waits: Vec<Delay> = DELAYS
        .into_iter()
        .filter(|delay| {
            run.processes.column(delay.column).is_some_and(|column| {
                run.processes.list.iter().any(|p| p.rows.iter().any(|row| row.values[column].is_some()))
            })
        })
        .collect();
    let mut series = vec![sum(run)];
    series.extend(run.processes.list.iter().map(|process| one(run, process, &waits)));
    RunData {
        name: run.name.clone(),
        cpus: run.description.machine.cpus,
        nominal_s: run.processes.nominal_s(),
        waits: waits.iter().map(|delay| (delay.key, delay.name)).collect(),
        delays: run.processes.comments.preamble.delays.clone(),
        series,
    }
}

fn sum(run: &Run) -> Series {
    let lag_s = run.lag_s();
    let trace = run.profile.trace.coarser(POINTS);
    let (mut minor, mut major, mut cpu_ns) = (0i64, 0i64, 0i64);
    let mut series = Series {
        name: "all processes".into(),
        sum: true,
        start_us: micros(lag_s),
        time_us: Vec::new(),
        length_us: Vec::new(),
        minor: Vec::new(),
        major: Vec::new(),
        cpu_ns: Vec::new(),
        resident: Vec::new(),
        swapped: Vec::new(),
        waited_ns: Vec::new(),
    };
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

fn one(run: &Run, process: &Process, waits: &[Delay]) -> Series {
    let rows = thinned(&process.rows);
    let column = |name: &str| {
        let place = run.processes.column(name);
        rows.iter().map(|row| place.and_then(|place| row.values[place]).unwrap_or(0) as i64).collect::<Vec<i64>>()
    };
    let (user, system) = (column(columns::USER_NS_TOTAL), column(columns::SYSTEM_NS_TOTAL));
    let mut series = Series {
        name: format!("{} ({})", run.label(process), process.pid),
        sum: false,
        start_us: micros(process.start_s),
        time_us: rows.iter().map(|row| micros(row.time_s)).collect(),
        length_us: Vec::new(),
        minor: column(columns::MINOR_TOTAL),
        major: column(columns::MAJOR_TOTAL),
        cpu_ns: user.iter().zip(&system).map(|(user, system)| user.saturating_add(*system)).collect(),
        resident: column(columns::RESIDENT_PAGES),
        swapped: column(columns::SWAPPED_PAGES),
        waited_ns: waits.iter().map(|delay| column(delay.column)).collect(),
    };
    series.differences();
    series
}

impl Series {
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
}

fn differences(column: &mut Vec<i64>) {
    let mut before = 0;
    for value in column {
        (*value, before) = (*value - before, *value);
    }
}

/// Every n-th row, so that at most [`POINTS`] remain, and the last row: it has the totals.
fn thinned(rows: &[Row]) -> Vec<&Row> {
    let step = rows.len().div_ceil(POINTS).max(1);
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
            let thinned = thinned(&rows);
            assert!(thinned.len() <= POINTS + 1);
            assert_eq!(thinned.last().map(|row| row.time_s), rows.last().map(|row| row.time_s));
            assert!(thinned.windows(2).all(|pair| pair[0].time_s < pair[1].time_s), "no row twice");
        }
    }
}
