// SPDX-License-Identifier: GPL-2.0

//! What one look at every registered process costs, at rest and busy, with and without delay accounting.
//!
//! *Busy* means that each thread ran, took a fault and switched since the last tick.

use super::{register, MP3};
use crate::clock;
use crate::herd::Herd;
use crate::peers::{self, timer::Timer};
use abi::header::word;
use abi::ring::Reader;
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use abi::words::ReadWords;
use anyhow::{ensure, Result};
use bench::report::{Clock, Report, Row, Section};
use std::collections::HashMap;
use std::fs;
use testkit::device::Samples;
use testkit::module::Module;

/// Processes, and threads of each.
const CROWDS: [(usize, usize); 5] = [(1, 1), (100, 1), (10_000, 1), (1, 64), (100, 64)];
/// Slow enough that all are done, and have been busy again, before the next tick, also where the emulated CPU is slow.
const RATE_HZ: u64 = 1;
const RUNS: usize = 5;

const DELAY_ACCOUNTING: &str = "/proc/sys/kernel/task_delayacct";

/// Subjects of the module's own cost, and with that of a reader that copies the records out of the ring.
const AND_READER: &str = "mp3, and a reader";

/// Measures the subjects whose names contain `only`.
pub fn measure(clock: Clock, only: &str, report: &mut Report) -> Result<()> {
    for delays in [false, true] {
        // It holds for tasks that begin afterwards.
        fs::write(DELAY_ACCOUNTING, if delays { "1" } else { "0" })?;
        for (processes, threads) in CROWDS {
            eprintln!(
                "    {processes} processes of {threads} threads, delay accounting {}",
                if delays { "on" } else { "off" }
            );
            let mut herd = Herd::new(processes, threads)?;
            for busy in [false, true] {
                let mut quantity = "per process and tick".to_owned();
                quantity += if busy { ", busy" } else { "" };
                quantity += if delays { ", delays counted" } else { "" };
                let section = if threads == 1 { Section::Sampling } else { Section::Threads };
                for (subject, values) in costs(&mut herd, busy, delays || threads > 1, only)? {
                    let values: Vec<f64> = values.iter().map(|ns| ns / processes as f64).collect();
                    let parameter = Some(processes as f64);
                    let unit = clock::unit(clock);
                    report.rows.push(Row::of(section, &subject, parameter, &quantity, unit, clock, &values));
                }
            }
        }
    }
    fs::write(DELAY_ACCOUNTING, "0")?;
    Ok(())
}

/// What a look at all processes of `herd` takes by each subject, in each of the runs. `few`: only by those that come near mp3.
fn costs(herd: &mut Herd, busy: bool, few: bool, only: &str) -> Result<Vec<(String, Vec<f64>)>> {
    let pids = herd.pids();
    let mut all = vec![];
    if MP3.contains(only) || AND_READER.contains(only) {
        let (ticks, copies) = mp3(herd, &pids, busy)?;
        let both = ticks.iter().zip(&copies).map(|(tick, copy)| tick + copy).collect();
        all.push((MP3.to_owned(), ticks));
        all.push((AND_READER.to_owned(), both));
    }
    if "BPF timer".contains(only) {
        all.push(("BPF timer".to_owned(), timer(herd, &pids, busy)?));
    }
    let readers = if few || busy { &[peers::ITERATOR][..] } else { &peers::READERS };
    for &make in readers.iter().filter(|(name, _)| name.contains(only)) {
        let mut reader = peers::reader(make, &pids)?;
        let mut values = vec![];
        for _ in 0..RUNS {
            if busy {
                herd.stir()?;
            }
            values.push(clock::time(|| reader.read_all())?);
        }
        all.push((make.0.to_owned(), values));
    }
    Ok(all)
}

/// What the module itself says it spent on each of some ticks, from the tick's begin to the last record, on the clock that all
/// others here are measured with; and what it takes to copy the tick's records out of the ring.
fn mp3(herd: &mut Herd, pids: &[i32], busy: bool) -> Result<(Vec<f64>, Vec<f64>)> {
    let _module = Module::load(&format!("rate_hz={RATE_HZ}"))?;
    let samples = Samples::from_here()?;
    register(pids)?;
    let (mut ticks, mut copies) = (vec![], vec![]);
    let mut reader = Reader::<SAMPLE_WORDS>::at_oldest(&samples.header, &samples.memory);
    let mut batch = vec![[0; SAMPLE_WORDS]; 4096];
    let mut last: HashMap<i32, SampleRecord> = HashMap::new();
    // The first ticks meet processes and memory that no tick has met.
    for run in 0..RUNS + 2 {
        if busy {
            let before = samples.memory.load_acquire(word::COMPLETED_TICK);
            herd.stir()?;
            ensure!(
                samples.memory.load_acquire(word::COMPLETED_TICK) == before,
                "the processes are slower than a tick"
            );
        }
        let spent = tick_costs(&samples, 1, || {})?;
        let mut records = vec![];
        let copied = clock::time(|| {
            while reader.pending(&samples.memory) > 0 {
                records.push(std::hint::black_box(reader.read(&samples.memory, &mut batch)?).len());
            }
            Ok(())
        })?;
        ensure!(
            run == 0 || records.iter().sum::<usize>() == pids.len(),
            "{records:?} records of {} processes",
            pids.len()
        );
        // What is measured is what it says it is.
        for words in &batch[..pids.len().min(records.last().copied().unwrap_or(0))] {
            let record = SampleRecord::from_words(words);
            if let Some(before) = last.insert(record.pid, record) {
                let (now, before) = (record.totals, before.totals);
                let changed = now.minor_faults > before.minor_faults
                    && now.voluntary_switches > before.voluntary_switches
                    && now.user_ns + now.system_ns > before.user_ns + before.system_ns;
                ensure!(changed == busy, "busy: {busy}, and {} went from {before:?} to {now:?}", record.pid);
            }
        }
        if run >= 2 {
            ticks.extend(spent);
            copies.push(copied);
        }
    }
    Ok((ticks, copies))
}

/// The same of the timer, by its own clock.
fn timer(herd: &mut Herd, pids: &[i32], busy: bool) -> Result<Vec<f64>> {
    let timer = Timer::start(pids, RATE_HZ)?;
    let mut values = vec![];
    let mut last: HashMap<u64, [u64; peers::timer::SAMPLE]> = HashMap::new();
    for run in 0..RUNS + 2 {
        let (tick, spent) = timer.ticks();
        if busy {
            herd.stir()?;
            ensure!(timer.ticks().0 == tick, "the processes are slower than a tick");
        }
        while timer.ticks().0 == tick {
            clock::sleep_until(clock::now_ns() + 10_000_000);
        }
        ensure!(timer.ticks().0 == tick + 1, "the timer is faster than this program");
        if run >= 2 {
            values.push((timer.ticks().1 - spent) as f64);
        }
        for sample in timer.last(pids.len()) {
            // Words 9 and 13: minor faults, voluntary switches.
            let [pid, faults, switches] = [4, 9, 13].map(|word| sample[word]);
            ensure!(pids.contains(&(pid as i32)) || pids.len() > 1000, "a sample of {pid}");
            if let Some(before) = last.insert(pid, sample) {
                ensure!((faults > before[9] && switches > before[13]) == busy, "busy: {busy}, {before:?}, {sample:?}");
            }
        }
    }
    Ok(values)
}

/// What each of the next `count` ticks costs as a whole; `between` them something is done.
pub fn tick_costs(samples: &Samples, count: usize, mut between: impl FnMut()) -> Result<Vec<f64>> {
    let look = || (samples.memory.load_acquire(word::COMPLETED_TICK), samples.memory.load_relaxed(word::SAMPLING_NS));
    let mut spent = vec![];
    let (mut tick, mut before) = look();
    while spent.len() < count {
        samples.set_position(samples.memory.load_acquire(word::COMMITTED))?;
        samples.readable(20_000_u16.into())?;
        let (next, now) = look();
        // Woken by another than a tick, or between two batches of one.
        if next == tick + 1 {
            spent.push((now - before) as f64);
        }
        if next > tick {
            between();
        }
        (tick, before) = (next, now);
    }
    Ok(spent)
}
