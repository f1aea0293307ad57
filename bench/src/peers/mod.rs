// SPDX-License-Identifier: GPL-2.0

//! The programs that mp3 is compared with.

pub mod bpf;
pub mod ftrace;
pub mod iterator;
pub mod proc_stat;
pub mod ringbuf;
pub mod taskstats;
pub mod timer;
pub mod tools;

use anyhow::{ensure, Result};

/// A reader of the counters of processes, in this process.
pub trait Reader {
    /// Its name in the tables.
    fn name(&self) -> &'static str;

    /// Reads the counters of all its processes once. Returns how many processes it read, which may be more than it was asked
    /// for.
    ///
    /// What was read is not parsed. A real reader has to, at a cost that is not counted here.
    fn read_all(&mut self) -> Result<usize>;
}

/// What makes a [`Reader`] of `pids`.
pub type MakeReader = fn(&[i32]) -> Result<Box<dyn Reader>>;

/// All readers there are.
pub const READERS: [MakeReader; 4] =
    [proc_stat::Opened::reader, proc_stat::Kept::reader, taskstats::Socket::reader, iterator::Pinned::reader];

/// Makes a reader, and checks with one read that it finds all processes.
pub fn reader(make: MakeReader, pids: &[i32]) -> Result<Box<dyn Reader>> {
    let mut reader = make(pids)?;
    let read = reader.read_all()?;
    ensure!(read >= pids.len(), "{} has read {read} of {} processes", reader.name(), pids.len());
    Ok(reader)
}
