// SPDX-License-Identifier: GPL-2.0

//! The tests, a file a subject.

mod accounting;
mod alloc_failures;
pub mod classic;
mod commands;

mod fuzz;
mod harness;
pub mod histories;
mod leaks;
mod lifecycle;
mod mapping;
mod monitor;
mod programs;
mod readers;
pub mod scale;
mod stress;
mod timing;
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
        histories::tests(),
        readers::tests(),
        classic::tests(),
        userapp::tests(),
        monitor::tests(),
        programs::tests(),
        lifecycle::tests(),
        scale::tests(),
        tracing::tests(),
        stress::tests(),
        fuzz::tests(),
        timing::tests(),
        alloc_failures::tests(),
        leaks::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
