// SPDX-License-Identifier: GPL-2.0

//! Two processes that hand a byte to and fro through pipes.
//!
//! A hand-over is one wake-up, by `write`, and one switch, since the other process has nothing to do but to `read`. What a
//! tracer adds to a hand-over, it adds to one of each.

use crate::clock;
use anyhow::Result;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::{pipe, Pid};
use std::fs::File;
use std::io::{Read, Write};
use testkit::child::{exit, Child};

/// This process and one that hands each byte back.
pub struct Pair {
    _partner: Child,
    there: File,
    back: File,
}

impl Pair {
    /// This process on the first CPU from now on, and its partner on CPU `partner`.
    pub fn new(partner: usize) -> Result<Self> {
        let (from_us, there) = pipe()?;
        let (back, to_us) = pipe()?;
        let (mut from_us, mut to_us) = (File::from(from_us), File::from(to_us));
        let child = Child::spawn(move |parent| {
            pin(partner).expect("a CPU for the partner");
            parent.done();
            let mut byte = [0];
            loop {
                if from_us.read(&mut byte).unwrap_or(0) == 0 || to_us.write(&byte).is_err() {
                    exit(0);
                }
            }
        });
        let mut child = child?;
        child.wait_done()?;
        pin(0)?;
        Ok(Pair { _partner: child, there: there.into(), back: back.into() })
    }

    /// Hands over `count` times, an even number.
    pub fn hand_over(&mut self, count: u32) -> Result<()> {
        for _ in 0..count / 2 {
            self.there.write_all(&[1])?;
            self.back.read_exact(&mut [0])?;
        }
        Ok(())
    }

    /// What a hand-over takes: in each of `runs` runs of `count` hand-overs, after one that does not count.
    pub fn cost(&mut self, runs: usize, count: u32) -> Result<Vec<f64>> {
        self.hand_over(count)?;
        (0..runs).map(|_| Ok(clock::time(|| self.hand_over(count))? / f64::from(count))).collect()
    }

    /// Hands over `per_second` times a second, in bursts of 10 ms, for `seconds`. Returns how many there were.
    pub fn hand_over_at(&mut self, per_second: u32, seconds: u32) -> Result<u32> {
        let mut deadline = clock::now_ns();
        let bursts = seconds * 100;
        for _ in 0..bursts {
            self.hand_over(per_second / 100)?;
            deadline += 10_000_000;
            clock::sleep_until(deadline);
        }
        Ok(bursts * (per_second / 100))
    }
}

/// This process runs on `cpu` alone.
fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
