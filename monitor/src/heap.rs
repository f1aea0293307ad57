// SPDX-License-Identifier: GPL-2.0

//! A ring on the heap, for tests.

use abi::header::{Header, HEADER_WORDS};
use abi::ring::Writer;
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use abi::stream::Stream;
use abi::words::{ReadWords, WriteWords};
use std::cell::RefCell;
use std::sync::atomic::{fence, AtomicU64, Ordering};

/// A region on the heap.
pub struct HeapWords(Vec<AtomicU64>);

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
        self.0[index].store(value, Ordering::Relaxed);
    }
    fn store_release(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Release);
    }
    fn fence_release(&self) {
        fence(Ordering::Release);
    }
}

/// A ring with its writer: the module's side.
pub struct Ring {
    pub memory: HeapWords,
    pub header: Header,
    writer: RefCell<Writer<SAMPLE_WORDS>>,
}

impl Ring {
    pub fn new(capacity: u64) -> Self {
        let header = Header {
            stream: Stream::Samples,
            record_bytes: 8 * SAMPLE_WORDS as u64,
            capacity,
            hz: 250,
            rate_hz: 20,
            start_monotonic_ns: 0,
            start_realtime_ns: 0,
            start_jiffies: 0,
            features: 0,
        };
        let words = HEADER_WORDS + SAMPLE_WORDS * capacity as usize;
        let memory = HeapWords((0..words).map(|_| AtomicU64::new(0)).collect());
        let writer = RefCell::new(Writer::new(&memory, &header));
        Ring { memory, header, writer }
    }

    pub fn set(&self, word: usize, value: u64) {
        self.memory.store_release(word, value);
    }

    pub fn push(&self, record: SampleRecord) {
        let mut writer = self.writer.borrow_mut();
        let record = SampleRecord { sequence: writer.position(), ..record };
        writer.push(&self.memory, |_| record.to_words());
        writer.commit(&self.memory);
    }

    pub fn position(&self) -> u64 {
        self.writer.borrow().position()
    }
}
