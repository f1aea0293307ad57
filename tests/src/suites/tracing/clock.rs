// SPDX-License-Identifier: GPL-2.0

//! The times of events are those of `CLOCK_BOOTTIME`, whatever happens to the clock.

use crate::test::Outcome;
use crate::tests;
use abi::events::{Event, Kinds, SwitchFlags};
use anyhow::{ensure, Context, Result};
use nix::time::{clock_gettime, ClockId};
use testkit::child::Child;
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

tests![
    events_have_the_time_of_the_machine,
    events_follow_a_clock_that_is_slewed,
    events_follow_the_clock_to_another_source,
];

/// The clock of the events steps back by a little where the kernel changes its numbers (`ktime_get_mono_fast_ns()`).
const STEP_NS: u64 = 1_000;

fn boottime_ns() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// Has this thread sleep `rounds` times, and holds the times of its switches to the clock as it was read around each sleep.
fn compare_times(rounds: usize) -> Result<()> {
    let mut child = Child::spawn(|parent| {
        for _ in 0..rounds {
            parent.wait();
            parent.done();
        }
        parent.wait();
    })?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    let mut around = vec![];
    for _ in 0..rounds {
        let before = boottime_ns()?;
        child.go()?;
        child.wait_done()?;
        around.push((before, boottime_ns()?));
    }
    tracing.stop()?;
    let me = std::process::id();
    let mut sleeps = vec![];
    for happened in tracing.read()? {
        if let Event::Switch(switch) = happened.event {
            if switch.prev == me && switch.flags.contains(SwitchFlags::VOLUNTARY) {
                sleeps.push(happened.ns);
            }
        }
    }
    ensure!(tracing.lost() == 0);
    let (first, last) = (around[0].0, around[rounds - 1].1);
    let inside: Vec<_> = sleeps.into_iter().filter(|ns| (first..=last).contains(ns)).collect();
    // How often it has to wait depends on the machine.
    ensure!(!inside.is_empty(), "this thread did not sleep once in {rounds} rounds");
    for ns in inside {
        let fits = around.iter().any(|(before, after)| before - STEP_NS <= ns && ns <= after + STEP_NS);
        ensure!(fits, "a sleep at {ns} ns, which is in none of the rounds {around:?}");
    }
    Ok(())
}

fn events_have_the_time_of_the_machine() -> Outcome {
    let _module = Module::load("")?;
    compare_times(500)
}

/// Sets the length of a tick, in us of 1/100 s; 10,000 is right.
fn set_tick(tick: i64) -> Result<()> {
    // SAFETY: All zero is a value of it.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    timex.modes = libc::ADJ_TICK;
    timex.tick = tick;
    // SAFETY: The argument is a local.
    ensure!(unsafe { libc::adjtimex(&mut timex) } >= 0, "adjtimex: {}", std::io::Error::last_os_error());
    Ok(())
}

/// Sets it right again.
struct Slewed;

impl Drop for Slewed {
    fn drop(&mut self) {
        let _ = set_tick(10_000);
    }
}

fn events_follow_a_clock_that_is_slewed() -> Outcome {
    let _module = Module::load("")?;
    let _slewed = Slewed;
    // As fast and as slow as the kernel allows.
    for tick in [11_000, 9_000, 10_000] {
        set_tick(tick)?;
        compare_times(200).with_context(|| format!("a tick of {tick} us"))?;
    }
    Ok(())
}

const SOURCES: &str = "/sys/devices/system/clocksource/clocksource0";

/// Sets the source back that there was.
struct Source(String);

impl Drop for Source {
    fn drop(&mut self) {
        let _ = std::fs::write(format!("{SOURCES}/current_clocksource"), &self.0);
    }
}

fn events_follow_the_clock_to_another_source() -> Outcome {
    let _module = Module::load("")?;
    let before = Source(std::fs::read_to_string(format!("{SOURCES}/current_clocksource"))?);
    // A session that lives through all changes has the kernel tell of each.
    let through = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    let available = std::fs::read_to_string(format!("{SOURCES}/available_clocksource"))?;
    for source in available.split_ascii_whitespace().chain([before.0.trim()]) {
        std::fs::write(format!("{SOURCES}/current_clocksource"), source)?;
        compare_times(200).with_context(|| format!("the clock comes from {source}"))?;
    }
    println!("    sources: {}", available.trim());
    through.stop()?;
    Ok(())
}
