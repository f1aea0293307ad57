// SPDX-License-Identifier: GPL-2.0

//! Random lives of threads, each compared at its end with what the kernel itself has counted.
//!
//! A seed decides how many threads there are and what each does: computing, sleeping, yielding, moving between CPUs, changing
//! its priority, forking, being stopped. At the end all sleep, and switches, run time, run-queue delay and migrations
//! that the events amount to are compared with `/proc` and with the kernel's counter of migrations, exactly.
//! `MP3_TRACE_HISTORIES` says how many, `MP3_SEED` with which seed.

use super::oracles::{follow_thread, Kernel};
use crate::test::Outcome;
use crate::tests;
use abi::events::{Event, Kinds};
use anyhow::{ensure, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::signal::{kill, Signal};
use nix::unistd::{gettid, Pid};
use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use testkit::child::{Child, Parent};
use testkit::module::Module;
use testkit::options;
use testkit::tracing::{self, Ask, Tracing};
use work::random::SplitMix64;

tests![random_histories_amount_to_the_kernels_numbers within limit()];

/// How many by default.
const HISTORIES: u64 = 25;

/// Two seconds each, and some to begin with.
fn limit() -> u64 {
    120 + 2 * options::number("MP3_TRACE_HISTORIES", HISTORIES).unwrap_or(0)
}

fn random_histories_amount_to_the_kernels_numbers() -> Outcome {
    let _module = Module::load("")?;
    let count = options::number("MP3_TRACE_HISTORIES", HISTORIES)?;
    let first = options::number("MP3_SEED", 1)?;
    let mut sums = [0; 3];
    for seed in first..first + count {
        let [threads, switches, migrations] =
            one(seed).with_context(|| format!("MP3_TRACE_HISTORIES=1 MP3_SEED={seed}"))?;
        sums[0] += threads;
        sums[1] += switches;
        sums[2] += migrations;
    }
    println!(
        "    {count} histories from seed {first}: {} threads, {} switches, {} migrations, all equal",
        sums[0], sums[1], sums[2]
    );
    ensure!(sums[1] > 10 * count, "hardly a switch");
    Ok(())
}

/// One history: how many threads, switches and migrations were compared.
fn one(seed: u64) -> Result<[u64; 3]> {
    let mut random = SplitMix64::new(seed);
    let threads = 1 + random.below(5) as usize;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER))?;
    let mut child = Child::spawn(move |parent| live(parent, seed, threads))?;
    let stops = random.below(4);
    child.go()?;
    for _ in 0..stops {
        kill(Pid::from_raw(child.pid()), Signal::SIGSTOP)?;
        std::thread::yield_now();
        kill(Pid::from_raw(child.pid()), Signal::SIGCONT)?;
    }
    child.wait_done()?;
    let tids = asleep(child.pid(), threads + 1)?;
    let kernels =
        tids.iter().map(|&tid| Kernel::of(&format!("{}/task/{tid}", child.pid()))).collect::<Result<Vec<_>>>()?;
    let (snapshot, _) = tracing::snapshot(&tracing.file, 1024)?;
    tracing.stop()?;
    let events = tracing.read()?;
    ensure!(tracing.lost() == 0, "{} records lost", tracing.lost());
    let mut sums = [tids.len() as u64, 0, 0];
    for (tid, kernel) in tids.iter().zip(kernels) {
        // All of them were born while everything was recorded: so they begin with nothing.
        let (followed, switches) = follow_thread(&testkit::tracing::ThreadState::default(), &events, *tid);
        // A thread that sleeps may stay on its queue for a while (delayed dequeue). If it is migrated meanwhile, the kernel begins to
        // count its sleep as run-queue delay, without a switch, and no event can say how much.
        let left = events.iter().rposition(|happened| matches!(happened.event, Event::Switch(s) if s.prev == *tid));
        let is_moved_asleep = events
            .iter()
            .skip(left.unwrap_or(0))
            .any(|happened| matches!(happened.event, Event::Migrate(migrate) if migrate.tid == *tid));
        let kernel = if is_moved_asleep { kernel.with_delay_of(&followed) } else { kernel };
        ensure!(followed == kernel, "{tid} after {switches} switches: {followed:?}, the kernel has {kernel:?}");
        let moves = events.iter().filter(|happened| match happened.event {
            Event::Migrate(migrate) => migrate.tid == *tid && migrate.from != migrate.to,
            _ => false,
        });
        let (moves, counted) = (moves.count() as u64, snapshot.get(tid).context("in the snapshot")?.placement.0);
        ensure!(moves == counted, "{tid}: {moves} migrations recorded, {counted} by the kernel");
        sums[1] += switches as u64;
        sums[2] += moves;
    }
    child.go()?;
    child.wait()?;
    Ok(sums)
}

/// The threads of `pid`, once all of them sleep in `read`.
fn asleep(pid: i32, count: usize) -> Result<BTreeSet<u32>> {
    let begun = std::time::Instant::now();
    loop {
        let mut tids = BTreeSet::new();
        for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let entry = entry?;
            let syscall = std::fs::read_to_string(entry.path().join("syscall"))?;
            // "running" until it has left its CPU.
            if syscall.starts_with("0 ") {
                tids.insert(entry.file_name().to_string_lossy().parse()?);
            }
        }
        if tids.len() == count {
            return Ok(tids);
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "only {tids:?} of {count} are asleep");
        std::thread::yield_now();
    }
}

/// In the child: its threads live, and then all sleep until the parent lets them go.
fn live(parent: &mut Parent, seed: u64, threads: usize) {
    parent.wait();
    let (read, write) = nix::unistd::pipe().expect("a pipe");
    let barrier = Arc::new(Barrier::new(threads + 1));
    let handles: Vec<_> = (0..threads)
        .map(|number| {
            let barrier = barrier.clone();
            let end = std::os::fd::AsRawFd::as_raw_fd(&read);
            std::thread::spawn(move || {
                let mut random = SplitMix64::new(seed << 8 | number as u64);
                for _ in 0..10 + random.below(30) {
                    step(&mut random);
                }
                barrier.wait();
                // SAFETY: The descriptor stays open; this file is not dropped.
                let mut end = std::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(end) });
                let _ = end.read(&mut [0]);
            })
        })
        .collect();
    barrier.wait();
    parent.done();
    parent.wait();
    drop(write);
    for handle in handles {
        handle.join().expect("a thread");
    }
}

fn step(random: &mut SplitMix64) {
    match random.below(9) {
        0 | 1 => {
            super::oracles::compute(random.below(3));
        }
        2 => std::thread::sleep(Duration::from_micros(random.below(2000))),
        3 => std::thread::yield_now(),
        4 | 5 => {
            let cpus = std::thread::available_parallelism().map_or(1, usize::from);
            let mut set = CpuSet::new();
            // Any, not always all: that is what moves it.
            let _ = set.set(random.below(8) as usize % cpus.max(2));
            let _ = sched_setaffinity(gettid(), &set);
        }
        6 => {
            let all = random.below(2) == 0;
            let priority = libc::sched_param { sched_priority: i32::from(!all) * (1 + random.below(50) as i32) };
            let policy = if all { libc::SCHED_OTHER } else { libc::SCHED_FIFO };
            // SAFETY: The parameter is a local.
            unsafe { libc::sched_setscheduler(0, policy, &priority) };
        }
        7 => {
            let mut set = CpuSet::new();
            for cpu in 0..8 {
                let _ = set.set(cpu);
            }
            let _ = sched_setaffinity(gettid(), &set);
        }
        _ => {
            // SAFETY: The child does nothing but end.
            match unsafe { nix::unistd::fork() } {
                Ok(nix::unistd::ForkResult::Child) => testkit::child::exit(0),
                Ok(nix::unistd::ForkResult::Parent { child }) => {
                    let _ = nix::sys::wait::waitpid(child, None);
                }
                Err(_) => {}
            }
        }
    }
}
