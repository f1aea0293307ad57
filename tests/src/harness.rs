// SPDX-License-Identifier: GPL-2.0

//! Runs tests one after the other and counts.

use crate::kmemleak::Kmemleak;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::Instant;
use testkit::log::Log;

/// What a test returns; `?` and `ensure!` fail it, and so does a panic.
pub type Outcome = anyhow::Result<()>;

/// The error of a test that cannot be made on this kernel, and why.
#[derive(Debug)]
pub struct Skip(pub &'static str);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Skip {}

/// One test.
pub struct Test {
    /// The file it stands in.
    pub suite: &'static str,
    /// Its function.
    pub name: &'static str,
    /// Its body.
    pub run: fn() -> Outcome,
}

impl Test {
    /// `suite::name`.
    pub fn name(&self) -> String {
        format!("{}::{}", self.suite, self.name)
    }
}

/// The tests of a suite: `tests![a, b]` for functions of the module that it stands in.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// The tests of this suite.
        pub fn tests() -> Vec<$crate::harness::Test> {
            let suite = module_path!().rsplit("::").next().unwrap_or_default();
            vec![$($crate::harness::Test { suite, name: stringify!($name), run: $name }),*]
        }
    };
}

/// Runs `tests`, each `repeat` times, and prints a line for each and the total last.
pub fn run(tests: &[Test], repeat: u32) -> ExitCode {
    let (mut passed, mut skipped, mut failed) = (0, 0, vec![]);
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
            let log = Log::here();
            let outcome = catch_unwind(AssertUnwindSafe(test.run));
            let verdict = match outcome {
                Ok(Ok(())) => log.complaints().map_or(Ok(()), |lines| Err(format!("the kernel complained:\n{lines}"))),
                Ok(Err(error)) => {
                    if let Some(why) = error.downcast_ref::<Skip>() {
                        skipped += 1;
                        println!("test {name} ... skipped: {why}");
                        continue;
                    }
                    Err(format!("{error:?}"))
                }
                // The panic has printed itself.
                Err(_) => Err("panicked".into()),
            };
            let seconds = begun.elapsed().as_secs_f64();
            match verdict {
                Ok(()) => {
                    passed += 1;
                    println!("test {name} ... ok ({seconds:.1} s)");
                }
                Err(why) => {
                    println!("test {name} ... FAILED ({seconds:.1} s)\n    {}", why.replace('\n', "\n    "));
                    failed.push(name);
                }
            }
        }
    }
    if !failed.is_empty() {
        println!("\nfailed:\n    {}", failed.join("\n    "));
    }
    let skips = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("\n{passed} passed, {} failed{skips}", failed.len());
    if failed.is_empty() && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
