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
use crate::abi::events::room::Room;
use crate::abi::header::{HEADER_BYTES, HEADER_WORDS};
use crate::abi::ring::Writer;
use crate::abi::words::{ReadWords, WriteWords};
use core::cell::UnsafeCell;
use core::ops::Deref;
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
}

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
    pub(crate) room: Room,
    /// The position at which the mappings of page faults are to be recorded again.
    pub(crate) renewal: u64,
    /// The voluntary switches that the running thread had when it came.
    pub(crate) voluntary_before: u64,
    pub(crate) irq_depth: usize,
    pub(crate) irqs: [OpenIrq; IRQ_DEPTH],
}

/// From a recorder to its ring. Only the ring is mapped, so it begins with a page.
pub(crate) const RECORDER_BYTES: usize = kernel::page::PAGE_SIZE;

/// What one CPU writes events with. C knows it as `struct mp3_recorder`.
///
/// It lies directly before its ring, so that one pointer leads to both:
///
/// ```text
/// | Recorder, a page | header, a page | records |
///                    |<---- mapped by readers ->|
/// ```
#[repr(C)]
pub(crate) struct Recorder {
    pub(crate) own: UnsafeCell<Own>,
    /// The position that must not be reached: how far the ring may be filled. `u64::MAX` where old records make room.
    pub(crate) limit: AtomicU64,
    /// Which thread groups are recorded. NULL where the probes do not ask; see [`super::filter`].
    pub(crate) filter: *const super::filter::Filter,
    /// Words of all records, less one.
    record_mask: usize,
    /// Bytes of all records, less one.
    byte_mask: usize,
}

const _: () = assert!(size_of::<Recorder>() <= RECORDER_BYTES);

impl Recorder {
    /// A recorder that has written nothing, of a ring with `record_words` words of records.
    pub(crate) fn new(
        record_words: usize,
        writer: Writer<EVENT_WORDS>,
        filter: *const super::filter::Filter,
        limit: u64,
        watermark: u64,
    ) -> Self {
        Recorder {
            own: UnsafeCell::new(Own {
                writer,
                room: Room::new(watermark, limit),
                renewal: 0,
                voluntary_before: 0,
                irq_depth: 0,
                irqs: [OpenIrq::default(); IRQ_DEPTH],
            }),
            limit: AtomicU64::new(limit),
            filter,
            record_mask: record_words.wrapping_sub(1),
            byte_mask: record_words.wrapping_mul(size_of::<u64>()).wrapping_sub(1),
        }
    }

    /// The recorder of a CPU that records nothing: there is always more to do for it than to write, which is not to write.
    pub(crate) const fn none() -> Self {
        Recorder {
            own: UnsafeCell::new(Own {
                writer: Writer::NONE,
                room: Room::NONE,
                renewal: u64::MAX,
                voluntary_before: 0,
                irq_depth: IRQ_DEPTH,
                irqs: [OpenIrq { irq: 0, began: 0, nested: 0 }; IRQ_DEPTH],
            }),
            limit: AtomicU64::new(0),
            filter: core::ptr::null(),
            record_mask: 0,
            byte_mask: 0,
        }
    }

    /// Whether it is [`Recorder::none`], which is not followed by a ring.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.byte_mask == 0
    }
}

/// A recorder with its ring.
///
/// # Invariants
///
/// The pointer is to a recorder that lives for as long as this value is used, in memory that goes on with its ring: the
/// header, and as many words of records as the recorder says, a power of two and at least [`EVENT_WORDS`]. The ring's words
/// are only touched atomically. [`Recorder::none`] has no ring, and the ring of such a value is not asked for.
#[derive(Clone, Copy)]
pub(crate) struct RecorderPtr(*const Recorder);

impl RecorderPtr {
    /// # Safety
    ///
    /// The invariants of the type, of which nothing can be seen from the pointer.
    #[inline(always)]
    pub(crate) const unsafe fn new(recorder: *const Recorder) -> Self {
        // INVARIANT: The caller promises them.
        RecorderPtr(recorder)
    }

    /// The pointer, for C.
    pub(crate) const fn as_ptr(self) -> *const Recorder {
        self.0
    }

    /// The ring.
    #[inline(always)]
    pub(crate) fn words(self) -> RingWords {
        // INVARIANT: This type has the same ones.
        // SAFETY: By the type invariants the header follows.
        RingWords { start: unsafe { self.0.byte_add(RECORDER_BYTES) }.cast_mut().cast(), record_mask: self.record_mask }
    }

    /// The place of the record at `position`.
    #[inline(always)]
    pub(crate) fn place(self, position: u64) -> Place {
        let byte = (position as usize).wrapping_mul(EVENT_WORDS * size_of::<u64>()) & self.byte_mask;
        // SAFETY: By the type invariants. The bytes of the records are a power of two, and at least those of one: from a
        // multiple of those of one on, that many are there.
        // INVARIANT: So it is said.
        Place(unsafe { self.0.byte_add(RECORDER_BYTES + HEADER_BYTES).byte_add(byte) }.cast_mut().cast())
    }

    /// Events that were dropped, for the record and for the count.
    #[inline]
    pub(crate) fn count_dropped(self, records: u64) {
        self.words().count(word::DROPPED, records);
    }
}

impl Deref for RecorderPtr {
    type Target = Recorder;

    #[inline(always)]
    fn deref(&self) -> &Recorder {
        // SAFETY: By the type invariants. What changes is atomic or in a cell.
        unsafe { &*self.0 }
    }
}
