// SPDX-License-Identifier: GPL-2.0

//! Words that a test shares with its children.

use anyhow::Result;
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// 512 words, zero at first. Children that are forked later have the same ones.
#[derive(Debug)]
pub struct Shared {
    start: NonNull<[AtomicU64; Shared::WORDS]>,
}

impl Shared {
    /// A page of them.
    pub const WORDS: usize = 512;
    const BYTES: NonZeroUsize = NonZeroUsize::new(Self::WORDS * 8).expect("not 0");

    /// Maps them.
    pub fn new() -> Result<Self> {
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
        let start = unsafe { mmap_anonymous(None, Self::BYTES, prot, MapFlags::MAP_SHARED)? };
        Ok(Shared { start: start.cast() })
    }
}

impl Deref for Shared {
    type Target = [AtomicU64; Shared::WORDS];

    fn deref(&self) -> &Self::Target {
        // SAFETY: The mapping is that long, page-aligned, zero at first, and only ever accessed atomically.
        unsafe { self.start.as_ref() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: Nothing refers to the mapping any more.
        unsafe { munmap(self.start.cast(), Self::BYTES.get()) }.expect("munmap of what was mapped");
    }
}

// SAFETY: Only atomics, which any thread may use.
unsafe impl Send for Shared {}
// SAFETY: As above.
unsafe impl Sync for Shared {}
