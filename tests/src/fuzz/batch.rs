// SPDX-License-Identifier: GPL-2.0

//! The processes of a batch: what they call, and running them.

use super::actor::{Actor, Process};
use super::call::{draw, Call};
use super::rules;
use crate::shared::Shared;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use nix::sys::signal::{killpg, Signal};
use nix::unistd::{setpgid, Pid};
use std::sync::atomic::Ordering;
use std::sync::Barrier;
use testkit::child::{exit, Child};
use work::random::SplitMix64;

/// Processes of a batch.
pub const PROCESSES: usize = 3;
/// Threads of each.
pub const THREADS: usize = 2;
/// Calls of each thread.
pub const CALLS: usize = 500;

/// A call, and who makes it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Process, from 0.
    pub process: usize,
    /// Thread of that, from 0.
    pub thread: usize,
    /// What it calls.
    pub call: Call,
}

/// The steps of batch `number` of `seed`: those of a thread are in order.
pub fn steps(seed: u64, number: u64) -> Vec<Step> {
    let mut steps = vec![];
    for process in 0..PROCESSES {
        for thread in 0..THREADS {
            // Every thread a generator of its own, seeded by one that knows batch and place.
            let place = number * (PROCESSES * THREADS) as u64 + (process * THREADS + thread) as u64;
            let mut random = SplitMix64::new(SplitMix64::new(seed).next_u64() ^ SplitMix64::new(place).next_u64());
            steps.extend((0..CALLS).map(|_| Step { process, thread, call: draw(&mut random) }));
        }
    }
    steps
}

/// Runs `steps`, all processes and threads at the same time, and returns how many calls were made.
///
/// # Errors
///
/// A process saw what must not be, and printed it.
pub fn run(steps: &[Step]) -> Result<u64> {
    let calls = Shared::new()?;
    let mut children = vec![];
    for process in 0..PROCESSES {
        let calls = &calls;
        children.push(Child::spawn(move |parent| {
            parent.wait();
            if let Err(error) = act(steps, process, calls) {
                println!("    process {process}: {error:#}");
                exit(40);
            }
        })?);
    }
    for child in &mut children {
        child.go()?;
    }
    let mut ended = vec![];
    for child in children {
        let group = Pid::from_raw(child.pid());
        ended.push(child.wait()?.status);
        // A child that was stopped before it could ask to die with its parent would be there for ever, and hold what it has
        // open. Where no process is left there is no such group.
        let _ = killpg(group, Signal::SIGKILL);
    }
    let killed = 128 + Signal::SIGKILL as i32;
    ensure!(ended.iter().all(|status| [0, killed].contains(status)), "the processes ended with {ended:?}");
    Ok(calls[0].load(Ordering::Relaxed))
}

/// The life of one process.
fn act(steps: &[Step], number: usize, calls: &Shared) -> Result<()> {
    // All that it forks can be told apart, and ended.
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    // A core of each that dies of a signal would be written for nothing.
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    // A thread that ends before the others would have them wait for ever.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        exit(101);
    }));
    let process = Process::new();
    let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let odd: Vec<Option<(Step, Errno)>> = std::thread::scope(|scope| {
        let (process, begin, end) = (&process, &begin, &end);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut actor = Actor::new(process);
                    let mut odd = None;
                    // From here on only steps map memory.
                    begin.wait();
                    for step in steps.iter().filter(|step| (step.process, step.thread) == (number, thread)) {
                        calls[0].fetch_add(1, Ordering::Relaxed);
                        match actor.call(step.call) {
                            Err(errno) if !rules::may_answer(step.call, errno) => odd = Some((*step, errno)),
                            _ => {}
                        }
                    }
                    end.wait();
                    odd
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    process.end();
    if let Some((step, errno)) = odd.into_iter().flatten().next() {
        anyhow::bail!("{:?}: {errno} is no answer", step.call);
    }
    rules::mappings(&std::fs::read_to_string("/proc/self/maps")?)
}
