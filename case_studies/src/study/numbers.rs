// SPDX-License-Identifier: GPL-2.0

//! The numbers of a run, each computed in one place for figures, tables and the page.

use super::run::Run;
use plot::processes::{Process, Processes};

/// Kinds of waiting that the kernel's delay accounting tells apart: beginning of the column's name, and what it means.
///
/// They overlap (a swap-in that waits for the disk is block I/O too), so they are never added up.
pub const DELAYS: [(&str, &str); 4] = [
    ("swapin", "swap-in"),
    ("blkio", "block I/O"),
    ("thrashing", "thrashing (pages evicted shortly before)"),
    ("reclaim", "direct reclaim"),
];

/// Numbers of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Programs that ran at the same time.
    pub processes: usize,
    /// Completion time, s.
    pub wall_s: f64,
    /// Minor page faults, all processes.
    pub minor: u64,
    /// Major page faults, all processes.
    pub major: u64,
    /// CPU time, all processes, s.
    pub cpu_s: f64,
    /// CPU time over completion time and over CPUs, in percent.
    pub utilisation_percent: f64,
    /// Page faults expected from `P (1 - e^(-A/P))`, all processes, where the workloads are known.
    pub expected: Option<f64>,
    /// Different pages touched, all processes, computed from their seeds, where every program reported it.
    pub distinct_pages: Option<u64>,
    /// Page faults that getrusage counted, minor and major.
    pub rusage_faults: u64,
    /// Waiting, summed over processes, s; in the order of [`DELAYS`]. `None` where the kernel does not count it.
    pub delays_s: [Option<f64>; DELAYS.len()],
    /// Time runnable and not running, summed over processes, s.
    pub run_delay_s: Option<f64>,
}

impl Numbers {
    /// Numbers of `run`.
    pub fn of(run: &Run) -> Self {
        let totals = run.profile.trace.totals();
        let cpu_s = totals.cpu_ns as f64 / 1e9;
        let wall_s = run.description.wall_s;
        let all =
            |part: fn(&super::run::Userapp) -> Option<f64>| -> Option<f64> { run.userapps.iter().map(part).sum() };
        Self {
            processes: run.userapps.len(),
            wall_s,
            minor: totals.minor,
            major: totals.major,
            cpu_s,
            utilisation_percent: cpu_s / (wall_s * f64::from(run.description.machine.cpus)) * 100.0,
            expected: all(|userapp| userapp.expected_pages()),
            distinct_pages: run.userapps.iter().map(|userapp| userapp.distinct_pages).sum(),
            rusage_faults: run.userapps.iter().map(|app| app.profiled.minor_faults + app.profiled.major_faults).sum(),
            delays_s: DELAYS.map(|(kind, _)| waited_s(&run.processes, kind)),
            run_delay_s: waited_s(&run.processes, "run"),
        }
    }

    /// Page faults, minor and major.
    pub fn faults(&self) -> u64 {
        self.minor.saturating_add(self.major)
    }

    /// How far the page faults are from the expected number, in percent of it.
    pub fn deviation_percent(&self) -> Option<f64> {
        self.expected.map(|expected| (self.faults() as f64 - expected) / expected * 100.0)
    }
}

/// The column of a kind of waiting: its name begins with the kind and ends with `_total`, in ns.
pub fn delay_column<'a>(processes: &'a Processes, kind: &str) -> Option<&'a str> {
    let fits = |column: &str| {
        column.strip_prefix(kind).is_some_and(|rest| rest.starts_with("_delay") || rest.starts_with("_ns"))
            && column.ends_with("_total")
    };
    processes.columns.iter().map(String::as_str).find(|column| fits(column))
}

/// Waiting of one process, s.
pub fn process_waited_s(processes: &Processes, process: &Process, kind: &str) -> Option<f64> {
    processes.last(process, delay_column(processes, kind)?).map(|ns| ns as f64 / 1e9)
}

/// Waiting of all processes, s; `None` if one of them does not know.
fn waited_s(processes: &Processes, kind: &str) -> Option<f64> {
    processes.list.iter().map(|process| process_waited_s(processes, process, kind)).sum()
}
