// SPDX-License-Identifier: GPL-2.0

//! Drawing: time and memory for a million samples, and for ten.

use anyhow::{ensure, Context, Result};
use bench::report::{Clock, Report, Row, Section};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use testkit::child::wait4;

const SAMPLES: [u64; 2] = [1_000_000, 10_000_000];
const RUNS: usize = 3;

pub fn measure(plot: &Path, report: &mut Report) -> Result<()> {
    let directory = std::env::temp_dir().join(format!("mp3-bench.{}", std::process::id()));
    fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
    let result = draw(plot, &directory, report);
    fs::remove_dir_all(&directory)?;
    result
}

fn draw(plot: &Path, directory: &Path, report: &mut Report) -> Result<()> {
    let profile = directory.join("profile.data");
    for samples in SAMPLES {
        write(&profile, samples)?;
        let bytes = fs::metadata(&profile)?.len() as f64 / 1e6;
        let (mut seconds, mut memory) = (vec![], vec![]);
        for _ in 0..RUNS {
            let begun = Instant::now();
            // wait4 instead of `Child::wait`: it reports the memory.
            let child = Command::new(plot).arg(&profile).spawn().with_context(|| plot.display().to_string())?;
            let usage = wait4(Pid::from_raw(child.id() as i32))?;
            ensure!(usage.status == 0, "{} failed", plot.display());
            seconds.push(begun.elapsed().as_secs_f64());
            memory.push(usage.max_resident_kib as f64 / 1024.0);
        }
        let mut push = |quantity: &str, unit: &str, clock: Clock, values: &[f64]| {
            let parameter = Some(samples as f64);
            report.rows.push(Row::of(Section::Plot, "plot", parameter, quantity, unit, clock, values));
        };
        push("SVG and PNG", "s", Clock::Wall, &seconds);
        push("most memory", "MiB", Clock::None, &memory);
        push("the file", "MB", Clock::None, &[bytes]);
    }
    Ok(())
}

/// A profile of so many ticks, as `monitor` writes it.
fn write(path: &Path, samples: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "# hz: 250\n# rate_hz: 20")?;
    for n in 0..samples {
        // Numbers that vary from line to line.
        let faults = (n * 7919) % 5000;
        writeln!(file, "{} {} {} {}", 4_294_900_000 + n * 25 / 2, faults, faults % 13, (n * 104_729) % 50_000_000)?;
    }
    Ok(file.flush()?)
}
