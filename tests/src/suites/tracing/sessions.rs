// SPDX-License-Identifier: GPL-2.0

//! Sessions: who may have one, what it may ask for, and how it ends.

use crate::test::Outcome;
use crate::tests;
use abi::events::header::word as event_word;
use abi::events::ioctl::{TraceStart, MODE_DISCARD, RING_RECORDS_DEFAULT};
use abi::events::{Event, Kind, Kinds};
use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::Signal;
use testkit::child::Child;
use testkit::device;
use testkit::module::Module;
use testkit::tracing::{self, Ask, Ring, Tracing};

tests![
    a_session_records_switches_until_it_is_stopped,
    nothing_can_be_mapped_without_a_session,
    what_start_does_not_know_is_refused,
    the_exclusive_session_names_its_owner,
    a_session_ends_with_its_file,
    a_session_ends_with_its_owner_however_that_dies,
    the_module_stays_while_a_session_is_there,
];

fn a_session_records_switches_until_it_is_stopped() -> Outcome {
    let _module = Module::load("")?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER))?;
    ensure!(tracing.started.ring_records == RING_RECORDS_DEFAULT, "{:?}", tracing.started);
    ensure!(tracing.started.watermark == RING_RECORDS_DEFAULT / 8);
    ensure!(tracing.rings.iter().all(|ring| ring.word(event_word::KINDS) == Kinds::SCHEDULER.0));
    let mut child = Child::spawn(|parent| parent.wait())?;
    let pid = child.pid() as u32;
    child.go()?;
    child.wait()?;
    tracing.stop()?;
    let counts = tracing.counts();
    let events = tracing.read()?;
    let switches = events.iter().filter(|happened| matches!(happened.event, Event::Switch(_))).count() as u64;
    ensure!(switches == counts.switches && tracing.lost() == 0, "{switches} of {counts:?}");
    ensure!(events.iter().any(|happened| matches!(happened.event, Event::NewTask(born) if born.tid == pid)));
    ensure!(events.iter().any(|happened| matches!(happened.event, Event::Exit(exit) if exit.tid == pid)));
    for ring in &tracing.rings {
        ensure!(ring.word(event_word::ENDED) >= tracing.started.start_boottime_ns);
        ensure!(ring.reader.position() == ring.word(abi::header::word::COMMITTED));
    }
    ensure!(tracing.stop() == Err(Errno::ENODATA));
    Ok(())
}

fn nothing_can_be_mapped_without_a_session() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(false)?;
    ensure!(Ring::map(&file, 0).unwrap_err() == Errno::ENXIO);
    ensure!(tracing::set_position(&file, 0, 0) == Err(Errno::EINVAL));
    let session = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    // Any file may map them, and sees what the others see.
    let ring = Ring::map(&file, 0)?;
    ensure!(ring.word(event_word::SESSION) == session.rings[0].word(event_word::SESSION));
    ensure!(Ring::map(&file, session.started.cpus).unwrap_err() == Errno::ENXIO);
    drop(session);
    ensure!(ring.word(event_word::ENDED) > 0);
    ensure!(Ring::map(&file, 0).unwrap_err() == Errno::ENXIO);
    Ok(())
}

fn what_start_does_not_know_is_refused() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(false)?;
    let good = || Ask::for_kinds(Kinds::SWITCHES);
    let with = |change: fn(&mut TraceStart)| {
        let mut ask = good();
        change(&mut ask.start);
        ask
    };
    for (ask, error) in [
        (Ask::for_kinds(Kinds::NONE), Errno::EINVAL),
        (Ask::for_kinds(Kinds::NONE.with(Kind::Task)), Errno::EINVAL),
        (Ask::for_kinds(Kinds(1 << 63)), Errno::EINVAL),
        (good().mode(2), Errno::EINVAL),
        (good().records(1000), Errno::EINVAL),
        (good().records(128), Errno::EINVAL),
        (good().records(1 << 25), Errno::EINVAL),
        (good().watermark(RING_RECORDS_DEFAULT + 1), Errno::EINVAL),
        (good().follow(), Errno::EINVAL),
        (good().pids(&[1, i32::MAX]), Errno::ESRCH),
        (good().pids(&[-1]), Errno::ESRCH),
        (good().pids(&[0]), Errno::ESRCH),
        (with(|start| start.filter = 8), Errno::EINVAL),
        (with(|start| start.filter = 1), Errno::EINVAL),
        (with(|start| start.filter = 2), Errno::EINVAL),
        (with(|start| start.name[0] = b'x'), Errno::EINVAL),
        (with(|start| (start.filter, start.name) = (2, [b'x'; 16])), Errno::EINVAL),
        (with(|start| (start.filter, start.name[0], start.name[2]) = (2, b'x', b'x')), Errno::EINVAL),
        (with(|start| start.pid_count = 1), Errno::EINVAL),
        (with(|start| (start.filter, start.pid_count, start.pids) = (1, 1 << 20, 0)), Errno::EINVAL),
        (with(|start| start.reserved = 1), Errno::EINVAL),
    ] {
        let told = format!("{:?}", ask.start);
        let answer = ask.start(&file).map(drop);
        ensure!(answer == Err((error, 0)), "{answer:?} for {told}");
    }
    // Nothing of it has left anything behind.
    good().start(&file).ok().context("what is right")?;
    ensure!(good().start(&file).unwrap_err().0 == Errno::EALREADY);
    Ok(())
}

fn the_exclusive_session_names_its_owner() -> Outcome {
    let _module = Module::load("")?;
    let me = std::process::id() as i32;
    let exclusive = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).mode(MODE_DISCARD))?;
    let file = device::open(false)?;
    ensure!(Ask::for_kinds(Kinds::SWITCHES).start(&file).unwrap_err() == (Errno::EBUSY, me));
    exclusive.stop()?;
    Ask::for_kinds(Kinds::SWITCHES).start(&file).ok().context("a shared one after it")?;
    let other = device::open(false)?;
    ensure!(Ask::for_kinds(Kinds::SWITCHES).mode(MODE_DISCARD).start(&other).unwrap_err() == (Errno::EBUSY, me));
    Ask::for_kinds(Kinds::SWITCHES).start(&other).ok().context("two that share")?;
    Ok(())
}

fn a_session_ends_with_its_file() -> Outcome {
    let _module = Module::load("")?;
    let reader = device::open(false)?;
    let one = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    let two = Tracing::start(Ask::for_kinds(Kinds::NONE.with(Kind::Irq)))?;
    let ring = Ring::map(&reader, 0)?;
    let both = Kinds::SWITCHES.with(Kind::Irq);
    ensure!(ring.word(event_word::KINDS) == both.0, "{:#x}", ring.word(event_word::KINDS));
    // A mapping holds its file: so the session goes with the last mapping, or with STOP.
    one.stop()?;
    ensure!(ring.word(event_word::KINDS) == Kinds::NONE.with(Kind::Irq).0);
    ensure!(ring.word(event_word::ENDED) == 0);
    drop(two);
    ensure!(ring.word(event_word::ENDED) != 0);
    // A poll for a ring that has ended says so.
    ensure!(one.poll(PollTimeout::ZERO)?.is_empty(), "nothing was asked for");
    Ok(())
}

fn a_session_ends_with_its_owner_however_that_dies() -> Outcome {
    let module = Module::load("")?;
    // SIGABRT and not SIGSEGV: Rust's own handler takes the latter and returns where no access failed.
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGABRT] {
        let mut owner = Child::spawn(|parent| {
            let tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE)).expect("a session");
            parent.done();
            parent.wait();
            drop(tracing);
        })?;
        owner.wait_done()?;
        let file = device::open(false)?;
        let ring = Ring::map(&file, 0)?;
        tracing::set_position(&file, 0, 0)?;
        ensure!(ring.word(event_word::ENDED) == 0);
        owner.kill(signal)?;
        owner.wait_dead()?;
        // The file may be closed a little later than its owner is seen dead. poll tells.
        loop {
            let mut fds = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&file), PollFlags::empty())];
            let found = nix::poll::poll(&mut fds, PollTimeout::from(20_000_u16))?;
            ensure!(found > 0, "the rings did not end within 20 s after {signal}");
            if fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
                break;
            }
        }
        ensure!(ring.word(event_word::ENDED) != 0);
    }
    module.unload()
}

fn the_module_stays_while_a_session_is_there() -> Outcome {
    let module = Module::load("")?;
    let tracing = Tracing::start(Ask::for_kinds(Kinds::TRACEABLE))?;
    module.refuses_to_unload()?;
    let Tracing { file, rings, .. } = tracing;
    drop(file);
    // The mappings hold it.
    module.refuses_to_unload()?;
    drop(rings);
    module.unload()
}
