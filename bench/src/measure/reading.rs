// SPDX-License-Identifier: GPL-2.0

//! From the mapped ring into `monitor`'s formats.

use super::{pids_of, register, unregister, MP3};
use crate::clock;
use abi::header::word;
use abi::record::SAMPLE_WORDS;
use abi::ring::Reader;
use abi::words::ReadWords;
use anyhow::{ensure, Result};
use bench::report::{Clock, Report, Row, Section};
use std::fs;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::files;
use testkit::module::Module;
use testkit::running::run;

const PROCESSES: usize = 1024;
const RECORDS: u64 = 262_144;
const RUNS: usize = 5;
const OUTPUT: &str = "/tmp/records";

const FORMATS: [(&str, &[&str]); 3] = [
    ("monitor, four columns", &[]),
    ("monitor, CSV (--per-process)", &["--per-process"]),
    ("monitor, JSON (--json)", &["--json"]),
];

pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    let _module = Module::load(&format!("rate_hz=250 ring_records={RECORDS}"))?;
    let crowd = Crowd::new(PROCESSES)?;
    let pids = pids_of(&crowd);
    let samples = Samples::from_here()?;
    register(&pids)?;
    while samples.memory.load_acquire(word::COMMITTED) < RECORDS {
        samples.set_position(samples.memory.load_acquire(word::COMMITTED))?;
        samples.readable(20_000_u16.into())?;
    }
    unregister(&pids)?;

    let mut rows = |subject: &str, spans: &[f64], bytes: u64| {
        let records = RECORDS as f64;
        let mut push = |quantity: &str, unit: &str, of: &dyn Fn(f64) -> f64| {
            let values: Vec<_> = spans.iter().map(|span| of(*span)).collect();
            report.rows.push(Row::of(Section::Reading, subject, None, quantity, unit, clock, &values));
        };
        push("per record", clock::unit(clock), &|span| span / records);
        // There is no rate per second of a clock that counts instructions.
        if clock == Clock::Wall {
            push("records", "1/s", &|span| records / (span / 1e9));
            push("bytes out of it", "MB/s", &|span| bytes as f64 / 1e6 / (span / 1e9));
        }
    };

    let copied: Vec<_> = (0..RUNS).map(|_| clock::time(|| copy(&samples))).collect::<Result<_>>()?;
    rows(MP3, &copied, RECORDS * 8 * SAMPLE_WORDS as u64);
    for (name, options) in FORMATS {
        let record = |output: &str| {
            let ended = run(files::program("monitor").args(["--all", "--drain", "-o", output]).args(options))?;
            ensure!(ended.status.success(), "{}", ended.stderr);
            Ok(())
        };
        record(OUTPUT)?;
        let bytes = fs::metadata(OUTPUT)?.len();
        fs::remove_file(OUTPUT)?;
        // Into nothing, so that the file system is not measured.
        let spans: Vec<_> = (0..RUNS).map(|_| clock::time(|| record("/dev/null"))).collect::<Result<_>>()?;
        rows(name, &spans, bytes);
    }
    Ok(())
}

/// Reads all that the ring has, into a buffer, and nothing else.
fn copy(samples: &Samples) -> Result<()> {
    let mut reader = Reader::<SAMPLE_WORDS>::at_oldest(&samples.header, &samples.memory);
    let mut batch = vec![[0; SAMPLE_WORDS]; 4096];
    let mut records = 0;
    while reader.pending(&samples.memory) > 0 {
        records += reader.read(&samples.memory, &mut batch)?.len() as u64;
    }
    ensure!(records == RECORDS && reader.lost() == 0, "{records} records");
    Ok(())
}
