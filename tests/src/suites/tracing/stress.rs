// SPDX-License-Identifier: GPL-2.0

//! The tracer under load: sessions that come and go, CPUs that do, and storms of forks.
//!
//! Short by default; `MP3_TRACE_ROUNDS`, `MP3_TRACE_THREADS`, `MP3_TRACE_HOTPLUGS`, `MP3_TRACE_STORMS` and
//! `MP3_TRACE_SWITCHES` make it long.

use super::oracles::{switches_of_the_machine, Base};
use crate::offline::Offline;
use crate::test::Outcome;
use crate::tests;
use abi::events::header::word as event_word;
use abi::events::ioctl::{MODE_DISCARD, MODE_OVERWRITE};
use abi::events::life::CLONE_THREAD;
use abi::events::{Event, Kind, Kinds, SwitchFlags};
use abi::header::word;
use anyhow::{ensure, Result};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use testkit::child::Child;
use testkit::module::Module;
use testkit::options;
use testkit::tracing::{self, Ask, Ring, ThreadState, Tracing};
use work::random::SplitMix64;

tests![
    sessions_come_and_go_under_load within limit(),
    owners_are_killed_under_load within limit(),
    the_module_goes_as_soon_as_its_owner_is_killed within limit(),
    thousands_of_threads_are_known_and_end_with_the_kernels_numbers within limit(),
    cpus_come_and_go_while_their_events_are_recorded within 300 + 20 * hotplugs().unwrap_or(0),
    a_cpu_that_was_not_there_at_the_start_gets_its_ring,
    a_storm_of_forks_is_followed_whole within 300 + 60 * storms().unwrap_or(0),
    the_counts_of_one_cpu_are_the_machines_to_the_switch,
    as_many_switches_as_the_machine_makes_are_read_or_counted within 600 + switches().unwrap_or(0) / 500,
    memory_comes_with_sessions_and_goes_with_them,
];

fn rounds() -> Result<u64> {
    options::number("MP3_TRACE_ROUNDS", 8)
}

/// How often a CPU goes and comes.
fn hotplugs() -> Result<u64> {
    options::number("MP3_TRACE_HOTPLUGS", 5)
}

fn storms() -> Result<u64> {
    options::number("MP3_TRACE_STORMS", 1)
}

/// How often each of two threads of a CPU gives it to the other.
fn switches() -> Result<u64> {
    options::number("MP3_TRACE_SWITCHES", 20_000)
}

fn limit() -> u64 {
    300 + 20 * rounds().unwrap_or(0)
}

/// Processes that switch, fork and exec all the time, until they are dropped.
fn load() -> Result<Vec<Child>> {
    let mut all = vec![];
    for number in 0..4 {
        all.push(Child::spawn(move |_| loop {
            let child = Child::spawn(move |_| {
                if number % 2 == 0 {
                    let _ = nix::unistd::execv(c"/bin/busybox", &[c"busybox", c"true"]);
                }
            });
            if let Ok(child) = child {
                let _ = child.wait();
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
        })?);
    }
    Ok(all)
}

fn sessions_come_and_go_under_load() -> Outcome {
    let module = Module::load("")?;
    let load = load()?;
    let mut random = SplitMix64::new(options::number("MP3_SEED", 1)?);
    let (mut events, mut lost, mut dropped) = (0, 0, 0);
    for _ in 0..rounds()? {
        let kinds = Kinds(random.next_u64() & Kinds::TRACEABLE.0).with(Kind::Switch);
        let mode = if random.below(3) == 0 { MODE_DISCARD } else { MODE_OVERWRITE };
        let mut ask = Ask::for_kinds(kinds).records(256 << random.below(6)).mode(mode);
        match random.below(4) {
            0 => ask = ask.name("mp3"),
            1 => ask = ask.pids(&[load[0].pid(), load[1].pid()]).follow(),
            _ => {}
        }
        let mut one = Tracing::start(ask)?;
        // Others join and leave meanwhile, where they may.
        let other = (mode == MODE_OVERWRITE).then(|| Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))).transpose()?;
        for _ in 0..random.below(4) {
            std::thread::sleep(std::time::Duration::from_millis(1 + random.below(4)));
            events += one.read()?.len() as u64;
            one.set_positions()?;
        }
        drop(other);
        one.stop()?;
        events += one.read()?.len() as u64;
        // What was reserved is complete, and is either here or counted.
        for ring in &one.rings {
            let (reserved, committed) = (ring.word(word::RESERVED), ring.word(word::COMMITTED));
            ensure!(reserved == committed && ring.reader.position() == committed, "{reserved} {committed}");
            ensure!(ring.word(event_word::ENDED) != 0);
            let counts = ring.counts();
            ensure!(counts.voluntary + counts.from_idle <= counts.switches, "{counts:?}");
            dropped += counts.dropped;
        }
        lost += one.lost();
    }
    drop(load);
    println!("    {} sessions under load: {events} events read, {lost} overwritten, {dropped} dropped", rounds()?);
    module.unload()
}

fn owners_are_killed_under_load() -> Outcome {
    let module = Module::load("")?;
    let load = load()?;
    for _ in 0..rounds()? {
        let mut owner = Child::spawn(|parent| {
            let mut tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE).records(1024)).expect("a session");
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
    module.unload()
}

fn the_module_goes_as_soon_as_its_owner_is_killed() -> Outcome {
    let load = load()?;
    for _ in 0..rounds()?.div_ceil(4) {
        let module = Module::load("")?;
        let mut owner = Child::spawn(|parent| {
            let mut tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE).records(1024)).expect("a session");
            parent.done();
            loop {
                tracing.read().expect("events");
                std::thread::yield_now();
            }
        })?;
        owner.wait_done()?;
        module.refuses_to_unload()?;
        owner.kill(Signal::SIGKILL)?;
        owner.wait()?;
        // Its probes are still being left on the other CPUs.
        module.unload()?;
    }
    drop(load);
    Ok(())
}

fn thousands_of_threads_are_known_and_end_with_the_kernels_numbers() -> Outcome {
    let _module = Module::load("")?;
    let threads = options::number("MP3_TRACE_THREADS", 400)? as usize;
    let mut child = Child::spawn(move |parent| {
        let barrier = Arc::new(Barrier::new(threads + 1));
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                let barrier = barrier.clone();
                let stack = std::thread::Builder::new().stack_size(32 << 10);
                stack.spawn(move || barrier.wait().is_leader()).expect("a thread")
            })
            .collect();
        parent.done();
        parent.wait();
        barrier.wait();
        for handle in handles {
            handle.join().expect("its end");
        }
    })?;
    child.wait_done()?;
    let pid = child.pid() as u32;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER).records(1 << 18))?;
    let (before, _) = tracing::snapshot(&tracing.file, 4096)?;
    let of_child = |state: &ThreadState| state.task.is_some_and(|task| task.tgid == pid);
    let tids: BTreeSet<u32> = before.iter().filter(|(_, state)| of_child(state)).map(|(tid, _)| *tid).collect();
    ensure!(tids.len() == threads + 1, "{} of {threads} threads are in the snapshot", tids.len());
    child.go()?;
    let usage = child.wait()?;
    tracing.stop()?;
    let events = tracing.read()?;
    ensure!(tracing.lost() == 0, "{} records lost", tracing.lost());
    let (mut exits, mut finals, mut run_ns) = (BTreeSet::new(), BTreeSet::new(), 0);
    for happened in &events {
        match happened.event {
            Event::Exit(exit) if exit.tgid == pid => drop(exits.insert(exit.tid)),
            Event::Switch(switch) if switch.flags.contains(SwitchFlags::DEAD) && tids.contains(&switch.prev) => {
                ensure!(finals.insert(switch.prev), "{} died twice", switch.prev);
                run_ns += switch.run_ns;
            }
            _ => {}
        }
    }
    ensure!(exits == tids && finals == tids, "{} exits, {} last switches", exits.len(), finals.len());
    // wait4 sums before the last switch of each.
    let reported = usage.cpu_ns;
    ensure!(run_ns + 1_000 * threads as u64 >= reported, "{run_ns} ns in the records, {reported} by wait4");
    println!("    {threads} threads, {} events, {run_ns} ns of run time, {reported} by wait4", events.len());
    Ok(())
}

fn cpus_come_and_go_while_their_events_are_recorded() -> Outcome {
    let _module = Module::load("")?;
    let load = load()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))?;
    let mut events = 0;
    for _ in 0..hotplugs()? {
        let offline = Offline::take(1)?;
        events += tracing.read()?.len();
        drop(offline);
        events += tracing.read()?.len();
    }
    drop(load);
    println!("    CPU 1 went and came {} times: {events} events, {} overwritten", hotplugs()?, tracing.lost());
    let before = tracing.rings.iter().find(|ring| ring.cpu == 1).map(|ring| ring.counts().switches);
    churn_on(1)?;
    tracing.stop()?;
    tracing.read()?;
    let ring = tracing.rings.iter().find(|ring| ring.cpu == 1);
    // It goes on in the same ring, and every switch is of one sort.
    let counts = ring.map(Ring::counts).unwrap_or_default();
    ensure!(before.is_some_and(|before| counts.switches > before), "{counts:?} after {before:?}");
    ensure!(counts.voluntary + counts.from_idle <= counts.switches);
    Ok(())
}

/// Has something happen on a CPU.
fn churn_on(cpu: usize) -> Result<()> {
    let child = Child::spawn(move |_| {
        let mut set = nix::sched::CpuSet::new();
        set.set(cpu).expect("a CPU");
        nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).expect("the CPU");
        std::thread::sleep(std::time::Duration::from_millis(1));
    })?;
    child.wait()?;
    Ok(())
}

fn a_cpu_that_was_not_there_at_the_start_gets_its_ring() -> Outcome {
    let _module = Module::load("")?;
    let offline = Offline::take(1)?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER))?;
    let rings = tracing.rings[0].word(event_word::RINGS);
    ensure!(tracing.rings.iter().all(|ring| ring.cpu != 1) && rings == tracing.rings.len() as u64);
    drop(offline);
    ensure!(tracing.rings[0].word(event_word::RINGS) == rings + 1);
    tracing.map_new()?;
    churn_on(1)?;
    tracing.stop()?;
    let events = tracing.read()?;
    // From its very first switch on, which its idle task makes.
    let first = events.iter().find_map(|happened| match happened.event {
        Event::Switch(switch) if happened.cpu == 1 => Some(switch),
        _ => None,
    });
    ensure!(first.is_some_and(|switch| switch.prev == 0), "{first:?}");
    let on_it =
        events.iter().filter(|happened| happened.cpu == 1 && matches!(happened.event, Event::Switch(_))).count();
    let ring = tracing.rings.iter().find(|ring| ring.cpu == 1);
    ensure!(ring.is_some_and(|ring| ring.counts().switches == on_it as u64), "{on_it} switches");
    Ok(())
}

/// Gives this thread a policy and a real-time priority.
fn set_policy(policy: i32, priority: i32) -> Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: The parameter is a local.
    ensure!(unsafe { libc::sched_setscheduler(0, policy, &parameter) } == 0, "policy {policy}");
    Ok(())
}

fn the_counts_of_one_cpu_are_the_machines_to_the_switch() -> Outcome {
    let _module = Module::load("")?;
    let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_CONF)?.unwrap_or(1) as usize;
    let _others = (1..cpus).map(Offline::take).collect::<Result<Vec<_>>>()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).records(256))?;
    tracing.rings.retain(|ring| ring.cpu == 0);
    let mut base = None;
    for _ in 0..50 {
        churn_on(0)?;
        // Between the looks at the two counts, hardly any other thread can have the only CPU: the kernel's stopper, or a fair
        // one that waited for a second. Then both are looked at again.
        set_policy(libc::SCHED_FIFO, 99)?;
        let before = loop {
            let counted = tracing.counts().switches;
            let before = switches_of_the_machine()? - counted;
            if tracing.counts().switches == counted {
                break before;
            }
        };
        set_policy(libc::SCHED_OTHER, 0)?;
        ensure!(*base.get_or_insert(before) == before, "ctxt at the start was {base:?}, and is {before} now");
    }
    ensure!(tracing.counts().switches > 100, "{:?}", tracing.counts());
    Ok(())
}

fn a_storm_of_forks_is_followed_whole() -> Outcome {
    let _module = Module::load("")?;
    for _ in 0..storms()? {
        storm()?;
    }
    Ok(())
}

/// 340 processes below one, each known from its beginning to its end.
fn storm() -> Result<()> {
    let mut root = Child::spawn(|parent| {
        parent.wait();
        // Four generations, each with four children: 4 + 16 + 64 + 256.
        fn generation(left: u32) {
            let children: Vec<_> = (0..4)
                .filter_map(|_| {
                    Child::spawn(move |_| {
                        if left > 0 {
                            generation(left - 1)
                        }
                    })
                    .ok()
                })
                .collect();
            for child in children {
                let _ = child.wait();
            }
        }
        generation(3);
    })?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::LIFE).pids(&[root.pid()]).follow())?;
    root.go()?;
    root.wait()?;
    tracing.stop()?;
    let (mut born, mut dead) = (BTreeSet::new(), BTreeSet::new());
    for happened in tracing.read()? {
        match happened.event {
            Event::NewTask(new) if new.clone_flags & CLONE_THREAD == 0 => born.extend([new.tid]),
            Event::Exit(exit) if exit.group_dead => dead.extend([exit.tid]),
            _ => {}
        }
    }
    ensure!(tracing.lost() == 0 && born.len() == 340, "{} were born", born.len());
    ensure!(dead.len() == 341 && born.is_subset(&dead), "{} died", dead.len());
    Ok(())
}

/// Two threads on each CPU that give it to one another. They start when the barrier lets them.
fn flood(yields: u64) -> Result<(Arc<Barrier>, Vec<std::thread::JoinHandle<()>>)> {
    let cpus = std::thread::available_parallelism()?.get();
    let barrier = Arc::new(Barrier::new(2 * cpus + 1));
    let threads = (0..2 * cpus).map(|number| {
        let barrier = barrier.clone();
        std::thread::spawn(move || {
            super::oracles::pin(number / 2).expect("a CPU");
            barrier.wait();
            (0..yields).for_each(|_| std::thread::yield_now());
        })
    });
    let threads = threads.collect();
    Ok((barrier, threads))
}

fn as_many_switches_as_the_machine_makes_are_read_or_counted() -> Outcome {
    let _module = Module::load("")?;
    let switches_alone = || Ask::for_kinds(Kinds::NONE.with(Kind::Switch));
    for (what, ask) in [
        ("the default ring", switches_alone()),
        ("a small ring", switches_alone().records(256)),
        ("a small ring that discards", switches_alone().records(256).mode(MODE_DISCARD)),
    ] {
        let (barrier, threads) = flood(switches()?)?;
        let mut tracing = Tracing::start(ask)?;
        let mut base = Base::UNKNOWN;
        base.narrow(&tracing)?;
        barrier.wait();
        let (begun, already) = (std::time::Instant::now(), tracing.counts().switches);
        let mut read = 0;
        while !threads.iter().all(std::thread::JoinHandle::is_finished) {
            tracing.poll(nix::poll::PollTimeout::from(10_u8))?;
            for ring in &mut tracing.rings {
                read += ring.read_words()?.len() as u64;
            }
            tracing.set_positions()?;
        }
        let (seconds, made) = (begun.elapsed().as_secs_f64(), tracing.counts().switches - already);
        base.narrow(&tracing)?;
        tracing.stop()?;
        for ring in &mut tracing.rings {
            read += ring.read_words()?.len() as u64;
            // Each switch has its place in the ring, or there was none and it was dropped.
            let (reserved, counts) = (ring.word(word::RESERVED), ring.counts());
            ensure!(reserved == ring.word(word::COMMITTED) && reserved == ring.reader.position());
            ensure!(reserved + counts.dropped == counts.switches, "{reserved} records: {counts:?}");
        }
        let (counts, lost) = (tracing.counts(), tracing.lost());
        ensure!(read + lost + counts.dropped == counts.switches, "{read} read, {lost} lost: {counts:?}");
        println!(
            "    {what}: {made} switches, {:.0} a second; {read} read, {lost} overwritten, {} dropped",
            made as f64 / seconds,
            counts.dropped
        );
        for thread in threads {
            ensure!(thread.join().is_ok(), "a thread failed");
        }
    }
    Ok(())
}

/// KiB of vmalloc'ed memory.
fn vmalloc_kib() -> Result<u64> {
    testkit::kernel::meminfo("VmallocUsed:")
}

fn memory_comes_with_sessions_and_goes_with_them() -> Outcome {
    let _module = Module::load("")?;
    // The first session has the kernel make things of its own.
    drop(Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))?);
    testkit::kernel::drain()?;
    let before = vmalloc_kib()?;
    let tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE).name("nothing"))?;
    let rings = tracing.rings.len() as u64;
    let during = vmalloc_kib()?;
    // 2 MiB for each CPU, and the filter's 512 KiB.
    ensure!(during >= before + rings * 2048 + 512, "{before} KiB became {during}");
    drop(tracing);
    let begun = std::time::Instant::now();
    while vmalloc_kib()? > before + 64 {
        ensure!(begun.elapsed().as_secs() < 20, "{before} KiB before, {} after", vmalloc_kib()?);
        testkit::kernel::drain()?;
    }
    Ok(())
}
