// SPDX-License-Identifier: GPL-2.0

//! What the tracer records against the kernel's own figures, each as exactly as the kernel allows.

use crate::test::Outcome;
use crate::tests;
use abi::events::{modular, Event, Kinds, Switch, SwitchFlags};
use anyhow::{ensure, Context, Result};
use std::collections::HashMap;
use testkit::child::Child;
use testkit::module::Module;
use testkit::tracing::{self, Ask, Happened, ThreadState, Tracing};

tests![switches_and_times_of_a_sleeping_thread_are_the_kernels, a_snapshot_has_every_thread_and_its_numbers,];

/// What the kernel says of a thread, in `/proc`.
#[derive(Debug, PartialEq, Eq)]
struct Kernel {
    voluntary: u64,
    involuntary: u64,
    run_ns: u64,
    delay_ns: u64,
}

impl Kernel {
    fn of(pid: i32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
            Ok(line.split_ascii_whitespace().nth(1).context("a number")?.parse()?)
        };
        let schedstat = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
        let mut times = schedstat.split_ascii_whitespace().map(str::parse::<u64>);
        Ok(Kernel {
            voluntary: number("voluntary_ctxt_switches")?,
            involuntary: number("nonvoluntary_ctxt_switches")?,
            run_ns: times.next().context("a run time")??,
            delay_ns: times.next().context("a delay")??,
        })
    }
}

/// Full totals from a snapshot and the switches after it.
fn follow(before: &ThreadState, events: &[Happened], tid: u32) -> (Kernel, usize) {
    let mut kernel = Kernel {
        voluntary: before.switches.0,
        involuntary: before.switches.1,
        run_ns: before.times.0,
        delay_ns: before.times.1,
    };
    let mut switches = 0;
    for happened in events {
        let Event::Switch(switch) = happened.event else { continue };
        if switch.prev == tid {
            switches += 1;
            kernel.voluntary = modular::after::<16>(kernel.voluntary, switch.voluntary.into());
            kernel.involuntary = modular::after::<8>(kernel.involuntary, switch.involuntary.into());
            kernel.run_ns = modular::after::<48>(kernel.run_ns, switch.run_ns);
            kernel.delay_ns = modular::after::<48>(kernel.delay_ns, switch.delay_ns);
        }
    }
    (kernel, switches)
}

/// The switches out of `tid`.
fn switches_from(events: &[Happened], tid: u32) -> impl Iterator<Item = Switch> + '_ {
    events.iter().filter_map(move |happened| match happened.event {
        Event::Switch(switch) if switch.prev == tid => Some(switch),
        _ => None,
    })
}

/// Computes for a while, so that others are preempted.
fn compute(rounds: u64) -> u64 {
    (0..rounds * 1_000_000).fold(0, |sum, number| std::hint::black_box(sum ^ number))
}

fn switches_and_times_of_a_sleeping_thread_are_the_kernels() -> Outcome {
    let _module = Module::load("")?;
    let mut children = (0..4)
        .map(|_| {
            Child::spawn(|parent| {
                for _ in 0..20 {
                    parent.wait();
                    compute(3);
                    parent.done();
                }
                parent.wait();
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    let (threads, _) = tracing::snapshot(&tracing.file, 256)?;
    for _ in 0..20 {
        children.iter_mut().try_for_each(Child::go)?;
        children.iter_mut().try_for_each(Child::wait_done)?;
    }
    // All of them have told that they are done; then they go to sleep. A switch out of each is awaited.
    let mut kernels = HashMap::new();
    for child in &children {
        testkit::tracing::wait_asleep(child.pid())?;
        kernels.insert(child.pid() as u32, Kernel::of(child.pid())?);
    }
    tracing.stop()?;
    let events = tracing.read()?;
    ensure!(tracing.lost() == 0);
    for (tid, kernel) in kernels {
        let (followed, switches) = follow(threads.get(&tid).context("not in the snapshot")?, &events, tid);
        ensure!(followed == kernel, "{tid} after {switches} switches: {followed:?}, the kernel has {kernel:?}");
        // Each switch says by itself of which sort it was.
        let voluntary = switches_from(&events, tid).filter(|s| s.flags.contains(SwitchFlags::VOLUNTARY)).count() as u64;
        let before = threads[&tid].switches;
        ensure!(voluntary == kernel.voluntary - before.0, "{voluntary} voluntary ones");
        ensure!(switches as u64 - voluntary == kernel.involuntary - before.1);
    }
    Ok(())
}

fn a_snapshot_has_every_thread_and_its_numbers() -> Outcome {
    let _module = Module::load("")?;
    let child = Child::idle()?;
    testkit::tracing::wait_asleep(child.pid())?;
    let file = testkit::device::open(false)?;
    for capacity in [6, 7, 64, 100_000] {
        let (threads, began) = tracing::snapshot(&file, capacity)?;
        let kernel = Kernel::of(child.pid())?;
        let state = threads.get(&(child.pid() as u32)).context("the child")?;
        let task = state.task.context("a task")?;
        ensure!(
            (state.times, state.switches) == ((kernel.run_ns, kernel.delay_ns), (kernel.voluntary, kernel.involuntary))
        );
        ensure!(state.placement.1 <= began && state.placement.1 > 0);
        ensure!(task.parent_tgid == std::process::id() && !task.kernel && !task.running, "{task:?}");
        ensure!(state.name.context("a name")?.bytes() == b"mp3-tests");
        let kthreadd = threads.get(&2).context("kthreadd")?;
        ensure!(kthreadd.name.context("a name")?.bytes() == b"kthreadd" && kthreadd.task.context("a task")?.kernel);
        ensure!(threads.len() > 20, "{} threads", threads.len());
    }
    ensure!(tracing::snapshot(&file, 5).is_err(), "there is no room for one thread");
    Ok(())
}
