// SPDX-License-Identifier: GPL-2.0

//! A ring of any records, mapped read-only and read in place.

use abi::header::Header;
use abi::ring::Reader;
use abi::words::ReadWords;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::sync::atomic::{fence, Ordering};

/// A ring of records of `WORDS` words, mapped. It can be shared between threads, and moved to one of its own.
#[derive(Debug)]
pub struct Ring<const WORDS: usize> {
    memory: Region,
    header: Header,
}

impl<const WORDS: usize> Ring<WORDS> {
    pub(crate) fn new(memory: Region, header: Header) -> Self {
        Ring { memory, header }
    }

    /// The part of the header that never changes.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header page and the records.
    pub fn memory(&self) -> &Region {
        &self.memory
    }

    /// A reader that begins with record `position`. If that was overwritten, it counts as lost.
    pub fn reader_at(&self, position: u64) -> Reader<WORDS> {
        Reader::at(&self.header, position)
    }

    /// A reader that begins with the oldest record there is.
    pub fn reader_at_oldest(&self) -> Reader<WORDS> {
        Reader::at_oldest(&self.header, &self.memory)
    }
}

/// A part of the device, mapped read-only, as words.
///
/// # Invariants
///
/// `words` words from `map`'s start on are mapped and readable as long as `map` lives, and the start is aligned to a page.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
    words: usize,
}

impl Region {
    pub(crate) fn map(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(bytes).map_raw_read_only(file)?;
        // INVARIANT: `bytes` bytes are mapped, and the offset is that of a page.
        Ok(Region { map, words: bytes / size_of::<u64>() })
    }
}

impl ReadWords for Region {
    fn word_count(&self) -> usize {
        self.words
    }

    #[inline]
    fn load_relaxed(&self, index: usize) -> u64 {
        if index >= self.words {
            return 0;
        }
        // SAFETY: by the invariant this word is mapped, readable and aligned. The kernel may be storing to it: volatile, so
        // that it is loaded once and in one piece, and never through a reference.
        unsafe { self.map.as_ptr().cast::<u64>().add(index).read_volatile() }
    }

    #[inline]
    fn load_acquire(&self, index: usize) -> u64 {
        let word = self.load_relaxed(index);
        // A fence and not an atomic load: an AtomicU64 is not to be had from memory that cannot be written to.
        fence(Ordering::Acquire);
        word
    }

    #[inline]
    fn load_block(&self, index: usize, block: &mut [u64]) {
        if index > self.words || block.len() > self.words - index {
            // As a word at a time: what is not there is 0.
            for (offset, word) in block.iter_mut().enumerate() {
                *word = self.load_relaxed(index.saturating_add(offset));
            }
            return;
        }
        for (offset, word) in block.iter_mut().enumerate() {
            // SAFETY: as in `load_relaxed`; the whole block is in the region, which was looked at once.
            *word = unsafe { self.map.as_ptr().cast::<u64>().add(index + offset).read_volatile() };
        }
    }

    #[inline]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
}
