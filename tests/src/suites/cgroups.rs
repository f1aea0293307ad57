// SPDX-License-Identifier: GPL-2.0

//! Processes whose resources are limited by a control group.

use crate::before::Before;
use crate::cgroup::Cgroup;
use crate::test::Outcome;
use crate::tests;
use crate::zram::Zram;
use anyhow::ensure;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use testkit::child::{Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;

tests![
    a_process_killed_for_its_memory_is_counted_to_the_end,
    a_memory_limit_makes_major_faults,
    a_frozen_process_stands_still_and_goes_on,
    a_cpu_quota_shows_as_time_in_the_queue,
];

fn a_process_killed_for_its_memory_is_counted_to_the_end() -> Outcome {
    let group = Cgroup::new(&["memory"])?;
    group.set("memory.max", 16 << 20)?;
    group.set("memory.swap.max", 0)?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(20_000);
        parent.wait();
        pages.touch(0..20_000);
    })?;
    group.take(child.pid())?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(before.pid)?;
    let usage = child.wait()?;
    ensure!(usage.status == 128 + Signal::SIGKILL as i32, "{usage:?}");
    ensure!(group.number("memory.events", "oom_kill")? == 1);
    ensure!(records[records.len() - 1].totals.minor_faults > 1000, "{records:?}");
    before.compare(&records, &usage)
}

fn a_memory_limit_makes_major_faults() -> Outcome {
    const PAGES: usize = 8_000;
    let _swap = Zram::swap()?;
    let group = Cgroup::new(&["memory"])?;
    group.set("memory.max", 16 << 20)?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(PAGES);
        parent.wait();
        // Twice as much as it may have, so that the second round finds most of it in swap.
        pages.touch(0..PAGES);
        pages.touch(0..PAGES);
    })?;
    group.take(child.pid())?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(before.pid)?;
    let usage = child.wait()?;
    ensure!(usage.status == 0, "{usage:?}");
    let last = records[records.len() - 1];
    ensure!(last.totals.major_faults > 100, "{last:?}");
    before.compare(&records, &usage)
}

fn a_frozen_process_stands_still_and_goes_on() -> Outcome {
    let group = Cgroup::new(&[])?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(100_000);
        parent.wait();
        for page in 0.. {
            pages.touch(page % 100_000..page % 100_000 + 1);
        }
    })?;
    group.take(child.pid())?;
    let before = Before::register(&child)?;
    child.go()?;
    let mut records = vec![];
    for _ in 0..3 {
        group.freeze(true)?;
        // A tick may have begun before the process was frozen; those behind it have not.
        records.extend(samples.read()?);
        let from = records.len() + 1;
        while records.len() < from + 4 {
            records.extend(samples.wait()?);
        }
        let frozen = &records[from..];
        ensure!(frozen.windows(2).all(|pair| pair[0].totals == pair[1].totals), "{frozen:#?}");
        group.freeze(false)?;
        let stood = records[records.len() - 1].totals;
        while records[records.len() - 1].totals.minor_faults == stood.minor_faults {
            records.extend(samples.wait()?);
        }
    }
    // Frozen processes can be killed.
    group.freeze(true)?;
    child.kill(Signal::SIGKILL)?;
    child.wait_dead()?;
    records.extend(samples.until_final(before.pid)?);
    let usage = child.wait()?;
    group.wait_until_empty()?;
    before.compare(&records, &usage)
}

fn a_cpu_quota_shows_as_time_in_the_queue() -> Outcome {
    let group = Cgroup::new(&["cpu"])?;
    // 5 ms of every 50.
    group.set("cpu.max", "5000 50000")?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(500) {
            std::hint::spin_loop();
        }
    })?;
    group.take(child.pid())?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(before.pid)?;
    let usage = child.wait()?;
    let throttled = group.number("cpu.stat", "nr_throttled")?;
    let totals = records[records.len() - 1].totals;
    ensure!(throttled > 0 && totals.run_delay_ns > 0, "{throttled} times throttled; {totals:?}");
    println!(
        "    throttled {throttled} times; {} ms run, {} ms in the queue",
        totals.cpu_ns() / 1_000_000,
        totals.run_delay_ns / 1_000_000
    );
    before.compare(&records, &usage)
}
