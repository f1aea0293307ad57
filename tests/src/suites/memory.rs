// SPDX-License-Identifier: GPL-2.0

//! Kinds of memory, and ways to fault: each counted as the kernel itself counts it.

use crate::before::{Before, Life};
use crate::cgroup::Cgroup;
use crate::null_blk::NullBlk;
use crate::process_vm;
use crate::setting::Setting;
use crate::shared::Shared;
use crate::test::{Outcome, Skip};
use crate::tests;
use crate::userfaultfd::Userfaultfd;
use crate::zram::{shell, Zram};
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::mman::{madvise, mmap, mmap_anonymous, munmap, MapFlags, MmapAdvise, ProtFlags};
use nix::sys::uio::{process_vm_writev, RemoteIoVec};
use nix::unistd::Pid;
use std::fs;
use std::io::{IoSlice, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use testkit::child::{exit, Child, Pages};
use testkit::device::Samples;
use testkit::kernel;
use testkit::module::Module;

tests![
    transparent_huge_pages_are_one_fault_each,
    hugetlb_pages_are_counted_and_not_resident,
    shared_memory_is_counted_for_each_that_maps_it,
    file_backed_pages_are_major_faults_where_they_are_read,
    a_page_that_another_process_reaches_is_that_ones_fault,
    a_fault_that_userfaultfd_resolves_is_counted_once,
    pages_in_swap_are_shown,
    delays_of_swapping_are_within_the_time_that_it_takes,
];

const PAGE: usize = Pages::BYTES;
const HUGE: usize = 2 << 20;
/// Whether the kernel reads the neighbours of a page in swap, too.
const READAHEAD: &str = "/sys/kernel/mm/swap/vma_ra_enabled";
/// Faults that a process takes besides: its stack, its allocator, its libraries' data.
const BESIDES: u64 = 60;

fn bytes(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("not 0")
}

/// Stores a byte into every `step`th of the `length` bytes from `start` on.
///
/// # Safety
///
/// They are mapped for writing, and nothing else uses them.
unsafe fn touch(start: NonNull<std::ffi::c_void>, length: usize, step: usize) {
    for at in (0..length).step_by(step) {
        // SAFETY: Inside of what the caller has mapped.
        unsafe { start.cast::<u8>().as_ptr().add(at).write_volatile(1) };
    }
}

/// A number of `/proc/PID/smaps_rollup`, KiB.
fn smaps(pid: i32, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name} in {text}"))?;
    Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
}

fn transparent_huge_pages_are_one_fault_each() -> Outcome {
    const PAGES: usize = 4;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let length = bytes((PAGES + 1) * HUGE);
    // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
    let start =
        unsafe { mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE)? };
    let offset = start.as_ptr().align_offset(HUGE);
    // SAFETY: There is a huge page more than is used, so this stays inside.
    let start = unsafe { start.byte_add(offset) };
    // SAFETY: The range is ours.
    let advised = unsafe { madvise(start, PAGES * HUGE, MmapAdvise::MADV_HUGEPAGE) };
    if advised == Err(Errno::EINVAL) {
        return Err(Skip("this kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)").into());
    }
    advised?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        // SAFETY: The child has a copy of the mapping to itself.
        unsafe { touch(start, PAGES * HUGE, PAGE) };
        parent.done();
        parent.wait();
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(child.pid())?;
    let huge_kib = smaps(child.pid(), "AnonHugePages:")?;
    let pages = PAGES as u64 * (HUGE / PAGE) as u64;
    // A huge page is as many resident pages as small ones would be.
    while samples.wait()?.iter().all(|record| record.levels.resident_pages < pages) {}
    child.go()?;
    let usage = child.wait()?;
    let records = Samples::at(0)?.until_final(before.pid)?;
    before.compare(&records, &usage)?;
    if huge_kib < (PAGES * HUGE / 1024) as u64 {
        return Err(Skip("the kernel gave no huge pages").into());
    }
    let faults = records[records.len() - 1].totals.minor_faults;
    ensure!((PAGES as u64..PAGES as u64 + BESIDES).contains(&faults), "{faults} faults for {PAGES} huge pages");
    Ok(())
}

/// Pages of hugetlbfs, while there.
struct HugetlbPool;

impl HugetlbPool {
    const PATH: &str = "/proc/sys/vm/nr_hugepages";

    fn new(count: usize) -> Result<Self> {
        match fs::write(Self::PATH, count.to_string()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Skip("this kernel has no hugetlbfs (CONFIG_HUGETLBFS)").into())
            }
            written => written?,
        }
        let pool = HugetlbPool;
        ensure!(fs::read_to_string(Self::PATH)?.trim() == count.to_string(), "no {count} huge pages");
        Ok(pool)
    }
}

impl Drop for HugetlbPool {
    fn drop(&mut self) {
        let _ = fs::write(Self::PATH, "0");
    }
}

fn hugetlb_pages_are_counted_and_not_resident() -> Outcome {
    const PAGES: usize = 4;
    let _pool = HugetlbPool::new(PAGES)?;
    let _module = Module::load("")?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB;
    let life = Life::live(|parent| {
        parent.wait();
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
        let start = unsafe { mmap_anonymous(None, bytes(PAGES * HUGE), prot, flags) }.expect("huge pages");
        // SAFETY: Just mapped.
        unsafe { touch(start, PAGES * HUGE, PAGE) };
    })?;
    ensure!(life.usage.status == 0, "{:?}", life.usage);
    let faults = life.totals().minor_faults;
    ensure!((PAGES as u64..PAGES as u64 + BESIDES).contains(&faults), "{faults} faults for {PAGES} huge pages");
    // The kernel does not count them in a process' resident set, and so neither does mp3.
    let resident: Vec<_> = life.records.iter().map(|record| record.levels.resident_pages).collect();
    let grown = resident.iter().max().unwrap_or(&0) - resident[0];
    ensure!(grown < (PAGES * HUGE / PAGE) as u64, "{resident:?} pages resident");
    Ok(())
}

fn shared_memory_is_counted_for_each_that_maps_it() -> Outcome {
    const PAGES: usize = 500;
    let _module = Module::load("")?;
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
    let start = unsafe { mmap_anonymous(None, bytes(PAGES * PAGE), prot, MapFlags::MAP_SHARED)? };
    for who in ["the first", "the second"] {
        let life = Life::live(|parent| {
            parent.wait();
            // SAFETY: Mapped before the fork. The two do not run at the same time.
            unsafe { touch(start, PAGES * PAGE, PAGE) };
        })?;
        let totals = life.totals();
        ensure!(totals.minor_faults >= PAGES as u64 && totals.major_faults == 0, "{who}: {totals:?}");
    }
    Ok(())
}

fn file_backed_pages_are_major_faults_where_they_are_read() -> Outcome {
    const PAGES: usize = 200;
    let _disk = Zram::disk("16M")?;
    // The block device is a file as good as any: its pages come through the page cache.
    let mut file = fs::OpenOptions::new().read(true).write(true).open(Zram::PATH)?;
    file.write_all(&vec![7; PAGES * PAGE])?;
    file.sync_all()?;
    shell("echo 3 > /proc/sys/vm/drop_caches; blockdev --flushbufs /dev/zram0")?;
    let _module = Module::load("")?;
    // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
    let start = unsafe { mmap(None, bytes(PAGES * PAGE), ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &file, 0)? };
    // Without reading ahead, each page is one.
    // SAFETY: The range is ours.
    unsafe { madvise(start, PAGES * PAGE, MmapAdvise::MADV_RANDOM)? };
    let read_all = || {
        // SAFETY: Inside of the mapping.
        (0..PAGES).map(|page| u64::from(unsafe { start.cast::<u8>().add(page * PAGE).read_volatile() })).sum::<u64>()
    };
    for (who, major) in [("the first", true), ("the second, from memory", false)] {
        let life = Life::live(|parent| {
            parent.wait();
            exit(i32::from(read_all() != 7 * PAGES as u64));
        })?;
        let totals = life.totals();
        ensure!(life.usage.status == 0, "{who} read something else");
        let expected = if major { totals.major_faults >= PAGES as u64 } else { totals.major_faults == 0 };
        ensure!(expected, "{who}: {totals:?}");
    }
    // SAFETY: Nothing refers to it any more. The disk is busy until then.
    unsafe { munmap(start, PAGES * PAGE)? };
    Ok(())
}

fn a_page_that_another_process_reaches_is_that_ones_fault() -> Outcome {
    const PAGES: usize = 300;
    process_vm::required()?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let shared = Shared::new()?;
    let owner = Child::spawn(|parent| {
        let pages = Pages::new(PAGES);
        shared[0].store(pages.address() as u64, Ordering::Release);
        parent.done();
        parent.wait();
    });
    let mut owner = owner?;
    owner.wait_done()?;
    let start = shared[0].load(Ordering::Acquire) as usize;
    let pid = Pid::from_raw(owner.pid());
    let owners = Before::register(&owner)?;
    let reacher = Life::live(|parent| {
        let contents = vec![1; PAGES * PAGE];
        parent.wait();
        let remote = [RemoteIoVec { base: start, len: contents.len() }];
        let written = process_vm_writev(pid, &[IoSlice::new(&contents)], &remote);
        exit(i32::from(written != Ok(contents.len())));
    })?;
    ensure!(reacher.usage.status == 0, "process_vm_writev: {:?}", reacher.usage);
    ensure!(reacher.totals().minor_faults >= PAGES as u64, "{:?}", reacher.totals());
    ensure!(kernel::faults(owner.pid())? == owners.faults, "the owner slept all the time");
    owner.go()?;
    let usage = owner.wait()?;
    let records = samples.until_final(owners.pid);
    // `samples` began before both, so it has the owner's records as well.
    let records = records?;
    owners.compare(&records, &usage)?;
    ensure!(records[records.len() - 1].totals.minor_faults < BESIDES, "{records:?}");
    Ok(())
}

fn a_fault_that_userfaultfd_resolves_is_counted_once() -> Outcome {
    const PAGES: usize = 50;
    if let Err(Errno::ENOSYS) = Userfaultfd::new() {
        return Err(Skip("this kernel has no userfaultfd (CONFIG_USERFAULTFD)").into());
    }
    let _module = Module::load("")?;
    let life = Life::live(|parent| {
        let pages = Pages::new(PAGES);
        let faults = Userfaultfd::new().expect("it was there a moment ago");
        faults.watch(pages.address(), PAGES * PAGE).expect("memory of ours");
        parent.wait();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..PAGES).for_each(|_| faults.resolve_one().expect("a fault")));
            // Each waits in the kernel until the other thread has resolved it, and is tried again.
            pages.touch(0..PAGES);
        });
    })?;
    ensure!(life.usage.status == 0, "{:?}", life.usage);
    let totals = life.totals();
    let faults = totals.minor_faults + totals.major_faults;
    ensure!((PAGES as u64..PAGES as u64 + 2 * BESIDES).contains(&faults), "{totals:?} for {PAGES} pages");
    Ok(())
}

fn pages_in_swap_are_shown() -> Outcome {
    const PAGES: usize = 400;
    let _swap = Zram::swap()?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(PAGES);
        pages.touch(0..PAGES);
        parent.wait();
        pages.page_out();
        parent.done();
        parent.wait();
        pages.touch(0..PAGES);
        parent.done();
        parent.wait();
    })?;
    let before = Before::register(&child)?;
    let mut records = vec![];
    // Registered with nothing in swap, then with most of it there, then with it all back.
    for round in 0..2 {
        child.go()?;
        child.wait_done()?;
        kernel::wait_until_asleep(child.pid())?;
        let swapped = smaps(child.pid(), "Swap:")? / (PAGE as u64 / 1024);
        ensure!((swapped >= PAGES as u64 / 2) == (round == 0), "round {round}: {swapped} pages in swap");
        // The next tick that begins after the child fell asleep has it.
        let now = samples.reader.position() + samples.reader.pending(&samples.memory);
        loop {
            records.extend(samples.wait()?);
            if records.last().is_some_and(|record| record.sequence > now) {
                break;
            }
        }
        let last = records[records.len() - 1];
        // The kernel keeps this counter in parts, one a CPU, each of which may not have been added yet (lib/percpu_counter.c).
        let cpus = std::thread::available_parallelism()?.get() as u64;
        let parts = cpus * (2 * cpus).max(32);
        ensure!(last.levels.swapped_pages.abs_diff(swapped) <= parts, "{swapped} pages in swap; {last:?}");
    }
    child.go()?;
    child.wait_dead()?;
    records.extend(samples.until_final(before.pid)?);
    let usage = child.wait()?;
    ensure!(usage.major_faults - before.faults.1 >= PAGES as u64 / 2, "{usage:?}");
    before.compare(&records, &usage)
}

/// Swap space that answers each read after 10 ms. What the kernel counts of that wait differs between releases (docs/upstream): it may
/// be less than the time that the faults took, and never more.
fn delays_of_swapping_are_within_the_time_that_it_takes() -> Outcome {
    const PAGES: usize = 50;
    const ANSWER: Duration = Duration::from_millis(10);
    let group = Cgroup::new(&["memory"])?;
    // One page at a time.
    let _cluster = Setting::new("/proc/sys/vm/page-cluster", "0")?;
    let _readahead = Path::new(READAHEAD).exists().then(|| Setting::new(READAHEAD, "0")).transpose()?;
    let _accounting = Setting::new("/proc/sys/kernel/task_delayacct", "1")?;
    let _swap = NullBlk::swap(ANSWER)?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let shared = Shared::new()?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let pages = Pages::new(PAGES);
        pages.touch(0..PAGES);
        parent.done();
        parent.wait();
        let begun = Instant::now();
        pages.touch(0..PAGES);
        shared[0].store(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        parent.done();
        parent.wait();
    })?;
    group.take(child.pid())?;
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(child.pid())?;
    // Written, and gone from the swap cache, too.
    group.reclaim_until(|| {
        let swapped = smaps(child.pid(), "Swap:")? / (PAGE as u64 / 1024);
        Ok(swapped >= PAGES as u64 && group.number("memory.stat", "swapcached")? == 0)
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_done()?;
    let took = shared[0].load(Ordering::Relaxed);
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(before.pid)?;
    let usage = child.wait()?;
    before.compare(&records, &usage)?;
    let totals = records.last().context("a record")?.totals;
    println!(
        "    {} major faults took {} us; counted: swap-in {}, thrashing {}, block I/O {} us",
        totals.major_faults,
        took / 1000,
        totals.swapin_delay_ns / 1000,
        totals.thrashing_delay_ns / 1000,
        totals.blkio_delay_ns / 1000
    );
    ensure!(totals.major_faults >= PAGES as u64, "{totals:?}");
    ensure!(took >= PAGES as u64 * ANSWER.as_nanos() as u64, "{PAGES} reads in {took} ns");
    ensure!(totals.swapin_delay_ns <= took && totals.thrashing_delay_ns <= took, "{totals:?} in {took} ns");
    Ok(())
}
