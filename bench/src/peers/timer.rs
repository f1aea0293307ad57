// SPDX-License-Identifier: GPL-2.0

//! A BPF timer that samples the registered processes into a mapped ring (bench/bpf/timer.bpf.c).

use super::bpf::{call, Object};
use anyhow::Result;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words in front of the samples: committed, reserved, ticks, what they took in ns.
const HEADER: usize = 8;
/// Samples in the ring.
const RING: usize = 1 << 16;
/// Words of a sample.
pub const SAMPLE: usize = 24;

const COMMITTED: usize = 0;
const TICKS: usize = 2;
const SPENT: usize = 3;

/// The timer, which runs until it is dropped, and its ring.
pub struct Timer {
    _object: Object,
    words: *const AtomicU64,
}

impl Timer {
    /// Samples these processes `rate_hz` times a second.
    pub fn start(pids: &[i32], rate_hz: u64) -> Result<Self> {
        let object = Object::load("timer", false)?;
        let ring = object.map("ring")?;
        // SAFETY: A new mapping, at an address of the kernel's choice.
        let words = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                (HEADER + SAMPLE * RING) * 8,
                libc::PROT_READ,
                libc::MAP_SHARED,
                ring.as_raw_fd(),
                0,
            )
        };
        nix::errno::Errno::result(words as i64)?;
        let timer = Timer { words: words.cast_const().cast(), _object: object };
        let add = timer._object.program("add")?;
        for pid in pids {
            call(&add, &[*pid as u64])?;
        }
        call(&timer._object.program("start")?, &[1_000_000_000 / rate_hz])?;
        Ok(timer)
    }

    fn word(&self, index: usize) -> u64 {
        assert!(index < HEADER + SAMPLE * RING);
        // SAFETY: Inside of the mapping, which lives as long as the program. The kernel writes it meanwhile.
        unsafe { (*self.words.add(index)).load(Ordering::Acquire) }
    }

    /// How many ticks there were, and what they took in all, ns.
    pub fn ticks(&self) -> (u64, u64) {
        (self.word(TICKS), self.word(SPENT))
    }

    /// The samples of the last `count`.
    pub fn last(&self, count: usize) -> Vec<[u64; SAMPLE]> {
        let committed = self.word(COMMITTED) as usize;
        (committed - count..committed)
            .map(|position| {
                let start = HEADER + position % RING * SAMPLE;
                std::array::from_fn(|word| self.word(start + word))
            })
            .collect()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: The mapping is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.words.cast_mut().cast(), (HEADER + SAMPLE * RING) * 8) };
    }
}
