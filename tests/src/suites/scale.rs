// SPDX-License-Identifier: GPL-2.0

//! 10,000 processes.

use crate::child::exit;
use crate::device::Samples;
use crate::harness::Outcome;
use crate::module::Module;
use crate::{status, tests};
use abi::record::Flags;
use anyhow::{ensure, Result};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::collections::HashSet;

tests![ten_thousand_processes];

const PROCESSES: usize = 10_000;

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

    /// Kills and buries the last `count`.
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

fn ten_thousand_processes() -> Outcome {
    // 26 ticks of all of them fit into the ring: 13 seconds between two reads.
    let _module = Module::load("rate_hz=2 ring_records=262144")?;
    let mut samples = Samples::from_here()?;
    let mut crowd = Crowd::new(PROCESSES)?;
    // As many lines in a write as go into a page.
    let lines: Vec<_> = crowd.pids().iter().map(|pid| format!("R {pid}\n")).collect();
    for lines in lines.chunks(200) {
        let input = lines.concat();
        ensure!(status::write(input.as_bytes()) == Ok(input.len()));
    }
    let listed: HashSet<_> = status::read()?.into_iter().map(|(pid, _)| pid).collect();
    ensure!(listed == crowd.pids().iter().map(|pid| pid.as_raw()).collect());

    // Half of them die; each says so, once.
    let mut dead = HashSet::new();
    let mut finals = HashSet::new();
    while finals.len() < PROCESSES / 2 {
        if dead.len() < PROCESSES / 2 {
            dead.extend(crowd.kill(250)?.into_iter().map(Pid::as_raw));
        }
        for record in samples.wait()? {
            if record.flags.contains(Flags::FINAL) {
                ensure!(record.flags.contains(Flags::EXITED) && dead.contains(&record.pid), "{record:?}");
                ensure!(finals.insert(record.pid), "twice");
            }
        }
        ensure!(samples.reader.lost() == 0, "the reader was too slow for this test");
    }
    ensure!(status::read()?.len() == PROCESSES - dead.len());
    for pid in crowd.pids() {
        status::unregister(pid.as_raw())?;
    }
    ensure!(status::read()?.is_empty());
    Ok(())
}
