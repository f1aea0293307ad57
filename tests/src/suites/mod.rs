// SPDX-License-Identifier: GPL-2.0

//! The tests, a file a subject.

mod accounting;
mod alloc_failures;
mod cgroups;
pub mod classic;
mod clock_steps;
mod commands;
mod exporter;
mod extremes;
mod fairness;
mod faults;
mod following;
mod fuzz;
mod harness;
pub mod histories;
mod leaders;
mod leaks;
mod lifecycle;
mod lives;
mod mapping;
mod memory;
mod monitor;
mod nohz_full;
mod programs;
mod readers;
mod recordings;
mod rights;
pub mod scale;
mod sched;
mod screen;
mod stress;
mod ticks;
mod timing;
mod timing_table;
mod tracing;
mod userapp;

use crate::test::Test;

/// All tests, in the order in which they run.
pub fn all() -> Vec<Test> {
    [
        harness::tests(),
        commands::tests(),
        mapping::tests(),
        accounting::tests(),
        memory::tests(),
        lives::tests(),
        cgroups::tests(),
        clock_steps::tests(),
        extremes::tests(),
        following::tests(),
        histories::tests(),
        leaders::tests(),
        readers::tests(),
        ticks::tests(),
        rights::tests(),
        fairness::tests(),
        classic::tests(),
        userapp::tests(),
        monitor::tests(),
        recordings::tests(),
        screen::tests(),
        programs::tests(),
        exporter::tests(),
        lifecycle::tests(),
        scale::tests(),
        tracing::tests(),
        faults::tests(),
        sched::tests(),
        stress::tests(),
        fuzz::tests(),
        timing::tests(),
        timing_table::tests(),
        nohz_full::tests(),
        alloc_failures::tests(),
        leaks::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
