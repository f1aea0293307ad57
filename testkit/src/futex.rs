// SPDX-License-Identifier: GPL-2.0

//! A lock of one word, with and without priority inheritance.
//!
//! glibc has both, but the `libc` crate has no way to ask for the second. This lock makes the system calls that glibc makes.

use std::sync::atomic::{AtomicU32, Ordering};

/// `FUTEX_LOCK_PI` and `FUTEX_UNLOCK_PI` of a word that is not shared between processes.
const LOCK_PI: i32 = libc::FUTEX_LOCK_PI | libc::FUTEX_PRIVATE_FLAG;
const UNLOCK_PI: i32 = libc::FUTEX_UNLOCK_PI | libc::FUTEX_PRIVATE_FLAG;
const WAIT: i32 = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
const WAKE: i32 = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;

/// The word of a plain lock.
const FREE: u32 = 0;
const LOCKED: u32 = 1;
const WAITED_FOR: u32 = 2;

/// A lock between threads of one process.
#[derive(Debug)]
pub struct FutexLock {
    word: AtomicU32,
    inherits: bool,
}

impl FutexLock {
    /// Without priority inheritance.
    pub fn plain() -> Self {
        FutexLock { word: AtomicU32::new(FREE), inherits: false }
    }

    /// The holder runs with the highest priority of those that wait.
    pub fn inheriting() -> Self {
        FutexLock { word: AtomicU32::new(FREE), inherits: true }
    }

    /// The address by which the kernel knows it.
    pub fn address(&self) -> usize {
        self.word.as_ptr() as usize
    }

    fn call(&self, operation: i32, value: u32) {
        let no_timeout = std::ptr::null::<libc::timespec>();
        // SAFETY: The word lives as long as this borrow; the kernel touches nothing else.
        unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), operation, value, no_timeout) };
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Takes the lock; waits while another thread has it.
    pub fn lock(&self) {
        if self.inherits {
            // The kernel writes the holder's thread ID, with a bit for waiters.
            let me = nix::unistd::gettid().as_raw() as u32;
            while !self.change(FREE, me) {
                self.call(LOCK_PI, 0);
                if self.word.load(Ordering::SeqCst) & libc::FUTEX_TID_MASK == me {
                    return;
                }
            }
        } else if !self.change(FREE, LOCKED) {
            while self.word.swap(WAITED_FOR, Ordering::SeqCst) != FREE {
                self.call(WAIT, WAITED_FOR);
            }
        }
    }

    /// Gives back a lock that this thread has.
    pub fn unlock(&self) {
        if self.inherits {
            let me = nix::unistd::gettid().as_raw() as u32;
            if !self.change(me, FREE) {
                self.call(UNLOCK_PI, 0);
            }
        } else if self.word.swap(FREE, Ordering::SeqCst) == WAITED_FOR {
            self.call(WAKE, 1);
        }
    }
}
