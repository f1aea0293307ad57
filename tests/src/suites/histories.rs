// SPDX-License-Identifier: GPL-2.0

//! Random lives of processes, each compared at its end with what `wait4` says of it.
//!
//! A history is a sequence of steps that a seed decides: pages touched, pages pushed out to swap and fetched again, threads that
//! live and die, `execve` from the leader and from another thread, and one that fails, stops, time burnt. It is registered at a random moment, and
//! ends by exiting, by a signal, or by its leader leaving first. `MP3_HISTORIES` says how many, `MP3_SEED` with which seed;
//! a failure prints the seed of the one history, which `MP3_HISTORIES=1 MP3_SEED=…` runs again.

use crate::test::Outcome;
use crate::tests;
use crate::zram::Zram;
use abi::header::word;
use abi::record::Flags;
use abi::words::ReadWords;
use anyhow::{ensure, Context};
use nix::sys::signal::{raise, Signal};
use nix::unistd::execv;
use std::ffi::CString;
use std::os::fd::FromRawFd;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use testkit::child::{exit, Child, Pages, Parent, CPU_BOUND_NS};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::{kernel, options, status};
use work::random::SplitMix64;

tests![random_histories_end_as_wait4_says within limit()];

/// One second each, and some to begin with.
fn limit() -> u64 {
    120 + options::number("MP3_HISTORIES", HISTORIES).unwrap_or(0)
}

/// How many by default.
const HISTORIES: u64 = 150;

/// The argument that makes this program live a history.
pub const ARGUMENT: &str = "--live";

/// The exit status of a history whose execve failed that should not.
const EXEC_FAILED: i32 = 8;
/// That of a child whose parent is gone ([`Parent::wait`]).
const NO_PARENT: i32 = 9;

/// Pages that a step touches at most.
const PAGES: u64 = 200;

fn random_histories_end_as_wait4_says() -> Outcome {
    let _swap = Zram::swap()?;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let count = options::number("MP3_HISTORIES", HISTORIES)?;
    let first = options::number("MP3_SEED", 1)?;
    let mut sums = Sums::default();
    for seed in first..first + count {
        one_history(&mut samples, seed, &mut sums).with_context(|| format!("MP3_HISTORIES=1 MP3_SEED={seed}"))?;
    }
    sums.apart_ns.sort_unstable();
    let (median_ns, worst_ns) = (sums.apart_ns[sums.apart_ns.len() / 2], sums.apart_ns[sums.apart_ns.len() - 1]);
    println!(
        "    {count} histories from seed {first}: {} minor and {} major faults, {} execs, {} killed, all equal; CPU times {} us apart in the median, {} at most",
        sums.minor_faults,
        sums.major_faults,
        sums.execs,
        sums.killed,
        median_ns / 1000,
        worst_ns / 1000
    );
    ensure!(samples.memory.load_acquire(word::REGISTERED) == 0);
    if count >= HISTORIES {
        ensure!(sums.major_faults > 0, "no history had a major fault");
        ensure!(sums.execs > 0 && sums.killed > 0, "{} execs, {} killed", sums.execs, sums.killed);
        // A busy host can spoil single ones (see `Usage::compare_cpu`), but not half of them.
        ensure!(median_ns <= CPU_BOUND_NS, "CPU times are {median_ns} ns apart in the median");
    }
    Ok(())
}

/// What has been compared.
#[derive(Default)]
struct Sums {
    minor_faults: u64,
    major_faults: u64,
    execs: u64,
    killed: u64,
    /// How far CPU time by the records and by `wait4` lie apart, of each, ns.
    apart_ns: Vec<u64>,
}

/// The process of a history. It says when it wants to be observed ([`Child::wait_done`]), and then waits to be let go.
pub fn begin(seed: u64) -> anyhow::Result<Child> {
    Child::spawn(|parent| live(parent, seed, 0))
}

fn one_history(samples: &mut Samples, seed: u64, sums: &mut Sums) -> Outcome {
    let mut child = begin(seed)?;
    let pid = child.pid();
    // The history says when it wants to be registered, and sleeps until it is: its counters stand still.
    child.wait_done()?;
    kernel::wait_until_alone(pid)?;
    kernel::wait_until_asleep(pid)?;
    let (faults, runtime_ns) = (kernel::faults(pid)?, kernel::runtime_ns(pid)?);
    status::register(pid)?;
    child.go()?;

    let mut plan = SplitMix64::new(!seed);
    if plan.below(3) == 0 {
        // In the middle of something, wherever it is by then.
        let begun = Instant::now();
        let after = Duration::from_micros(plan.below(30_000));
        while begun.elapsed() < after {
            std::hint::spin_loop();
        }
        child.kill(Signal::SIGKILL)?;
    }
    // Stops are ended at once; the end is what is waited for.
    while child.wait_stopped_or_dead()? {
        child.kill(Signal::SIGCONT)?;
    }
    // Some are reaped before the module can look, some after.
    let (records, usage) = if plan.below(2) == 0 {
        let usage = child.wait()?;
        (samples.until_final(pid)?, usage)
    } else {
        (samples.until_final(pid)?, child.wait()?)
    };

    let last = records.last().context("a record")?;
    ensure!(last.flags.contains(Flags::FINAL | Flags::EXITED), "{last:?}");
    for pair in records.windows(2) {
        ensure!(pair[1].totals.at_least(&pair[0].totals) == pair[1].totals, "a total fell: {pair:?}");
    }
    // What an execve that must succeed or a panic ends with.
    ensure!(![EXEC_FAILED, NO_PARENT, 101].contains(&usage.status), "it ended with {}", usage.status);
    let totals = last.totals;
    ensure!(
        (totals.minor_faults, totals.major_faults) == (usage.minor_faults - faults.0, usage.major_faults - faults.1),
        "recorded {totals:?}, wait4 {usage:?}, at registration {faults:?} and {runtime_ns} ns"
    );
    let apart_ns = usage.compare_cpu(totals.cpu_ns(), runtime_ns).with_context(|| {
        let recorded: Vec<_> =
            records.iter().map(|record| (record.flags, record.threads, record.totals.cpu_ns())).collect();
        format!("{runtime_ns} ns at registration, recorded {recorded:?}, {usage:?}")
    })?;

    sums.minor_faults += totals.minor_faults;
    sums.major_faults += totals.major_faults;
    sums.execs += records.iter().filter(|record| record.flags.contains(Flags::EXECED)).count() as u64;
    sums.killed += u64::from(usage.status == 128 + Signal::SIGKILL as i32);
    sums.apart_ns.push(apart_ns);
    Ok(())
}

/// `mp3-tests --live SEED STEP GO DONE`: the rest of a history, after an `execve`.
pub fn resume(arguments: &[String]) -> ! {
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    // SAFETY: The program that called execve left these two descriptors open for this one, which owns them now.
    let mut parent = unsafe {
        Parent::new(std::fs::File::from_raw_fd(number(2) as i32), std::fs::File::from_raw_fd(number(3) as i32))
    };
    live(&mut parent, number(0), number(1));
    exit(0);
}

/// Lives the history of `seed` from step `begin` on.
fn live(parent: &mut Parent, seed: u64, begin: u64) {
    let steps = 3 + SplitMix64::new(seed).below(8);
    let registration = SplitMix64::new(seed ^ 0x5eed).below(steps);
    let pages = Pages::new(PAGES as usize);
    for step in begin..steps {
        // Each step has randomness of its own, so that an execve in between does not matter.
        let mut random = SplitMix64::new(seed.rotate_left(17) ^ (step + 1));
        if step == registration {
            parent.done();
            parent.wait();
        }
        match random.below(10) {
            0 | 1 => pages.touch(0..random.below(PAGES) as usize),
            2 => {
                let count = 1 + random.below(PAGES - 1) as usize;
                pages.touch(0..count);
                pages.page_out();
                pages.touch(0..count);
            }
            3 | 4 => threads(&mut random),
            5 => become_again(parent, seed, step + 1),
            6 if step >= registration => drop(raise(Signal::SIGSTOP)),
            7 => burn(random.below(5_000)),
            8 => exec_in_vain(&mut random),
            _ => std::thread::sleep(Duration::from_micros(random.below(40_000))),
        }
    }
    if begin < registration && registration >= steps {
        exit(7);
    }
    let mut random = SplitMix64::new(seed ^ 0xe4d);
    match random.below(4) {
        // Another thread is the one that goes on from here, or that ends it all.
        0 => leave_first(&mut random),
        1 => exec_from_a_thread(&mut random),
        _ => {}
    }
}

/// Threads that touch pages of their own and die, some while others are still being made.
fn threads(random: &mut SplitMix64) {
    let count = 1 + random.below(6);
    std::thread::scope(|scope| {
        for _ in 0..count {
            let (touched, micros) = (random.below(50) as usize, random.below(500));
            scope.spawn(move || {
                let own = Pages::new(50);
                own.touch(0..touched);
                burn(micros);
            });
        }
    });
}

/// The leader goes, a thread stays, touches pages, and ends the process.
fn leave_first(random: &mut SplitMix64) {
    let touched = random.below(100) as usize;
    std::thread::spawn(move || {
        let own = Pages::new(100);
        own.touch(0..touched);
        burn(2_000);
        exit(0);
    });
    // SAFETY: Ends this thread only. What its stack holds is never freed, and no other thread uses it.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// A thread other than the leader becomes another program.
fn exec_from_a_thread(random: &mut SplitMix64) {
    let others = random.below(4);
    let barrier = Barrier::new(others as usize + 2);
    std::thread::scope(|scope| {
        for _ in 0..others {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                loop {
                    std::thread::park();
                }
            });
        }
        let barrier = &barrier;
        scope.spawn(move || {
            barrier.wait();
            let _ = execv(c"/bin/busybox", &[c"true"]);
            exit(EXEC_FAILED);
        });
        barrier.wait();
        loop {
            std::thread::park();
        }
    });
}

/// This program again, from the leader, to go on with `step`.
fn become_again(parent: &Parent, seed: u64, step: u64) {
    let (go, done) = parent.keep_over_exec();
    let arguments =
        ["mp3-tests".into(), ARGUMENT.into(), seed.to_string(), step.to_string(), go.to_string(), done.to_string()];
    let arguments: Vec<_> = arguments.into_iter().filter_map(|text: String| CString::new(text).ok()).collect();
    let _ = execv(c"/proc/self/exe", &arguments);
    exit(EXEC_FAILED);
}

/// An execve that fails, after more or less of its work, and leaves the process what it was.
fn exec_in_vain(random: &mut SplitMix64) {
    let program = [c"/nowhere/program", c"/proc/cmdline", c"/proc"][random.below(3) as usize];
    if execv(program, &[program]).is_ok() {
        exit(EXEC_FAILED);
    }
}

/// Uses the CPU for about this long, µs.
fn burn(micros: u64) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}
