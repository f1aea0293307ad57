// SPDX-License-Identifier: GPL-2.0

//! What is compared: a process when it was registered, its records, and what `wait4` says at its end.

use crate::test::Outcome;
use abi::record::{Flags, SampleRecord, Totals};
use anyhow::{ensure, Context, Result};
use testkit::child::{Child, Parent, Usage};
use testkit::device::Samples;
use testkit::{kernel, status};

/// A process when it was registered.
pub struct Before {
    /// Its ID.
    pub pid: i32,
    /// Its minor and major faults by then.
    pub faults: (u64, u64),
    /// Its run time by then, ns.
    pub runtime_ns: u64,
}

impl Before {
    /// Registers a child that sleeps, so that its counters stand still meanwhile.
    pub fn register(child: &Child) -> Result<Self> {
        let pid = child.pid();
        kernel::wait_until_asleep(pid)?;
        let before = Before { pid, faults: kernel::faults(pid)?, runtime_ns: kernel::runtime_ns(pid)? };
        status::register(pid)?;
        Ok(before)
    }

    /// Compares the last record with what `wait4` said of the whole life.
    pub fn compare(&self, records: &[SampleRecord], usage: &Usage) -> Outcome {
        check_series(records)?;
        let last = records.last().context("a record")?;
        ensure!(last.flags.contains(Flags::FINAL | Flags::EXITED), "{:?}", last.flags);
        ensure!(last.pid == self.pid);
        let totals = last.totals;
        ensure!(totals.minor_faults == usage.minor_faults - self.faults.0, "{totals:?} {usage:?}");
        ensure!(totals.major_faults == usage.major_faults - self.faults.1, "{totals:?} {usage:?}");
        usage.compare_cpu(totals.cpu_ns(), self.runtime_ns)?;
        Ok(())
    }
}

/// What is true of every sequence of records of one registration.
pub fn check_series(records: &[SampleRecord]) -> Outcome {
    let first = records.first().context("records")?;
    ensure!(first.flags.contains(Flags::FIRST) && first.totals == Totals::default());
    for (n, pair) in records.windows(2).enumerate() {
        let (earlier, later) = (&pair[0], &pair[1]);
        ensure!(earlier.registration == later.registration && earlier.pid == later.pid);
        ensure!(earlier.sequence < later.sequence && earlier.time_ns <= later.time_ns && earlier.tick <= later.tick);
        ensure!(later.totals.at_least(&earlier.totals) == later.totals, "a total fell: {earlier:?} {later:?}");
        ensure!(!earlier.flags.contains(Flags::FINAL) && !later.flags.contains(Flags::FIRST), "record {n}");
    }
    Ok(())
}

/// A registered process from its first step to its end.
#[derive(Debug)]
pub struct Life {
    /// All of its records.
    pub records: Vec<SampleRecord>,
    /// What `wait4` said.
    pub usage: Usage,
}

impl Life {
    /// Lives `body`, which first calls [`Parent::wait`] to be registered, and compares its records with `wait4`.
    pub fn live(body: impl FnOnce(&mut Parent)) -> Result<Self> {
        let mut samples = Samples::from_here()?;
        let mut child = Child::spawn(body)?;
        let before = Before::register(&child)?;
        child.go()?;
        child.wait_dead()?;
        let records = samples.until_final(before.pid)?;
        let usage = child.wait()?;
        before.compare(&records, &usage)?;
        Ok(Life { records, usage })
    }

    /// What was recorded of the whole of it, from its registration on.
    pub fn totals(&self) -> Totals {
        self.records.last().map_or_else(Totals::default, |record| record.totals)
    }
}
