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
    /// Reads the counters of all its processes once. Returns how many processes it read, which may be more than it was asked
    /// for.
    ///
    /// What was read is not parsed. A real reader has to, at a cost that is not counted here.
    fn read_all(&mut self) -> Result<usize>;
}

/// What makes a [`Reader`] of `pids`, with its name in the tables.
pub type MakeReader = (&'static str, fn(&[i32]) -> Result<Box<dyn Reader>>);

/// The BPF iterator.
pub const ITERATOR: MakeReader = ("BPF task iterator", iterator::Pinned::reader);

/// The BPF iterator that stores what it reads.
pub const RECORDER: MakeReader = ("BPF task iterator, into a file", iterator::Pinned::recorder);

/// All readers that throw away what they read.
pub const READERS: [MakeReader; 4] = [
    ("/proc/PID/stat, opened each time", proc_stat::Opened::reader),
    ("/proc/PID/stat, kept open", proc_stat::Kept::reader),
    ("taskstats", taskstats::Socket::reader),
    ITERATOR,
];

/// Makes a reader, and checks with one read that it finds all processes.
pub fn reader((name, make): MakeReader, pids: &[i32]) -> Result<Box<dyn Reader>> {
    let mut reader = make(pids)?;
    let read = reader.read_all()?;
    ensure!(read >= pids.len(), "{name} has read {read} of {} processes", pids.len());
    Ok(reader)
}
