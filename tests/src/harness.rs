// SPDX-License-Identifier: GPL-2.0

//! Runs tests one after the other and counts.

use crate::kmemleak::Kmemleak;
use crate::process::{End, Runner};
use crate::test::Test;
use anyhow::Result;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testkit::log::Log;
use testkit::options;

/// Runs `tests`, each `repeat` times, and prints a line for each and the total last.
///
/// # Errors
///
/// No test can be started here, or an environment variable is nonsense.
pub fn run(tests: &[Test], repeat: u32) -> Result<ExitCode> {
    let (mut passed, mut skipped, mut failed) = (0, 0, vec![]);
    let factor = options::number("MP3_LIMIT_FACTOR", 1)?;
    let runner = Runner::new()?;
    if let Some(kmemleak) = Kmemleak::find() {
        // What the kernel lost while it booted is not ours.
        match kmemleak.scan() {
            Ok(lost) if lost.is_empty() => println!("kmemleak: nothing lost so far"),
            Ok(lost) => println!("kmemleak: lost before the first test:\n{lost}"),
            Err(error) => println!("{error:#}"),
        }
        let _ = kmemleak.clear();
    }
    for test in tests {
        for _ in 0..repeat {
            let name = test.name();
            let begun = Instant::now();
            // If the kernel dies of it, its log says of which test.
            let _ = fs::write("/dev/kmsg", format!("mp3-tests: {name}\n"));
            let log = Log::here();
            let end = runner.run(test, Duration::from_secs((test.limit)().saturating_mul(factor)))?;
            let complaints = log.complaints();
            let seconds = begun.elapsed().as_secs_f64();
            let why = match (end, complaints) {
                (End::Passed, None) => {
                    passed += 1;
                    println!("test {name} ... ok ({seconds:.1} s)");
                    continue;
                }
                (End::Skipped(why), None) => {
                    skipped += 1;
                    println!("test {name} ... skipped: {why}");
                    continue;
                }
                (End::Failed(why), None) => why,
                (End::Failed(why), Some(lines)) => format!("{why}\nthe kernel complained:\n{lines}"),
                (_, Some(lines)) => format!("the kernel complained:\n{lines}"),
            };
            println!("test {name} ... FAILED ({seconds:.1} s)\n    {}", why.replace('\n', "\n    "));
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        println!("\nfailed:\n    {}", failed.join("\n    "));
    }
    let skips = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("\n{passed} passed, {} failed{skips}", failed.len());
    Ok(if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
