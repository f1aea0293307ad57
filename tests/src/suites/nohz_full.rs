// SPDX-License-Identifier: GPL-2.0

//! A CPU without timer interrupts: the guest has to be booted with `nohz_full=1`.

use crate::interrupts;
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::samples::Flags;
use anyhow::ensure;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::fs;
use testkit::child::{exit, Child};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![a_busy_process_on_a_tickless_cpu_is_seen_to_run_in_every_interval];

/// Ticks that are compared: 3 s at 20 Hz.
const TICKS: usize = 60;

fn a_busy_process_on_a_tickless_cpu_is_seen_to_run_in_every_interval() -> Outcome {
    let tickless = fs::read_to_string("/sys/devices/system/cpu/nohz_full").unwrap_or_default();
    if tickless.trim() != "1" {
        return Err(Skip("CPU 1 has timer interrupts (boot with nohz_full=1)").into());
    }
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let mut cpus = CpuSet::new();
        if cpus.set(1).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus)).is_err() {
            exit(7);
        }
        parent.wait();
        // In user mode: a system call is a reason for the kernel to start its timer again.
        loop {
            std::hint::spin_loop();
        }
    })?;
    child.go()?;
    status::register(child.pid())?;
    let mut records = vec![];
    // The first second is the CPU's to stop its timer in.
    while records.len() < 20 + TICKS {
        records.extend(samples.wait()?.into_iter().filter(|record| !record.flags.contains(Flags::FIRST)));
    }
    let before = interrupts::local_timers()?[1];
    let mut later = vec![];
    while later.len() < TICKS {
        later.extend(samples.wait()?);
    }
    let interrupts = interrupts::local_timers()?[1] - before;
    let (first, last) = (later[0], later[later.len() - 1]);
    let seconds = (last.time_ns - first.time_ns) as f64 / 1e9;
    println!("    {interrupts} timer interrupts of its CPU in {seconds:.1} s");
    let hz = samples.header.hz as f64;
    ensure!((interrupts as f64) < seconds * hz / 4.0, "the CPU was not tickless: {interrupts} in {seconds:.1} s");
    for pair in later.windows(2) {
        let ran_ns = pair[1].totals.cpu_ns() - pair[0].totals.cpu_ns();
        ensure!(ran_ns > 0, "nothing from tick {} to {}: {} ns", pair[0].tick, pair[1].tick, pair[1].totals.cpu_ns());
    }
    let ran_ns = last.totals.cpu_ns() - first.totals.cpu_ns();
    println!("    {:.1} % of a CPU", ran_ns as f64 / seconds / 1e7);
    Ok(())
}
