// SPDX-License-Identifier: GPL-2.0

//! Memory that the kernel writes and user space maps: vmalloc'ed, page by page.

use crate::abi::device::PAGE_BYTES;
use crate::abi::words::{ReadWords, WriteWords};
use crate::compat;
use crate::ffi;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::atomic::ordering::{Acquire, Release};
use kernel::sync::atomic::{atomic_load, atomic_store};

/// A zeroed region of whole pages, shared with the programs that map it.
///
/// It is only ever touched word by word, with volatile or atomic accesses: user space may read, and in the case of the
/// classic buffer write, at the same time.
///
/// # Invariants
///
/// `start` came from `vmalloc_user`, is owned by this value, and is followed by `words` 64-bit words.
pub(crate) struct SharedMemory {
    start: NonNull<u64>,
    words: usize,
}

// SAFETY: The region belongs to no thread; all accesses are volatile or atomic.
unsafe impl Send for SharedMemory {}
// SAFETY: As above. Two writers at once would mix up their words and nothing worse.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Allocates at least `bytes` bytes, in whole pages.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or(ENOMEM)?;
        // SAFETY: `vmalloc_user` may be called with any size, in process context.
        let start = unsafe { ffi::mp3_vmalloc_user(bytes) };
        let start = NonNull::new(start.cast::<u64>()).ok_or(ENOMEM)?;
        // INVARIANT: The region is new, ours and `bytes` long, and pages are aligned to far more than a word.
        Ok(SharedMemory { start, words: bytes / size_of::<u64>() })
    }

    /// Length in bytes, whole pages.
    pub(crate) fn bytes(&self) -> usize {
        self.words.saturating_mul(size_of::<u64>())
    }

    /// Maps the region from its beginning into `vma`, all of whose pages are there from now on.
    ///
    /// # Errors
    ///
    /// `EINVAL` where `vma` is longer than the region.
    pub(crate) fn map(&self, vma: &VmaNew) -> Result {
        if vma.end().saturating_sub(vma.start()) > self.bytes() {
            return Err(EINVAL);
        }
        // SAFETY:
        // - `vma` is being set up, so it is ours to fill, and is no longer than the region.
        // - By the type invariants `start` came from `vmalloc_user`. The pages hold references of their own for as long
        //   as they are mapped, so the mapping may outlive this value.
        to_result(unsafe { ffi::remap_vmalloc_range(vma.as_ptr(), self.start.as_ptr().cast(), 0) })
    }

    /// The address of word `index`, if the region has one.
    fn word(&self, index: usize) -> Option<*mut u64> {
        // SAFETY: By the type invariants the region has `words` words, and `index` is less.
        (index < self.words).then(|| unsafe { self.start.as_ptr().add(index) })
    }

    /// The address of `count` words from `index` on, if the region has them.
    fn block(&self, index: usize, count: usize) -> Option<*mut u64> {
        let end = index.checked_add(count)?;
        // SAFETY: By the type invariants the region has `words` words, and the block ends before that.
        (end <= self.words).then(|| unsafe { self.start.as_ptr().add(index) })
    }
}

impl ReadWords for SharedMemory {
    fn word_count(&self) -> usize {
        self.words
    }

    fn load_relaxed(&self, index: usize) -> u64 {
        // SAFETY: `word` only gives addresses of the region's words.
        self.word(index).map_or(0, |word| unsafe { word.read_volatile() })
    }

    fn load_acquire(&self, index: usize) -> u64 {
        // SAFETY: As above; the word is aligned, and accessed in no other way than atomically.
        self.word(index).map_or(0, |word| unsafe { atomic_load(word, Acquire) })
    }

    fn fence_acquire(&self) {
        compat::read_barrier();
    }
}

impl WriteWords for SharedMemory {
    #[inline]
    fn store_relaxed(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            // SAFETY: `word` only gives addresses of the region's words.
            unsafe { word.write_volatile(value) };
        }
    }

    #[inline]
    fn store_release(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            // SAFETY: As above; the word is aligned, and accessed in no other way than atomically.
            unsafe { atomic_store(word, value, Release) };
        }
    }

    #[inline]
    fn fence_release(&self) {
        compat::write_barrier();
    }

    #[inline]
    fn store_block(&self, index: usize, block: &[u64]) {
        let Some(start) = self.block(index, block.len()) else { return };
        for (offset, &value) in block.iter().enumerate() {
            // SAFETY: The region has `block.len()` words from `start` on, and `offset` is less.
            unsafe { start.add(offset).write_volatile(value) };
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the region came from vmalloc and is ours. Pages that are still mapped live on
        // until they are unmapped.
        unsafe { ffi::vfree(self.start.as_ptr().cast()) };
    }
}
