// SPDX-License-Identifier: GPL-2.0

//! `plot`'s readers, of any bytes: this monitor's text and CSV, the classic reader's text, each also compressed.

use flate2::write::GzEncoder;
use flate2::Compression;
use format::error::Error;
use format::input::Lines;
use plot::processes::{self, Processes};
use plot::profile::{self, Profile};
use plot::trace::{Totals, Trace};
use std::io::{Cursor, Write};

/// A file, read as what it is.
#[derive(Debug)]
pub enum Read {
    /// Four columns.
    Profile(Profile),
    /// A row a process and tick.
    Processes(Processes),
}

/// Reads a file as `plot` does.
pub fn read(bytes: &[u8]) -> Result<Read, Error> {
    let mut lines = Lines::new("file".into(), Cursor::new(bytes.to_vec()))?;
    let opening = profile::opening(&mut lines)?;
    if opening.first.as_ref().is_some_and(|(line, _)| processes::is_header_row(line)) {
        return processes::read(lines, opening).map(Read::Processes);
    }
    profile::read(lines, opening, None).map(Read::Profile)
}

/// A file is read or refused with a message; what was read adds up; compression changes nothing.
pub fn check(input: &[u8]) {
    let read = self::read(input);
    match &read {
        Ok(Read::Profile(profile)) => {
            assert!(profile.samples > 0);
            check_trace(&profile.trace);
            if let Some(rate) = profile.rate_reached_hz() {
                assert!(!rate.is_nan());
            }
        }
        Ok(Read::Processes(processes)) => {
            assert!(!processes.list.is_empty());
            for process in &processes.list {
                assert!(!process.rows.is_empty() && process.samples >= process.rows.len() as u64);
                assert!(process.rows.iter().all(|row| row.values.len() == processes.columns.len()));
                if let Ok(trace) = processes.trace(process) {
                    check_trace(&trace);
                }
            }
        }
        Err(error) => assert!(error.to_string().starts_with("file: ")),
    }
    // Not for all, since it takes longer than the rest.
    if input.len() % 4 == 0 && !input.starts_with(&[0x1f, 0x8b]) {
        let mut gzip = GzEncoder::new(vec![], Compression::fast());
        gzip.write_all(input).expect("memory");
        let compressed = self::read(&gzip.finish().expect("memory"));
        assert_eq!(format!("{read:?}"), format!("{compressed:?}"));
    }
}

/// Buckets are in order, no more than can be drawn, and sum up to the totals.
fn check_trace(trace: &Trace) {
    let buckets = trace.buckets();
    assert!(buckets.len() <= plot::trace::RESOLUTION);
    let mut sums = Totals::default();
    for bucket in buckets {
        sums.minor += bucket.minor;
        sums.major += bucket.major;
        sums.cpu_ns += bucket.cpu_ns;
        sums.intervals += bucket.intervals;
        assert!(bucket.length_s > 0.0 && bucket.start_s <= bucket.end_s, "{bucket:?}");
    }
    for pair in buckets.windows(2) {
        assert!(pair[0].end_s <= pair[1].end_s, "{pair:?}");
    }
    sums.end_s = trace.totals().end_s;
    assert_eq!(sums, trace.totals());
}
