// SPDX-License-Identifier: GPL-2.0

//! Thousands of idle processes.

use crate::child::exit;
use anyhow::Result;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// Processes that only wait for their end, cheaply: they share the parent's memory, and each has a stack of a page.
pub struct Crowd {
    pids: Vec<Pid>,
    _stacks: Vec<u8>,
}

impl Crowd {
    const STACK: usize = 4096;

    /// Forks `count` of them.
    pub fn new(count: usize) -> Result<Self> {
        let mut crowd = Crowd { pids: Vec::with_capacity(count), _stacks: vec![0; (count + 1) * Self::STACK] };
        let stacks = crowd._stacks.as_mut_ptr().addr().next_multiple_of(4096);
        for n in 0..count {
            let top = (stacks + (n + 1) * Self::STACK) & !0xf;
            // SAFETY: The child shares our memory. It runs on a stack of its own, which outlives it, touches nothing but
            // that, and ends by a system call.
            let pid = unsafe {
                libc::clone(pause_for_ever, top as *mut _, libc::CLONE_VM | libc::SIGCHLD, std::ptr::null_mut())
            };
            nix::errno::Errno::result(pid)?;
            crowd.pids.push(Pid::from_raw(pid));
        }
        Ok(crowd)
    }

    /// Their process IDs.
    pub fn pids(&self) -> &[Pid] {
        &self.pids
    }

    /// Kills and reaps the last `count`.
    pub fn kill(&mut self, count: usize) -> Result<Vec<Pid>> {
        let dead = self.pids.split_off(self.pids.len().saturating_sub(count));
        for pid in &dead {
            kill(*pid, Signal::SIGKILL)?;
        }
        for pid in &dead {
            waitpid(*pid, None)?;
        }
        Ok(dead)
    }
}

extern "C" fn pause_for_ever(_: *mut libc::c_void) -> i32 {
    loop {
        // SAFETY: Always callable.
        if unsafe { libc::syscall(libc::SYS_pause) } == 0 {
            exit(0);
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.kill(usize::MAX);
    }
}
