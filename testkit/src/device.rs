// SPDX-License-Identifier: GPL-2.0

//! `/dev/mp3` by its raw system calls, good and bad ones, and the ring behind it.

use abi::device::{DEVICE_PATH, MP3_IOC_SET_POSITION_NR, MP3_IOC_TYPE, SAMPLES_OFFSET};
use abi::header::{word, Header, HEADER_BYTES};
use abi::record::{Flags, SampleRecord, SAMPLE_WORDS};
use abi::ring::Reader;
use abi::stream::Stream;
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};
use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::NonNull;
use std::sync::atomic::{fence, AtomicU64, Ordering};

nix::ioctl_write_ptr!(
    /// Tells the device how far this file has read.
    set_position, MP3_IOC_TYPE, MP3_IOC_SET_POSITION_NR, u64
);

/// Opens the device for reading, or reading and writing.
pub fn open(writable: bool) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(writable).custom_flags(libc::O_SYNC).open(DEVICE_PATH)
}

/// A mapping of 64-bit words that the kernel or another process writes.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<AtomicU64>,
    bytes: usize,
}

impl Mapping {
    /// Maps `bytes` bytes of `file` from `offset` on.
    pub fn new(file: &File, offset: u64, bytes: usize, prot: ProtFlags, flags: MapFlags) -> Result<Self, Errno> {
        let length = NonZeroUsize::new(bytes).ok_or(Errno::EINVAL)?;
        // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
        let start = unsafe { mmap(None, length, prot, flags, file, offset as i64)? };
        Ok(Mapping { start: start.cast(), bytes })
    }

    /// Where it begins, for system calls.
    pub fn address(&self) -> NonNull<std::ffi::c_void> {
        self.start.cast()
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: The mapping is page-aligned, has that many words, and is only ever accessed atomically.
        (index < self.bytes / 8).then(|| unsafe { self.start.add(index).as_ref() })
    }

    /// Stores a word, where the mapping is writable.
    pub fn store(&self, index: usize, value: u64) {
        self.word(index).expect("inside of the mapping").store(value, Ordering::Release);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: Nothing refers to the mapping any more.
        unsafe { munmap(self.start.cast(), self.bytes) }.expect("munmap of what was mapped");
    }
}

impl ReadWords for Mapping {
    fn word_count(&self) -> usize {
        self.bytes / 8
    }
    fn load_relaxed(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }
    fn load_acquire(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Acquire))
    }
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
    fn load_block(&self, index: usize, block: &mut [u64]) {
        let whole = index.checked_add(block.len()).is_some_and(|end| end <= self.bytes / 8);
        for (offset, word) in block.iter_mut().enumerate() {
            *word = if whole {
                // SAFETY: As in `word`; the whole block is inside of the mapping.
                unsafe { self.start.add(index + offset).as_ref() }.load(Ordering::Relaxed)
            } else {
                self.load_relaxed(index.saturating_add(offset))
            };
        }
    }
}

/// A reader of the sample ring.
#[derive(Debug)]
pub struct Samples {
    /// The open device.
    pub file: File,
    /// Header and records.
    pub memory: Mapping,
    /// What never changes.
    pub header: Header,
    /// Position and losses.
    pub reader: Reader<SAMPLE_WORDS>,
}

impl Samples {
    /// Opens the device and begins with what comes next.
    pub fn from_here() -> Result<Self> {
        let mut samples = Self::at(0)?;
        samples.reader = Reader::at(&samples.header, samples.memory.load_acquire(word::COMMITTED));
        Ok(samples)
    }

    /// Opens the device and begins with record `position`.
    pub fn at(position: u64) -> Result<Self> {
        let file = open(false).context("opening the device")?;
        let page = Mapping::new(&file, SAMPLES_OFFSET, HEADER_BYTES, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
        let header = Header::read(&page, Stream::Samples)?;
        let bytes = header.region_bytes().context("a size")?;
        let memory = Mapping::new(&file, SAMPLES_OFFSET, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
        Ok(Samples { file, memory, header, reader: Reader::at(&header, position) })
    }

    /// All records that are there and were not read yet.
    pub fn read(&mut self) -> Result<Vec<SampleRecord>> {
        let mut records = vec![];
        let mut buffer = vec![[0; SAMPLE_WORDS]; 256];
        while self.reader.pending(&self.memory) > 0 {
            let batch = self.reader.read(&self.memory, &mut buffer)?;
            records.extend(batch.iter().map(SampleRecord::from_words));
        }
        Ok(records)
    }

    /// Waits for records and reads them.
    pub fn wait(&mut self) -> Result<Vec<SampleRecord>> {
        let records = self.read()?;
        if !records.is_empty() {
            return Ok(records);
        }
        self.set_position(self.reader.position())?;
        ensure!(self.readable(PollTimeout::from(20_000_u16))?, "no record within 20 s");
        self.read()
    }

    /// Reads until the final record of `pid`, and returns all of that process' records so far.
    pub fn until_final(&mut self, pid: i32) -> Result<Vec<SampleRecord>> {
        let mut records = vec![];
        loop {
            for record in self.wait()? {
                if record.pid == pid {
                    let last = record.flags.contains(Flags::FINAL);
                    records.push(record);
                    if last {
                        return Ok(records);
                    }
                }
            }
        }
    }

    /// Tells the device how far this reader is.
    pub fn set_position(&self, position: u64) -> Result<(), Errno> {
        // SAFETY: The argument is a u64, as the ioctl wants it.
        unsafe { set_position(self.file.as_raw_fd(), &position) }.map(drop)
    }

    /// Whether `poll` finds the device readable within the time.
    pub fn readable(&self, timeout: PollTimeout) -> Result<bool> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, timeout)?;
        Ok(fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN)))
    }
}
