// SPDX-License-Identifier: GPL-2.0

//! Running the programs under test, and reading what they print.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use testkit::files;
use testkit::running::{run, Ended, Running};

/// `program` with the words of `line`.
pub fn program(name: &str, line: &str) -> Command {
    let mut command = files::program(name);
    command.args(line.split_whitespace());
    command
}

/// An empty directory of this name.
pub fn directory(name: &str) -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

pub fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}

/// The records in what `monitor --json` printed: all but its first and its last object.
pub fn records(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !is_comment(line)).collect()
}

/// The next record that a `monitor --json` prints.
pub fn record(monitor: &mut Running) -> Result<String> {
    loop {
        let line = monitor.line()?;
        if !is_comment(&line) {
            return Ok(line);
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.starts_with("{\"preamble\":") || line.starts_with("{\"trailer\":")
}

pub fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("{value} where a number should be"))
}

/// What `# key: N` says.
pub fn comment(text: &str, key: &str) -> Result<u64> {
    let start = format!("# {key}: ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start)).with_context(|| format!("no '{start}'"))?;
    Ok(value.parse()?)
}

/// What `lost: N`, the last line of a summary, says.
pub fn lost(stderr: &str) -> Result<u64> {
    let last = stderr.lines().last().unwrap_or_default();
    Ok(last.strip_prefix("lost: ").with_context(|| format!("no summary: {stderr}"))?.parse()?)
}

/// The four columns of a profile.
pub fn ticks(text: &str) -> Result<Vec<[u64; 4]>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().context("a number")?;
            columns.try_into().ok().with_context(|| format!("not four columns: {line}"))
        })
        .collect()
}

pub fn userapp(line: &str) -> Result<Ended> {
    run(&mut program("userapp", line))
}
