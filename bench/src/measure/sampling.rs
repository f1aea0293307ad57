// SPDX-License-Identifier: GPL-2.0

//! What one look at every registered process costs.

use super::{pids_of, register, MP3};
use crate::clock;
use crate::peers;
use abi::header::word;
use abi::words::ReadWords;
use anyhow::Result;
use bench::report::{Clock, Report, Row, Section};
use testkit::child::Pages;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;

const PROCESSES: [usize; 5] = [1, 10, 100, 1000, 10_000];
const QUANTITY: &str = "per process and tick";
const RUNS: usize = 9;

pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    for processes in PROCESSES {
        let crowd = Crowd::new(processes)?;
        let pids = pids_of(&crowd);
        let mut row = |subject: &str, values: &[f64]| {
            let unit = clock::unit(clock);
            let parameter = Some(processes as f64);
            report.rows.push(Row::of(Section::Sampling, subject, parameter, QUANTITY, unit, clock, values));
        };
        row(MP3, &ticks(&pids, || {})?);
        row("mp3, every process changed", &ticks(&pids, changing())?);
        for make in peers::READERS {
            let mut reader = peers::reader(make, &pids)?;
            let mut values = vec![];
            for _ in 0..if processes > 1000 { 3 } else { RUNS } {
                values.push(clock::time(|| reader.read_all())? / processes as f64);
            }
            row(reader.name(), &values);
        }
    }
    Ok(())
}

/// What the module itself says it spent on each of some ticks: from the tick's begin to the last record, on the clock that all
/// others here are measured with.
fn ticks(pids: &[i32], between: impl FnMut()) -> Result<Vec<f64>> {
    // Slow enough that 10,000 processes are done before the next tick, also where the emulated CPU is slow.
    let _module = Module::load("rate_hz=2")?;
    let samples = Samples::from_here()?;
    register(pids)?;
    let mut spent = tick_costs(&samples, RUNS + 2, between)?;
    // The first ones meet processes and memory that no tick has met.
    Ok(spent.split_off(2).iter().map(|ns| ns / pids.len() as f64).collect())
}

/// What changes every process of a [`Crowd`], which share their memory with this one: it grows, or shrinks.
fn changing() -> impl FnMut() {
    const PAGES: usize = 4096;
    let mut pages = None;
    move || {
        pages = match pages {
            Some(_) => None,
            None => {
                let pages = Pages::new(PAGES);
                pages.touch(0..PAGES);
                Some(pages)
            }
        }
    }
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
