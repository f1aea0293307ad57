// SPDX-License-Identifier: GPL-2.0

//! What is registered.

use abi::command::StatusLine;
use client::commands;
use client::output::say;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Prints a line for each registered process: PID, user CPU time, command name.
pub fn list(path: &Path) -> anyhow::Result<()> {
    let lines = commands::list(path)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if lines.is_empty() {
        say(format_args!("userapp: no process is registered"));
        return Ok(());
    }
    writeln!(out, "{:>10} {:>14}  COMMAND", "PID", "USER_S")?;
    for StatusLine { pid, user_ns } in lines {
        // Gone since, or hidden: no name.
        let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = name.strip_suffix(b"\n").unwrap_or(&name).escape_ascii();
        writeln!(out, "{pid:>10} {:>14.6}  {name}", user_ns as f64 / 1e9)?;
    }
    out.flush()?;
    Ok(())
}
