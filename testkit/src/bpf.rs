// SPDX-License-Identifier: GPL-2.0

//! A BPF program that keeps its CPU: while it runs, nothing can preempt the thread that runs it.

use anyhow::{ensure, Result};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};

const PROG_LOAD: i32 = 5;
const PROG_TEST_RUN: i32 = 10;
const SOCKET_FILTER: u32 = 1;
/// `bpf_ktime_get_ns`, a helper that takes its time.
const KTIME_GET_NS: i32 = 5;

/// `struct bpf_attr` for [`PROG_LOAD`].
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// `struct bpf_attr` for [`PROG_TEST_RUN`].
#[repr(C)]
struct TestRun {
    program: u32,
    answer: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration_ns: u32,
}

/// An instruction: code, destination, offset, constant.
fn instruction(code: u8, destination: u8, offset: i16, constant: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = constant.to_le_bytes();
    u64::from_le_bytes([code, destination, low, high, a, b, c, d])
}

fn bpf<T>(command: i32, attributes: &mut T) -> Result<i64> {
    // SAFETY: The structure is one that the command reads, with its size; what its pointers name outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    ensure!(answer >= 0, "bpf({command}): {}", std::io::Error::last_os_error());
    Ok(answer)
}

/// A loaded program.
#[derive(Debug)]
pub struct Hog(File);

impl Hog {
    /// A program that reads the clock so many times, at most 300,000: the verifier follows each round.
    ///
    /// # Errors
    ///
    /// The kernel has no BPF, or the caller has no right to it.
    pub fn new(rounds: i32) -> Result<Self> {
        let code = [
            instruction(0xb7, 6, 0, rounds),       // r6 = rounds
            instruction(0x85, 0, 0, KTIME_GET_NS), // call
            instruction(0x17, 6, 0, 1),            // r6 -= 1
            instruction(0x55, 6, -3, 0),           // if r6 != 0 goto call
            instruction(0xb7, 0, 0, 0),            // r0 = 0
            instruction(0x95, 0, 0, 0),            // exit
        ];
        let mut load = Load {
            kind: SOCKET_FILTER,
            instructions: code.len() as u32,
            code: code.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log: 0,
            kernel_version: 0,
            flags: 0,
        };
        let descriptor = bpf(PROG_LOAD, &mut load)?;
        // SAFETY: The descriptor is new, and nothing else's.
        Ok(Hog(unsafe { File::from_raw_fd(descriptor as i32) }))
    }

    /// Runs it once on this CPU.
    ///
    /// # Errors
    ///
    /// What `bpf` returns.
    pub fn run(&self) -> Result<()> {
        let packet = [0_u8; 64];
        let mut run = TestRun {
            program: self.0.as_raw_fd() as u32,
            answer: 0,
            data_size_in: packet.len() as u32,
            data_size_out: 0,
            data_in: packet.as_ptr() as u64,
            data_out: 0,
            repeat: 1,
            duration_ns: 0,
        };
        bpf(PROG_TEST_RUN, &mut run).map(drop)
    }
}
