// SPDX-License-Identifier: GPL-2.0

//! 10,000 processes.

use crate::test::Outcome;
use crate::tests;
use abi::record::Flags;
use anyhow::ensure;
use nix::unistd::Pid;
use std::collections::HashSet;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![ten_thousand_processes];

const PROCESSES: usize = 10_000;

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
