// SPDX-License-Identifier: GPL-2.0

//! Processes under test: children whose steps the test controls.

use anyhow::{bail, ensure, Result};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitid, Id, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, pipe, ForkResult, Pid};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// A child that sleeps until it is told to go, runs its body, and exits with 0.
pub struct Child {
    pid: Pid,
    go: File,
    done: File,
    reaped: bool,
}

/// The child's ends of the pipes.
pub struct Parent {
    go: File,
    done: File,
}

impl Parent {
    /// Of two descriptors that were handed over.
    pub fn new(go: File, done: File) -> Self {
        Parent { go, done }
    }

    /// Has both go through `execve`, and returns their numbers.
    pub fn keep_over_exec(&self) -> (i32, i32) {
        let keep = |file: &File| {
            // SAFETY: Clears the close-on-exec flag of a descriptor that is ours.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
            file.as_raw_fd()
        };
        (keep(&self.go), keep(&self.done))
    }

    /// Sleeps until the parent calls [`Child::go`]; ends the process if there is no parent any more.
    pub fn wait(&mut self) {
        let mut byte = [0];
        if self.go.read(&mut byte).unwrap_or(0) == 0 {
            exit(9);
        }
    }

    /// Wakes the parent up, which waits in [`Child::wait_done`].
    pub fn done(&mut self) {
        if self.done.write(&[1]).is_err() {
            exit(9);
        }
    }
}

/// What `wait4` reports.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// As the shell sees it: the exit status, or 128 and the signal.
    pub status: i32,
    /// Minor faults.
    pub minor_faults: u64,
    /// Major faults.
    pub major_faults: u64,
    /// User and system time together, ns, in steps of 1000.
    pub cpu_ns: u64,
    /// The most memory that was resident at a time, KiB.
    pub max_resident_kib: u64,
}

impl Child {
    /// Forks a child for `body`. It has nothing but this thread.
    pub fn spawn(body: impl FnOnce(&mut Parent)) -> Result<Self> {
        let (go_read, go_write) = pipe()?;
        let (done_read, done_write) = pipe()?;
        // SAFETY: The test program has one thread when it forks.
        match unsafe { fork()? } {
            ForkResult::Parent { child } => {
                Ok(Child { pid: child, go: go_write.into(), done: done_read.into(), reaped: false })
            }
            ForkResult::Child => {
                // Else the pipe would never end, because we hold its other end ourselves.
                drop::<(OwnedFd, OwnedFd)>((go_write, done_read));
                let mut parent = Parent { go: go_read.into(), done: done_write.into() };
                // A panic ends the child. Unwound any farther, it would go on with the parent's tests.
                let outcome = catch_unwind(AssertUnwindSafe(|| body(&mut parent)));
                exit(if outcome.is_ok() { 0 } else { 101 });
            }
        }
    }

    /// A child that does nothing until it is killed or let go.
    pub fn idle() -> Result<Self> {
        Self::spawn(|parent| parent.wait())
    }

    /// Its process ID.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Lets it pass one [`Parent::wait`].
    pub fn go(&mut self) -> Result<()> {
        Ok(self.go.write_all(&[1])?)
    }

    /// Waits for its [`Parent::done`].
    pub fn wait_done(&mut self) -> Result<()> {
        if self.done.read(&mut [0])? == 0 {
            bail!("the child ended before it was done");
        }
        Ok(())
    }

    /// Sends a signal.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid, signal)?)
    }

    /// Waits until it is dead, and leaves it a zombie.
    pub fn wait_dead(&self) -> Result<()> {
        waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
        Ok(())
    }

    /// Waits until it is stopped (true) or dead (false), and leaves it a zombie.
    pub fn wait_stopped_or_dead(&self) -> Result<bool> {
        // A stop is consumed, or it would be reported again after it is over; a death is not.
        loop {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
            match waitid(Id::Pid(self.pid), flags)? {
                WaitStatus::Stopped(..) => {
                    let stopped = waitid(Id::Pid(self.pid), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG)?;
                    if matches!(stopped, WaitStatus::Stopped(..)) {
                        return Ok(true);
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    /// Waits until it is dead, reaps it, and returns what it used.
    pub fn wait(mut self) -> Result<Usage> {
        self.reaped = true;
        wait4(self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = wait4(self.pid);
        }
    }
}

/// `wait4(2)`, which nix does not have.
pub fn wait4(pid: Pid) -> Result<Usage> {
    let mut status = 0;
    // SAFETY: A plain C structure, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: Both pointers are to locals of the right type.
        let result = unsafe { libc::wait4(pid.as_raw(), &mut status, 0, &mut usage) };
        if result == pid.as_raw() {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    Ok(Usage {
        status: if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) },
        minor_faults: usage.ru_minflt as u64,
        major_faults: usage.ru_majflt as u64,
        cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime),
        max_resident_kib: usage.ru_maxrss as u64,
    })
}

/// How far CPU time by the final record and by `wait4` may lie apart, ns.
///
/// Both read the counters of a process whose last thread is a zombie. That thread is still on its way to its last context switch,
/// and its run time is brought up to date at timer ticks and context switches only: whichever of the two looked first may miss
/// what the thread has run since the last one. That is at most one jiffy, of Debian's HZ=250.
const LAST_JIFFY_NS: u64 = 4_000_000;

/// `wait4` rounds user and system time down to 1 us each.
const ROUNDING_NS: u64 = 2_000;

/// How far CPU time by the final record and by `wait4` may lie apart, with `wait4`'s rounding, ns.
pub const CPU_BOUND_NS: u64 = LAST_JIFFY_NS + ROUNDING_NS;

impl Usage {
    /// Compares CPU time that was recorded with what `wait4` reports, less what had been used before; returns the difference, ns.
    ///
    /// The bound holds where the guest's clock counts instructions (`MP3_EXACT_CLOCK`): elsewhere an emulated processor that the
    /// host does not run seems to the guest to be running all the while, and a jiffy may last as long as the host likes.
    pub fn compare_cpu(&self, recorded_ns: u64, before_ns: u64) -> Result<u64> {
        let used_ns = self.cpu_ns.saturating_sub(before_ns);
        let apart_ns = used_ns.abs_diff(recorded_ns);
        if std::env::var_os("MP3_EXACT_CLOCK").is_some() {
            ensure!(apart_ns <= CPU_BOUND_NS, "{recorded_ns} ns recorded, {used_ns} by wait4");
        }
        Ok(apart_ns)
    }
}

/// Ends a forked child without the parent's destructors and buffers.
pub fn exit(status: i32) -> ! {
    // SAFETY: Always callable.
    unsafe { libc::_exit(status) }
}

/// Memory of `pages` pages of 4 KiB that has not been touched.
pub struct Pages {
    start: *mut u8,
    count: usize,
}

impl Pages {
    /// Bytes in a page.
    pub const BYTES: usize = 4096;

    /// Maps them.
    pub fn new(count: usize) -> Self {
        let bytes = count * Self::BYTES;
        // SAFETY: A new private mapping, at an address of the kernel's choice.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: The mapping is ours. Huge pages would make one fault of 512.
        unsafe { libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE) };
        Pages { start: start.cast(), count }
    }

    /// Where they begin.
    pub fn address(&self) -> usize {
        self.start.addr()
    }

    /// Pushes them out to swap, as far as the kernel does it.
    pub fn page_out(&self) {
        // SAFETY: The mapping is ours, and keeps its contents.
        unsafe { libc::madvise(self.start.cast(), self.count * Self::BYTES, libc::MADV_PAGEOUT) };
    }

    /// Stores a byte into each page of `range`: a minor fault for every one that is new.
    pub fn touch(&self, range: std::ops::Range<usize>) {
        assert!(range.end <= self.count);
        for page in range {
            // SAFETY: Inside of the mapping.
            unsafe { self.start.add(page * Self::BYTES).write_volatile(1) };
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: The mapping is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.cast(), self.count * Self::BYTES) };
    }
}

// SAFETY: The pages belong to no thread.
unsafe impl Send for Pages {}
// SAFETY: All accesses are stores of the same byte.
unsafe impl Sync for Pages {}
