// SPDX-License-Identifier: GPL-2.0

//! The time of day is set while processes are sampled.

use crate::test::Outcome;
use crate::tests;
use abi::record::SampleRecord;
use anyhow::{ensure, Result};
use nix::sys::time::TimeSpec;
use nix::time::{clock_gettime, clock_settime, ClockId};
use testkit::child::Child;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![ticks_do_not_follow_the_time_of_day];

/// Moves the clock by so many seconds.
fn step(seconds: i64) -> Result<()> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME)?;
    Ok(clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(now.tv_sec() + seconds, now.tv_nsec()))?)
}

fn ticks_do_not_follow_the_time_of_day() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let mut records: Vec<SampleRecord> = vec![];
    // Forward, far back, and to where it was.
    for seconds in [3600, -7200, 3600] {
        let enough = records.len() + 10;
        while records.len() < enough {
            records.extend(samples.wait()?);
        }
        step(seconds)?;
    }
    let enough = records.len() + 10;
    while records.len() < enough {
        records.extend(samples.wait()?);
    }
    status::unregister(child.pid())?;
    let header = samples.header;
    let due_ns = |tick: u64| header.start_monotonic_ns + tick * 1_000_000_000 / header.rate_hz;
    // Without the record of the registration.
    for pair in records[1..].windows(2) {
        ensure!(
            pair[1].tick > pair[0].tick && pair[1].time_ns > pair[0].time_ns && pair[1].jiffies > pair[0].jiffies,
            "{pair:?}"
        );
        // None before it is due: to the jiffy, as far as the grid's start is known.
        ensure!(pair[1].time_ns + 2_000_000_000 / header.hz > due_ns(pair[1].tick), "ahead of its time: {:?}", pair[1]);
    }
    let (first, last) = (records[1], records[records.len() - 1]);
    // An hour would be 72,000 ticks.
    ensure!(
        last.tick - first.tick <= (last.time_ns - first.time_ns) * header.rate_hz / 1_000_000_000 + 2,
        "{first:?} to {last:?}"
    );
    Ok(())
}
