// SPDX-License-Identifier: GPL-2.0

//! The clock that everything is measured with.

use bench::report::Clock;
use nix::time::{clock_gettime, ClockId};
use std::time::Duration;

/// `CLOCK_MONOTONIC`, ns. Under `--icount` an instruction is one of them.
pub fn now_ns() -> u64 {
    ns(ClockId::CLOCK_MONOTONIC)
}

/// Run time of this process, ns.
pub fn process_ns() -> u64 {
    ns(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("a clock that every kernel has");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// What a difference of [`now_ns`] is.
pub fn unit(clock: Clock) -> &'static str {
    match clock {
        Clock::Instructions => "instructions",
        Clock::Wall | Clock::None => "ns",
    }
}

/// How long `work` takes, in [`unit`]s.
pub fn time<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let begun = now_ns();
    work()?;
    Ok((now_ns() - begun) as f64)
}

/// Sleeps until `deadline_ns`.
pub fn sleep_until(deadline_ns: u64) {
    let request = nix::sys::time::TimeSpec::from(Duration::from_nanos(deadline_ns));
    // A signal would end it early, and none is sent here.
    let _ =
        nix::time::clock_nanosleep(ClockId::CLOCK_MONOTONIC, nix::time::ClockNanosleepFlags::TIMER_ABSTIME, &request);
}
