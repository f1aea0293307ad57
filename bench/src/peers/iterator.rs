// SPDX-License-Identifier: GPL-2.0

//! A BPF task iterator (bench/bpf/tasks.bpf.c): one pass over every task there is, in the kernel.

use super::bpf::{mount_bpffs, object};
use super::Reader;
use anyhow::{ensure, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use testkit::running::run;

const PINNED: &str = "/sys/fs/bpf/tasks";
/// Bytes of a `struct sample` of the program.
const SAMPLE: usize = 8 * super::timer::SAMPLE;

/// The iterator, pinned in the BPF file system: to open that is to begin a pass.
pub struct Pinned {
    buffer: Vec<u8>,
    /// Where what is read goes, if anywhere.
    output: Option<File>,
}

impl Pinned {
    /// Of all processes, whichever are asked for.
    pub fn reader(_pids: &[i32]) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Self::open(None)?))
    }

    /// As [`Pinned::reader`], and writes the samples as they are into a file.
    pub fn recorder(_pids: &[i32]) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Self::open(Some(File::create(super::tools::OUTPUT)?))?))
    }

    fn open(output: Option<File>) -> Result<Self> {
        if !Path::new(PINNED).exists() {
            mount_bpffs()?;
            let ended = run(Command::new("bpftool").args(["iter", "pin", &object("tasks"), PINNED]))?;
            ensure!(ended.status.success(), "bpftool iter pin: {}{}", ended.stdout, ended.stderr);
        }
        Ok(Pinned { buffer: vec![0; 1 << 20], output })
    }
}

impl Reader for Pinned {
    fn read_all(&mut self) -> Result<usize> {
        let mut file = File::open(PINNED)?;
        let mut bytes = 0;
        loop {
            let length = file.read(&mut self.buffer)?;
            if length == 0 {
                return Ok(bytes / SAMPLE);
            }
            bytes += length;
            if let Some(output) = &mut self.output {
                output.write_all(&self.buffer[..length])?;
            }
        }
    }
}
