// SPDX-License-Identifier: GPL-2.0

//! Time in interrupts.

use super::oracles::pin;
use crate::test::Outcome;
use crate::tests;
use abi::events::{Event, Kinds};
use anyhow::{ensure, Result};
use testkit::child::Child;
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

tests![interrupts_take_what_a_busy_loop_is_missing];

/// What entering and leaving an interrupt and recording it takes at most, where the clock counts instructions, ns.
const AROUND_AN_INTERRUPT_NS: u64 = 5_000;

/// What a busy loop has found that looks at the clock all the time.
#[derive(Debug)]
struct Missing {
    /// CLOCK_BOOTTIME, ns: when it began and ended.
    window: [u64; 2],
    /// What its rounds took beyond as many of the shortest, ns.
    lost_ns: u64,
}

/// Looks at the clock for 160 ms, while `timers` timers expire, 10 at the same time, once a millisecond.
fn busy_loop(timers: u64) -> Missing {
    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use std::time::Duration;

    let read = |clock| Duration::from(nix::time::clock_gettime(clock).expect("a clock"));
    let now = || read(nix::time::ClockId::CLOCK_BOOTTIME).as_nanos() as u64;
    let first = read(nix::time::ClockId::CLOCK_MONOTONIC) + Duration::from_millis(40);
    let all: Vec<TimerFd> = (0..timers)
        .map(|number| {
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()).expect("a timer");
            let when = TimeSpec::from(first + Duration::from_millis(number / 10));
            timer.set(Expiration::OneShot(when), TimerSetTimeFlags::TFD_TIMER_ABSTIME).expect("a timer");
            timer
        })
        .collect();
    let begun = now();
    // Rounds are long beside the nanosecond by which a clock's reading is rounded.
    let (mut at, mut rounds, mut shortest) = (begun, 0, u64::MAX);
    while at - begun < 160_000_000 {
        std::hint::black_box((0..10_000).fold(0_u64, |sum, number| std::hint::black_box(sum ^ number)));
        let next = now();
        shortest = shortest.min(next - at);
        rounds += 1;
        at = next;
    }
    drop(all);
    Missing { window: [begun, at], lost_ns: (at - begun).saturating_sub(rounds * shortest) }
}

fn interrupts_take_what_a_busy_loop_is_missing() -> Outcome {
    let _module = Module::load("")?;
    let mut taken_before = 0;
    for timers in [0, 1000] {
        let mut child = Child::spawn(move |parent| {
            pin(0).expect("CPU 0");
            let parameter = libc::sched_param { sched_priority: 99 };
            // SAFETY: The parameter is a local.
            assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) }, 0);
            let all = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
            // SAFETY: As above.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &all) }, 0);
            parent.done();
            parent.wait();
            let Missing { window: [begun, ended], lost_ns } = busy_loop(timers);
            std::fs::write("/tmp/mp3-missing", format!("{begun} {ended} {lost_ns}")).expect("a file");
            parent.done();
            parent.wait();
        })?;
        child.wait_done()?;
        let mut tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))?;
        child.go()?;
        child.wait_done()?;
        tracing.stop()?;
        let events = tracing.read()?;
        ensure!(tracing.lost() == 0, "{} lost", tracing.lost());
        let said = std::fs::read_to_string("/tmp/mp3-missing")?;
        let said = said.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [begun, ended, lost_ns] = said[..] else { anyhow::bail!("{said:?}") };
        let (mut interrupts, mut taken_ns) = (0, 0);
        for happened in events {
            if let Event::Irq(irq) = happened.event {
                let is_within = begun <= happened.ns - irq.duration_ns && happened.ns <= ended;
                if is_within && irq.tid == child.pid() as u32 {
                    interrupts += 1;
                    taken_ns += irq.duration_ns - irq.nested_ns;
                }
            }
        }
        println!("    {timers} timers: {interrupts} interrupts of {taken_ns} ns, and the loop is missing {lost_ns} ns");
        // Entering and leaving an interrupt, and recording it, is not in its record.
        ensure!(interrupts > 0 && taken_ns <= lost_ns, "{interrupts} took {taken_ns} of {lost_ns} ns");
        if std::env::var_os("MP3_EXACT_CLOCK").is_some() {
            let beside = (lost_ns - taken_ns) / interrupts;
            ensure!(beside < AROUND_AN_INTERRUPT_NS, "{beside} ns are missing of each interrupt");
            // Each timer takes its interrupt more than a hundred instructions.
            ensure!(taken_ns > taken_before + 100 * timers, "{taken_ns} ns, and {taken_before} with fewer timers");
        }
        taken_before = taken_ns;
        child.go()?;
        child.wait()?;
    }
    Ok(())
}
