// SPDX-License-Identifier: GPL-2.0

//! The metrics of a run, each computed in one place for figures, tables and the page.

use super::run::Run;
use format::columns;
use plot::processes::{Process, Processes};

/// A kind of waiting that the kernel's delay accounting counts separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// A short name without blanks.
    pub key: &'static str,
    /// The column with the time waited since registration, ns.
    pub column: &'static str,
    /// Its name for readers.
    pub name: &'static str,
}

/// The kinds that the studies show. They overlap (a swap-in that waits for the disk is block I/O too), so they are never
/// added up.
pub const DELAYS: [Delay; 4] = [
    Delay { key: "swapin", column: columns::of("swapin_delay"), name: "swap-in" },
    Delay { key: "blkio", column: columns::of("blkio_delay"), name: "block I/O" },
    Delay {
        key: "thrashing",
        column: columns::of("thrashing_delay"),
        name: "thrashing (pages evicted shortly before)",
    },
    Delay { key: "reclaim", column: columns::of("reclaim_delay"), name: "direct reclaim" },
];

/// Metrics of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
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

impl Metrics {
    /// Metrics of `run`.
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
            delays_s: DELAYS.map(|delay| waited_s(&run.processes, delay.column)),
            run_delay_s: waited_s(&run.processes, columns::of("run_delay")),
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

/// Waiting of one process, s.
pub fn process_waited_s(processes: &Processes, process: &Process, column: &str) -> Option<f64> {
    processes.last(process, column).map(|ns| ns as f64 / 1e9)
}

/// Waiting of all processes, s; `None` if one of them does not know.
fn waited_s(processes: &Processes, column: &str) -> Option<f64> {
    processes.list.iter().map(|process| process_waited_s(processes, process, column)).sum()
}
