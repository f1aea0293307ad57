// SPDX-License-Identifier: GPL-2.0

//! Load: everything at once, for a long time.
//!
//! Short by default. `MP3_STRESS_ROUNDS`, `MP3_STRESS_SECONDS` and `MP3_STRESS_PROCESSES` make it long; `make stress` does.

mod crowd;
mod hotplug;
mod pids;
mod readers;
mod reload;
mod rights;
mod stall;

use crowd::half_of_them_die_all_the_time;
use hotplug::processes_are_sampled_while_cpus_come_and_go;
use pids::a_reused_pid_is_another_process;
use readers::readers_that_tear_stop_and_die_do_no_harm;
use reload::reload_under_load;
use rights::a_user_changes_nothing;
use stall::a_stall_is_a_gap_and_no_burst;

crate::tests![
    reload_under_load within limit(),
    half_of_them_die_all_the_time within limit(),
    a_reused_pid_is_another_process within limit(),
    a_stall_is_a_gap_and_no_burst within limit(),
    readers_that_tear_stop_and_die_do_no_harm within limit(),
    a_user_changes_nothing,
    processes_are_sampled_while_cpus_come_and_go within limit(),
];

/// Time for what is asked for and as much again, s. A value that is no number fails the test itself.
fn limit() -> u64 {
    let seconds = seconds().map_or(0, |seconds| seconds.as_secs());
    300 + 3 * rounds().unwrap_or(0) + 3 * seconds
}

/// Rounds of what is done in rounds.
fn rounds() -> anyhow::Result<u64> {
    testkit::options::number("MP3_STRESS_ROUNDS", 5)
}

/// How long what has no end by itself goes on.
fn seconds() -> anyhow::Result<std::time::Duration> {
    testkit::options::number("MP3_STRESS_SECONDS", 5).map(std::time::Duration::from_secs)
}

/// How many processes are registered where it is about many.
fn processes() -> anyhow::Result<usize> {
    Ok(testkit::options::number("MP3_STRESS_PROCESSES", 1000)?.try_into()?)
}
