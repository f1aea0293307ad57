// SPDX-License-Identifier: GPL-2.0

//! The measurements, one a file.

pub mod faults;
pub mod idle;
pub mod lateness;
pub mod machine;
pub mod memory;
pub mod plot;
pub mod profiled;
pub mod reading;
pub mod sampling;
pub mod scaling;
pub mod tracing;

use anyhow::Result;
use testkit::status;

/// The subject that all others are compared with.
pub const MP3: &str = "mp3";

/// Registers all of `pids`, as many in a write as go into a page.
pub fn register(pids: &[i32]) -> Result<()> {
    for pids in pids.chunks(200) {
        let lines: String = pids.iter().map(|pid| format!("R {pid}\n")).collect();
        status::write(lines.as_bytes())?;
    }
    Ok(())
}

/// Unregisters all of `pids`.
pub fn unregister(pids: &[i32]) -> Result<()> {
    for pids in pids.chunks(200) {
        let lines: String = pids.iter().map(|pid| format!("U {pid}\n")).collect();
        status::write(lines.as_bytes())?;
    }
    Ok(())
}

/// The PIDs of a crowd, as numbers.
pub fn pids_of(crowd: &testkit::crowd::Crowd) -> Vec<i32> {
    crowd.pids().iter().map(|pid| pid.as_raw()).collect()
}

/// The median of what was measured in several runs.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
