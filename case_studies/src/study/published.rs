// SPDX-License-Identifier: GPL-2.0

//! What published runs of the same workloads showed.

use super::run::Run;

/// Fault counts of published data sets: the lowest and the highest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The lowest total.
    pub from: u64,
    /// The highest total.
    pub to: u64,
}

/// The published total for a run's workloads, where there is one.
pub fn total_faults(run: &Run) -> Option<Published> {
    let mut workloads: Vec<&str> = run.userapps.iter().map(|userapp| userapp.workload.as_str()).collect();
    workloads.sort_unstable();
    let same = workloads.first().filter(|first| workloads.iter().all(|workload| workload == *first));
    match (&workloads[..], same) {
        (["1024 R 10000", "1024 R 50000"], _) => Some(Published { from: 396_700, to: 397_068 }),
        (["1024 L 10000", "1024 R 50000"], _) => Some(Published { from: 294_213, to: 294_548 }),
        (all, Some(&"200 R 10000")) => match all.len() {
            1 => Some(Published { from: 50_116, to: 50_429 }),
            5 => Some(Published { from: 250_582, to: 250_582 }),
            11 => Some(Published { from: 551_279, to: 551_279 }),
            _ => None,
        },
        _ => None,
    }
}
