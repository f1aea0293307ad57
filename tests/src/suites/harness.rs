// SPDX-License-Identifier: GPL-2.0

//! The harness itself, shown with tests that go wrong on purpose.

use crate::test::Outcome;
use crate::tests;
use anyhow::{ensure, Context, Result};
use std::fs;
use std::process::Command;
use testkit::module::Module;
use testkit::running::{run, Ended};

tests![
    a_test_that_hangs_is_ended_and_the_next_one_runs,
    a_test_whose_process_dies_has_failed,
    a_test_that_fails_or_panics_has_failed,
    what_a_test_leaves_running_is_ended,
    a_test_that_cannot_be_made_is_skipped_and_not_passed,
    a_run_without_any_test_has_failed,
];

fn planted(filters: &[&str]) -> Result<Ended> {
    run(Command::new(std::env::current_exe()?).arg("--planted").args(filters))
}

fn a_test_that_hangs_is_ended_and_the_next_one_runs() -> Outcome {
    let ended = planted(&["one_that_hangs", "one_that_passes"])?;
    let text = &ended.stdout;
    ensure!(ended.status.code() == Some(1) && text.ends_with("\n1 passed, 2 failed\n"), "{ended:?}");
    ensure!(text.contains("test planted::one_that_passes ... ok ("), "{ended:?}");
    for name in ["one_that_hangs", "one_that_hangs_with_the_module_in_use"] {
        ensure!(text.contains(&format!("test planted::{name} ... FAILED (")), "{name}: {ended:?}");
    }
    ensure!(text.matches("did not end within 2 s\n").count() == 2, "{ended:?}");
    // What each of its processes waits in, and what the kernel says.
    ensure!(text.contains(&format!("mp3-tests S, system call {}\n", libc::SYS_pause)), "{ended:?}");
    ensure!(text.matches("Show Blocked State").count() == 2, "{ended:?}");
    // The module can be loaded again.
    Module::load("")?.unload()
}

fn a_test_whose_process_dies_has_failed() -> Outcome {
    let ended = planted(&["one_that_dies", "one_that_exits"])?;
    ensure!(ended.stdout.contains("its process was ended by SIGKILL"), "{ended:?}");
    ensure!(ended.stdout.contains("its process ended before the test did"), "{ended:?}");
    ensure!(ended.stdout.ends_with("\n0 passed, 2 failed\n") && ended.status.code() == Some(1), "{ended:?}");
    Ok(())
}

fn a_test_that_fails_or_panics_has_failed() -> Outcome {
    let ended = planted(&["one_that_panics", "one_that_fails"])?;
    ensure!(ended.stdout.ends_with("\n0 passed, 2 failed\n") && ended.status.code() == Some(1), "{ended:?}");
    ensure!(ended.stdout.contains("panicked") && ended.stdout.contains("as planted"), "{ended:?}");
    Ok(())
}

fn what_a_test_leaves_running_is_ended() -> Outcome {
    let ours = || -> Result<usize> {
        let processes = fs::read_dir("/proc")?
            .flatten()
            .filter(|entry| fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name == "mp3-tests\n"));
        Ok(processes.count())
    };
    let before = ours()?;
    let ended = planted(&["one_that_leaves"])?;
    ensure!(ended.status.success() && ended.stdout.ends_with("\n1 passed, 0 failed\n"), "{ended:?}");
    let after = ours()?;
    ensure!(after == before, "{before} processes became {after}");
    Ok(())
}

fn a_test_that_cannot_be_made_is_skipped_and_not_passed() -> Outcome {
    let ended = planted(&["one_that_cannot", "one_that_passes"])?;
    ensure!(ended.stdout.contains("test planted::one_that_cannot_be_made ... skipped: as planted\n"), "{ended:?}");
    ensure!(ended.stdout.ends_with("\n1 passed, 0 failed, 1 skipped\n") && ended.status.success(), "{ended:?}");
    Ok(())
}

fn a_run_without_any_test_has_failed() -> Outcome {
    for filter in ["no_test_is_called_that", "one_that_cannot"] {
        let ended = planted(&[filter])?;
        let last = ended.stdout.lines().last().context("a total")?;
        ensure!(last.starts_with("0 passed, 0 failed") && ended.status.code() == Some(1), "{ended:?}");
    }
    Ok(())
}
