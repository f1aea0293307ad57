// SPDX-License-Identifier: GPL-2.0

//! The numbers: to the fault what the kernel itself reports, whatever a process does.

use crate::before::{check_series, Before};
use crate::test::Outcome;
use crate::tests;
use abi::record::{Flags, SampleRecord};
use anyhow::{ensure, Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::execv;
use std::fs;
use std::sync::Barrier;
use testkit::child::{exit, Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::{files, kernel, status};

tests![
    a_process_that_sleeps_and_moves_and_sleeps,
    a_running_process_to_the_fault,
    only_what_came_after_the_registration,
    a_process_killed_between_two_ticks,
    a_process_reaped_before_the_next_tick,
    many_threads,
    a_leader_that_leaves_before_its_threads,
    exec_of_the_leader,
    exec_of_another_thread,
    a_second_registration_starts_at_zero,
    switches_and_run_queue_delay,
    resident_pages,
    delays_only_where_the_kernel_counts_them,
    status_shows_user_time,
    userapp_counts_what_its_seed_foretells,
];

const ROUNDS: usize = 8;

/// The sampler does not read a process again whose fingerprint is unchanged. That must be right, and end with its first fault.
fn a_process_that_sleeps_and_moves_and_sleeps() -> Outcome {
    let _module = Module::load("rate_hz=100")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(ROUNDS);
        for page in 0..ROUNDS {
            parent.wait();
            pages.touch(page..page + 1);
            parent.done();
        }
        parent.wait();
    })?;
    let before = Before::register(&child)?;
    let mut records = vec![];
    for round in 0..ROUNDS {
        // What was recorded until now may be of the time before the process slept, and so may be the first record after it:
        // of a tick that had begun by then.
        let asleep_ns = kernel::monotonic_ns()?;
        let mut still = vec![];
        while still.len() < 4 {
            let batch = samples.wait()?;
            still.extend(batch.iter().filter(|record| record.time_ns > asleep_ns).copied());
            records.extend(batch);
        }
        let still = &still[1..];
        ensure!(still.windows(2).all(|pair| pair[0].totals == pair[1].totals && pair[0].tick < pair[1].tick));
        ensure!(still.iter().all(|record| record.flags == Flags::default()), "{still:?}");
        ensure!(still[0].totals.minor_faults >= round as u64, "round {round}: {still:?}");
        child.go()?;
        child.wait_done()?;
        kernel::wait_until_asleep(child.pid())?;
    }
    child.kill(Signal::SIGKILL)?;
    let usage = child.wait()?;
    records.extend(samples.until_final(before.pid)?);
    before.compare(&records, &usage)
}

fn a_running_process_to_the_fault() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(1000);
        parent.wait();
        for round in 0..10 {
            pages.touch(round * 100..round * 100 + 100);
            parent.done();
            parent.wait();
        }
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    let mut records = vec![];
    for round in 1..=10 {
        child.wait_done()?;
        kernel::wait_until_asleep(child.pid())?;
        let expected = kernel::faults(child.pid())?.0 - before.faults.0;
        ensure!(expected >= round * 100);
        // The next tick after the child fell asleep has it all.
        let now = samples.reader.position() + samples.reader.pending(&samples.memory);
        loop {
            records.extend(samples.wait()?);
            if records.last().is_some_and(|record| record.sequence > now) {
                break;
            }
        }
        ensure!(records.last().unwrap().totals.minor_faults == expected);
        child.go()?;
    }
    child.wait_dead()?;
    records.extend(samples.until_final(child.pid())?);
    before.compare(&records, &child.wait()?)
}

fn only_what_came_after_the_registration() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(600);
        pages.touch(0..500);
        parent.wait();
        pages.touch(0..600);
        parent.done();
        parent.wait();
    })?;
    let before = Before::register(&child)?;
    ensure!(before.faults.0 >= 500);
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(child.pid())?;
    status::unregister(child.pid())?;
    let records = samples.until_final(child.pid())?;
    check_series(&records)?;
    let last = records.last().context("a record")?;
    ensure!(!last.flags.contains(Flags::EXITED));
    let expected = kernel::faults(child.pid())?.0 - before.faults.0;
    ensure!(last.totals.minor_faults == expected && (100..120).contains(&expected), "{expected}");
    Ok(())
}

fn a_process_killed_between_two_ticks() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(100_000);
        parent.wait();
        for page in 0.. {
            pages.touch(page % 100_000..page % 100_000 + 1);
            if page == 300 {
                parent.done();
            }
        }
    })?;
    let before = Before::register(&child)?;
    let mut records = samples.wait()?;
    child.go()?;
    child.wait_done()?;
    // A tick, and then the kill at once: most of an interval is left.
    records.extend(samples.wait()?);
    child.kill(Signal::SIGKILL)?;
    child.wait_dead()?;
    records.extend(samples.until_final(child.pid())?);
    before.compare(&records, &child.wait()?)
}

fn a_process_reaped_before_the_next_tick() -> Outcome {
    let _module = Module::load("rate_hz=1")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(300);
        parent.wait();
        pages.touch(0..300);
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    let usage = child.wait()?;
    ensure!(usage.status == 0);
    let records = samples.until_final(before.pid)?;
    // The registration, perhaps a tick in the middle, and the final record, of a process that has no PID any more.
    ensure!(records.len() <= 3, "{}", records.len());
    before.compare(&records, &usage)
}

fn many_threads() -> Outcome {
    const THREADS: usize = 24;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(THREADS * 50);
        let half = Barrier::new(THREADS / 2 + 1);
        parent.wait();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (pages, half) = (&pages, &half);
                scope.spawn(move || {
                    pages.touch(thread * 50..thread * 50 + 50);
                    // One half exits at once, the other lives on for a while.
                    if thread % 2 == 0 {
                        half.wait();
                    }
                });
            }
            parent.done();
            parent.wait();
            half.wait();
        });
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_done()?;
    let mut records = vec![];
    while !records.iter().any(|record: &SampleRecord| record.threads as usize > THREADS / 2) {
        records.extend(samples.wait()?);
    }
    child.go()?;
    child.wait_dead()?;
    records.extend(samples.until_final(child.pid())?);
    ensure!(records.last().unwrap().totals.minor_faults as usize >= THREADS * 50);
    before.compare(&records, &child.wait()?)
}

fn a_leader_that_leaves_before_its_threads() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let (go, done) = (parent, Pages::new(200));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                done.touch(0..100);
                go.done();
                go.wait();
                done.touch(100..200);
                exit(0);
            });
            // SAFETY: Ends this thread only, whose stack the other one does not use any more than the scope's borrow, which
            // lives in it and is never freed.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_done()?;
    let mut records = samples.wait()?;
    records.extend(samples.wait()?);
    // The leader is a zombie by now, and the process is not dead.
    ensure!(records.iter().all(|record| !record.flags.contains(Flags::FINAL)));
    child.go()?;
    child.wait_dead()?;
    records.extend(samples.until_final(child.pid())?);
    before.compare(&records, &child.wait()?)
}

/// Becomes another program, of the same name as a file in the guest.
fn become_true() -> ! {
    let _ = execv(c"/bin/busybox", &[c"true"]);
    exit(8);
}

fn exec_of_the_leader() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        become_true();
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(child.pid())?;
    let usage = child.wait()?;
    ensure!(usage.status == 0);
    check_exec(&records)?;
    before.compare(&records, &usage)
}

fn exec_of_another_thread() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(300);
        parent.wait();
        let barrier = Barrier::new(9);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (pages, barrier) = (&pages, &barrier);
                scope.spawn(move || {
                    pages.touch(thread * 30..thread * 30 + 30);
                    barrier.wait();
                    if thread == 5 {
                        become_true();
                    }
                    loop {
                        std::thread::park();
                    }
                });
            }
            barrier.wait();
            parent.done();
            parent.wait();
        });
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(child.pid())?;
    let usage = child.wait()?;
    ensure!(usage.status == 0, "{usage:?}");
    check_exec(&records)?;
    ensure!(records.last().unwrap().totals.minor_faults >= 240);
    before.compare(&records, &usage)
}

fn check_exec(records: &[SampleRecord]) -> Outcome {
    let execs: Vec<_> = records.iter().filter(|record| record.flags.contains(Flags::EXECED)).collect();
    ensure!(execs.len() == 1, "{} records say exec", execs.len());
    ensure!(records.first().unwrap().comm_bytes() == b"mp3-tests");
    ensure!(execs[0].comm_bytes() == b"busybox", "{:?}", String::from_utf8_lossy(execs[0].comm_bytes()));
    Ok(())
}

fn a_second_registration_starts_at_zero() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let child = Child::idle()?;
    let mut registrations = vec![];
    for _ in 0..3 {
        status::register(child.pid())?;
        status::unregister(child.pid())?;
        let records = samples.until_final(child.pid())?;
        check_series(&records)?;
        registrations.push(records[0].registration);
    }
    ensure!(registrations.windows(2).all(|pair| pair[0] < pair[1]), "{registrations:?}");
    Ok(())
}

fn switches_and_run_queue_delay() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        for _ in 0..50 {
            parent.wait();
            parent.done();
        }
        parent.wait();
    })?;
    let pid = child.pid();
    let counters = || -> Result<(u64, u64, u64)> {
        kernel::wait_until_asleep(pid)?;
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = text.lines().find(|line| line.starts_with(name)).context("a field")?;
            Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
        };
        let schedstat = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
        let delay = schedstat.split_whitespace().nth(1).context("a delay")?.parse()?;
        Ok((field("voluntary_ctxt_switches")?, field("nonvoluntary_ctxt_switches")?, delay))
    };
    let before = counters()?;
    status::register(pid)?;
    for _ in 0..50 {
        // Asleep before it is woken, so each round is a voluntary switch.
        kernel::wait_until_asleep(pid)?;
        child.go()?;
        child.wait_done()?;
    }
    let after = counters()?;
    status::unregister(pid)?;
    let last = samples.until_final(pid)?.pop().context("a record")?.totals;
    ensure!(
        last.voluntary_switches == after.0 - before.0 && last.voluntary_switches >= 50,
        "{last:?} {before:?} {after:?}"
    );
    ensure!(last.involuntary_switches == after.1 - before.1, "{last:?} {before:?} {after:?}");
    ensure!(last.run_delay_ns == after.2 - before.2, "{last:?} {before:?} {after:?}");
    Ok(())
}

fn resident_pages() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(5000);
        parent.wait();
        pages.touch(0..5000);
        parent.done();
        parent.wait();
    })?;
    kernel::wait_until_asleep(child.pid())?;
    status::register(child.pid())?;
    child.go()?;
    child.wait_done()?;
    status::unregister(child.pid())?;
    let records = samples.until_final(child.pid())?;
    let grown = records.last().unwrap().levels.resident_pages - records[0].levels.resident_pages;
    // The kernel adds up per CPU and passes on in batches of 32 or twice the CPUs, for each of three counters.
    ensure!((4700..=5300).contains(&grown), "{grown}");
    Ok(())
}

fn delays_only_where_the_kernel_counts_them() -> Outcome {
    const SWITCH: &str = "/proc/sys/kernel/task_delayacct";
    let was = fs::read_to_string(SWITCH)?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    for (switch, expected) in [("1", true), ("0", false)] {
        fs::write(SWITCH, switch)?;
        let child = Child::idle()?;
        status::register(child.pid())?;
        status::unregister(child.pid())?;
        for record in samples.until_final(child.pid())? {
            ensure!(record.flags.contains(Flags::DELAYS) == expected, "with {SWITCH} {switch}: {:?}", record.flags);
        }
    }
    fs::write(SWITCH, was)?;
    Ok(())
}

fn status_shows_user_time() -> Outcome {
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        let mut n = 0_u64;
        while n < 200_000_000 {
            n = std::hint::black_box(n + 1);
        }
        parent.done();
        parent.wait();
    })?;
    status::register(child.pid())?;
    child.wait_done()?;
    kernel::wait_until_asleep(child.pid())?;
    let user_ns = status::read()?[0].1;
    let runtime_ns = kernel::runtime_ns(child.pid())?;
    // The loop was long enough for the timer's samples to see it, and hardly anything else was done.
    ensure!(user_ns <= runtime_ns && user_ns > runtime_ns / 2, "{user_ns} of {runtime_ns}");
    Ok(())
}

fn userapp_counts_what_its_seed_foretells() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let output = files::program("userapp")
        .args(["200", "R", "10000", "--iterations", "20", "--pause", "0.01", "--seed", "42", "--json"])
        .output()
        .context("userapp")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let number = |path: &str| report.pointer(path).and_then(serde_json::Value::as_u64).with_context(|| path.to_owned());

    let pid = i32::try_from(number("/pid")?)?;
    let records = samples.until_final(pid)?;
    check_series(&records)?;
    let totals = records.last().unwrap().totals;
    // What getrusage counted between R and U, to the fault.
    ensure!(totals.minor_faults == number("/profiled/minor_faults")?, "{totals:?} {report}");
    ensure!(totals.major_faults == number("/profiled/major_faults")?, "{totals:?} {report}");
    // And the workload's share is the number of pages that its accesses touch: about 50 000, and exactly this.
    let mut workload = work::Workload::classic(200, work::Locality::Random, 10_000);
    workload.iterations = 20;
    workload.seed = 42;
    let distinct = work::distinct_pages(&workload);
    ensure!((50_000..50_400).contains(&distinct), "{distinct}");
    // userapp takes no fault of its own while it is registered, so its share is all of them.
    ensure!(totals.minor_faults == distinct, "{distinct} {report}");
    Ok(())
}
