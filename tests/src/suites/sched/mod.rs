// SPDX-License-Identifier: GPL-2.0

//! `sched` as it is typed, with the real module.

mod inversions;
mod recordings;
mod tables;

use crate::programs::{json, program};
use crate::test::{Outcome, Test};
use anyhow::{ensure, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::child::Child;
use testkit::kernel;
use testkit::priority::{pin, real_time};
use testkit::running::Running;

/// The tests of `sched`.
pub fn tests() -> Vec<Test> {
    [tables::tests(), inversions::tests(), recordings::tests()].into_iter().flatten().collect()
}

/// Context switches by the hundred: a shell that starts programs.
pub const BUSY: [&str; 3] = ["sh", "-c", "i=0; while [ $i -lt 60 ]; do echo $i | cat >/dev/null; i=$((i+1)); done"];

/// `sched` with these words, and a command behind `--`.
pub fn sched(line: &str, command: &[&str]) -> Command {
    let mut sched = program("sched", line);
    if !command.is_empty() {
        sched.arg("--").args(command);
    }
    sched
}

/// A `sched` that has said that it traces.
pub fn tracing(line: &str) -> Result<Running> {
    let mut running = Running::start(&mut sched(line, &[]))?;
    let message = running.message()?;
    ensure!(message.contains("tracing"), "{message}");
    Ok(running)
}

/// The rows of one kind.
pub fn rows(text: &str, kind: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = text.lines().filter(|line| line.starts_with('{')).map(json).collect::<Result<_>>()?;
    Ok(all.into_iter().filter(|row| row["row"] == kind).collect())
}

pub fn nothing_lost(text: &str) -> Outcome {
    ensure!(text.contains("lost: 0 records"), "{text}");
    Ok(())
}

/// Ends it with SIGINT, and returns what it printed.
pub fn interrupted(running: Running) -> Result<String> {
    running.kill(Signal::SIGINT)?;
    let ended = running.end()?;
    ensure!(ended.status.success(), "{ended:?}");
    Ok(ended.stdout)
}

/// Keeps the CPU for so long.
pub fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// A process that is woken on CPU 0 while a real-time thread keeps that CPU for 80 ms. Returns the process when its wait
/// is over and it sleeps again.
pub fn planted_wait(while_traced: impl FnOnce(&Child) -> Result<()>) -> Result<Child> {
    let mut victim = Child::spawn(|parent| {
        pin(0).expect("CPU 0");
        parent.done();
        parent.wait();
        parent.done();
        parent.wait();
    })?;
    victim.wait_done()?;
    kernel::wait_until_asleep(victim.pid())?;
    while_traced(&victim)?;
    std::thread::scope(|scope| {
        let victim = &mut victim;
        let hog = scope.spawn(move || -> Result<()> {
            pin(0)?;
            real_time(50)?;
            victim.go()?;
            spin(Duration::from_millis(80));
            Ok(())
        });
        hog.join().expect("the hog")
    })?;
    victim.wait_done()?;
    kernel::wait_until_asleep(victim.pid())?;
    Ok(victim)
}
