// SPDX-License-Identifier: GPL-2.0

//! Memory shared across the kernel boundary, as an array of 64-bit words.
//!
//! The protocols in [`super::ring`] and [`super::classic`] are written against these two traits, so that the same lines
//! run over the kernel's vmalloc'ed pages, over a reader's mapping of them, over a plain array in a test, and in a model
//! checker. No Rust reference to the shared memory is made: the other side writes to it at any time.
//!
//! An index past the end is not an error here: a load gives 0 and a store does nothing. No arithmetic
//! mistake and no hostile header can reach memory outside of the region.

/// Words that can be read while the writer changes them.
pub trait ReadWords {
    /// How many words the region has.
    fn word_count(&self) -> usize;

    /// Loads one word, in no order with anything else.
    fn load_relaxed(&self, index: usize) -> u64;

    /// Loads one word; what its writer stored before its release store is visible to all loads after this one.
    fn load_acquire(&self, index: usize) -> u64;

    /// Keeps every load above this fence before every load below it.
    fn fence_acquire(&self);

    /// Loads `block.len()` words from `index` on, each as by [`Self::load_relaxed`].
    fn load_block(&self, index: usize, block: &mut [u64]) {
        for (offset, word) in block.iter_mut().enumerate() {
            *word = self.load_relaxed(index.saturating_add(offset));
        }
    }
}

/// Words that can be written while others read them. One writer at a time.
pub trait WriteWords: ReadWords {
    /// Stores one word, in no order with anything else.
    fn store_relaxed(&self, index: usize, value: u64);

    /// Stores one word after everything that was stored before it.
    fn store_release(&self, index: usize, value: u64);

    /// Keeps every store above this fence before every store below it.
    fn fence_release(&self);

    /// Stores `block` from `index` on, each word as by [`Self::store_relaxed`].
    fn store_block(&self, index: usize, block: &[u64]) {
        for (offset, &word) in block.iter().enumerate() {
            self.store_relaxed(index.saturating_add(offset), word);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{fence, AtomicU64, Ordering};

    /// A region on the heap.
    pub(crate) struct HeapWords(Vec<AtomicU64>);

    impl HeapWords {
        pub(crate) fn filled(len: usize, value: u64) -> Self {
            HeapWords((0..len).map(|_| AtomicU64::new(value)).collect())
        }
    }

    impl ReadWords for HeapWords {
        fn word_count(&self) -> usize {
            self.0.len()
        }
        fn load_relaxed(&self, index: usize) -> u64 {
            self.0.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
        }
        fn load_acquire(&self, index: usize) -> u64 {
            self.0.get(index).map_or(0, |word| word.load(Ordering::Acquire))
        }
        fn fence_acquire(&self) {
            fence(Ordering::Acquire);
        }
    }

    impl WriteWords for HeapWords {
        fn store_relaxed(&self, index: usize, value: u64) {
            if let Some(word) = self.0.get(index) {
                word.store(value, Ordering::Relaxed);
            }
        }
        fn store_release(&self, index: usize, value: u64) {
            if let Some(word) = self.0.get(index) {
                word.store(value, Ordering::Release);
            }
        }
        fn fence_release(&self) {
            fence(Ordering::Release);
        }
    }
}
