// SPDX-License-Identifier: GPL-2.0

//! A machine whose CPUs are taken by real-time tasks for a while.

use super::rounds;
use crate::debugfs;
use crate::shared::Shared;
use crate::test::Outcome;
use abi::header::word;
use abi::record::Flags;
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::time::{clock_gettime, ClockId};
use nix::unistd::Pid;
use std::fs;
use std::sync::atomic::Ordering;
use testkit::child::{exit, Child};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

const STALL_NS: u64 = 400_000_000;

/// Real-time tasks may take all of the time; else the kernel keeps some of it for the others. Put back at the end.
struct NoThrottling {
    before: Vec<(std::path::PathBuf, String)>,
}

impl NoThrottling {
    fn new() -> Result<Self> {
        let mut settings = vec![("/proc/sys/kernel/sched_rt_runtime_us".into(), "-1")];
        // Since 6.12, a deadline server for each CPU runs ordinary tasks in spite of real-time ones.
        for server in ["fair_server", "ext_server"] {
            let directory = debugfs::mount()?.join("sched").join(server);
            for cpu in fs::read_dir(directory).into_iter().flatten() {
                settings.push((cpu?.path().join("runtime"), "0"));
            }
        }
        let mut changed = NoThrottling { before: vec![] };
        for (path, value) in settings {
            let before = fs::read_to_string(&path)?;
            fs::write(&path, value).with_context(|| format!("{} = {value}", path.display()))?;
            changed.before.push((path, before));
        }
        Ok(changed)
    }
}

impl Drop for NoThrottling {
    fn drop(&mut self) {
        for (path, value) in self.before.drain(..).rev() {
            fs::write(&path, value).expect("the value that it had");
        }
    }
}

pub fn a_stall_is_a_gap_and_no_burst() -> Outcome {
    let _module = Module::load("")?;
    let _no_throttling = NoThrottling::new()?;
    let mut samples = Samples::from_here()?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let mut records = samples.wait()?;
    let stalls = rounds()?.min(50);
    let mut gaps = vec![];
    for _ in 0..stalls {
        gaps.push(stall()?);
        // Ten ticks in between.
        let enough = records.len() + 10;
        while records.len() < enough {
            records.extend(samples.wait()?);
        }
    }
    status::unregister(child.pid())?;
    records.extend(samples.read()?);
    ensure!(samples.reader.lost() == 0);
    ensure!(records[0].flags.contains(Flags::FIRST));
    let header = samples.header;
    let due_ns = |tick: u64| header.start_monotonic_ns + tick * 1_000_000_000 / header.rate_hz;

    // The ticks, without the registration's record and that of the U.
    let ticks = &records[1..records.len() - 1];
    for (begin, end) in &gaps {
        // Nothing claims to have been read while nothing ran.
        let inside = ticks.iter().filter(|record| record.time_ns > *begin && record.time_ns < *end);
        ensure!(inside.count() == 0, "a record from within the stall from {begin} to {end}: {ticks:#?}");
        // Of the ticks that came due meanwhile, the last may be taken late; the others are gone.
        let due = ticks.iter().filter(|record| due_ns(record.tick) > *begin && due_ns(record.tick) < *end);
        let due: Vec<_> = due.collect();
        ensure!(due.len() <= 1, "caught up after the stall from {begin} to {end}: {due:#?}");
    }
    let mut missed = ticks[0].tick - records[0].tick;
    for pair in ticks.windows(2) {
        ensure!(pair[1].tick > pair[0].tick && pair[1].time_ns > pair[0].time_ns && pair[1].jiffies > pair[0].jiffies);
        // None before it is due: to the jiffy, as far as the grid's start is known.
        ensure!(pair[1].time_ns + 2_000_000_000 / header.hz > due_ns(pair[1].tick), "ahead of its time: {:?}", pair[1]);
        missed += pair[1].tick - pair[0].tick - 1;
    }
    let counted = samples.memory.load_acquire(word::MISSED_TICKS);
    ensure!(counted == missed, "{missed} ticks are missing, the header counts {counted}");
    let least = gaps.len() as u64 * (STALL_NS * header.rate_hz / 1_000_000_000 - 2);
    ensure!(missed >= least, "{missed} ticks missed in {} stalls: did they stall?", gaps.len());
    println!("    {} stalls of {} ms, {missed} ticks missed and counted", gaps.len(), STALL_NS / 1_000_000);
    Ok(())
}

/// Spins on all CPUs at real-time priority for [`STALL_NS`]. Returns when the last CPU was taken and the first let go.
fn stall() -> Result<(u64, u64)> {
    let cpus = std::thread::available_parallelism()?.get();
    let shared = Shared::new()?;
    let now = || {
        clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
    };
    let mut hogs = vec![];
    for cpu in 0..cpus {
        let shared = &shared;
        hogs.push(Child::spawn(move |parent| {
            parent.wait();
            if take(cpu).is_err() {
                exit(3);
            }
            // Word 0 counts who is there; all begin when all are.
            shared[0].fetch_add(1, Ordering::AcqRel);
            while shared[0].load(Ordering::Acquire) < cpus as u64 {
                std::hint::spin_loop();
            }
            let begin = now();
            shared[1 + 2 * cpu].store(begin, Ordering::Release);
            while now() < begin + STALL_NS {
                std::hint::spin_loop();
            }
            shared[2 + 2 * cpu].store(now(), Ordering::Release);
        })?);
    }
    for hog in &mut hogs {
        hog.go()?;
    }
    for hog in hogs {
        let status = hog.wait()?.status;
        ensure!(status == 0, "a hog ended with {status}");
    }
    let word = |index: usize| shared[index].load(Ordering::Acquire);
    let begin = (0..cpus).map(|cpu| word(1 + 2 * cpu)).max().context("a CPU")?;
    let end = (0..cpus).map(|cpu| word(2 + 2 * cpu)).min().context("a CPU")?;
    Ok((begin, end))
}

/// Takes `cpu` for this process alone.
fn take(cpu: usize) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    let parameters = libc::sched_param { sched_priority: 50 };
    // SAFETY: The parameters are of the right type, and the kernel only reads them.
    Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) }).map(drop)
}
