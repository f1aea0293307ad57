// SPDX-License-Identifier: GPL-2.0

//! Numbers that are given again.

use super::rounds;
use crate::setting::Setting;
use crate::test::Outcome;
use abi::record::{Flags, SampleRecord, Totals};
use anyhow::{ensure, Context, Result};
use nix::sys::signal::Signal;
use testkit::child::{Child, Pages};
use testkit::device::Samples;
use testkit::kernel;
use testkit::module::Module;
use testkit::status;

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

pub fn a_reused_pid_is_another_process() -> Outcome {
    // A tick a second, so that the dead wait for their last record while the numbers go round.
    let _module = Module::load("rate_hz=1")?;
    let mut samples = Samples::from_here()?;
    // The kernel gives the numbers below 300 once only; so these are all there are.
    let _pid_max = Setting::new(PID_MAX, "332")?;
    let mut reused_before_the_final_record = 0;
    let mut registrations = vec![];
    for round in 0..rounds()?.min(200) {
        // The faults tell the two apart.
        let pages = 10 + (round % 50) as usize;
        let (pid, minor_faults) = live_and_die(pages)?;
        let next = namesake(pid)?;
        // At once: as a rule the dead one has not had its last record yet.
        status::register(pid).context("the new process is registered already?")?;
        status::unregister(pid)?;
        next.kill(Signal::SIGKILL)?;
        next.wait()?;

        let mut records = vec![];
        let finals =
            |records: &[SampleRecord]| records.iter().filter(|record| record.flags.contains(Flags::FINAL)).count();
        while finals(&records) < 2 {
            records.extend(samples.wait()?.into_iter().filter(|record| record.pid == pid));
        }
        let firsts: Vec<_> = records.iter().filter(|record| record.flags.contains(Flags::FIRST)).collect();
        ensure!(firsts.len() == 2 && firsts.iter().all(|record| record.totals == Totals::default()), "{firsts:#?}");
        let (old, new) = (firsts[0].registration, firsts[1].registration);
        ensure!(!registrations.contains(&old) && !registrations.contains(&new) && old != new, "a number twice");
        registrations.extend([old, new]);
        let last = |number| records.iter().rfind(|record| record.registration == number).context("a record");
        let (old, new) = (last(old)?, last(new)?);
        ensure!(old.flags.contains(Flags::FINAL | Flags::EXITED), "{old:?}");
        ensure!(new.flags.contains(Flags::FINAL) && !new.flags.contains(Flags::EXITED), "{new:?}");
        ensure!(
            old.totals.minor_faults == minor_faults,
            "{} faults, wait4 says {minor_faults}",
            old.totals.minor_faults
        );
        ensure!(new.totals.minor_faults == 0, "the dead one's {} faults", new.totals.minor_faults);
        reused_before_the_final_record += usize::from(firsts[1].sequence < old.sequence);
    }
    println!(
        "    {} numbers given again, {reused_before_the_final_record} of them before the dead one's final record",
        registrations.len() / 2
    );
    Ok(())
}

/// The number of a registered process that touched `pages` pages and died, and the minor faults since its registration.
fn live_and_die(pages: usize) -> Result<(i32, u64)> {
    let mut child = Child::spawn(|parent| {
        let memory = Pages::new(pages);
        parent.wait();
        memory.touch(0..pages);
    })?;
    let pid = child.pid();
    kernel::wait_until_asleep(pid)?;
    let (before, _) = kernel::faults(pid)?;
    status::register(pid)?;
    child.go()?;
    let usage = child.wait()?;
    ensure!(usage.minor_faults - before >= pages as u64);
    Ok((pid, usage.minor_faults - before))
}

/// A new process with the number `pid`, asleep.
fn namesake(pid: i32) -> Result<Child> {
    for _ in 0..1000 {
        let child = Child::idle()?;
        if child.pid() == pid {
            kernel::wait_until_asleep(pid)?;
            return Ok(child);
        }
    }
    anyhow::bail!("the number {pid} does not come again")
}
