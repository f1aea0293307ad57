// SPDX-License-Identifier: GPL-2.0

//! To the fault: the records of a process are the faults that the kernel has counted for it.

use super::seen::Seen;
use crate::cgroup::Cgroup;
use crate::shared::Shared;
use crate::suites::histories;
use crate::test::Outcome;
use crate::tests;
use crate::zram::Zram;
use abi::events::{Counted, Kinds, Outcome as End};
use anyhow::{ensure, Context, Result};
use std::sync::atomic::Ordering::Relaxed;
use testkit::child::{Child, Pages};
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};
use testkit::{kernel, options};
use work::random::SplitMix64;
use work::Usage;

tests![
    the_faults_of_a_process_are_those_of_wait4,
    the_faults_of_random_lives_are_those_of_wait4 within 300,
    the_faults_of_a_process_with_too_little_memory_are_those_of_wait4 within 300,
    copies_that_thrash_have_the_faults_that_each_of_their_getrusages_says within 600,
    beginnings_alone_are_as_many_as_the_attempts,
];

/// Records of a ring, so that nothing is lost.
const RECORDS: u32 = 1 << 18;

fn the_faults_of_a_process_are_those_of_wait4() -> Outcome {
    const PAGES: usize = 5000;
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| Pages::new(PAGES).touch(0..PAGES));
            }
        });
    })?;
    let pid = child.pid();
    kernel::wait_until_asleep(pid)?;
    let before = kernel::faults(pid)?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS).pids(&[pid]).records(RECORDS))?;
    child.go()?;
    let usage = child.wait()?;
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    let counts = seen.counts(pid as u32);
    let expected = (usage.minor_faults - before.0, usage.major_faults - before.1);
    ensure!(counts == expected, "{counts:?} recorded, {expected:?} by wait4");
    ensure!(counts.0 >= 4 * PAGES as u64, "{counts:?}");
    seen.ensure_none_missing()?;
    // Four threads and the first one, and nothing of any other process.
    ensure!(seen.totals.len() == 5 && seen.attempts.iter().all(|attempt| attempt.fault.tgid == pid as u32));
    Ok(())
}

fn the_faults_of_random_lives_are_those_of_wait4() -> Outcome {
    let _swap = Zram::swap()?;
    let _module = Module::load("")?;
    let count = options::number("MP3_HISTORIES", 40)?;
    let first = options::number("MP3_SEED", 1)?;
    let (mut minor, mut major, mut attempts) = (0, 0, 0);
    for seed in first..first + count {
        let mut child = histories::begin(seed)?;
        let pid = child.pid();
        child.wait_done()?;
        kernel::wait_until_alone(pid)?;
        kernel::wait_until_asleep(pid)?;
        let before = kernel::faults(pid)?;
        let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS).pids(&[pid]).records(RECORDS))?;
        child.go()?;
        if SplitMix64::new(!seed).below(3) == 0 {
            child.kill(nix::sys::signal::Signal::SIGKILL)?;
        }
        while child.wait_stopped_or_dead()? {
            child.kill(nix::sys::signal::Signal::SIGCONT)?;
        }
        let usage = child.wait()?;
        tracing.stop()?;
        let seen = Seen::read(&mut tracing)?;
        let counts = seen.counts(pid as u32);
        let expected = (usage.minor_faults - before.0, usage.major_faults - before.1);
        ensure!(counts == expected, "MP3_HISTORIES=1 MP3_SEED={seed}: {counts:?} recorded, {expected:?} by wait4");
        seen.ensure_none_missing().with_context(|| format!("MP3_SEED={seed}"))?;
        minor += counts.0;
        major += counts.1;
        attempts += seen.attempts.len();
    }
    println!(
        "    {count} lives from seed {first}: {minor} minor and {major} major faults in {attempts} attempts, all equal"
    );
    if count >= 40 {
        ensure!(major > 0, "no major fault");
    }
    Ok(())
}

/// Swap space, unless there is a disk for it (`vm/run --swap`): that has faults wait, and try again; memory that is compressed does
/// not.
fn swap() -> Result<Option<Zram>> {
    let is_on = std::fs::read_to_string("/proc/swaps")?.lines().count() > 1;
    Ok(if is_on { None } else { Some(Zram::swap()?) })
}

fn the_faults_of_a_process_with_too_little_memory_are_those_of_wait4() -> Outcome {
    const PAGES: usize = 6000;
    let _swap = swap()?;
    let _module = Module::load("")?;
    let group = Cgroup::new(&["memory"])?;
    group.set("memory.max", "12M")?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let pages = Pages::new(PAGES);
        pages.touch(0..PAGES);
        // What was touched first is evicted by now, and is touched again in no order.
        let mut random = SplitMix64::new(1);
        for _ in 0..2 * PAGES {
            let page = random.below(PAGES as u64) as usize;
            pages.touch(page..page + 1);
        }
    })?;
    let pid = child.pid();
    group.take(pid)?;
    kernel::wait_until_asleep(pid)?;
    let before = kernel::faults(pid)?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS).pids(&[pid]).records(RECORDS))?;
    child.go()?;
    let usage = child.wait()?;
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    let expected = (usage.minor_faults - before.0, usage.major_faults - before.1);
    ensure!(seen.counts(pid as u32) == expected, "{:?} recorded, {expected:?} by wait4", seen.counts(pid as u32));
    ensure!(usage.status == 0 && expected.1 > PAGES as u64 / 4, "{usage:?}");
    seen.ensure_none_missing()?;
    let wholes = seen.wholes();
    // Each is one, however often it was tried.
    let counted = wholes.iter().filter(|whole| matches!(whole.outcome, End::Minor | End::Major)).count() as u64;
    ensure!(counted == expected.0 + expected.1, "{counted} faults");
    let retried = wholes.iter().filter(|whole| whole.attempts > 1).count();
    println!("    {} minor and {} major faults, {retried} of them in several attempts", expected.0, expected.1);
    Ok(())
}

fn copies_that_thrash_have_the_faults_that_each_of_their_getrusages_says() -> Outcome {
    const COPIES: usize = 4;
    const PAGES: usize = 1500;
    const ROUNDS: usize = 40;
    const HALF: usize = ROUNDS / 2;
    /// Minor and major faults.
    const WORDS: usize = 2;
    let _swap = swap()?;
    let _module = Module::load("")?;
    let group = Cgroup::new(&["memory"])?;
    group.set("memory.max", "16M")?;
    let said = Shared::new()?;
    let place = |copy: usize, round: usize| (copy * ROUNDS + round) * WORDS;
    let mut copies = vec![];
    for copy in 0..COPIES {
        let child = Child::spawn(|parent| {
            parent.wait();
            let pages = Pages::new(PAGES);
            let mut random = SplitMix64::new(copy as u64);
            for round in 0..ROUNDS {
                if round < HALF {
                    pages.touch(round * PAGES / HALF..(round + 1) * PAGES / HALF);
                } else {
                    for _ in 0..PAGES / 10 {
                        let page = random.below(PAGES as u64) as usize;
                        pages.touch(page..page + 1);
                    }
                }
                if round + 1 == HALF {
                    // All copies have all their pages now, a third of which are in swap: the second half wants them back.
                    parent.done();
                    parent.wait();
                }
                // Code, stack and the page of what is said may have been evicted by now: what they cost comes before or after.
                let usage = Usage::own().expect("getrusage");
                said[place(copy, round)].store(usage.minor_faults, Relaxed);
                said[place(copy, round) + 1].store(usage.major_faults, Relaxed);
            }
        })?;
        group.take(child.pid())?;
        kernel::wait_until_asleep(child.pid())?;
        copies.push((kernel::faults(child.pid())?, child));
    }
    let pids: Vec<i32> = copies.iter().map(|(_, child)| child.pid()).collect();
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS).pids(&pids).records(RECORDS))?;
    for (_, child) in &mut copies {
        child.go()?;
    }
    for (_, child) in &mut copies {
        child.wait_done()?;
    }
    for (_, child) in &mut copies {
        child.go()?;
    }
    let mut usages = vec![];
    for (before, child) in copies {
        usages.push((before, child.wait()?));
    }
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    seen.ensure_none_missing()?;
    let mut all_major = 0;
    for (copy, (pid, (before, usage))) in pids.iter().zip(&usages).enumerate() {
        let (mut minor, mut major) = *before;
        let mut counts = vec![(minor, major)];
        for attempt in seen.attempts.iter().filter(|attempt| attempt.fault.tgid == *pid as u32) {
            match attempt.fault.counted {
                Counted::Nothing => continue,
                Counted::Minor => minor += 1,
                Counted::Major => major += 1,
                Counted::Several => anyhow::bail!("{attempt:?}"),
            }
            counts.push((minor, major));
        }
        let expected = (usage.minor_faults, usage.major_faults);
        ensure!(usage.status == 0 && (minor, major) == expected, "{pid}: {minor} and {major}, {expected:?} by wait4");
        for round in 0..ROUNDS {
            let word = |index: usize| said[place(copy, round) + index].load(Relaxed);
            let said = (word(0), word(1));
            ensure!(counts.contains(&said), "{pid}, round {round}: {said:?} by getrusage, and {counts:?} by records");
        }
        all_major += major - before.1;
    }
    ensure!(all_major > (PAGES / 4) as u64, "{all_major} major faults of all");
    println!("    {} attempts of {COPIES} copies, {all_major} major faults", seen.attempts.len());
    Ok(())
}

fn beginnings_alone_are_as_many_as_the_attempts() -> Outcome {
    const PAGES: usize = 2000;
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        Pages::new(PAGES).touch(0..PAGES);
    })?;
    let pid = child.pid();
    kernel::wait_until_asleep(pid)?;
    // Both kinds at a time: two probes of one function.
    let both = Kinds::FAULTS.union(Kinds::FAULT_ENTRIES);
    let mut tracing = Tracing::start(Ask::for_kinds(both).pids(&[pid]).records(RECORDS))?;
    child.go()?;
    child.wait()?;
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    ensure!(seen.entries.len() == seen.attempts.len() && seen.entries.len() >= PAGES, "{}", seen.entries.len());
    let mut entries = seen.entries.clone();
    entries.sort_by_key(|(ns, ..)| *ns);
    for ((ns, entry, place), attempt) in entries.iter().zip(&seen.attempts) {
        let fault = attempt.fault;
        ensure!(
            (entry.tid, entry.address, entry.flags, entry.before, entry.class)
                == (fault.tid, fault.address, fault.flags, fault.before, fault.class),
            "{entry:?} and {fault:?}"
        );
        ensure!((place.ip, place.mapping, place.page) == (attempt.place.ip, attempt.place.mapping, attempt.place.page));
        ensure!(*ns <= attempt.end_ns);
    }
    Ok(())
}
