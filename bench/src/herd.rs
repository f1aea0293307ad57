// SPDX-License-Identifier: GPL-2.0

//! Processes that sleep until the benchmark makes them run, fault and switch.

use crate::clock;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, ForkResult, Pid};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::child::exit;

const PAGE: usize = 4096;
/// A thread needs its stack for nothing but system calls.
const STACK: usize = 2 * PAGE;
/// Threads that are not ready by then will not be, ns.
const PATIENCE_NS: u64 = 600_000_000_000;

/// What they share.
struct Shared {
    /// Rises with every [`Herd::stir`].
    round: AtomicU32,
    /// Threads that have done what this round asks for.
    done: AtomicU32,
}

/// Processes, each with an address space of its own. Dropping it kills them.
pub struct Herd {
    pids: Vec<Pid>,
    threads: usize,
    shared: *mut Shared,
}

impl Herd {
    /// Forks `processes` with `threads` threads each, and waits until all of them sleep.
    pub fn new(processes: usize, threads: usize) -> Result<Self> {
        let shared = map(PAGE, libc::MAP_SHARED)?.cast::<Shared>();
        let mut herd = Herd { pids: Vec::with_capacity(processes), threads, shared };
        for _ in 0..processes {
            // SAFETY: This process has one thread. The child allocates nothing: it calls the kernel, and ends with its signal.
            match unsafe { fork()? } {
                ForkResult::Parent { child } => herd.pids.push(child),
                ForkResult::Child => live(shared, threads),
            }
        }
        // Each thread counts itself when it is there.
        herd.wait_done(processes * threads)?;
        herd.stir()?;
        Ok(herd)
    }

    /// Their process IDs.
    pub fn pids(&self) -> Vec<i32> {
        self.pids.iter().map(|pid| pid.as_raw()).collect()
    }

    /// Has each thread run, take a minor fault and go to sleep again.
    pub fn stir(&mut self) -> Result<()> {
        let shared = self.shared();
        shared.done.store(0, Ordering::Release);
        shared.round.fetch_add(1, Ordering::Release);
        futex(&shared.round, libc::FUTEX_WAKE, i32::MAX as u32);
        self.wait_done(self.pids.len() * self.threads)
    }

    fn wait_done(&self, threads: usize) -> Result<()> {
        let deadline = clock::now_ns() + PATIENCE_NS;
        while self.shared().done.load(Ordering::Acquire) != threads as u32 {
            ensure!(clock::now_ns() < deadline, "not all of the processes answer");
            // They have no order, so each would have to wake us: looking every millisecond costs less.
            clock::sleep_until(clock::now_ns() + 1_000_000);
        }
        // The last ones may still be on their way to their sleep.
        clock::sleep_until(clock::now_ns() + 1_000_000);
        Ok(())
    }

    fn shared(&self) -> &Shared {
        // SAFETY: The mapping is ours until we are dropped, and holds atomics, for which zeros are valid.
        unsafe { &*self.shared }
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        for pid in &self.pids {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        for pid in &self.pids {
            let _ = waitpid(*pid, None);
        }
        // SAFETY: The mapping is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.shared.cast(), PAGE) };
    }
}

/// The rest of a child's life: its other threads, and its own turn.
fn live(shared: *mut Shared, threads: usize) -> ! {
    // SAFETY: Always callable. Nothing of a measurement outlives it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    for _ in 1..threads {
        let Ok(stack) = map(STACK, libc::MAP_PRIVATE) else { exit(1) };
        let flags = libc::CLONE_VM
            | libc::CLONE_THREAD
            | libc::CLONE_SIGHAND
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SYSVSEM;
        // SAFETY: The thread has a stack of its own, which is never freed, has the thread-local data of the first one, and uses none of it but errno.
        let tid = unsafe { libc::clone(member, stack.add(STACK).cast(), flags, shared.cast()) };
        if tid < 0 {
            exit(1);
        }
    }
    member(shared.cast());
    exit(0)
}

/// What each thread does.
extern "C" fn member(shared: *mut libc::c_void) -> i32 {
    // SAFETY: The mapping lives as long as the processes, and holds atomics.
    let shared = unsafe { &*shared.cast::<Shared>() };
    let Ok(page) = map(PAGE, libc::MAP_PRIVATE) else { return 1 };
    let mut seen = shared.round.load(Ordering::Acquire);
    shared.done.fetch_add(1, Ordering::AcqRel);
    loop {
        while shared.round.load(Ordering::Acquire) == seen {
            futex(&shared.round, libc::FUTEX_WAIT, seen);
        }
        seen = shared.round.load(Ordering::Acquire);
        // SAFETY: The page is ours. It is given back, so the store takes a minor fault.
        unsafe {
            libc::syscall(libc::SYS_madvise, page, PAGE, libc::MADV_DONTNEED);
            page.write_volatile(1);
        }
        shared.done.fetch_add(1, Ordering::AcqRel);
    }
}

fn futex(word: &AtomicU32, operation: i32, value: u32) {
    let no_timeout = ptr::null::<libc::timespec>();
    // SAFETY: The word is valid, and there is no timeout. All threads of a process share one errno, which nothing reads.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_timeout) };
}

/// New memory.
fn map(bytes: usize, sharing: i32) -> Result<*mut u8, Errno> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: A new mapping, at an address of the kernel's choice.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, sharing | libc::MAP_ANONYMOUS, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(start.cast())
}
