// SPDX-License-Identifier: GPL-2.0

//! A step that is announced and timed, on stderr, as the scripts in `vm/` do it.

use anyhow::{ensure, Context, Result};
use std::process::Command;
use std::time::{Duration, Instant};

/// A step that has begun.
pub struct Stage {
    title: String,
    begun: Instant,
}

impl Stage {
    /// Announces it.
    pub fn begin(title: &str) -> Self {
        eprintln!("==> {title}");
        Stage { title: title.into(), begun: Instant::now() }
    }

    /// Says how it went, and returns title and duration.
    pub fn end(self, how: &str) -> (String, Duration) {
        let elapsed = self.begun.elapsed();
        eprintln!("    {how} in {:.1} s", elapsed.as_secs_f64());
        (self.title, elapsed)
    }
}

/// Runs a command that must succeed.
///
/// # Errors
///
/// It cannot be started, or does not end with 0.
pub fn check(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| name.clone())?;
    ensure!(status.success(), "{name}: {status}");
    Ok(())
}
