// SPDX-License-Identifier: GPL-2.0

//! Planted priority inversions: three priorities and a lock, and a low thread that cannot be preempted.

use super::{interrupted, nothing_lost, rows, sched, spin, tracing};
use crate::programs::{directory, json, number};
use crate::test::{Outcome, Skip};
use crate::tests;
use anyhow::{ensure, Context, Result};
use nix::unistd::pipe;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::time::Duration;
use testkit::bpf::Hog;
use testkit::futex::FutexLock;
use testkit::module::Module;
use testkit::priority::{pin, real_time};
use testkit::running::run;

tests![
    a_mutex_makes_a_certain_inversion_of_the_planted_length,
    a_mutex_that_passes_priority_on_makes_none_and_the_boost_is_told,
    a_wait_for_a_pipe_makes_a_possible_inversion,
    a_thread_that_cannot_be_preempted_is_a_direct_inversion_with_an_alert,
];

/// How long the thread of middle priority keeps the CPU.
const PLANTED: Duration = Duration::from_millis(60);

/// What high waits for and low gives.
trait Wanted: Send + Sync + 'static {
    fn low_takes(&self);
    fn low_gives(&self);
    fn high_waits(&self);
}

impl Wanted for FutexLock {
    fn low_takes(&self) {
        self.lock();
    }

    fn low_gives(&self) {
        self.unlock();
    }

    fn high_waits(&self) {
        self.lock();
        self.unlock();
    }
}

/// A byte in a pipe.
struct Byte {
    from: File,
    to: File,
}

impl Wanted for Byte {
    fn low_takes(&self) {}

    fn low_gives(&self) {
        (&self.to).write_all(&[1]).expect("a pipe");
    }

    fn high_waits(&self) {
        (&self.from).read_exact(&mut [0]).expect("a pipe");
    }
}

/// A thread of this name on CPU 0, with the policy SCHED_FIFO.
fn thread<T: Send + 'static>(
    name: &str,
    priority: i32,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>> {
    Ok(std::thread::Builder::new().name(name.into()).spawn(move || {
        // In this order: a fair thread does not get to a CPU that a real-time thread has.
        real_time(priority).expect("SCHED_FIFO");
        pin(0).expect("CPU 0");
        body()
    })?)
}

/// Low has it, high waits for it, middle keeps low from CPU 0 for [`PLANTED`] if the kernel lets it.
fn plant(wanted: impl Wanted) -> Result<()> {
    let wanted = Arc::new(wanted);
    let middle_is_runnable = Arc::new(AtomicBool::new(false));
    let (begin, begins) = channel();
    let (ready, is_ready) = channel();
    let middle = {
        let ready = ready.clone();
        thread("middle", 20, move || {
            ready.send(()).expect("a test");
            begins.recv().expect("a test");
            spin(PLANTED);
        })?
    };
    is_ready.recv()?;
    let low = {
        let (wanted, is_runnable) = (Arc::clone(&wanted), Arc::clone(&middle_is_runnable));
        let ready = ready.clone();
        thread("low", 10, move || {
            wanted.low_takes();
            ready.send(()).expect("a test");
            while !is_runnable.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            wanted.low_gives();
        })?
    };
    is_ready.recv()?;
    let high = thread("high", 30, move || {
        ready.send(()).expect("a test");
        // Nothing comes between on this CPU: the other two are less urgent.
        wanted.high_waits();
    })?;
    is_ready.recv()?;
    begin.send(())?;
    middle_is_runnable.store(true, Ordering::SeqCst);
    for thread in [middle, low, high] {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    }
    Ok(())
}

/// What `sched inversions` tells of it, live; a recording of the same says the same.
fn told(name: &str, wanted: impl Wanted) -> Result<String> {
    let file = directory(&format!("sched-inversions-{name}"))?.join("events");
    let recording = tracing(&format!("record -o {}", file.display()))?;
    let inversions = tracing("inversions --json --for 20ms")?;
    plant(wanted)?;
    let text = interrupted(inversions)?;
    interrupted(recording)?;
    nothing_lost(&text)?;
    let report = run(&mut sched(&format!("report {} inversions --json --for 20ms", file.display()), &[]))?;
    let length = |text: &str| -> Result<_> { Ok(of_high(text)?.map(|row| row["length_ns"].clone())) };
    ensure!(length(&text)? == length(&report.stdout)?, "live: {text}\nrecorded: {report:?}");
    Ok(text)
}

fn of_high(text: &str) -> Result<Option<Value>> {
    Ok(rows(text, "inversion")?.into_iter().find(|row| row["kind"] == "lock" && row["comm"] == "high"))
}

fn two_cpus() -> Outcome {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err(Skip("the threads that plant it need a CPU of their own").into());
    }
    Ok(())
}

fn a_mutex_makes_a_certain_inversion_of_the_planted_length() -> Outcome {
    two_cpus()?;
    let module = Module::load("")?;
    let text = told("plain", FutexLock::plain())?;
    let row = of_high(&text)?.context(text)?;
    for (column, expected) in [
        ("holder_comm", "low"),
        ("by_comm", "middle"),
        ("certainty", "certain"),
        ("rank", "rt 30"),
        ("by_rank", "rt 20"),
    ] {
        ensure!(row[column] == expected, "{column}: {row}");
    }
    // What low itself did with the lock is not counted; middle had the CPU for as long as it planned, and interrupts.
    let ns = number(&row["length_ns"])?;
    ensure!(ns >= 59_000_000, "{ns} of 60 ms: {row}");
    module.unload()
}

fn a_mutex_that_passes_priority_on_makes_none_and_the_boost_is_told() -> Outcome {
    two_cpus()?;
    let module = Module::load("")?;
    let text = told("inheriting", FutexLock::inheriting())?;
    let found = of_high(&text)?;
    ensure!(found.is_none(), "{found:?}");
    let boosts: Vec<Value> = rows(&text, "boost")?.into_iter().filter(|row| row["comm"] == "low").collect();
    let [raised, returns] = &boosts[..] else { anyhow::bail!("{text}") };
    ensure!(raised["old_rank"] == "rt 10" && raised["new_rank"] == "rt 30", "{raised}");
    ensure!(raised["donor_comm"] == "high", "{raised}");
    ensure!(returns["old_rank"] == "rt 30" && returns["new_rank"] == "rt 10", "{returns}");
    module.unload()
}

fn a_wait_for_a_pipe_makes_a_possible_inversion() -> Outcome {
    two_cpus()?;
    let module = Module::load("")?;
    let (from, to) = pipe()?;
    let text = told("pipe", Byte { from: from.into(), to: to.into() })?;
    let row = of_high(&text)?.context(text)?;
    ensure!(row["certainty"] == "possible" && row["holder_comm"] == "low" && row["by_comm"] == "middle", "{row}");
    ensure!(number(&row["length_ns"])? >= 59_000_000, "{row}");
    module.unload()
}

/// Rounds of a BPF program that take some ms: emulated, a round takes a third of a microsecond and more.
const ROUNDS: i32 = 100_000;

fn a_thread_that_cannot_be_preempted_is_a_direct_inversion_with_an_alert() -> Outcome {
    two_cpus()?;
    let hog = Hog::new(ROUNDS).map_err(|_| Skip("this kernel has no BPF"))?;
    let module = Module::load("")?;
    let mut inversions = tracing("inversions --json --for 1ms")?;
    let over = Arc::new(AtomicBool::new(false));
    let low = {
        let over = Arc::clone(&over);
        std::thread::Builder::new().name("low".into()).spawn(move || -> Result<()> {
            pin(0)?;
            while !over.load(Ordering::SeqCst) {
                hog.run()?;
            }
            Ok(())
        })?
    };
    let (wake, wakes) = channel();
    let high = thread("high", 50, move || while wakes.recv().is_ok() {})?;
    // Each wake-up is likely to find low in its program. The trace says when one has.
    let mut has_alerted = false;
    let found = 'found: loop {
        wake.send(())?;
        spin(Duration::from_millis(1));
        while let Some(line) = inversions.line_that_is_there()? {
            let row = json(&line)?;
            let is_ours = row["comm"] == "high" && row["by_comm"] == "low";
            if is_ours && row["row"] == "inversion_alert" {
                has_alerted = true;
            }
            if is_ours && row["row"] == "inversion" && row["kind"] == "direct" {
                break 'found row;
            }
        }
    };
    over.store(true, Ordering::SeqCst);
    drop(wake);
    low.join().map_err(|_| anyhow::anyhow!("low panicked"))??;
    high.join().map_err(|_| anyhow::anyhow!("high panicked"))?;
    ensure!(found["certainty"] == "certain" && found["rank"] == "rt 50" && found["by_rank"] == "fair", "{found}");
    ensure!(has_alerted && number(&found["length_ns"])? >= 1_000_000, "{found}");
    let text = interrupted(inversions)?;
    nothing_lost(&text)?;
    module.unload()
}
