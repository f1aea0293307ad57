// SPDX-License-Identifier: GPL-2.0

//! What is registered.

use crate::status::open_error;
use anyhow::Context;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    pid: i32,
    user_ns: u64,
}

impl Entry {
    /// `<pid>: <user CPU time in ns>`
    fn parse(line: &str) -> Option<Self> {
        let (pid, user_ns) = line.split_once(": ")?;
        Some(Entry { pid: pid.parse().ok()?, user_ns: user_ns.parse().ok()? })
    }
}

/// Prints a line for each registered process: PID, user CPU time, command name.
pub fn list(path: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).map_err(|error| open_error(path, error))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if text.is_empty() {
        eprintln!("userapp: no process is registered");
        return Ok(());
    }
    writeln!(out, "{:>10} {:>14}  COMMAND", "PID", "USER_S")?;
    for (index, line) in text.lines().enumerate() {
        let Entry { pid, user_ns } = Entry::parse(line)
            .with_context(|| format!("{}: line {}: not 'PID: ns': {line}", path.display(), index + 1))?;
        // Gone since, or hidden: no name.
        let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = name.strip_suffix(b"\n").unwrap_or(&name).escape_ascii();
        writeln!(out, "{pid:>10} {:>14.6}  {name}", user_ns as f64 / 1e9)?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_pid_and_time() {
        assert_eq!(Entry::parse("12: 3400"), Some(Entry { pid: 12, user_ns: 3400 }));
        for line in ["", "12", "12:3400", "x: 1", "12: 1 2", "12: -1"] {
            assert_eq!(Entry::parse(line), None, "{line:?}");
        }
    }
}
