// SPDX-License-Identifier: GPL-2.0

//! Sessions of faults: who is recorded, what is lost, and what is left when they end.

use super::seen::Seen;
use crate::test::Outcome;
use crate::tests;
use abi::events::header::word as event_word;
use abi::events::ioctl::MODE_DISCARD;
use abi::events::{Event, Kind, Kinds};
use anyhow::{ensure, Context, Result};
use nix::sys::signal::Signal;
use std::fs;
use testkit::child::{Child, Pages};
use testkit::module::Module;
use testkit::options;
use testkit::tracing::{Ask, Tracing};

tests![
    a_process_that_is_not_asked_for_has_no_records,
    what_is_lost_is_counted_to_the_fault,
    mappings_are_told_again_after_a_part_of_the_ring,
    nothing_is_probed_while_no_session_asks_for_faults,
    sessions_of_faults_come_and_go_under_load within 600,
    owners_of_faults_are_killed_under_load within 600,
];

/// Touches fresh pages until it is killed.
fn load() -> Result<Vec<Child>> {
    (0..3)
        .map(|_| {
            Child::spawn(|_| loop {
                Pages::new(200).touch(0..200);
            })
        })
        .collect()
}

fn a_process_that_is_not_asked_for_has_no_records() -> Outcome {
    let _module = Module::load("")?;
    let body = |parent: &mut testkit::child::Parent| {
        parent.wait();
        Pages::new(300).touch(0..300);
    };
    let (mut one, mut other) = (Child::spawn(body)?, Child::spawn(body)?);
    let pid = one.pid() as u32;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS.union(Kinds::FAULT_ENTRIES)).pids(&[one.pid()]))?;
    one.go()?;
    other.go()?;
    one.wait()?;
    other.wait()?;
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    ensure!(seen.attempts.len() >= 300 && seen.attempts.iter().all(|attempt| attempt.fault.tgid == pid));
    ensure!(seen.entries.iter().all(|(_, fault, _)| fault.tgid == pid));
    ensure!(seen.mappings.keys().all(|(tgid, _)| *tgid == pid), "{:?}", seen.mappings);
    // Without a filter both are there.
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::FAULTS).records(1 << 18))?;
    let (mut one, mut other) = (Child::spawn(body)?, Child::spawn(body)?);
    let pids = [one.pid() as u32, other.pid() as u32];
    one.go()?;
    other.go()?;
    one.wait()?;
    other.wait()?;
    tracing.stop()?;
    let seen = Seen::read(&mut tracing)?;
    for pid in pids {
        ensure!(seen.counts(pid).0 >= 300, "{:?}", seen.counts(pid));
    }
    Ok(())
}

fn what_is_lost_is_counted_to_the_fault() -> Outcome {
    const PAGES: usize = 3000;
    let _module = Module::load("")?;
    for discard in [false, true] {
        let mut child = Child::spawn(|parent| {
            parent.wait();
            Pages::new(PAGES).touch(0..PAGES);
        })?;
        let ask = Ask::for_kinds(Kinds::NONE.with(Kind::Fault)).pids(&[child.pid()]).records(1024);
        let mut tracing = Tracing::start(if discard { ask.mode(MODE_DISCARD) } else { ask })?;
        child.go()?;
        child.wait()?;
        tracing.stop()?;
        let (mut faults, mut read, mut written) = (0, 0, 0);
        for ring in &mut tracing.rings {
            let events = ring.read()?;
            read += events.iter().filter(|happened| matches!(happened.event, Event::Fault(_))).count() as u64;
            faults += abi::events::header::faults(&ring.memory);
            written += events.len() as u64 + ring.reader.lost();
            ensure!(ring.word(event_word::DROPPED) == 0 || discard);
        }
        let lost = tracing.lost() + tracing.counts().dropped;
        ensure!(lost > 0 && read < faults && faults >= PAGES as u64, "{read} of {faults}, {lost} records lost");
        ensure!(written > 0);
    }
    Ok(())
}

fn mappings_are_told_again_after_a_part_of_the_ring() -> Outcome {
    const PAGES: usize = 4000;
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let pages = Pages::new(PAGES);
        pages.touch(0..PAGES);
        std::mem::forget(pages);
    })?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::NONE.with(Kind::Fault)).pids(&[child.pid()]).records(1024))?;
    child.go()?;
    child.wait()?;
    tracing.stop()?;
    let mut known = std::collections::HashSet::new();
    let (mut named, mut all) = (0, 0);
    for ring in &mut tracing.rings {
        for happened in ring.read()? {
            match happened.event {
                Event::Map(map) => drop(known.insert(map.id)),
                Event::FaultPlace(place) => {
                    all += 1;
                    named += usize::from(known.contains(&place.mapping));
                }
                _ => {}
            }
        }
    }
    ensure!(tracing.lost() > 0, "the ring was to be overwritten");
    // What is left is a ring's worth; its first quarter at most has no name yet.
    ensure!(named * 4 >= all * 3 - 40, "{named} of {all} have a mapping");
    Ok(())
}

/// The functions that ftrace calls something for.
fn probed() -> Result<Vec<String>> {
    let path = "/sys/kernel/tracing";
    let _ = nix::mount::mount(Some("tracefs"), path, Some("tracefs"), nix::mount::MsFlags::empty(), None::<&str>);
    let text = fs::read_to_string(format!("{path}/enabled_functions")).context("enabled_functions")?;
    Ok(text.lines().filter(|line| line.starts_with("handle_mm_fault")).map(str::to_owned).collect())
}

fn nothing_is_probed_while_no_session_asks_for_faults() -> Outcome {
    let module = Module::load("")?;
    ensure!(probed()?.is_empty(), "{:?}", probed()?);
    let switches = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    ensure!(probed()?.is_empty(), "{:?}", probed()?);
    for kinds in [Kinds::FAULTS, Kinds::FAULT_ENTRIES] {
        let faults = Tracing::start(Ask::for_kinds(kinds))?;
        ensure!(probed()?.len() == 1, "{:?}", probed()?);
        // The other session goes on, and this one's probes are gone.
        faults.stop()?;
        ensure!(probed()?.is_empty(), "{:?}", probed()?);
    }
    drop(switches);
    module.unload()
}

fn sessions_of_faults_come_and_go_under_load() -> Outcome {
    let module = Module::load("")?;
    let load = load()?;
    let (mut attempts, mut entries) = (0, 0);
    for round in 0..options::number("MP3_TRACE_ROUNDS", 8)? {
        let kinds = match round % 3 {
            0 => Kinds::FAULTS,
            1 => Kinds::FAULT_ENTRIES,
            _ => Kinds::FAULTS.union(Kinds::FAULT_ENTRIES).union(Kinds::SCHEDULER),
        };
        let mut ask = Ask::for_kinds(kinds).records(1 << 18);
        if round % 2 == 0 {
            ask = ask.pids(&[load[0].pid(), load[1].pid()]);
        }
        let mut tracing = Tracing::start(ask)?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        tracing.stop()?;
        if tracing.rings.iter().any(|ring| ring.reader.pending(&ring.memory) > u64::from(tracing.started.ring_records))
        {
            // The host was slow to stop it. What is there is read in other rounds.
            continue;
        }
        let seen = Seen::read(&mut tracing)?;
        seen.ensure_none_missing()?;
        attempts += seen.attempts.len();
        entries += seen.entries.len();
    }
    drop(load);
    ensure!(attempts > 0 && entries > 0, "{attempts} attempts and {entries} entries");
    module.unload()
}

fn owners_of_faults_are_killed_under_load() -> Outcome {
    let module = Module::load("")?;
    let load = load()?;
    for _ in 0..options::number("MP3_TRACE_ROUNDS", 8)? {
        let mut owner = Child::spawn(|parent| {
            let kinds = Kinds::FAULTS.union(Kinds::FAULT_ENTRIES);
            let mut tracing = Tracing::start(Ask::for_kinds(kinds).records(1024)).expect("a session");
            parent.done();
            loop {
                tracing.read().expect("events");
                std::thread::yield_now();
            }
        })?;
        owner.wait_done()?;
        owner.kill(Signal::SIGKILL)?;
        owner.wait()?;
    }
    drop(load);
    module.unload()?;
    ensure!(probed()?.is_empty(), "{:?}", probed()?);
    Ok(())
}
