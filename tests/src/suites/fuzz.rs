// SPDX-License-Identifier: GPL-2.0

//! Random system calls, and what must hold whatever they are. See [`crate::fuzz`].
//!
//! `MP3_FUZZ_SEED` chooses the sequence (1), `MP3_FUZZ_SECONDS` (5) and `MP3_FUZZ_CALLS` how much of it is run, whichever
//! comes first, and `MP3_FUZZ_BATCH` runs that batch alone. `make fuzz` has names for them.

use crate::fuzz::batch::{self, Step};
use crate::fuzz::call::{Call, Input};
use crate::fuzz::rules::{self, Observer};
use crate::fuzz::shrink::shrink;
use crate::test::Outcome;
use crate::tests;
use anyhow::{bail, ensure, Context, Result};
use std::fs;
use std::time::{Duration, Instant};
use testkit::module::Module;
use testkit::options;

tests![system_calls within limit(), a_broken_rule_is_found_and_shortened within 600];

/// The time that is asked for, and time to shorten what is found, s.
fn limit() -> u64 {
    let seconds = options::number("MP3_FUZZ_SECONDS", 5).unwrap_or(0);
    // A number of calls has no time of its own: vm/run's limit holds.
    if options::given("MP3_FUZZ_CALLS").is_ok_and(|calls| calls.is_some()) {
        u64::MAX
    } else {
        seconds + 900
    }
}

/// A small ring, so that it is overtaken; few slots, so that they run out; and as many ticks as there can be.
const PARAMETERS: &str = "rate_hz=250 ring_records=1024 max_processes=16";

fn system_calls() -> Outcome {
    let seed = options::number("MP3_FUZZ_SEED", 1)?;
    let limit = options::given("MP3_FUZZ_CALLS")?;
    let seconds = options::given("MP3_FUZZ_SECONDS")?.unwrap_or(if limit.is_some() { u64::MAX } else { 5 });
    let only = options::given("MP3_FUZZ_BATCH")?;
    // The lines of one process are limited otherwise, and the last one is what counts if the kernel dies.
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on");

    let begun = Instant::now();
    let mut calls = 0;
    let module = Module::load(PARAMETERS)?;
    let mut observer = Observer::new()?;
    let mut number = only.unwrap_or(0);
    loop {
        announce(seed, number)?;
        let steps = batch::steps(seed, number);
        match batch::run(&steps)
            .and_then(|made| observer.check().and_then(|()| rules::no_process_is_left()).map(|()| made))
        {
            Ok(made) => calls += made,
            Err(error) => {
                drop(observer);
                drop(module);
                return report(seed, number, &steps, &error);
            }
        }
        number += 1;
        let over = begun.elapsed() >= Duration::from_secs(seconds) || limit.is_some_and(|limit| calls >= limit);
        if over || only.is_some() {
            break;
        }
    }
    let batches = number - only.unwrap_or(0);
    println!("    {calls} calls in {batches} batches, seed {seed}, {:.0} s", begun.elapsed().as_secs_f64());
    drop(observer);
    module.unload().context("everything was closed")?;
    ensure!(calls > 0);
    Ok(())
}

/// Writes the next batch's number to the kernel's log: if the kernel dies of it, that is the last line.
fn announce(seed: u64, batch: u64) -> Result<()> {
    fs::write("/dev/kmsg", format!("mp3-tests: MP3_FUZZ_SEED={seed} MP3_FUZZ_BATCH={batch}\n")).context("/dev/kmsg")
}

/// Runs `steps` with a module of their own.
fn fails(steps: &[Step]) -> Result<()> {
    let module = Module::load(PARAMETERS)?;
    let mut observer = Observer::new()?;
    batch::run(steps).and_then(|_| observer.check())?;
    drop(observer);
    module.unload()
}

/// Prints what failed, and the least of it that still does.
fn report(seed: u64, number: u64, steps: &[Step], error: &anyhow::Error) -> Outcome {
    println!("    batch {number}: {error:#}");
    println!("    again: MP3_FUZZ_SEED={seed} MP3_FUZZ_BATCH={number} mp3-tests fuzz::system_calls");
    if (0..3).any(|_| fails(steps).is_err()) {
        let least = shrink(steps, 300, |steps| fails(steps).is_err());
        println!("    {} of its {} calls are enough:", least.len(), steps.len());
        for step in least {
            println!("        process {} thread {}: {:?}", step.process, step.thread, step.call);
        }
    } else {
        println!("    run again by itself, with a module of its own, the batch does not fail");
    }
    bail!("seed {seed}, batch {number}: {error:#}")
}

/// Shows what the fuzzer does if the module breaks a rule, with a rule that it does break: no process is ever registered.
fn a_broken_rule_is_found_and_shortened() -> Outcome {
    let broken = |steps: &[Step]| -> Result<bool> {
        let module = Module::load(PARAMETERS)?;
        let mut observer = Observer::new()?;
        observer.none_registered = true;
        batch::run(steps)?;
        let broken = observer.check().is_err_and(|error| error.to_string() == "a process was registered");
        drop(observer);
        module.unload()?;
        Ok(broken)
    };
    let steps = batch::steps(1, 0);
    ensure!(broken(&steps)?, "no process was registered: what does the fuzzer call?");
    ensure!(!broken(&[])?);
    let mut trouble = None;
    let least = shrink(&steps, 200, |steps| {
        broken(steps).unwrap_or_else(|error| {
            trouble = Some(error);
            false
        })
    });
    if let Some(error) = trouble {
        return Err(error);
    }
    println!("    {} of {} calls are enough: {least:?}", least.len(), steps.len());
    let register = |step: &Step| {
        matches!(
            step.call,
            Call::Write(_, Input::Register(_) | Input::Follow(_) | Input::Both(..))
                | Call::PWrite(_, Input::Register(_) | Input::Follow(_) | Input::Both(..), _)
                | Call::Fork(_, 3)
                | Call::Namespace(..)
        )
    };
    ensure!(least.len() <= 3 && least.iter().any(register), "not shortened to what matters");
    Ok(())
}
