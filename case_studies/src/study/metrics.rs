// SPDX-License-Identifier: GPL-2.0

//! The metrics of a run, each computed in one place for figures, tables and the page.

use super::run::Run;
use format::columns;
use plot::delays::DELAYS;
use plot::processes::{Process, Processes};

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
