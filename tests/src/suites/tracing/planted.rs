// SPDX-License-Identifier: GPL-2.0

//! What happens rarely by itself, planted: each of the flags of a switch, and a priority that is inherited.

use crate::cgroup::Cgroup;
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::{Event, Kinds, PrioClass, Priority, SwitchFlags};
use anyhow::{ensure, Context, Result};
use io_uring::{opcode, types, IoUring};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::{gettid, Pid};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use testkit::child::Child;
use testkit::module::Module;
use testkit::tracing::{wait_asleep, Ask, Happened, Tracing};

tests![
    a_thread_that_is_preempted_in_the_kernel_is_told_from_one_in_its_program,
    a_pinned_thread_is_told_from_others,
    a_wait_for_io_is_told_from_others,
    a_thread_that_has_used_up_its_quota_is_throttled,
    the_fair_server_lets_a_fair_thread_run_beside_a_real_time_one,
    an_inherited_priority_is_recorded_with_its_donor_and_keeps_the_middle_one_off,
];

/// Lets this thread run on CPU 0 only.
fn pin() {
    let mut set = CpuSet::new();
    set.set(0).expect("CPU 0");
    sched_setaffinity(Pid::from_raw(0), &set).expect("pinning");
}

/// Gives this thread a real-time priority, 1 to 99.
fn real_time(priority: i32) {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: The parameter is a local.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) };
    assert_eq!(answer, 0, "SCHED_FIFO: {}", std::io::Error::last_os_error());
}

fn ensure_two_cpus() -> Result<()> {
    let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)?.context("CPUs")?;
    if cpus < 2 {
        return Err(Skip("one CPU: every thread is pinned to it, and the test itself would not run").into());
    }
    Ok(())
}

/// The flags of all switches from `tid`.
fn flags_of(events: &[Happened], tid: u32) -> Vec<SwitchFlags> {
    let flags = events.iter().filter_map(|happened| match happened.event {
        Event::Switch(switch) if switch.prev == tid => Some(switch.flags),
        _ => None,
    });
    flags.collect()
}

/// Calls `body` again and again, on CPU 0.
fn repeating(mut body: impl FnMut() + Send + 'static) -> Result<Child> {
    let mut child = Child::spawn(move |parent| {
        pin();
        parent.done();
        loop {
            body();
        }
    })?;
    child.wait_done()?;
    Ok(child)
}

fn a_thread_that_is_preempted_in_the_kernel_is_told_from_one_in_its_program() -> Outcome {
    let _module = Module::load("")?;
    let _intruder = repeating(|| {
        real_time(50);
        std::thread::sleep(Duration::from_micros(500));
    })?;
    let zeros = std::fs::File::open("/dev/zero")?;
    let mut buffer = vec![0; 1 << 20];
    for is_in_kernel in [true, false] {
        // Reading so much is all in the kernel, and computing never is. What the kernel preempts there has the flag.
        let busy = if is_in_kernel {
            let (mut zeros, mut buffer) = (zeros.try_clone()?, std::mem::take(&mut buffer));
            repeating(move || std::io::Read::read_exact(&mut zeros, &mut buffer).expect("zeros"))?
        } else {
            repeating(|| {
                std::hint::black_box(super::oracles::compute(1));
            })?
        };
        let pid = busy.pid() as u32;
        let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).pids(&[busy.pid()]))?;
        read_until(&mut tracing, |events| {
            let preempted = flags_of(events, pid).into_iter().filter(|flags| !flags.contains(SwitchFlags::VOLUNTARY));
            let preempted: Vec<_> = preempted.map(|flags| flags.contains(SwitchFlags::PREEMPTED)).collect();
            // The most of many: an interrupt may have come just when it entered or left the kernel.
            let alike = preempted.iter().filter(|&&is_preempted| is_preempted == is_in_kernel).count();
            (preempted.len() >= 20 && alike * 2 > preempted.len()).then_some(())
        })
        .with_context(|| format!("in the kernel: {is_in_kernel}"))?;
    }
    Ok(())
}

fn a_pinned_thread_is_told_from_others() -> Outcome {
    ensure_two_cpus()?;
    let _module = Module::load("")?;
    for pinned in [true, false] {
        let mut child = Child::spawn(move |parent| {
            if pinned {
                pin();
            }
            parent.done();
            parent.wait();
            parent.done();
            parent.wait();
        })?;
        child.wait_done()?;
        let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
        child.go()?;
        child.wait_done()?;
        wait_asleep(child.pid())?;
        tracing.stop()?;
        let flags = flags_of(&tracing.read()?, child.pid() as u32);
        ensure!(
            !flags.is_empty() && flags.iter().all(|flags| flags.contains(SwitchFlags::PINNED) == pinned),
            "{flags:?}"
        );
    }
    Ok(())
}

fn a_wait_for_io_is_told_from_others() -> Outcome {
    let _module = Module::load("")?;
    let Ok(_) = IoUring::new(8) else { return Err(Skip("this kernel has no io_uring, or does not let us").into()) };
    let (end, other_end) = nix::unistd::pipe()?;
    let descriptor = end.as_raw_fd();
    // A thread that waits for its own requests of io_uring waits for I/O, by the kernel's own definition.
    let mut child = Child::spawn(move |parent| {
        let mut ring = IoUring::new(8).expect("a ring");
        parent.wait();
        let poll = opcode::PollAdd::new(types::Fd(descriptor), libc::POLLIN as u32).build();
        // SAFETY: The request names no memory.
        unsafe { ring.submission().push(&poll) }.expect("room");
        ring.submit_and_wait(1).expect("an answer");
        parent.done();
        parent.wait();
    })?;
    let pid = child.pid() as u32;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES))?;
    child.go()?;
    // It sleeps in the wait, and is woken by this.
    wait_asleep(child.pid())?;
    std::io::Write::write_all(&mut std::fs::File::from(other_end), b"x")?;
    child.wait_done()?;
    wait_asleep(child.pid())?;
    tracing.stop()?;
    let flags = flags_of(&tracing.read()?, pid);
    let waits = flags.iter().filter(|flags| flags.contains(SwitchFlags::IO_WAIT)).count();
    ensure!(waits == 1 && flags.len() > 1, "{waits} of {flags:?}");
    Ok(())
}

/// Reads events until `found` finds what it looks for.
fn read_until<T>(tracing: &mut Tracing, mut found: impl FnMut(&[Happened]) -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    let mut events = vec![];
    loop {
        events.extend(tracing.read()?);
        if let Some(found) = found(&events) {
            return Ok(found);
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "it did not happen within 60 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_thread_that_has_used_up_its_quota_is_throttled() -> Outcome {
    let group = Cgroup::new(&["cpu"])?;
    // 5 ms of every 50.
    group.set("cpu.max", "5000 50000")?;
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        loop {
            std::hint::spin_loop();
        }
    })?;
    let pid = child.pid() as u32;
    group.take(child.pid())?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).pids(&[child.pid()]))?;
    child.go()?;
    let flags = read_until(&mut tracing, |events| {
        flags_of(events, pid).into_iter().find(|flags| flags.contains(SwitchFlags::THROTTLED))
    })?;
    ensure!(!flags.contains(SwitchFlags::DEAD), "{flags:?}");
    drop(child);
    group.wait_until_empty()?;
    Ok(())
}

fn the_fair_server_lets_a_fair_thread_run_beside_a_real_time_one() -> Outcome {
    ensure_two_cpus()?;
    let _module = Module::load("")?;
    let spinning = |priority: Option<i32>| {
        Child::spawn(move |parent| {
            pin();
            parent.done();
            parent.wait();
            if let Some(priority) = priority {
                real_time(priority);
            }
            loop {
                std::hint::spin_loop();
            }
        })
    };
    let (mut fair, mut hog) = (spinning(None)?, spinning(Some(50))?);
    fair.wait_done()?;
    hog.wait_done()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SWITCHES).pids(&[fair.pid(), hog.pid()]))?;
    // This thread is not to be starved with it.
    let mut set = CpuSet::new();
    set.set(1)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    fair.go()?;
    hog.go()?;
    let (fair_pid, hog_pid) = (fair.pid() as u32, hog.pid() as u32);
    read_until(&mut tracing, |events| {
        events.iter().find_map(|happened| match happened.event {
            Event::Switch(switch) => {
                let served = switch.flags.contains(SwitchFlags::FAIR_SERVER);
                (served && switch.prev == hog_pid && switch.next == fair_pid).then_some(())
            }
            _ => None,
        })
    })?;
    set.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    Ok(())
}

/// `FUTEX_LOCK_PI`, `FUTEX_UNLOCK_PI` or another operation that takes nothing else.
fn futex(word: &AtomicU32, operation: i32) {
    // SAFETY: The word is a static one.
    let answer = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 0, 0, 0, 0) };
    assert_eq!(answer, 0, "futex: {}", std::io::Error::last_os_error());
}

fn an_inherited_priority_is_recorded_with_its_donor_and_keeps_the_middle_one_off() -> Outcome {
    static LOCK: AtomicU32 = AtomicU32::new(0);
    static TIDS: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
    const LOW: i32 = 10;
    const MIDDLE: i32 = 20;
    const HIGH: i32 = 30;

    /// A thread of this priority, on CPU 0 as its creator is.
    fn thread(number: usize, priority: i32, body: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            TIDS[number].store(gettid().as_raw() as u32, Ordering::SeqCst);
            real_time(priority);
            body();
        })
    }
    fn compute() {
        std::hint::black_box(super::oracles::compute(20));
    }

    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        pin();
        parent.done();
        parent.wait();
        // Above all of them: each comes when this thread waits.
        real_time(40);
        let (locked, is_locked) = std::sync::mpsc::channel();
        let low = thread(0, LOW, move || {
            futex(&LOCK, libc::FUTEX_LOCK_PI);
            locked.send(()).expect("a receiver");
            compute();
            futex(&LOCK, libc::FUTEX_UNLOCK_PI);
        });
        is_locked.recv().expect("a sender");
        let others = [
            thread(1, MIDDLE, compute),
            thread(2, HIGH, || {
                futex(&LOCK, libc::FUTEX_LOCK_PI);
                futex(&LOCK, libc::FUTEX_UNLOCK_PI);
            }),
        ];
        for thread in others.into_iter().chain([low]) {
            thread.join().expect("a thread");
        }
        // What the parent cannot know.
        let tids = TIDS.each_ref().map(|tid| tid.load(Ordering::SeqCst).to_string());
        std::fs::write("/tmp/mp3-inherited", tids.join(" ")).expect("a file");
        parent.done();
        parent.wait();
    })?;
    child.wait_done()?;
    let mut tracing = Tracing::start(Ask::for_kinds(Kinds::SCHEDULER))?;
    child.go()?;
    child.wait_done()?;
    tracing.stop()?;
    let events = tracing.read()?;
    ensure!(tracing.lost() == 0);
    let tids = std::fs::read_to_string("/tmp/mp3-inherited")?;
    let tids = tids.split(' ').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    let [low, middle, high] = tids[..] else { anyhow::bail!("{tids:?}") };

    let changes: Vec<(usize, Priority)> = events
        .iter()
        .enumerate()
        .filter_map(|(index, happened)| match happened.event {
            Event::Priority(priority) if priority.tid == low => Some((index, priority)),
            _ => None,
        })
        .collect();
    let (lent, first) = *changes.first().context("no priority was inherited")?;
    let rank = |prio: abi::events::Prio| prio.real_time_priority();
    ensure!(rank(first.old) == Some(LOW as u8) && rank(first.new) == Some(HIGH as u8), "{first:?}");
    ensure!(first.donor == high && first.by == high && first.new.class() == PrioClass::RealTime, "{first:?}");
    let back = changes.iter().find(|(_, change)| rank(change.new) == Some(LOW as u8));
    let (given_back, last) = *back.context("the priority was never given back")?;
    ensure!(rank(last.old) == Some(HIGH as u8) && last.donor == 0 && last.by == low, "{last:?}");
    // Meanwhile the lowest ran with the highest one's priority, and the middle one did not.
    let mut ran = false;
    for happened in &events[lent..given_back] {
        if let Event::Switch(switch) = happened.event {
            ensure!(switch.next != middle, "the middle one ran: {switch:?}");
            if switch.next == low {
                ran |= rank(switch.next_prio) == Some(HIGH as u8);
            }
        }
    }
    ensure!(ran, "the lowest did not run with the priority that it inherited");
    child.go()?;
    child.wait()?;
    Ok(())
}
