// SPDX-License-Identifier: GPL-2.0

//! Timing, for a guest whose clock counts instructions.

use crate::suites::classic;
use crate::test::Outcome;
use crate::tests;
use abi::classic::{EMPTY, RING_LONGS};
use abi::header::word;
use abi::record::SampleRecord;
use abi::words::ReadWords;
use anyhow::{ensure, Result};
use std::time::Instant;
use testkit::child::Child;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![a_minute_at_20_hz, every_jiffy, thirteen_thousand_classic_records_wrap, registering_is_not_quadratic];

/// Profiles an idle process for at least `ticks` ticks and returns the records of the ticks themselves.
fn sample_for(ticks: usize) -> Result<(Samples, Vec<SampleRecord>)> {
    let mut samples = Samples::from_here()?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let mut records = vec![];
    while records.len() < ticks + 1 {
        records.extend(samples.wait()?);
    }
    status::unregister(child.pid())?;
    // Without that of the registration.
    records.remove(0);
    records.truncate(ticks);
    Ok((samples, records))
}

fn a_minute_at_20_hz() -> Outcome {
    let _module = Module::load("")?;
    let (samples, records) = sample_for(1201)?;
    let header = samples.header;
    // 1201 ticks are the ends of 1200 intervals: a minute.
    for pair in records.windows(2) {
        ensure!(pair[1].tick == pair[0].tick + 1, "a tick is missing after {}", pair[0].tick);
    }
    ensure!(samples.memory.load_acquire(word::MISSED_TICKS) == 0 && samples.reader.lost() == 0);
    let span_ns = records[1200].time_ns - records[0].time_ns;
    let rate = 1200.0 * 1e9 / span_ns as f64;
    println!("    1200 intervals in {:.6} s: {rate:.4} Hz", span_ns as f64 / 1e9);
    ensure!((19.98..=20.02).contains(&rate), "{rate} Hz");

    // Each on its own deadline, which is a jiffy's beginning at or after n / 20 s.
    let jiffy_ns = 1_000_000_000 / header.hz;
    let late = |record: &SampleRecord| {
        record.time_ns as i64 - (header.start_monotonic_ns + record.tick * 1_000_000_000 / header.rate_hz) as i64
    };
    let worst = records.iter().map(late).max().unwrap_or(0);
    let best = records.iter().map(late).min().unwrap_or(0);
    println!("    {} to {} us after the deadline", best / 1000, worst / 1000);
    // The start of the grid is known to within a jiffy at the worst (mp3_module/time.rs).
    ensure!(best > -(jiffy_ns as i64) && worst < 2 * jiffy_ns as i64, "{best} to {worst} ns");
    Ok(())
}

fn every_jiffy() -> Outcome {
    let hz = {
        let _module = Module::load("")?;
        let samples = Samples::at(0)?;
        samples.header.hz
    };
    let _module = Module::load(&format!("rate_hz={hz}"))?;
    let (samples, records) = sample_for(2001)?;
    for pair in records.windows(2) {
        ensure!(pair[1].tick == pair[0].tick + 1 && pair[1].jiffies == pair[0].jiffies + 1);
    }
    ensure!(samples.memory.load_acquire(word::MISSED_TICKS) == 0);
    Ok(())
}

fn thirteen_thousand_classic_records_wrap() -> Outcome {
    let _module = Module::load("rate_hz=250")?;
    let buffer = classic::map()?;
    let mut samples = Samples::from_here()?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    // The first 13,000 are not read, so the oldest 1000 are overwritten.
    let mut records = vec![];
    while records.len() < 13_001 {
        records.extend(samples.wait()?);
    }
    status::unregister(child.pid())?;
    records.extend(samples.read()?);
    // Every record but that of the registration ends an interval: the ticks, and the U.
    let written = records.len() as u64 - 1;
    ensure!(written >= 13_000);

    for index in RING_LONGS..buffer.word_count() {
        ensure!(buffer.load_relaxed(index) == EMPTY, "long {index} was written");
    }
    // The next record goes where the writer stands, so the oldest that is left lies right behind.
    let next = (written % 12_000) as usize * 4;
    let jiffies = |record: u64| buffer.load_acquire((record as usize * 4) % RING_LONGS);
    // A tick has a jiffy of its own; that of the U, the last one, may be the same as a tick's.
    for record in written - 11_999..written - 2 {
        ensure!(jiffies(record) < jiffies(record + 1), "record {record} of {written}");
    }
    ensure!(buffer.load_acquire(next) != EMPTY, "full");

    // A reader that comes now finds a full ring from its first long on, and ends when it is round.
    let records = classic::read(&buffer);
    ensure!(records.len() == 12_000, "{}", records.len());
    ensure!(classic::read(&buffer).is_empty());

    // And the writer goes on behind the last one.
    status::register(child.pid())?;
    status::unregister(child.pid())?;
    ensure!(buffer.load_acquire(next) != EMPTY);
    ensure!(classic::read(&buffer).len() == 1);
    Ok(())
}

fn registering_is_not_quadratic() -> Outcome {
    let _module = Module::load("")?;
    let crowd = Crowd::new(8000)?;
    let mut spans = vec![];
    for pids in crowd.pids().chunks(1000) {
        let begun = Instant::now();
        for pid in pids {
            status::register(pid.as_raw())?;
        }
        spans.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("    a thousand registrations each, in ms of instructions: {spans:.1?}");
    // Ticks pass over ever more processes meanwhile, so the later ones take longer, but nothing like eight times.
    let (first, last) = (spans[0], spans[7]);
    ensure!(last < 3.0 * first, "the last thousand took {last:.1} ms, the first {first:.1} ms");
    Ok(())
}
