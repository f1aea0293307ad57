// SPDX-License-Identifier: GPL-2.0

//! The reader of a BPF ring buffer, as libbpf has it. Layout: `Documentation/bpf/ringbuf.rst`.

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const PAGE: usize = 4096;
const HEADER: usize = 8;
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;

/// A mapped ring buffer.
pub struct RingBuffer {
    map: OwnedFd,
    /// Bytes of the ring.
    bytes: usize,
    consumer: *mut u8,
    producer: *mut u8,
}

impl RingBuffer {
    /// Maps the ring, which has `bytes` bytes.
    pub fn new(map: OwnedFd, bytes: usize) -> Result<Self> {
        let pages = |length: usize, access: i32, offset: usize| {
            // SAFETY: A new mapping, at an address of the kernel's choice.
            let start = unsafe {
                libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, map.as_raw_fd(), offset as i64)
            };
            if start == libc::MAP_FAILED {
                return Err(Errno::last());
            }
            Ok(start.cast::<u8>())
        };
        let consumer = pages(PAGE, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        // The data stand twice, one after the other, so that none is divided.
        let producer = pages(PAGE + 2 * bytes, libc::PROT_READ, PAGE)?;
        Ok(RingBuffer { map, bytes, consumer, producer })
    }

    /// Waits until the program wakes its readers.
    pub fn wait(&self) -> Result<()> {
        poll(&mut [PollFd::new(self.map.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
        Ok(())
    }

    /// Copies all records of 32 bytes that are there into `to`, and gives their room back.
    pub fn read(&mut self, to: &mut Vec<[u64; 4]>) {
        // SAFETY: Both pages begin with a position of 64 bits; the kernel changes the producer's meanwhile.
        let (consumed, produced) =
            unsafe { (&*self.consumer.cast::<AtomicU64>(), &*self.producer.cast::<AtomicU64>()) };
        let mut position = consumed.load(Ordering::Relaxed);
        let end = produced.load(Ordering::Acquire);
        while position < end {
            // SAFETY: The mask keeps it inside of the data, which follow the producer's page.
            let record = unsafe { self.producer.add(PAGE + (position as usize & (self.bytes - 1))) };
            // SAFETY: Records are aligned to 8 bytes and begin with their length.
            let length = unsafe { &*record.cast::<AtomicU32>() }.load(Ordering::Acquire);
            if length & BUSY != 0 {
                break;
            }
            if length & DISCARDED == 0 {
                // SAFETY: The record is complete and has 32 bytes; the kernel does not change it before it is given back.
                to.push(unsafe { record.add(HEADER).cast::<[u64; 4]>().read() });
            }
            position += (HEADER + (length & !DISCARDED) as usize).next_multiple_of(8) as u64;
            consumed.store(position, Ordering::Release);
        }
    }
}

impl Drop for RingBuffer {
    fn drop(&mut self) {
        // SAFETY: The mappings are ours, and nothing refers to them any more.
        unsafe {
            libc::munmap(self.consumer.cast(), PAGE);
            libc::munmap(self.producer.cast(), PAGE + 2 * self.bytes);
        }
    }
}
