// SPDX-License-Identifier: GPL-2.0

//! What is registered.

use crate::report::write_json;
use abi::command::StatusLine;
use client::commands;
use client::output::say;
use format::comm::Printable;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

#[derive(Serialize)]
struct Entry<'a> {
    pid: i32,
    user_ns: u64,
    comm: &'a str,
}

/// Prints a line for each registered process: PID, user CPU time, command name; as JSON, an object.
pub fn list(path: &Path, json: bool) -> anyhow::Result<()> {
    let lines = commands::list(path)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if lines.is_empty() && !json {
        say(format_args!("userapp: no process is registered"));
        return Ok(());
    }
    if !json {
        writeln!(out, "{:>10} {:>14}  COMMAND", "PID", "USER_S")?;
    }
    for StatusLine { pid, user_ns } in lines {
        // Gone since, or hidden: no name.
        let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        if json {
            let comm = Printable::new(name);
            let comm = std::str::from_utf8(comm.as_bytes()).unwrap_or_default();
            write_json(&mut out, &Entry { pid, user_ns, comm })?;
        } else {
            writeln!(out, "{pid:>10} {:>14.6}  {}", user_ns as f64 / 1e9, name.escape_ascii())?;
        }
    }
    out.flush()?;
    Ok(())
}
