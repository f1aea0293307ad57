// SPDX-License-Identifier: GPL-2.0

//! Numbers of ticks, while processes come and go.

use crate::test::Outcome;
use crate::tests;
use abi::header::word;
use abi::samples::{Flags, SampleRecord};
use abi::words::ReadWords;
use anyhow::{ensure, Context};
use testkit::child::Child;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![
    numbers_never_go_back_while_processes_come_and_go,
    a_session_after_one_that_ended_early_begins_with_the_next_tick,
    sessions_in_quick_succession_do_not_outrun_the_clock,
    the_start_follows_the_wall_clock,
];

fn numbers_never_go_back_while_processes_come_and_go() -> Outcome {
    // Several batches a tick, so that there is a time in which a tick is under way and the mutex free.
    let _module = Module::load("rate_hz=100 ring_records=262144")?;
    let crowd = Crowd::new(1000)?;
    let mut samples = Samples::from_here()?;
    for pid in crowd.pids() {
        status::register(pid.as_raw())?;
    }
    let child = Child::idle()?;
    let begun = samples.memory.load_acquire(word::COMPLETED_TICK);
    let mut records: Vec<SampleRecord> = vec![];
    while samples.memory.load_acquire(word::COMPLETED_TICK) < begun + 100 {
        for _ in 0..20 {
            status::register(child.pid())?;
            status::unregister(child.pid())?;
        }
        records.extend(samples.read()?);
    }
    ensure!(samples.reader.lost() == 0);
    let mut sampled = 0;
    for pair in records.windows(2) {
        ensure!(pair[0].tick <= pair[1].tick, "tick {} after {}: {:?}", pair[1].tick, pair[0].tick, pair[1]);
        sampled += usize::from(pair[1].flags == Flags::default());
    }
    ensure!(sampled > 5_000, "{sampled} records of ticks");
    Ok(())
}

fn a_session_after_one_that_ended_early_begins_with_the_next_tick() -> Outcome {
    let _module = Module::load("rate_hz=4")?;
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    for _ in 0..3 {
        for _ in 0..4 {
            let completed = samples.memory.load_acquire(word::COMPLETED_TICK);
            status::register(child.pid())?;
            let first = *samples.read()?.last().context("the first record")?;
            ensure!(first.flags.contains(Flags::FIRST));
            ensure!(first.tick > completed, "tick {} was complete: {completed}", first.tick);
            status::unregister(child.pid())?;
        }
        status::register(child.pid())?;
        samples.wait()?;
        samples.wait()?;
        status::unregister(child.pid())?;
        samples.read()?;
    }
    Ok(())
}

fn sessions_in_quick_succession_do_not_outrun_the_clock() -> Outcome {
    let _module = Module::load("rate_hz=20")?;
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    let mut records = vec![];
    for _ in 0..2000 {
        status::register(child.pid())?;
        status::unregister(child.pid())?;
        records.extend(samples.read()?);
    }
    let header = samples.header;
    for record in &records {
        let due_ns = header.start_monotonic_ns + record.tick * 1_000_000_000 / header.rate_hz;
        // The number of the upcoming tick, or the one after it.
        ensure!(due_ns <= record.time_ns + 2 * 50_000_000, "tick {} at {} ns", record.tick, record.time_ns);
    }
    ensure!(records.windows(2).all(|pair| pair[0].tick <= pair[1].tick));
    Ok(())
}

fn the_start_follows_the_wall_clock() -> Outcome {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let _module = Module::load("")?;
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    let start = |samples: &Samples| samples.memory.load_acquire(word::START_REALTIME_NS);
    status::register(child.pid())?;
    let before = start(&samples);
    step_clock(3600)?;
    let waited = (0..5).try_for_each(|_| samples.wait().map(drop));
    let after = start(&samples);
    step_clock(-3600)?;
    waited?;
    let moved = after.wrapping_sub(before);
    ensure!(moved.abs_diff(HOUR_NS) < 1_000_000_000, "the start moved by {moved} ns");
    Ok(())
}

/// Sets the wall clock forward by `seconds`, or back.
fn step_clock(seconds: i64) -> Outcome {
    use nix::time::{clock_gettime, clock_settime, ClockId};
    let now = clock_gettime(ClockId::CLOCK_REALTIME)?;
    let then = nix::sys::time::TimeSpec::new(now.tv_sec() + seconds, now.tv_nsec());
    Ok(clock_settime(ClockId::CLOCK_REALTIME, then)?)
}
