// SPDX-License-Identifier: GPL-2.0

//! How long faults take, and planted faults of the kinds that need help to happen: a swap cache, the kernel's own questions, and
//! another thread that is quicker.

use super::fault_kinds::{anonymous, load, plant, store, tell, PAGE};
use crate::null_blk::NullBlk;
use crate::setting::Setting;
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::{Counted, FaultFlags, FaultKind, Kinds, Outcome as End, PageState};
use anyhow::{ensure, Context};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::mman::{madvise, mmap, mremap, MRemapFlags, MapFlags, MmapAdvise, ProtFlags};
use nix::sys::resource::{getrusage, UsageWho};
use nix::time::{clock_gettime, ClockId};
use nix::unistd::{gettid, Pid};
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::module::Module;

tests![
    a_fault_lies_within_the_time_that_its_program_measures,
    major_faults_take_as_long_as_the_disk,
    pages_in_the_swap_cache_are_found_without_the_disk,
    a_numa_hint_is_told_from_the_first_touch within 300,
    a_fault_that_finds_the_page_there_is_spurious within 300,
];

/// How long something is tried that depends on the kernel's own timing.
const PATIENCE: Duration = Duration::from_secs(200);

/// Minor faults so far.
fn minor(who: UsageWho) -> u64 {
    getrusage(who).expect("getrusage").minor_page_faults() as u64
}

fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus)).expect("pinning");
}

/// CLOCK_BOOTTIME, ns: the clock of the records.
fn boottime() -> usize {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("a clock");
    time.tv_sec() as usize * 1_000_000_000 + time.tv_nsec() as usize
}

/// The program looks at the clock before and after each touch: the fault has begun and ended in between, on any machine.
fn a_fault_lies_within_the_time_that_its_program_measures() -> Outcome {
    const TOUCHES: usize = 7;
    /// The clock of the records may be behind for a moment, when the kernel adjusts its own.
    const SLACK_NS: u64 = 50_000;
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let start = anonymous(TOUCHES * PAGE, MapFlags::MAP_PRIVATE);
        // SAFETY: The range is ours.
        unsafe { libc::madvise(start as *mut _, TOUCHES * PAGE, libc::MADV_NOHUGEPAGE) };
        tell(shared, 0, start);
        for touch in 0..TOUCHES {
            tell(shared, 1 + 2 * touch, boottime());
            store(start + touch * PAGE);
            tell(shared, 2 + 2 * touch, boottime());
        }
    })?;
    let mut shares = vec![];
    for touch in 0..TOUCHES {
        let faults = planted.kinds(planted.words[0] + touch * PAGE, &[FaultKind::FirstTouch])?;
        let (began, ended) = (faults[0].end_ns() - faults[0].latency_ns(), faults[0].end_ns());
        let [before, after] = [planted.words[1 + 2 * touch] as u64, planted.words[2 + 2 * touch] as u64];
        ensure!(
            before <= began + SLACK_NS && ended <= after + SLACK_NS && faults[0].latency_ns() > 0,
            "from {began} to {ended}, and the program says from {before} to {after}"
        );
        shares.push(faults[0].latency_ns() * 100 / (after - before));
    }
    println!("    the fault was {shares:?} % of the time that the program measured");
    Ok(())
}

fn major_faults_take_as_long_as_the_disk() -> Outcome {
    const PAGES: usize = 30;
    const DISK: Duration = Duration::from_millis(10);
    let _disk = NullBlk::disk(DISK)?;
    let file = fs::OpenOptions::new().read(true).open(NullBlk::PATH)?;
    let _module = Module::load("")?;
    let length = NonZeroUsize::new(PAGES * PAGE).context("a length")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
        let start = unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &file, 0) };
        let start = start.expect("a mapping");
        // SAFETY: The range is ours.
        unsafe { madvise(start, length.get(), MmapAdvise::MADV_RANDOM) }.expect("advice");
        tell(shared, 0, start.as_ptr().addr());
        for page in 0..PAGES {
            load(start.as_ptr().addr() + page * PAGE);
        }
    })?;
    let mut latencies = vec![];
    for page in 0..PAGES {
        let faults = planted.kinds(planted.words[0] + page * PAGE, &[FaultKind::FileMajor])?;
        ensure!(faults[0].outcome == End::Major && faults[0].latency_ns() >= DISK.as_nanos() as u64, "{faults:?}");
        latencies.push(faults[0].latency_ns());
    }
    latencies.sort_unstable();
    println!(
        "    {PAGES} major faults on a disk of {DISK:?}: {} us in the median, {} at least, {} at most",
        latencies[PAGES / 2] / 1000,
        latencies[0] / 1000,
        latencies[PAGES - 1] / 1000
    );
    Ok(())
}

fn pages_in_the_swap_cache_are_found_without_the_disk() -> Outcome {
    const PAGES: usize = 20;
    // A write to it ends later, so the page stays in the cache. (From zram, it is gone at once.)
    let _disk = NullBlk::swap(Duration::from_millis(1))?;
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let start = anonymous(PAGES * PAGE, MapFlags::MAP_PRIVATE);
        let range = NonNull::new(start as *mut _).expect("an address");
        tell(shared, 0, start);
        (0..PAGES).for_each(|page| store(start + page * PAGE));
        // SAFETY: The range is ours; what is in it stays.
        unsafe { madvise(range, PAGES * PAGE, MmapAdvise::MADV_PAGEOUT) }.expect("advice");
        for page in 0..PAGES {
            load(start + page * PAGE);
        }
    })?;
    for page in 0..PAGES {
        let faults = planted.kinds(planted.words[0] + page * PAGE, &[FaultKind::FirstTouch, FaultKind::SwapCache])?;
        let again = &faults[1];
        ensure!(again.outcome == End::Minor && again.first.fault.before == PageState::Swapped, "{again:?}");
        ensure!(!again.first.fault.flags.contains(FaultFlags::WRITE), "{again:?}");
    }
    Ok(())
}

/// The kernel takes the rights away from pages now and then, to learn which node uses them. It does so on a single node, too,
/// for a process that has more than one thread.
fn a_numa_hint_is_told_from_the_first_touch() -> Outcome {
    const PAGES: usize = 64;
    const SETTING: &str = "/proc/sys/kernel/numa_balancing";
    if !Path::new(SETTING).exists() {
        return Err(Skip("this kernel has no NUMA balancing (CONFIG_NUMA_BALANCING)").into());
    }
    let _module = Module::load("")?;
    let _balancing = Setting::new(SETTING, "1")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let start = anonymous(PAGES * PAGE, MapFlags::MAP_PRIVATE);
        // SAFETY: The range is ours.
        unsafe { libc::madvise(start as *mut _, PAGES * PAGE, libc::MADV_NOHUGEPAGE) };
        tell(shared, 0, start);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    std::thread::park();
                }
            });
            (0..PAGES).for_each(|page| store(start + page * PAGE));
            let touched = minor(UsageWho::RUSAGE_THREAD);
            let begun = Instant::now();
            while minor(UsageWho::RUSAGE_THREAD) < touched + PAGES as u64 && begun.elapsed() < PATIENCE {
                (0..PAGES).for_each(|page| store(start + page * PAGE));
            }
            tell(shared, 1, (minor(UsageWho::RUSAGE_THREAD) - touched) as usize);
            stop.store(true, Ordering::Release);
            other.thread().unpark();
        });
    })?;
    ensure!(planted.words[1] > 0, "the kernel asked for nothing in {PATIENCE:?}");
    let mut hints = 0;
    for page in 0..PAGES {
        let faults = planted.seen.at(planted.words[0] + page * PAGE);
        let (first, again) = faults.split_first().context("no fault")?;
        ensure!(first.kind() == FaultKind::FirstTouch, "{faults:?}");
        for hint in again {
            ensure!(hint.kind() == FaultKind::NumaHint && hint.outcome == End::Minor, "{hint:?}");
            ensure!(hint.first.fault.flags.contains(FaultFlags::WRITE), "{hint:?}");
        }
        hints += again.len();
    }
    // The thread has touched other memory as well: its stack, of which the kernel asks likewise.
    ensure!(hints > 0 && hints <= planted.words[1], "{hints} of {}", planted.words[1]);
    println!("    {hints} hints on {PAGES} pages, {} faults of the thread in that time", planted.words[1]);
    Ok(())
}

/// A thread that touches a page while another one moves the page there: the fault begins without it, waits for the lock of the
/// address space, and finds it.
fn a_fault_that_finds_the_page_there_is_spurious() -> Outcome {
    const PAGES: usize = 512;
    if std::thread::available_parallelism()?.get() < 2 {
        return Err(Skip("two threads have to run at once").into());
    }
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let memory = || {
            let start = anonymous(PAGES * PAGE, MapFlags::MAP_PRIVATE);
            // SAFETY: The range is ours.
            unsafe { libc::madvise(start as *mut _, PAGES * PAGE, libc::MADV_NOHUGEPAGE) };
            (0..PAGES).for_each(|page| store(start + page * PAGE));
            start
        };
        pin(0);
        let target = memory();
        let (stop, found) = (AtomicBool::new(false), &shared[1]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pin(1);
                tell(shared, 2, gettid().as_raw() as usize);
                store(target);
                let before = minor(UsageWho::RUSAGE_THREAD);
                while !stop.load(Ordering::Acquire) {
                    (0..1000).for_each(|_| store(target));
                    found.store(minor(UsageWho::RUSAGE_THREAD) - before, Ordering::Release);
                }
            });
            let begun = Instant::now();
            while found.load(Ordering::Acquire) == 0 && begun.elapsed() < PATIENCE {
                let source = memory();
                let [source, target] = [source, target].map(|start| NonNull::new(start as *mut _));
                let flags = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
                // SAFETY: Both ranges are ours. The page that the other thread stores to is there before and after.
                unsafe { mremap(source.expect("memory"), PAGES * PAGE, PAGES * PAGE, flags, target) }.expect("mremap");
            }
            stop.store(true, Ordering::Release);
        });
        tell(shared, 0, target);
    })?;
    let toucher = planted.words[2] as u32;
    let faults = planted.seen.at(planted.words[0]);
    let of_toucher: Vec<_> = faults.iter().filter(|fault| fault.first.fault.tid == toucher).collect();
    ensure!(!of_toucher.is_empty(), "the thread was never in the way in {PATIENCE:?}: {faults:?}");
    for fault in &of_toucher {
        ensure!(fault.kind() == FaultKind::Spurious && fault.outcome == End::Minor, "{fault:?}");
        ensure!(fault.first.fault.before == PageState::Writable, "{fault:?}");
        ensure!(fault.last.fault.counted == Counted::Minor, "{fault:?}");
    }
    println!("    {} spurious faults, the first of {} us", of_toucher.len(), of_toucher[0].latency_ns() / 1000);
    Ok(())
}
