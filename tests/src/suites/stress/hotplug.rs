// SPDX-License-Identifier: GPL-2.0

//! CPUs that come and go while processes are sampled.

use super::rounds;
use crate::before::{check_series, Before};
use crate::offline::Offline;
use crate::shared::Shared;
use crate::test::Outcome;
use abi::header::word;
use abi::record::{Flags, SampleRecord};
use abi::words::ReadWords;
use anyhow::{ensure, Result};
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::child::{Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

/// The CPU that goes.
const CPU: usize = 1;
/// Ticks that are taken while it is away, and after it is back.
const TICKS: u64 = 5;

pub fn processes_are_sampled_while_cpus_come_and_go() -> Outcome {
    let _module = Module::load("rate_hz=100 ring_records=262144")?;
    let (mut ticks, mut missed) = (0, 0);
    for _ in 0..rounds()? {
        let round = round()?;
        ticks += round.0;
        missed += round.1;
    }
    println!("    CPU {CPU} went and came {} times: {ticks} ticks were taken, {missed} missed and counted", rounds()?);
    Ok(())
}

/// A session in which the CPU goes and comes. Returns the ticks that were taken and that were missed.
fn round() -> Result<(u64, u64)> {
    let mut samples = Samples::from_here()?;
    let missed_before = samples.memory.load_acquire(word::MISSED_TICKS);
    let stop = Shared::new()?;
    let witness = Child::idle()?;
    // One may run on the CPU that goes alone, so that the kernel has to move it; the other where it likes.
    let mut workers = vec![worker(&stop[0], true)?, worker(&stop[0], false)?];
    // The session begins on the CPU that goes, and its timer there.
    let everywhere = sched_getaffinity(Pid::from_raw(0))?;
    run_on(CPU)?;
    let registered = status::register(witness.pid());
    sched_setaffinity(Pid::from_raw(0), &everywhere)?;
    registered?;
    let mut lives = vec![];
    for worker in &mut workers {
        lives.push(Before::register(worker)?);
        worker.go()?;
    }
    let mut records = vec![];
    let offline = Offline::take(CPU)?;
    take_ticks(&mut samples, &mut records)?;
    drop(offline);
    take_ticks(&mut samples, &mut records)?;
    stop[0].store(1, Ordering::Release);
    for (worker, before) in workers.into_iter().zip(lives) {
        worker.wait_dead()?;
        let is_final = |record: &SampleRecord| record.pid == before.pid && record.flags.contains(Flags::FINAL);
        while !records.iter().any(is_final) {
            records.extend(samples.wait()?);
        }
        let own: Vec<_> = records.iter().filter(|record| record.pid == before.pid).copied().collect();
        before.compare(&own, &worker.wait()?)?;
    }
    status::unregister(witness.pid())?;
    records.extend(samples.read()?);
    ensure!(samples.reader.lost() == 0);

    // The witness was there from the first tick to the last: a tick is in its records, or counted as missed.
    let own: Vec<_> = records.into_iter().filter(|record| record.pid == witness.pid()).collect();
    check_series(&own)?;
    let ticks = &own[1..own.len() - 1];
    ensure!(ticks.len() as u64 >= 2 * TICKS, "{own:#?}");
    let gaps = ticks.windows(2).map(|pair| pair[1].tick - pair[0].tick - 1).sum::<u64>() + ticks[0].tick - own[0].tick;
    let missed = samples.memory.load_acquire(word::MISSED_TICKS) - missed_before;
    ensure!(missed == gaps, "{gaps} ticks are missing, the header counts {missed}");
    Ok((ticks.len() as u64, missed))
}

/// A process of three threads that have page faults all the time until `stop` is set.
fn worker(stop: &AtomicU64, on_the_cpu: bool) -> Result<Child> {
    Child::spawn(move |parent| {
        parent.wait();
        if on_the_cpu {
            run_on(CPU).expect("the CPU");
        }
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while stop.load(Ordering::Acquire) == 0 {
                        Pages::new(64).touch(0..64);
                    }
                });
            }
        });
    })
}

/// Has this thread run on one CPU.
fn run_on(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Reads until [`TICKS`] more were taken.
fn take_ticks(samples: &mut Samples, records: &mut Vec<SampleRecord>) -> Result<()> {
    let completed = |samples: &Samples| samples.memory.load_acquire(word::COMPLETED_TICK);
    let begun = completed(samples);
    while completed(samples) < begun + TICKS {
        records.extend(samples.wait()?);
    }
    Ok(())
}
