// SPDX-License-Identifier: GPL-2.0

//! What one CPU writes events with: its ring, and what its probes remember from one event to the next.
//!
//! Two crates are made of this file: the module, which makes recorders, and `encode`, whose functions the probes call.
//!
//! A recorder is used by its own CPU, with interrupts off; so there is no other user at the same time, and no lock. What
//! another CPU writes is atomic.
//!
//! So each structure here has C's representation: the two crates must agree on it.
//!
//! The atomics here are those of `core` and not the kernel's: the other side of a ring is a program in user space, for which
//! the memory model of C and Rust holds, and what is not in a ring is only ever touched by these two crates.

// Each of the two crates uses one half.
#![allow(dead_code)]

use crate::abi::events::header::word;
use crate::abi::events::record::EVENT_WORDS;
use crate::abi::header::HEADER_WORDS;
use crate::abi::ring::Writer;
use crate::abi::words::{ReadWords, WriteWords};
use core::cell::UnsafeCell;
use core::sync::atomic::{fence, AtomicU64, Ordering};

/// Words of a ring that are mapped by readers.
///
/// Any index is safe. That costs nothing where it is a constant of the header, and one AND for a record: no branch.
///
/// # Invariants
///
/// `start` is followed by [`HEADER_WORDS`] words and `record_mask + 1` more, for as long as this value is used;
/// `record_mask + 1` is a power of two.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RingWords {
    start: *mut u64,
    record_mask: usize,
}

impl RingWords {
    /// # Safety
    ///
    /// `start` is aligned and followed by [`HEADER_WORDS`] and `record_words` words, which are touched in no other way than
    /// atomically for as long as this value is used. `record_words` is a power of two.
    pub(crate) const unsafe fn new(start: *mut u64, record_words: usize) -> Self {
        // INVARIANT: The caller promises it.
        RingWords { start, record_mask: record_words.wrapping_sub(1) }
    }

    /// The word at `index`; beyond the end, one of the records' words.
    #[inline(always)]
    fn word(&self, index: usize) -> &AtomicU64 {
        let index = if index < HEADER_WORDS { index } else { self.record_index(index) };
        // SAFETY: By the type invariants there is such a word, and it is only touched atomically.
        unsafe { AtomicU64::from_ptr(self.start.add(index)) }
    }

    /// The index of a record's word, whatever `index` is.
    #[inline(always)]
    fn record_index(&self, index: usize) -> usize {
        (index.wrapping_sub(HEADER_WORDS) & self.record_mask).wrapping_add(HEADER_WORDS)
    }

    /// The place of the record whose first word is at `index`, a multiple of [`EVENT_WORDS`].
    #[inline(always)]
    pub(crate) fn place(&self, index: usize) -> Place {
        const WITHIN: usize = EVENT_WORDS - 1;
        // SAFETY: By the type invariants. The words of the records are a power of two, at least `EVENT_WORDS`, and so is the
        // header's count: from a multiple of `EVENT_WORDS` on, that many are there.
        // INVARIANT: So it is said.
        Place(unsafe { self.start.add(self.record_index(index) & !WITHIN) })
    }

    /// Records that there is room for.
    #[inline(always)]
    pub(crate) fn records(&self) -> u64 {
        (self.record_mask.wrapping_add(1) / EVENT_WORDS) as u64
    }

    /// Raises a count, which only this CPU does.
    #[inline(always)]
    pub(crate) fn count(&self, index: usize, events: u64) {
        self.store_relaxed(index, self.load_relaxed(index).wrapping_add(events));
    }
}

/// Where a record is written.
///
/// # Invariants
///
/// The pointer is followed by [`EVENT_WORDS`] words of a ring that lives for as long as this value is used.
pub(crate) struct Place(*mut u64);

impl Place {
    /// Stores one of the record's words; `offset` is less than [`EVENT_WORDS`].
    #[inline(always)]
    pub(crate) fn store(&self, offset: usize, value: u64) {
        const WITHIN: usize = EVENT_WORDS - 1;
        // SAFETY: By the type invariant; words of a ring are only touched atomically.
        unsafe { AtomicU64::from_ptr(self.0.add(offset & WITHIN)) }.store(value, Ordering::Relaxed);
    }
}

impl ReadWords for RingWords {
    fn word_count(&self) -> usize {
        self.record_mask.wrapping_add(1).wrapping_add(HEADER_WORDS)
    }

    #[inline(always)]
    fn load_relaxed(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn load_acquire(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::Acquire)
    }

    #[inline(always)]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
}

impl WriteWords for RingWords {
    #[inline(always)]
    fn store_relaxed(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::Relaxed);
    }

    #[inline(always)]
    fn store_release(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::Release);
    }

    #[inline(always)]
    fn fence_release(&self) {
        fence(Ordering::Release);
    }

    /// Stores a record. The block must not be longer than one, and begins where one begins: else its end may come to lie in
    /// other records.
    #[inline(always)]
    fn store_block(&self, index: usize, block: &[u64]) {
        for (offset, &value) in block.iter().take(EVENT_WORDS).enumerate() {
            self.place(index).store(offset, value);
        }
    }
}

/// Records that one event makes at most: a mapping with the longest path that is recorded.
pub(crate) const RECORDS_MAX: u64 = 12;

/// Interrupts inside of one another that are remembered: a softirq, a device's interrupt, the timer's, and room.
pub(crate) const IRQ_DEPTH: usize = 8;

/// An interrupt that has begun.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct OpenIrq {
    /// Class and number, as in word 1 of its record.
    pub(crate) irq: u32,
    /// When it began, ns.
    pub(crate) began: u64,
    /// Time in interrupts inside of it so far, ns.
    pub(crate) nested: u64,
}

/// What only the CPU itself touches, with interrupts off.
#[repr(C)]
pub(crate) struct Own {
    pub(crate) writer: Writer<EVENT_WORDS>,
    /// From this position on there may be more to do than to write: to wake readers, or to see whether there is room. Below
    /// it there is room for [`RECORDS_MAX`] records.
    pub(crate) attention: u64,
    /// The position at which to wake readers next.
    pub(crate) wake_at: u64,
    /// The voluntary switches that the running thread had when it came.
    pub(crate) voluntary_before: u64,
    pub(crate) irq_depth: usize,
    pub(crate) irqs: [OpenIrq; IRQ_DEPTH],
}

/// What one CPU writes events with. C knows it as `struct mp3_recorder`.
#[repr(C)]
pub(crate) struct Recorder {
    pub(crate) words: RingWords,
    /// Which thread groups are recorded. NULL where the probes do not ask; see [`super::filter`].
    pub(crate) filter: *const super::filter::Filter,
    pub(crate) own: UnsafeCell<Own>,
    /// The position that must not be reached: how far the ring may be filled. `u64::MAX` where old records make room.
    pub(crate) limit: AtomicU64,
    /// Records after which readers are woken.
    pub(crate) watermark: u64,
}

impl Recorder {
    /// A recorder that has written nothing.
    pub(crate) fn new(
        words: RingWords,
        writer: Writer<EVENT_WORDS>,
        filter: *const super::filter::Filter,
        limit: u64,
        watermark: u64,
    ) -> Self {
        Recorder {
            words,
            filter,
            own: UnsafeCell::new(Own {
                writer,
                attention: watermark.min(limit.saturating_sub(RECORDS_MAX)),
                wake_at: watermark,
                voluntary_before: 0,
                irq_depth: 0,
                irqs: [OpenIrq::default(); IRQ_DEPTH],
            }),
            limit: AtomicU64::new(limit),
            watermark,
        }
    }

    /// Events that were dropped, for the record and for the count.
    #[inline]
    pub(crate) fn count_dropped(&self, records: u64) {
        self.words.count(word::DROPPED, records);
    }
}
