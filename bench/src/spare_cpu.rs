// SPDX-License-Identifier: GPL-2.0

//! How much CPU time is left over: a process of the lowest priority takes all of it, and counts.
//!
//! Whatever runs beside it, in a process, a kernel thread or an interrupt, is missing from the count. No accounting is
//! involved that could leave something out.

use crate::clock;
use anyhow::Result;
use nix::unistd::pipe;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use testkit::child::Child;

/// How many rounds of its loop such a process makes in `span_ns`, with SCHED_IDLE, on whatever CPU it is given.
pub fn rounds_in(span_ns: u64) -> Result<u64> {
    let (read, write) = pipe()?;
    let (mut read, mut write) = (File::from(read), File::from(write));
    let mut child = Child::spawn(move |parent| {
        idle_priority();
        parent.wait();
        let end = clock::now_ns() + span_ns;
        let mut rounds = 0_u64;
        while clock::now_ns() < end {
            for _ in 0..1000 {
                rounds = black_box(rounds + 1);
            }
        }
        let _ = write.write_all(&rounds.to_ne_bytes());
    })?;
    child.go()?;
    let mut bytes = [0; 8];
    read.read_exact(&mut bytes)?;
    child.wait()?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A process that runs until it is ended, with the ordinary priority.
pub fn busy() -> Result<Child> {
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let mut rounds = 0_u64;
        loop {
            rounds = black_box(rounds.wrapping_add(1));
        }
    })?;
    child.go()?;
    Ok(child)
}

fn idle_priority() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: The pointer is to a local of the right type.
    let failed = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameters) };
    assert_eq!(failed, 0, "SCHED_IDLE");
}
