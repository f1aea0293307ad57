// SPDX-License-Identifier: GPL-2.0

//! A BPF task iterator (bench/bpf/tasks.bpf.c): one pass over every task there is, in the kernel.

use super::Reader;
use anyhow::{Context, Result};
use nix::mount::{mount, MsFlags};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use testkit::running::run;

const PINNED: &str = "/sys/fs/bpf/tasks";
const PROGRAM: &str = "/usr/lib/mp3/tasks.bpf.o";
/// `struct record` of the program.
const RECORD: usize = 64;

/// The iterator, pinned in the BPF file system: to open that is to begin a pass.
pub struct Pinned {
    buffer: Vec<u8>,
}

impl Pinned {
    /// Of all processes, whichever are asked for.
    pub fn reader(_pids: &[i32]) -> Result<Box<dyn Reader>> {
        if !Path::new(PINNED).exists() {
            mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), None::<&str>).context("/sys/fs/bpf")?;
            let ended = run(Command::new("bpftool").args(["iter", "pin", PROGRAM, PINNED]))?;
            anyhow::ensure!(ended.status.success(), "bpftool iter pin: {}{}", ended.stdout, ended.stderr);
        }
        Ok(Box::new(Pinned { buffer: vec![0; 1 << 20] }))
    }
}

impl Reader for Pinned {
    fn name(&self) -> &'static str {
        "BPF task iterator"
    }

    fn read_all(&mut self) -> Result<usize> {
        let mut file = File::open(PINNED)?;
        let mut bytes = 0;
        loop {
            match file.read(&mut self.buffer)? {
                0 => return Ok(bytes / RECORD),
                length => bytes += length,
            }
        }
    }
}
