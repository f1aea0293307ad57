// SPDX-License-Identifier: GPL-2.0

//! `F <PID>`: a process and all descendants that it will have.

use super::commands::as_user;
use super::rights::child_that_gains_rights;
use crate::programs::{json, number, program};
use crate::test::Outcome;
use crate::tests;
use abi::header::word;
use abi::samples::{Flags, SampleRecord};
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use std::collections::BTreeMap;
use testkit::child::{exit, Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::running::run;
use testkit::{kernel, status};

tests![
    a_trees_totals_are_those_of_wait4_to_the_fault,
    every_child_has_its_records_however_short_it_lives,
    children_are_followed_until_their_parent_is_unregistered,
    following_can_be_added_to_a_registration,
    children_without_room_are_counted,
    other_processes_forks_are_left_alone,
    children_that_a_program_makes_before_the_next_tick_are_followed,
    children_of_a_program_with_more_rights_are_not_followed,
];

/// Registers a process that sleeps, and has it followed.
fn follow(pid: i32) -> Result<()> {
    kernel::wait_until_asleep(pid)?;
    status::write(format!("F {pid}\n").as_bytes()).with_context(|| format!("F {pid}"))?;
    Ok(())
}

/// What a descendant does: touches pages, and, depending on its number, has a child, a thread, or another program.
fn live(number: usize) {
    let pages = Pages::new(64);
    pages.touch(0..number % 50);
    match number % 5 {
        0 => {
            let child = Child::spawn(|_| Pages::new(32).touch(0..17)).expect("a grandchild");
            child.wait().expect("its end");
        }
        1 => std::thread::spawn(move || pages.touch(50..60)).join().expect("a thread"),
        2 => {
            // Another program, in the same process.
            let error = nix::unistd::execv(c"/bin/busybox", &[c"busybox", c"true"]).unwrap_err();
            panic!("busybox: {error}");
        }
        _ => {}
    }
}

/// A process that has `count` descendants of its own, one after the other, once it is told to go.
fn ancestor(count: usize) -> Result<Child> {
    Child::spawn(move |parent| {
        parent.wait();
        for number in 0..count {
            let child = Child::spawn(move |_| live(number)).expect("a child");
            child.wait().expect("its end");
        }
    })
}

/// The last record of each registration, until as many are final as are registered and `reader` has all.
fn finals(samples: &mut Samples) -> Result<BTreeMap<u64, SampleRecord>> {
    let mut last: BTreeMap<u64, SampleRecord> = BTreeMap::new();
    let begun = std::time::Instant::now();
    loop {
        for record in samples.read()? {
            last.insert(record.registration, record);
        }
        if samples.memory.load_acquire(word::REGISTERED) == 0 && samples.reader.pending(&samples.memory) == 0 {
            break;
        }
        ensure!(begun.elapsed().as_secs() < 60, "still registered: {last:?}");
        samples.set_position(samples.reader.position())?;
        samples.readable(100_u16.into())?;
    }
    ensure!(samples.reader.lost() == 0, "{} records lost", samples.reader.lost());
    ensure!(last.values().all(|record| record.flags.contains(Flags::FINAL)), "without a final record");
    Ok(last)
}

fn a_trees_totals_are_those_of_wait4_to_the_fault() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut root = ancestor(200)?;
    kernel::wait_until_asleep(root.pid())?;
    let before = kernel::faults(root.pid())?;
    follow(root.pid())?;
    root.go()?;
    let usage = root.wait()?;
    ensure!(usage.status == 0);
    let finals = finals(&mut samples)?;
    ensure!(samples.memory.load_acquire(word::NOT_FOLLOWED) == 0);
    // The root, its children, and a grandchild of every fifth.
    ensure!(finals.len() == 1 + 200 + 40, "{} processes", finals.len());
    let sum = |number: fn(&SampleRecord) -> u64| finals.values().map(number).sum::<u64>();
    let recorded = (sum(|record| record.totals.minor_faults), sum(|record| record.totals.major_faults));
    let reported = (usage.minor_faults - before.0, usage.major_faults - before.1);
    ensure!(recorded == reported, "{recorded:?} faults recorded, wait4 has {reported:?}");
    Ok(())
}

fn every_child_has_its_records_however_short_it_lives() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    // As short as a process can be.
    let mut root = Child::spawn(|parent| {
        parent.wait();
        for _ in 0..100 {
            Child::spawn(|_| exit(0)).expect("a child").wait().expect("its end");
        }
    })?;
    follow(root.pid())?;
    root.go()?;
    root.wait()?;
    let finals = finals(&mut samples)?;
    ensure!(finals.len() == 101, "{} processes", finals.len());
    ensure!(finals.values().all(|record| record.flags.contains(Flags::EXITED) && record.totals.cpu_ns() > 0));
    Ok(())
}

fn children_are_followed_until_their_parent_is_unregistered() -> Outcome {
    let _module = Module::load("")?;
    let mut root = Child::spawn(|parent| {
        for _ in 0..2 {
            parent.wait();
            let child = Child::idle().expect("a child");
            parent.done();
            parent.wait();
            drop(child);
        }
    })?;
    follow(root.pid())?;
    root.go()?;
    root.wait_done()?;
    ensure!(status::read()?.len() == 2, "{:?}", status::read()?);
    status::unregister(root.pid())?;
    // The child that was there stays.
    ensure!(status::read()?.len() == 1);
    root.go()?;
    root.go()?;
    root.wait_done()?;
    ensure!(status::read()?.iter().all(|line| line.0 != root.pid()) && status::read()?.len() <= 1);
    Ok(())
}

fn following_can_be_added_to_a_registration() -> Outcome {
    let _module = Module::load("")?;
    let mut root = Child::spawn(|parent| {
        parent.wait();
        let child = Child::idle().expect("a child");
        parent.done();
        parent.wait();
        drop(child);
    })?;
    status::register(root.pid())?;
    follow(root.pid())?;
    for verb in ["F", "R"] {
        let answer = status::write(format!("{verb} {}", root.pid()).as_bytes());
        ensure!(answer == Err(Errno::EEXIST), "{verb}: {answer:?}");
    }
    root.go()?;
    root.wait_done()?;
    ensure!(status::read()?.len() == 2);
    ensure!(status::write(b"F 999999999") == Err(Errno::ESRCH));
    Ok(())
}

fn children_without_room_are_counted() -> Outcome {
    let _module = Module::load("max_processes=3")?;
    let samples = Samples::from_here()?;
    let mut root = Child::spawn(|parent| {
        parent.wait();
        let children: Vec<_> = (0..5).map(|_| Child::idle().expect("a child")).collect();
        parent.done();
        parent.wait();
        drop(children);
    })?;
    follow(root.pid())?;
    root.go()?;
    root.wait_done()?;
    ensure!(status::read()?.len() == 3);
    ensure!(samples.memory.load_acquire(word::NOT_FOLLOWED) == 3);
    Ok(())
}

fn other_processes_forks_are_left_alone() -> Outcome {
    let module = Module::load("")?;
    let root = Child::idle()?;
    follow(root.pid())?;
    let (one, two) = (Child::idle()?, Child::idle()?);
    ensure!(status::read()?.len() == 1);
    drop((one, two));
    // The module goes with a process that is followed, while others fork.
    module.unload()?;
    Child::spawn(|_| {})?.wait()?;
    Ok(())
}

fn children_that_a_program_makes_before_the_next_tick_are_followed() -> Outcome {
    // A tick a second: the shell has been executed, and has most of its children, before the first.
    let module = Module::load("rate_hz=1")?;
    let mut samples = Samples::from_here()?;
    let script = "i=0; while [ $i -lt 30 ]; do echo $i | cat >/dev/null; i=$((i+1)); done; exit 3";
    let ended = run(program("userapp", "run --follow --json --").args(["sh", "-c", script]))?;
    ensure!(ended.status.code() == Some(3), "{ended:?}");
    let report = json(&ended.stderr)?;
    let finals = finals(&mut samples)?;
    ensure!(samples.memory.load_acquire(word::NOT_FOLLOWED) == 0);
    // The shell, and two processes a pipeline.
    ensure!(finals.len() == 1 + 2 * 30, "{} processes", finals.len());
    let sum = |number: fn(&SampleRecord) -> u64| finals.values().map(number).sum::<u64>();
    for (column, recorded) in [
        ("minor_faults", sum(|record| record.totals.minor_faults)),
        ("major_faults", sum(|record| record.totals.major_faults)),
    ] {
        let reported = number(&report["profiled"][column])?;
        ensure!(recorded == reported, "{column}: {recorded} recorded, wait4 has {reported}");
    }
    drop(samples);
    module.unload()
}

fn children_of_a_program_with_more_rights_are_not_followed() -> Outcome {
    // Before the next tick, which would end the profile of their parent.
    let _module = Module::load("rate_hz=1")?;
    let samples = Samples::from_here()?;
    let mut child = child_that_gains_rights(&[c"sh", c"-c", c"sleep 1000 & exec sleep 1000"])?;
    let pid = child.pid();
    as_user(|| status::write(format!("F {pid}").as_bytes()).map(drop))?.context("F by the same user")?;
    child.go()?;
    kernel::wait_until_asleep_in(pid, libc::SYS_clock_nanosleep)?;
    let registered = status::read()?;
    ensure!(registered.iter().all(|line| line.0 == pid), "{registered:?}");
    // A tick may have come first: then there was no parent any more to follow.
    ensure!(samples.memory.load_acquire(word::NOT_FOLLOWED) == 1 || registered.is_empty(), "{registered:?}");
    Ok(())
}
