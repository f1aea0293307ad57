// SPDX-License-Identifier: GPL-2.0

//! Planted faults of every kind, each with its address, access, mapping and code.

use super::seen::{Mapping, Seen};
use crate::process_vm;
use crate::shared::Shared;
use crate::test::{Outcome, Skip};
use crate::tests;
use crate::userfaultfd::Userfaultfd;
use crate::zram::{shell, Zram};
use abi::events::{Area, Backing, FaultFlags, FaultKind, FaultResult, Kinds, Outcome as End, PageState, Whole};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::mman::{madvise, mmap, mmap_anonymous, MapFlags, MmapAdvise, ProtFlags};
use nix::sys::uio::{process_vm_writev, RemoteIoVec};
use nix::unistd::Pid;
use std::fs;
use std::io::{IoSlice, Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::child::{Child, Pages, Parent};
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

tests![
    fresh_memory_is_touched_read_and_copied,
    a_page_that_a_child_shares_is_copied_and_then_taken_over,
    pages_of_a_file_are_read_found_and_copied,
    shared_memory_and_the_heap_and_the_stack_are_told_apart,
    huge_pages_are_told_apart,
    pages_come_back_from_swap,
    userfaultfd_is_one_fault_with_all_its_time,
    what_the_kernel_touches_for_a_process_is_marked,
    a_page_of_another_process_belongs_to_that_ones_mapping,
    an_access_that_is_refused_is_recorded_with_its_signal,
];

pub const PAGE: usize = Pages::BYTES;
const HUGE: usize = 2 << 20;

/// Stores a byte. Not inlined, so that the address of the code is known.
#[inline(never)]
pub fn store(address: usize) {
    // SAFETY: Callers give an address of theirs, or die of it.
    unsafe { (address as *mut u8).write_volatile(1) };
}

/// Loads a byte.
#[inline(never)]
pub fn load(address: usize) -> u8 {
    // SAFETY: As above.
    unsafe { (address as *const u8).read_volatile() }
}

/// Whether the code at `ip` is that of `function`, which is short.
fn is_in(ip: u64, function: usize) -> bool {
    (function as u64..function as u64 + 64).contains(&ip)
}

pub fn anonymous(length: usize, flags: MapFlags) -> usize {
    let length = NonZeroUsize::new(length).expect("not 0");
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
    unsafe { mmap_anonymous(None, length, prot, flags) }.expect("memory").as_ptr().addr()
}

/// What a child has done, and what it has told of its addresses.
pub struct Planted {
    pub seen: Seen,
    pub words: Vec<usize>,
    pid: i32,
    /// Its `/proc/PID/maps` when it was done.
    maps: String,
}

/// Runs `body` in a child from beginning to end under a session, with words that it can leave its addresses in.
pub fn plant(kinds: Kinds, body: impl FnOnce(&Shared)) -> Result<Planted> {
    let shared = Shared::new()?;
    let mut child = Child::spawn(|parent: &mut Parent| {
        parent.wait();
        body(&shared);
        parent.done();
        parent.wait();
    })?;
    let pid = child.pid();
    let mut tracing = Tracing::start(Ask::for_kinds(kinds).pids(&[pid]).follow())?;
    child.go()?;
    child.wait_done()?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    child.go()?;
    let usage = child.wait()?;
    ensure!(usage.status == 0, "{usage:?}");
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    seen.ensure_none_missing()?;
    let words = (0..16).map(|index| shared[index].load(Ordering::Acquire) as usize).collect();
    Ok(Planted { seen, words, pid, maps })
}

pub fn tell(shared: &Shared, index: usize, address: usize) {
    shared[index].store(address as u64, Ordering::Release);
}

impl Planted {
    /// The faults at an address, in their order, of which there must be as many kinds as given.
    pub fn kinds(&self, address: usize, kinds: &[FaultKind]) -> Result<Vec<Whole>> {
        let faults = self.seen.at(address);
        let found: Vec<_> = faults.iter().map(Whole::kind).collect();
        ensure!(found == kinds, "{found:?} at {address:#x}, not {kinds:?}: {faults:#?}");
        Ok(faults)
    }

    /// The mapping of `fault`, which is as `/proc/PID/maps` has it.
    fn mapping(&self, fault: &Whole) -> Result<&Mapping> {
        let mapping = self.seen.mapping(fault)?;
        let (map, file) = (mapping.map, mapping.file);
        let address = fault.first.fault.address;
        ensure!((map.start()..map.end()).contains(&address), "{mapping:?} of {address:#x}");
        ensure!(map.class == fault.first.fault.class, "{mapping:?} of {fault:?}");
        let line = self.maps.lines().find(|line| line.starts_with(&format!("{:08x}-{:08x} ", map.start(), map.end())));
        let line = line.with_context(|| format!("{mapping:x?} is not in\n{}", self.maps))?;
        let mut words = line.split_whitespace();
        let (_, rights, offset) = (words.next(), words.next().unwrap_or_default(), words.next());
        let (device, inode, name) = (words.next(), words.next(), words.collect::<Vec<_>>().join(" "));
        let letters =
            [(1, 'r'), (2, 'w'), (4, 'x')].map(|(bit, letter)| if map.protection.0 & bit != 0 { letter } else { '-' });
        ensure!(rights.starts_with(&letters.iter().collect::<String>()), "{line}: {mapping:?}");
        ensure!(rights.ends_with('s') == map.class.is_shared(), "{line}: {mapping:?}");
        if map.class.backing() != Backing::Anonymous {
            ensure!(
                offset.and_then(|offset| u64::from_str_radix(offset, 16).ok()) == Some(file.offset << 12),
                "{line}: {mapping:?}"
            );
            ensure!(device == Some(&format!("{:02x}:{:02x}", file.major(), file.minor())), "{line}: {mapping:?}");
            ensure!(inode == Some(&file.inode.to_string()), "{line}: {mapping:?}");
            ensure!(name == mapping.name, "{line}: {mapping:?}");
        }
        ensure!((name == "[heap]") == (map.class.area() == Area::Heap), "{line}: {mapping:?}");
        ensure!((name == "[stack]") == (map.class.area() == Area::Stack), "{line}: {mapping:?}");
        let page = if map.class.backing() == Backing::HugeTlb { None } else { Some((address - map.start()) >> 12) };
        ensure!(page.is_none_or(|page| fault.first.place.page == file.offset + page), "{fault:?} in {mapping:?}");
        Ok(mapping)
    }
}

fn ensure_code(fault: &Whole, function: usize) -> Outcome {
    ensure!(is_in(fault.first.place.ip, function), "the code at {:#x}, not {function:#x}", fault.first.place.ip);
    ensure!(!fault.first.fault.flags.contains(FaultFlags::KERNEL));
    Ok(())
}

const STORE: fn(usize) = store;
const LOAD: fn(usize) -> u8 = load;

fn fresh_memory_is_touched_read_and_copied() -> Outcome {
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let pages = Pages::new(4);
        tell(shared, 0, pages.address());
        store(pages.address() + PAGE + 123);
        load(pages.address() + 2 * PAGE + 5);
        store(pages.address() + 2 * PAGE + 6);
        std::mem::forget(pages);
    })?;
    let start = planted.words[0];
    let [touch] = planted.kinds(start + PAGE, &[FaultKind::FirstTouch])?[..] else { bail!("one") };
    ensure!(touch.first.fault.address == (start + PAGE + 123) as u64, "{touch:?}");
    ensure!(touch.first.fault.flags.contains(FaultFlags::WRITE) && touch.outcome == End::Minor, "{touch:?}");
    ensure_code(&touch, STORE as usize)?;
    ensure!(planted.mapping(&touch)?.map.class.backing() == Backing::Anonymous);
    let [zero, copy] = planted.kinds(start + 2 * PAGE, &[FaultKind::ZeroPage, FaultKind::CopyOnWrite])?[..] else {
        bail!("two")
    };
    ensure!(zero.last.fault.after == PageState::ZeroPage && copy.first.fault.before == PageState::ZeroPage);
    ensure!(!zero.first.fault.flags.contains(FaultFlags::WRITE) && copy.first.fault.flags.contains(FaultFlags::WRITE));
    ensure!(!copy.first.fault.flags.contains(FaultFlags::SAME_PAGE), "{copy:?}");
    ensure_code(&zero, LOAD as usize)?;
    ensure!(planted.seen.at(start + 3 * PAGE).is_empty());
    // Without ends: the same kinds, from what was there before.
    let planted = plant(Kinds::FAULT_ENTRIES, |shared| {
        let pages = Pages::new(2);
        tell(shared, 0, pages.address());
        load(pages.address());
        store(pages.address());
        store(pages.address() + PAGE);
        std::mem::forget(pages);
    })?;
    let kinds: Vec<_> = planted
        .seen
        .entries
        .iter()
        .filter(|(_, fault, _)| (planted.words[0]..planted.words[0] + 2 * PAGE).contains(&(fault.address as usize)))
        .map(|(_, fault, _)| FaultKind::of(fault, PageState::Unknown, FaultResult::NONE, FaultResult::NONE))
        .collect();
    ensure!(kinds == [FaultKind::ZeroPage, FaultKind::CopyOnWrite, FaultKind::FirstTouch], "{kinds:?}");
    Ok(())
}

fn a_page_that_a_child_shares_is_copied_and_then_taken_over() -> Outcome {
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        // On one CPU: another one may hold the page in its batch for the LRU lists, and then it is copied once more.
        let mut first = CpuSet::new();
        first.set(0).and_then(|()| sched_setaffinity(Pid::from_raw(0), &first)).expect("pinning");
        let pages = Pages::new(1);
        tell(shared, 0, pages.address());
        store(pages.address());
        let mut other = Child::idle().expect("a child");
        tell(shared, 1, other.pid() as usize);
        // The first one copies; the child keeps the page.
        store(pages.address());
        drop(other.go());
        drop(other.wait());
        // A second child, which is gone when its parent writes.
        Child::idle().map(drop).expect("a child");
        store(pages.address());
        std::mem::forget(pages);
    })?;
    let faults =
        planted.kinds(planted.words[0], &[FaultKind::FirstTouch, FaultKind::CopyOnWrite, FaultKind::CopyOnWrite])?;
    ensure!(faults.iter().all(|fault| fault.first.fault.tgid == planted.pid as u32));
    let same = |fault: &Whole| fault.last.fault.flags.contains(FaultFlags::SAME_PAGE);
    ensure!(!same(&faults[1]) && same(&faults[2]), "{faults:#?}");
    // The child has faults of its own, since it is followed.
    ensure!(planted.seen.attempts.iter().any(|attempt| attempt.fault.tgid == planted.words[1] as u32));
    Ok(())
}

fn pages_of_a_file_are_read_found_and_copied() -> Outcome {
    const PAGES: usize = 16;
    let _disk = Zram::disk("16M")?;
    let mut file = fs::OpenOptions::new().read(true).write(true).open(Zram::PATH)?;
    // Code that returns at once.
    file.write_all(&vec![0xc3; PAGES * PAGE])?;
    file.sync_all()?;
    shell("echo 3 > /proc/sys/vm/drop_caches; blockdev --flushbufs /dev/zram0")?;
    let _module = Module::load("")?;
    let length = NonZeroUsize::new(PAGES * PAGE).context("a length")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let map = |prot, flags| {
            // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
            let start = unsafe { mmap(None, length, prot, flags, &file, 0) }.expect("a mapping");
            // Without reading ahead and around, each page is one.
            // SAFETY: The range is ours.
            unsafe { madvise(start, length.get(), MmapAdvise::MADV_RANDOM) }.expect("advice");
            start.as_ptr().addr()
        };
        let read = ProtFlags::PROT_READ;
        let shared_start = map(read | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
        let private = map(read | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
        let code = map(read | ProtFlags::PROT_EXEC, MapFlags::MAP_PRIVATE);
        for (index, start) in [shared_start, private, code].into_iter().enumerate() {
            tell(shared, index, start);
        }
        load(shared_start);
        load(private);
        // SAFETY: There is a return at that place.
        unsafe { std::mem::transmute::<usize, extern "C" fn()>(code)() };
        store(private + PAGE);
        load(shared_start + PAGE);
        store(private + 2 * PAGE);
        store(shared_start);
    })?;
    let (shared_start, private, code) = (planted.words[0], planted.words[1], planted.words[2]);
    let faults = planted.kinds(shared_start, &[FaultKind::FileMajor, FaultKind::WriteNotify])?;
    let mapping = planted.mapping(&faults[0])?;
    ensure!(mapping.name == Zram::PATH && mapping.map.class.is_shared(), "{mapping:?}");
    ensure!(mapping.map.class.backing() == Backing::File && faults[0].outcome == End::Major);
    let [found] = planted.kinds(private, &[FaultKind::FileMinor])?[..] else { bail!("one") };
    ensure!(found.outcome == End::Minor && !planted.mapping(&found)?.map.class.is_shared());
    let [executed] = planted.kinds(code, &[FaultKind::FileMinor])?[..] else { bail!("one") };
    ensure!(executed.first.fault.flags.contains(FaultFlags::EXECUTE), "{executed:?}");
    ensure!(executed.first.place.ip == code as u64 && planted.mapping(&executed)?.map.class.is_executable());
    // Read from disk, and copied at once.
    planted.kinds(private + PAGE, &[FaultKind::FileMajor])?;
    planted.kinds(shared_start + PAGE, &[FaultKind::FileMinor])?;
    planted.kinds(private + 2 * PAGE, &[FaultKind::FileMajor])?;
    // The program itself is a file, too, whose inode is what stat says.
    let own = fs::metadata("/proc/self/exe")?.ino();
    ensure!(planted
        .seen
        .mappings
        .values()
        .any(|mapping| mapping.file.inode == own && mapping.name.ends_with("mp3-tests")));
    Ok(())
}

fn shared_memory_and_the_heap_and_the_stack_are_told_apart() -> Outcome {
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let start = anonymous(PAGE, MapFlags::MAP_SHARED);
        tell(shared, 0, start);
        store(start);
        // SAFETY: Grows the heap; what is there stays.
        let heap = unsafe { libc::sbrk(64 * PAGE as isize) }.addr() + 32 * PAGE;
        tell(shared, 1, heap);
        store(heap);
        // Far below anything that was used: the stack grows.
        let here = 0_u8;
        let stack = (&raw const here).addr() - 40 * PAGE;
        tell(shared, 2, stack);
        store(stack);
    })?;
    let [shmem] = planted.kinds(planted.words[0], &[FaultKind::SharedMemory])?[..] else { bail!("one") };
    let class = planted.mapping(&shmem)?.map.class;
    ensure!(class.backing() == Backing::SharedMemory && class.is_shared(), "{class:?}");
    for (index, area) in [(1, Area::Heap), (2, Area::Stack)] {
        let [fault] = planted.kinds(planted.words[index], &[FaultKind::FirstTouch])?[..] else { bail!("one") };
        ensure!(planted.mapping(&fault)?.map.class.area() == area, "{fault:?}");
    }
    Ok(())
}

fn huge_pages_are_told_apart() -> Outcome {
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let start = anonymous(4 * HUGE, MapFlags::MAP_PRIVATE).next_multiple_of(HUGE);
        tell(shared, 0, start);
        // SAFETY: The range is ours.
        let advised = unsafe { libc::madvise(start as *mut _, 2 * HUGE, libc::MADV_HUGEPAGE) };
        tell(shared, 1, (advised == 0) as usize);
        store(start + 100 * PAGE);
        store(start + 200 * PAGE);
    })?;
    if planted.words[1] == 0 {
        return Err(Skip("this kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)").into());
    }
    let [huge] = planted.kinds(planted.words[0] + 100 * PAGE, &[FaultKind::HugePage])?[..] else { bail!("one") };
    ensure!(
        huge.first.fault.before == PageState::NoTable && huge.last.fault.after == PageState::HugeWritable,
        "{huge:?}"
    );
    ensure!(planted.seen.at(planted.words[0] + 200 * PAGE).is_empty());
    // The pool of huge pages.
    let pool = "/proc/sys/vm/nr_hugepages";
    if fs::write(pool, "2").is_err() {
        return Err(Skip("this kernel has no hugetlbfs (CONFIG_HUGETLBFS)").into());
    }
    let planted = plant(Kinds::FAULTS, |shared| {
        let start = anonymous(HUGE, MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB);
        tell(shared, 0, start);
        store(start + 7 * PAGE);
    });
    fs::write(pool, "0")?;
    let planted = planted?;
    let [huge] = planted.kinds(planted.words[0] + 7 * PAGE, &[FaultKind::HugePage])?[..] else { bail!("one") };
    ensure!(huge.first.fault.class.backing() == Backing::HugeTlb, "{huge:?}");
    Ok(())
}

fn pages_come_back_from_swap() -> Outcome {
    const PAGES: usize = 64;
    let _swap = Zram::swap()?;
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let pages = Pages::new(PAGES);
        tell(shared, 0, pages.address());
        pages.touch(0..PAGES);
        pages.page_out();
        for page in 0..PAGES {
            load(pages.address() + page * PAGE);
        }
        std::mem::forget(pages);
    })?;
    let mut read = 0;
    for page in 0..PAGES {
        let faults = planted.seen.at(planted.words[0] + page * PAGE);
        ensure!(faults[0].kind() == FaultKind::FirstTouch, "{:?}", faults[0]);
        for fault in &faults[1..] {
            // Counted as the kernel does, and told apart as far as it can be.
            match fault.kind() {
                FaultKind::SwapDisk => {
                    ensure!(fault.outcome == End::Major, "{fault:?}");
                    read += 1;
                }
                FaultKind::SwapCache => {}
                other => bail!("{other:?}: {fault:?}"),
            }
            ensure!(fault.first.fault.before == PageState::Swapped, "{fault:?}");
        }
    }
    ensure!(read > PAGES / 2, "{read} of {PAGES} were read from swap");
    Ok(())
}

fn userfaultfd_is_one_fault_with_all_its_time() -> Outcome {
    const PAGES: usize = 10;
    const WAIT: Duration = Duration::from_millis(20);
    if let Err(Errno::ENOSYS) = Userfaultfd::new() {
        return Err(Skip("this kernel has no userfaultfd (CONFIG_USERFAULTFD)").into());
    }
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let pages = Pages::new(PAGES);
        tell(shared, 0, pages.address());
        let faults = Userfaultfd::new().expect("it was there a moment ago");
        faults.watch(pages.address(), PAGES * PAGE).expect("memory of ours");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..PAGES {
                    // The faults take that long at least: this is what is measured, and nothing waits for it.
                    faults.resolve_one_after(WAIT).expect("a fault");
                }
            });
            pages.touch(0..PAGES);
        });
        std::mem::forget(pages);
    })?;
    for page in 0..PAGES {
        let [fault] = planted.kinds(planted.words[0] + page * PAGE, &[FaultKind::Userfaultfd])?[..] else {
            bail!("one")
        };
        ensure!(fault.attempts > 1 && fault.first.fault.class.is_userfaultfd(), "{fault:?}");
        ensure!(matches!(fault.outcome, End::Minor | End::Major), "{fault:?}");
        ensure!(fault.latency_ns() >= WAIT.as_nanos() as u64, "{} ns: {fault:?}", fault.latency_ns());
    }
    Ok(())
}

fn what_the_kernel_touches_for_a_process_is_marked() -> Outcome {
    let _module = Module::load("")?;
    let planted = plant(Kinds::FAULTS, |shared| {
        let pages = Pages::new(3);
        tell(shared, 0, pages.address());
        // SAFETY: The page is ours, and any bytes are valid in it.
        let buffer = unsafe { std::slice::from_raw_parts_mut(pages.address() as *mut u8, 16) };
        fs::File::open("/proc/self/stat").and_then(|mut file| file.read(buffer)).expect("bytes");
        // SAFETY: The page is ours.
        unsafe { libc::mlock((pages.address() + PAGE) as *const _, PAGE) };
        std::mem::forget(pages);
    })?;
    let [read] = planted.kinds(planted.words[0], &[FaultKind::FirstTouch])?[..] else { bail!("one") };
    let flags = read.first.fault.flags;
    ensure!(
        flags.contains(FaultFlags::KERNEL | FaultFlags::WRITE) && !flags.contains(FaultFlags::NO_ACCESS),
        "{read:?}"
    );
    ensure!(read.outcome == End::Minor && read.first.place.ip != 0, "{read:?}");
    let mapping = planted
        .seen
        .mappings
        .values()
        .find(|mapping| mapping.name.ends_with("mp3-tests") && mapping.map.class.is_executable());
    if let Some(mapping) = mapping {
        let ip = read.first.place.ip;
        ensure!((mapping.map.start()..mapping.map.end()).contains(&ip), "the system call at {ip:#x}, {mapping:?}");
    }
    let [locked] = planted.kinds(planted.words[0] + PAGE, &[FaultKind::FirstTouch])?[..] else { bail!("one") };
    ensure!(locked.first.fault.flags.contains(FaultFlags::KERNEL | FaultFlags::NO_ACCESS), "{locked:?}");
    ensure!(locked.outcome == End::Minor && planted.mapping(&locked).is_ok());
    Ok(())
}

fn a_page_of_another_process_belongs_to_that_ones_mapping() -> Outcome {
    process_vm::required()?;
    let _module = Module::load("")?;
    let shared = Shared::new()?;
    let mut owner = Child::spawn(|parent| {
        let pages = Pages::new(2);
        tell(&shared, 0, pages.address());
        parent.done();
        parent.wait();
    })?;
    owner.wait_done()?;
    let (start, pid) = (shared[0].load(Ordering::Acquire) as usize, owner.pid());
    let planted = plant(Kinds::FAULTS, |_| {
        let remote = [RemoteIoVec { base: start, len: PAGE }];
        process_vm_writev(Pid::from_raw(pid), &[IoSlice::new(&[1; PAGE])], &remote).expect("its memory");
    })?;
    let [fault] = planted.kinds(start, &[FaultKind::FirstTouch])?[..] else { bail!("one") };
    ensure!(fault.first.fault.flags.contains(FaultFlags::REMOTE | FaultFlags::NO_ACCESS), "{fault:?}");
    // Counted for the one that wrote; the mapping is the owner's.
    ensure!(fault.first.fault.tgid == planted.pid as u32 && fault.outcome == End::Minor);
    let mapping = planted.seen.mappings.get(&(pid as u32, fault.first.place.mapping)).context("the owner's mapping")?;
    ensure!((mapping.map.start()..mapping.map.end()).contains(&(start as u64)), "{mapping:?}");
    Ok(())
}

fn an_access_that_is_refused_is_recorded_with_its_signal() -> Outcome {
    let _disk = Zram::disk("16M")?;
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open("/root/short")?;
    file.set_len(PAGE as u64)?;
    let _module = Module::load("")?;
    // No right; no mapping; no page.
    for (which, signal, code) in [(0, libc::SIGSEGV, 2), (1, libc::SIGSEGV, 1), (2, libc::SIGBUS, 2)] {
        let shared = Shared::new()?;
        let mut child = Child::spawn(|parent| {
            let length = NonZeroUsize::new(2 * PAGE).expect("not 0");
            let (prot, flags) = match which {
                2 => (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED),
                _ => (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE),
            };
            // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
            let start = unsafe { mmap(None, length, prot, flags, &file, 0) }.expect("a mapping").as_ptr().addr();
            let address = if which == 1 { 0x123 } else { start + PAGE + 9 };
            tell(&shared, 0, address);
            parent.wait();
            store(address);
        })?;
        let pid = child.pid();
        let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS).pids(&[pid]))?;
        child.go()?;
        let usage = child.wait()?;
        ensure!(usage.status == 128 + signal, "{usage:?}");
        tracing.stop()?;
        let seen = Seen::read(&mut tracing)?;
        let address = shared[0].load(Ordering::Acquire);
        let told = seen.signals.first().with_context(|| format!("no signal of {which}"))?;
        ensure!((i32::from(told.signal), i32::from(told.code)) == (signal, code), "{told:?}");
        ensure!(told.address == address && told.tid == pid as u32 && is_in(told.ip, STORE as usize), "{told:?}");
        let faults = seen.at(address as usize);
        if which == 2 {
            // This one got as far as the file, which has no such page. The kernel counts no such faults.
            let fault = faults.first().context("a fault")?;
            ensure!(fault.outcome == End::Failed && fault.kind() == FaultKind::Failed, "{fault:?}");
            ensure!(fault.results.contains(FaultResult::SIGBUS), "{fault:?}");
        } else {
            // The kernel sees it before anything is handled.
            ensure!(faults.is_empty(), "{faults:?}");
        }
    }
    Ok(())
}
