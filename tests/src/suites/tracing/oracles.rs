// SPDX-License-Identifier: GPL-2.0

//! What the tracer records against the kernel's own figures, each as exactly as the kernel allows.

use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::ioctl::MODE_DISCARD;
use abi::events::life::CLONE_THREAD;
use abi::events::{
    modular, Context as Where, Event, Exec, IrqClass, Kind, Kinds, State, Switch, SwitchFlags, TEXT_BYTES,
};
use anyhow::{ensure, Context, Result};
use std::collections::HashMap;
use testkit::child::{exit, Child};
use testkit::module::Module;
use testkit::tracing::{self, Ask, Happened, ThreadState, Tracing};

tests![
    switches_and_times_of_a_sleeping_thread_are_the_kernels,
    a_snapshot_has_every_thread_and_its_numbers,
    the_counts_are_the_machines_context_switches,
    every_lost_record_is_counted,
    the_last_switch_of_a_dead_thread_has_its_final_numbers,
    migrations_are_the_kernels,
    a_planted_wait_is_seen_with_its_waker_and_call,
    a_timer_wakes_from_an_interrupt_and_its_time_is_recorded,
    an_execve_is_told_with_its_path_and_name,
    births_and_ends_are_told_as_they_were,
];

/// What the kernel says of a thread, in `/proc`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    voluntary: u64,
    involuntary: u64,
    run_ns: u64,
    delay_ns: u64,
}

impl Kernel {
    /// Of a process, or of a thread of one: `PID/task/TID`.
    pub(super) fn of(path: &str) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{path}/status"))?;
        let number = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
            Ok(line.split_ascii_whitespace().nth(1).context("a number")?.parse()?)
        };
        let schedstat = std::fs::read_to_string(format!("/proc/{path}/schedstat"))?;
        let mut times = schedstat.split_ascii_whitespace().map(str::parse::<u64>);
        Ok(Kernel {
            voluntary: number("voluntary_ctxt_switches")?,
            involuntary: number("nonvoluntary_ctxt_switches")?,
            run_ns: times.next().context("a run time")??,
            delay_ns: times.next().context("a delay")??,
        })
    }
}

impl Kernel {
    /// With the other's run-queue delay, where this one's is not less.
    pub(super) fn with_delay_of(self, other: &Kernel) -> Self {
        Kernel { delay_ns: if self.delay_ns >= other.delay_ns { other.delay_ns } else { self.delay_ns }, ..self }
    }
}

/// Full totals from a snapshot and the switches after it.
pub(super) fn follow_thread(before: &ThreadState, events: &[Happened], tid: u32) -> (Kernel, usize) {
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
pub(super) fn compute(rounds: u64) -> u64 {
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
        kernels.insert(child.pid() as u32, Kernel::of(&child.pid().to_string())?);
    }
    tracing.stop()?;
    let events = tracing.read()?;
    ensure!(tracing.lost() == 0);
    for (tid, kernel) in kernels {
        let (followed, switches) = follow_thread(threads.get(&tid).context("not in the snapshot")?, &events, tid);
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
        let kernel = Kernel::of(&child.pid().to_string())?;
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

/// `ctxt` of `/proc/stat`: context switches of all CPUs.
pub(super) fn switches_of_the_machine() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("ctxt ")).context("no ctxt")?;
    Ok(line.parse()?)
}

/// What `ctxt` can have been when a session began: from the first to the second.
#[derive(Debug)]
pub(super) struct Base(u64, u64);

impl Base {
    pub(super) const UNKNOWN: Base = Base(0, u64::MAX);

    /// Narrows it down by what `ctxt` and the session's counts are now. No two looks may contradict each other.
    ///
    /// `ctxt` is read between two reads of the counts: it lies between them, less what was counted before the start. A CPU
    /// counts its switch before the probe is called: so one a CPU may be in one sum and not yet in the other.
    pub(super) fn narrow(&mut self, tracing: &Tracing) -> Result<()> {
        let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)?.context("CPUs")? as u64;
        let before = tracing.counts().switches;
        let ctxt = switches_of_the_machine()?;
        let after = tracing.counts().switches;
        *self = Base(self.0.max(ctxt.saturating_sub(after + cpus - 1)), self.1.min(ctxt - before));
        ensure!(self.0 <= self.1, "ctxt at the start was from {} to {}", self.0, self.1);
        Ok(())
    }
}

fn the_counts_are_the_machines_context_switches() -> Outcome {
    let _module = Module::load("")?;
    // A ring so small that nearly everything is lost: the counts are not.
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).records(256))?;
    let mut base = Base::UNKNOWN;
    let mut children = (0..4)
        .map(|_| {
            Child::spawn(|parent| {
                for _ in 0..100 {
                    parent.wait();
                    compute(1);
                    parent.done();
                }
                parent.wait();
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..100 {
        children.iter_mut().try_for_each(Child::go)?;
        children.iter_mut().try_for_each(Child::wait_done)?;
        base.narrow(&tracing)?;
    }
    // A machine with one CPU has not been idle yet.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let counts = tracing.counts();
    ensure!(counts.switches == counts.voluntary + counts.involuntary() + counts.from_idle);
    ensure!(counts.voluntary > 400 && counts.from_idle > 0, "{counts:?}");
    tracing.read()?;
    ensure!(tracing.lost() > 0, "the ring was meant to be too small: {counts:?}");
    Ok(())
}

fn every_lost_record_is_counted() -> Outcome {
    let _module = Module::load("")?;
    let mut overwritten = Tracing::start(Ask::for_kinds(Kinds::NONE.with(Kind::Switch)).records(256))?;
    churn(1000)?;
    overwritten.stop()?;
    let events = overwritten.read()?.len() as u64;
    let counts = overwritten.counts();
    ensure!(overwritten.lost() > 0 && events + overwritten.lost() == counts.switches, "{events} of {counts:?}");
    ensure!(counts.dropped == 0);
    drop(overwritten);

    let ask = || Ask::for_kinds(Kinds::NONE.with(Kind::Switch)).records(256).mode(MODE_DISCARD);
    let mut discarded = Tracing::start(ask())?;
    churn(1000)?;
    // Those that were there first stay, and what did not fit is counted.
    let first = discarded.read()?;
    ensure!(first.len() <= 256 * discarded.rings.len() && discarded.lost() == 0);
    let dropped = discarded.counts().dropped;
    ensure!(dropped > 0);
    // Telling what has been read makes room.
    discarded.set_positions()?;
    churn(50)?;
    discarded.stop()?;
    let second = discarded.read()?;
    let counts = discarded.counts();
    ensure!(!second.is_empty() && discarded.lost() == 0);
    ensure!(first.len() as u64 + second.len() as u64 + counts.dropped == counts.switches, "{counts:?}");
    Ok(())
}

/// Has a child wake up that many times.
fn churn(rounds: u32) -> Result<()> {
    let mut child = Child::spawn(|parent| {
        for _ in 0..rounds {
            parent.wait();
            parent.done();
        }
    })?;
    for _ in 0..rounds {
        child.go()?;
        child.wait_done()?;
    }
    child.wait()?;
    Ok(())
}

fn the_last_switch_of_a_dead_thread_has_its_final_numbers() -> Outcome {
    let _module = Module::load("")?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        compute(5);
        exit(42)
    })?;
    let pid = child.pid() as u32;
    child.go()?;
    let usage = child.wait()?;
    // The status is there before the last switch.
    let mut events = vec![];
    let begun = std::time::Instant::now();
    let last = loop {
        events.extend(tracing.read()?);
        if let Some(last) = switches_from(&events, pid).find(|switch| switch.flags.contains(SwitchFlags::DEAD)) {
            break last;
        }
        ensure!(begun.elapsed().as_secs() < 20, "no last switch");
    };
    // wait4 rounds user and system time down to 1 us each, and was read before the last switch.
    ensure!(last.run_ns + 2_000 >= usage.cpu_ns, "{last:?}, wait4 has {} ns", usage.cpu_ns);
    ensure!(switches_from(&events, pid).count() == usize::from(last.voluntary) + usize::from(last.involuntary));
    ensure!(!last.flags.contains(SwitchFlags::PREEMPTED) && last.state == State::Dead, "{last:?}");
    let exit = events.iter().find_map(|happened| match happened.event {
        Event::Exit(exit) if exit.tid == pid => Some(exit),
        _ => None,
    });
    let exit = exit.context("no exit")?;
    ensure!((exit.code, exit.group_dead, exit.parent_tgid) == (42 << 8, true, std::process::id()), "{exit:?}");
    Ok(())
}

fn migrations_are_the_kernels() -> Outcome {
    let _module = Module::load("")?;
    let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)?.context("CPUs")? as usize;
    if cpus < 2 {
        return Err(Skip("one CPU: nothing migrates").into());
    }
    let mut child = Child::spawn(move |parent| {
        for round in 0..100 {
            parent.wait();
            pin(round % cpus).expect("pinning");
            parent.done();
        }
        parent.wait();
    })?;
    let pid = child.pid() as u32;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER))?;
    testkit::tracing::wait_asleep(child.pid())?;
    let (before, _) = tracing::snapshot(&tracing.file, 1024)?;
    for _ in 0..100 {
        child.go()?;
        child.wait_done()?;
    }
    testkit::tracing::wait_asleep(child.pid())?;
    let (after, _) = tracing::snapshot(&tracing.file, 1024)?;
    tracing.stop()?;
    let mut expected = before[&pid].placement.0;
    let counted = after[&pid].placement.0 - expected;
    let (mut forced, mut all, mut is_on) = (0, 0, None);
    for happened in tracing.read()? {
        let Event::Migrate(migrate) = happened.event else { continue };
        all += u64::from(migrate.from != migrate.to);
        if migrate.tid == pid && migrate.from != migrate.to {
            ensure!(migrate.migrations == expected as u32, "{migrate:?} after {expected}");
            ensure!(is_on.is_none_or(|cpu| cpu == migrate.from), "{migrate:?}, and it is on CPU {is_on:?}");
            is_on = Some(migrate.to);
            expected += 1;
            forced += u64::from(migrate.forced);
        }
    }
    ensure!(is_on == Some((99 % cpus) as u16), "{is_on:?} is not where it was sent at last");
    ensure!(expected == after[&pid].placement.0 && counted >= 99, "{counted} counted, {expected} in all");
    ensure!(forced >= 99, "only {forced} of {counted} because of the mask");
    ensure!(tracing.lost() == 0 && tracing.counts().migrations == all, "{:?}, and {all} records", tracing.counts());
    Ok(())
}

/// Lets this thread run on one CPU only.
pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = nix::sched::CpuSet::new();
    set.set(cpu)?;
    Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?)
}

fn a_planted_wait_is_seen_with_its_waker_and_call() -> Outcome {
    let _module = Module::load("")?;
    let last_cpu = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)?.context("CPUs")? as usize - 1;
    let mut child = Child::spawn(move |parent| {
        pin(last_cpu).expect("pinning");
        parent.wait();
        parent.done();
        parent.wait();
    })?;
    let pid = child.pid() as u32;
    testkit::tracing::wait_asleep(child.pid())?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER))?;
    child.go()?;
    child.wait_done()?;
    child.go()?;
    child.wait()?;
    tracing.stop()?;
    let wakings: Vec<_> = tracing
        .read()?
        .into_iter()
        .filter_map(|happened| match happened.event {
            Event::Waking(waking) if waking.wakee == pid => Some(waking),
            _ => None,
        })
        .collect();
    let first = wakings.first().context("no wake-up")?;
    // It slept in read(2) of a pipe, and this thread woke it in write(2).
    ensure!(first.waker == std::process::id() && first.context == Where::Task, "{first:?}");
    ensure!(first.wakee_call == Some(libc::SYS_read as u16) && first.waker_call == Some(libc::SYS_write as u16));
    ensure!((3..1024).contains(&first.argument), "the first argument is a descriptor: {first:?}");
    ensure!(usize::from(first.previous_cpu) == last_cpu, "it slept on CPU {last_cpu}: {first:?}");
    ensure!(first.wakee_state == State::Sleeping && first.wakee_prio.nice() == Some(0), "{first:?}");
    Ok(())
}

fn a_timer_wakes_from_an_interrupt_and_its_time_is_recorded() -> Outcome {
    let _module = Module::load("")?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))?;
    let me = std::process::id();
    // The event that is waited for is the timer itself.
    std::thread::sleep(std::time::Duration::from_millis(20));
    tracing.stop()?;
    let events = tracing.read()?;
    // With PREEMPT_RT, timers of threads without a real-time priority expire in a thread of each CPU.
    let has_timer_threads = std::fs::read_to_string("/proc/version")?.contains("PREEMPT_RT");
    let expected = if has_timer_threads { Where::Task } else { Where::HardIrq };
    let waking = events.iter().find_map(|happened| match happened.event {
        Event::Waking(waking) if waking.wakee == me && waking.context == expected => Some((happened, waking)),
        _ => None,
    });
    let (happened, waking) = waking.context("no wake-up by a timer")?;
    ensure!(waking.wakee_call == Some(libc::SYS_clock_nanosleep as u16), "{waking:?}");
    if has_timer_threads {
        let waker = std::fs::read_to_string(format!("/proc/{}/comm", waking.waker))?;
        ensure!(waker.starts_with("ktimers/") || waker.starts_with("ksoftirqd/"), "{waker} {waking:?}");
        return Ok(());
    }
    // Around it lies the timer's interrupt, on the same CPU.
    let around = events.iter().any(|other| match other.event {
        Event::Irq(irq) => {
            other.cpu == happened.cpu
                && irq.class != IrqClass::Soft
                && other.ns >= happened.ns
                && other.ns - irq.duration_ns <= happened.ns
                && irq.nested_ns <= irq.duration_ns
        }
        _ => false,
    });
    ensure!(around, "no interrupt around {happened:?}");
    let interrupts = events.iter().filter(|happened| matches!(happened.event, Event::Irq(_))).count() as u64;
    ensure!(interrupts == tracing.counts().interrupts, "{interrupts} of {:?}", tracing.counts());
    let wakings = events.iter().filter(|happened| matches!(happened.event, Event::Waking(_))).count() as u64;
    ensure!(tracing.lost() == 0 && wakings == tracing.counts().wakings, "{wakings} of {:?}", tracing.counts());
    Ok(())
}

fn an_execve_is_told_with_its_path_and_name() -> Outcome {
    let _module = Module::load("")?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::LIFE))?;
    let long = format!("/{}bin/busybox", "tmp/../".repeat(60));
    for path in ["/bin/busybox", &long] {
        let status = std::process::Command::new(path).arg("true").status()?;
        ensure!(status.success());
    }
    tracing.stop()?;
    let mut execs: Vec<(Exec, Vec<u8>)> = vec![];
    let mut named = false;
    for ring in &mut tracing.rings {
        for happened in ring.read()? {
            match happened.event {
                Event::Exec(exec) => execs.push((exec, vec![])),
                Event::Text(text) => execs.last_mut().context("a text alone")?.1.extend(text.bytes),
                Event::Name(name) => named |= name.bytes() == b"busybox",
                _ => {}
            }
        }
    }
    ensure!(execs.len() == 2 && named, "{execs:?}");
    for (exec, text) in execs {
        let path = &text[..exec.text_bytes.into()];
        ensure!(text.len() == exec.text_records() * TEXT_BYTES && exec.tid == exec.old_tid && exec.tid == exec.tgid);
        if exec.path_bytes == 12 {
            ensure!(path == b"/bin/busybox");
        } else {
            ensure!(usize::from(exec.path_bytes) == long.len() && path.len() == 240 && long.as_bytes().ends_with(path));
        }
    }
    Ok(())
}

fn births_and_ends_are_told_as_they_were() -> Outcome {
    let _module = Module::load("")?;
    let mut root = Child::spawn(|parent| {
        parent.wait();
        std::thread::spawn(|| {}).join().expect("a thread");
        let leaving = Child::spawn(|_| {
            exit(7);
        });
        leaving.expect("a child").wait().expect("its end");
        let doomed = Child::idle().expect("a child");
        doomed.kill(nix::sys::signal::Signal::SIGKILL).expect("a signal");
        doomed.wait().expect("its end");
    })?;
    let pid = root.pid() as u32;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::LIFE))?;
    root.go()?;
    root.wait()?;
    tracing.stop()?;
    ensure!(tracing.lost() == 0, "{} lost", tracing.lost());
    let (mut births, mut ends) = (vec![], HashMap::new());
    for happened in tracing.read()? {
        match happened.event {
            Event::NewTask(born) if born.parent == pid => births.push(born),
            Event::Exit(exit) => {
                ends.insert(exit.tid, exit);
            }
            _ => {}
        }
    }
    let [thread, leaving, doomed] = births[..] else { anyhow::bail!("{births:?}") };
    ensure!(births.iter().all(|born| born.parent_tgid == pid && !born.kernel), "{births:?}");
    ensure!(thread.clone_flags & CLONE_THREAD != 0 && thread.tgid == pid, "{thread:?}");
    for process in [leaving, doomed] {
        ensure!(process.clone_flags & CLONE_THREAD == 0 && process.tgid == process.tid, "{process:?}");
    }
    // As wait(2) has it: a status in the second byte, or a signal in the first.
    for (tid, parent, group_dead, code) in [
        (thread.tid, None, false, 0),
        (leaving.tid, Some(pid), true, 7 << 8),
        (doomed.tid, Some(pid), true, libc::SIGKILL),
    ] {
        let end = ends.get(&tid).with_context(|| format!("{tid} has no end"))?;
        ensure!(end.group_dead == group_dead && end.code == code && end.group_code == code, "{end:?}, not {code}");
        ensure!(parent.is_none_or(|parent| parent == end.parent_tgid), "{end:?}");
    }
    Ok(())
}
