// SPDX-License-Identifier: GPL-2.0

//! Filters: which processes a session records.

use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::header::word as event_word;
use abi::events::{Event, Kinds};
use anyhow::{ensure, Result};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use std::collections::BTreeSet;
use std::path::Path;
use testkit::child::{exit, Child};
use testkit::device;
use testkit::module::Module;
use testkit::tracing::{Ask, Happened, Ring, Tracing};

tests![
    by_pid_nothing_else_is_recorded_and_everything_is_counted,
    followed_are_children_that_are_there_and_those_that_come,
    by_name_also_what_is_started_later,
    a_session_without_a_filter_opens_the_others,
    a_reused_filter_bit_is_cleared,
    a_pid_is_that_of_the_callers_namespace,
];

/// Every thread group or thread that stands in a switch or in a record of a life.
fn seen(events: &[Happened]) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    for happened in events {
        match happened.event {
            Event::Switch(switch) => all.extend([switch.prev, switch.next]),
            Event::NewTask(born) => all.extend([born.tgid]),
            Event::Exec(exec) => all.extend([exec.tgid]),
            Event::Exit(exit) => all.extend([exit.tgid]),
            Event::Name(name) => all.extend([name.tgid]),
            _ => {}
        }
    }
    all
}

fn by_pid_nothing_else_is_recorded_and_everything_is_counted() -> Outcome {
    let _module = Module::load("")?;
    let (mut one, mut other) = (Child::idle()?, Child::idle()?);
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).pids(&[one.pid()]))?;
    ensure!(tracing.rings[0].word(event_word::FILTERED) == 1);
    let (one_pid, other_pid) = (one.pid() as u32, other.pid() as u32);
    one.go()?;
    other.go()?;
    one.wait()?;
    other.wait()?;
    tracing.stop()?;
    let events = tracing.read()?;
    let mut switches = 0;
    for happened in &events {
        match happened.event {
            Event::Switch(switch) => {
                ensure!(switch.prev == one_pid || switch.next == one_pid, "{switch:?}");
                switches += 1;
            }
            Event::Exit(exit) => ensure!(exit.tgid == one_pid && exit.tgid != other_pid),
            other => ensure!(!matches!(other, Event::NewTask(_) | Event::Exec(_)), "{other:?}"),
        }
    }
    ensure!(switches > 1 && tracing.counts().switches > switches, "{switches} of {:?}", tracing.counts());
    Ok(())
}

/// A process that has a child before it is told to go on, and has one, which has another, afterwards.
fn family() -> Result<Child> {
    Child::spawn(|parent| {
        let mut old = Child::idle().expect("a child");
        parent.done();
        parent.wait();
        let young = Child::spawn(|_| {
            let grandchild = Child::spawn(|_| {}).expect("a grandchild");
            let pid = grandchild.pid();
            grandchild.wait().expect("its end");
            exit(i32::from(pid <= 0));
        });
        young.expect("a child").wait().expect("its end");
        old.go().expect("the old one");
        old.wait().expect("its end");
    })
}

fn followed_are_children_that_are_there_and_those_that_come() -> Outcome {
    let _module = Module::load("")?;
    for follow in [true, false] {
        let mut root = family()?;
        root.wait_done()?;
        let root_pid = root.pid() as u32;
        let ask = Ask::for_kinds(Kinds::SWITCHES).pids(&[root.pid()]);
        let mut tracing = Tracing::start(if follow { ask.follow() } else { ask })?;
        root.go()?;
        ensure!(root.wait()?.status == 0);
        // One that has nothing to do with it.
        Child::spawn(|_| {})?.wait()?;
        tracing.stop()?;
        let events = tracing.read()?;
        let exits: BTreeSet<u32> = events
            .iter()
            .filter_map(|happened| match happened.event {
                Event::Exit(exit) => Some(exit.tgid),
                _ => None,
            })
            .collect();
        // Itself, the child from before, the new one, and that one's.
        ensure!(exits.len() == if follow { 4 } else { 1 } && exits.contains(&root_pid), "{follow}: {exits:?}");
        let born = events.iter().filter(|happened| matches!(happened.event, Event::NewTask(_))).count();
        ensure!(born == if follow { 2 } else { 1 }, "{born} were born");
    }
    Ok(())
}

fn by_name_also_what_is_started_later() -> Outcome {
    let _module = Module::load("")?;
    let named = |name: &'static str| {
        Child::spawn(move |parent| {
            std::fs::write("/proc/self/comm", name).expect("a name");
            parent.done();
            parent.wait();
        })
    };
    let mut before = named("xx-stress-1")?;
    before.wait_done()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).name("stress"))?;
    let (mut after, mut other) = (named("stress-later")?, named("stres-nothing")?);
    after.wait_done()?;
    other.wait_done()?;
    let pids = [before.pid() as u32, after.pid() as u32];
    for mut child in [before, after, other] {
        child.go()?;
        child.wait()?;
    }
    tracing.stop()?;
    let exits: BTreeSet<u32> = tracing
        .read()?
        .iter()
        .filter_map(|happened| match happened.event {
            Event::Exit(exit) => Some(exit.tgid),
            _ => None,
        })
        .collect();
    ensure!(exits == pids.into(), "{exits:?}, not {pids:?}");
    Ok(())
}

fn a_session_without_a_filter_opens_the_others() -> Outcome {
    let _module = Module::load("")?;
    let idle = Child::idle()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).pids(&[idle.pid()]))?;
    let other = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    ensure!(tracing.rings[0].word(event_word::FILTERED) == 0);
    let child = Child::spawn(|_| {})?;
    let pid = child.pid() as u32;
    child.wait()?;
    other.stop()?;
    tracing.stop()?;
    ensure!(seen(&tracing.read()?).contains(&pid));
    Ok(())
}

fn a_reused_filter_bit_is_cleared() -> Outcome {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    if !Path::new(LAST).exists() {
        return Err(Skip("this kernel does not let PIDs be chosen (CONFIG_CHECKPOINT_RESTORE)").into());
    }
    let _module = Module::load("")?;
    let child = Child::idle()?;
    let pid = child.pid();
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).pids(&[pid]))?;
    drop(child);
    tracing.read()?;
    // The next process gets the same number.
    std::fs::write(LAST, (pid - 1).to_string())?;
    let again = Child::spawn(|_| {})?;
    ensure!(again.pid() == pid, "{} and not {pid}", again.pid());
    again.wait()?;
    tracing.stop()?;
    let events = tracing.read()?;
    ensure!(events.is_empty(), "{:?}", events.first());
    Ok(())
}

fn a_pid_is_that_of_the_callers_namespace() -> Outcome {
    const OWN_PID: &str = "/tmp/mp3-own-pid";
    let _module = Module::load("")?;
    let outside = std::process::id() as i32;
    let mut child = Child::spawn(move |parent| {
        unshare(CloneFlags::CLONE_NEWPID).expect("a namespace");
        // The next child is its first process.
        let first = Child::spawn(|_| {
            let file = device::open(false).expect("the device");
            let ask = || Ask::for_kinds(Kinds::SWITCHES);
            assert_eq!(ask().pids(&[outside]).start(&file).err(), Some((Errno::ESRCH, 0)));
            let _started = ask().pids(&[1]).start(&file).expect("a session");
            // What /proc calls it, which belongs to the initial namespace.
            let own = std::fs::read_link("/proc/self").expect("/proc");
            std::fs::write(OWN_PID, own.to_str().expect("a number")).expect("a file");
            parent.done();
            parent.wait();
        });
        first.expect("a child").wait().expect("its end");
    })?;
    child.wait_done()?;
    let file = device::open(false)?;
    let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)?.unwrap_or(1) as u32;
    let mut rings = (0..cpus).map(|cpu| Ring::map(&file, cpu)).collect::<Result<Vec<_>, _>>()?;
    let own: u32 = std::fs::read_to_string(OWN_PID)?.parse()?;
    child.go()?;
    child.wait()?;
    let mut switches = 0;
    for ring in &mut rings {
        ensure!(ring.word(event_word::ENDED) != 0 && ring.word(event_word::FILTERED) == 1);
        for happened in ring.read()? {
            if let Event::Switch(switch) = happened.event {
                ensure!(switch.prev == own || switch.next == own, "{switch:?}, and {own} was asked for");
                switches += 1;
            }
        }
    }
    ensure!(own != 1 && switches > 0, "no switch of {own}");
    Ok(())
}
