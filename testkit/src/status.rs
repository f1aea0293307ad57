// SPDX-License-Identifier: GPL-2.0

//! `/proc/mp3/status` as programs use it.

use abi::device::STATUS_PATH;
use anyhow::{Context, Result};
use nix::errno::Errno;
use std::fs::{self, OpenOptions};
use std::io::Write;

/// Writes `input` in one `write`. The kernel's answer: bytes taken, or its error.
pub fn write(input: &[u8]) -> Result<usize, Errno> {
    let mut file = OpenOptions::new().write(true).open(STATUS_PATH).map_err(errno)?;
    file.write(input).map_err(errno)
}

/// Registers a process.
pub fn register(pid: i32) -> Result<()> {
    write(format!("R {pid}\n").as_bytes()).with_context(|| format!("R {pid}"))?;
    Ok(())
}

/// Unregisters a process.
pub fn unregister(pid: i32) -> Result<()> {
    write(format!("U {pid}\n").as_bytes()).with_context(|| format!("U {pid}"))?;
    Ok(())
}

/// The registered processes and their user time in ns, in the order of the file.
pub fn read() -> Result<Vec<(i32, u64)>> {
    parse(&fs::read_to_string(STATUS_PATH)?)
}

/// Takes the file's lines apart.
pub fn parse(text: &str) -> Result<Vec<(i32, u64)>> {
    text.lines()
        .map(|line| {
            let (pid, user_ns) = line.split_once(": ").with_context(|| format!("{line:?}"))?;
            Ok((pid.parse()?, user_ns.parse()?))
        })
        .collect()
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().expect("an error of the kernel's"))
}
