// SPDX-License-Identifier: GPL-2.0

//! Thousands of registered processes, of which half die at any time.

use super::{processes, seconds};
use crate::test::Outcome;
use abi::record::{Flags, SampleRecord};
use anyhow::{ensure, Context, Result};
use nix::unistd::Pid;
use std::collections::{HashMap, HashSet};
use std::time::Instant;
use testkit::child::Child;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

/// What the records of all registrations say so far.
#[derive(Default)]
struct Ledger {
    /// By number of registration: the process, for those whose final record has not come.
    open: HashMap<u64, i32>,
    finals: u64,
}

impl Ledger {
    fn enter(&mut self, record: &SampleRecord, alive: &HashSet<i32>) -> Result<()> {
        let (number, pid) = (record.registration, record.pid);
        if record.flags.contains(Flags::FIRST) {
            ensure!(self.open.insert(number, pid).is_none(), "a second FIRST: {record:?}");
        }
        ensure!(self.open.get(&number) == Some(&pid), "no such registration, or its FINAL was before: {record:?}");
        if record.flags.contains(Flags::FINAL) {
            self.open.remove(&number);
            self.finals += 1;
            ensure!(record.flags.contains(Flags::EXITED) && !alive.contains(&pid), "not dead: {record:?}");
        }
        Ok(())
    }

    fn read(&mut self, samples: &mut Samples, alive: &HashSet<i32>) -> Result<()> {
        for record in samples.wait()? {
            self.enter(&record, alive)?;
        }
        ensure!(samples.reader.lost() == 0, "the reader was too slow for this test");
        Ok(())
    }

    /// The processes whose final record has not come.
    fn pids(&self) -> HashSet<i32> {
        self.open.values().copied().collect()
    }
}

pub fn half_of_them_die_all_the_time() -> Outcome {
    let duration = seconds()?;
    let half = processes()? / 2;
    // 26 ticks of 10,000 fit into the ring: 13 seconds between two reads.
    let _module = Module::load("rate_hz=2 ring_records=262144")?;
    let mut samples = Samples::from_here()?;
    // Another process reads the list all the time.
    let _lister = Child::spawn(|_| loop {
        let listed = status::read().expect("a list");
        let pids: HashSet<_> = listed.iter().map(|(pid, _)| pid).collect();
        assert_eq!(pids.len(), listed.len(), "a process is listed twice");
    })?;
    let mut ledger = Ledger::default();
    let mut staying = register(half)?;
    let mut dying = register(half)?;
    let begun = Instant::now();
    let mut deaths = 0;
    let mut rounds = 0;
    while rounds == 0 || begun.elapsed() < duration {
        ledger.read(&mut samples, &alive(&staying, &dying))?;
        // In pieces, so that ticks fall in between.
        let mut dead = HashSet::new();
        while !dying.pids().is_empty() {
            dead.extend(dying.kill(half.div_ceil(10))?.into_iter().map(Pid::as_raw));
            ledger.read(&mut samples, &alive(&staying, &dying))?;
        }
        deaths += dead.len();
        // All of the living are listed, and of the dead none that has had its final record.
        let listed: HashSet<_> = status::read()?.into_iter().map(|(pid, _)| pid).collect();
        ensure!(staying.pids().iter().all(|pid| listed.contains(&pid.as_raw())), "a living process is not listed");
        let open = ledger.pids();
        while ledger.open.len() > half {
            ledger.read(&mut samples, &alive(&staying, &dying))?;
        }
        ensure!(listed.iter().all(|pid| open.contains(pid)), "listed after its final record");
        ensure!(ledger.pids() == staying.pids().iter().map(|pid| pid.as_raw()).collect(), "not the living are left");
        dying = std::mem::replace(&mut staying, register(half)?);
        rounds += 1;
    }
    ensure!(ledger.finals == deaths as u64);
    println!(
        "    {deaths} deaths among {} registered in {:.0} s, a final record each",
        2 * half,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

fn alive(one: &Crowd, other: &Crowd) -> HashSet<i32> {
    one.pids().iter().chain(other.pids()).map(|pid| pid.as_raw()).collect()
}

fn register(count: usize) -> Result<Crowd> {
    let crowd = Crowd::new(count)?;
    for pids in crowd.pids().chunks(200) {
        let lines: String = pids.iter().map(|pid| format!("R {pid}\n")).collect();
        let written = status::write(lines.as_bytes()).context("registering the crowd")?;
        ensure!(written == lines.len(), "only {written} bytes of {} were carried out", lines.len());
    }
    Ok(crowd)
}
