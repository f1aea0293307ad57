// SPDX-License-Identifier: GPL-2.0

//! Shared memory whose other side does what it likes.

use crate::bytes::Bytes;
use abi::header::{word, HEADER_BYTES, HEADER_WORDS};
use abi::stream::Stream;
use abi::words::{ReadWords, WriteWords};
use std::cell::{Cell, RefCell};

/// A region whose words may change before any load, as the bytes say.
pub struct HostileWords<'a> {
    words: Vec<Cell<u64>>,
    changes: RefCell<Bytes<'a>>,
    loads: Cell<u64>,
    committed: Cell<u64>,
}

impl<'a> HostileWords<'a> {
    /// A header page, and `words` words behind it. All are 0, and stay so until [`HostileWords::change`].
    pub fn new(words: usize) -> Self {
        HostileWords {
            words: vec![Cell::new(0); HEADER_WORDS + words],
            changes: RefCell::new(Bytes::new(&[])),
            loads: Cell::new(0),
            committed: Cell::new(0),
        }
    }

    /// From now on, `changes` says what changes when.
    pub fn change(&self, changes: Bytes<'a>) {
        self.changes.replace(changes);
    }

    /// Whether nothing changes any more.
    pub fn is_calm(&self) -> bool {
        self.changes.borrow().is_empty()
    }

    /// Loads so far.
    pub fn loads(&self) -> u64 {
        self.loads.get()
    }

    /// What the last load of *committed* returned.
    pub fn committed_seen(&self) -> u64 {
        self.committed.get()
    }

    /// Fills in a header that can be read, of the ring of `stream` with `capacity` records, and then the words of it that change.
    pub fn put_header(&self, bytes: &mut Bytes, capacity: u64, stream: Stream) {
        let header = abi::header::Header {
            stream,
            record_bytes: stream.record_bytes(),
            capacity,
            hz: 250,
            rate_hz: 20,
            start_monotonic_ns: bytes.number(),
            start_realtime_ns: bytes.number(),
            start_jiffies: bytes.number(),
            features: bytes.number(),
        };
        header.write(self);
        for index in LIVE.into_iter().filter(|index| *index != word::CAPACITY) {
            self.store_relaxed(index, bytes.number());
        }
    }

    fn load(&self, index: usize) -> u64 {
        self.loads.set(self.loads.get() + 1);
        let mut changes = self.changes.borrow_mut();
        // One load in four, as long as there are bytes.
        if !changes.is_empty() && changes.byte() % 4 == 0 {
            let live = LIVE[usize::from(changes.byte()) % LIVE.len()];
            let value = changes.number();
            let old = self.get(live);
            // Most writers go forward.
            self.store_relaxed(live, if changes.byte() % 4 == 0 { value } else { old.wrapping_add(value % 64) });
        }
        let value = self.get(index);
        if index == word::COMMITTED {
            self.committed.set(value);
        }
        value
    }

    fn get(&self, index: usize) -> u64 {
        self.words.get(index).map_or(0, Cell::get)
    }
}

/// The header's words that change while a ring is in use, and one that must not.
const LIVE: [usize; 8] = [
    word::RESERVED,
    word::COMMITTED,
    word::COMPLETED_TICK,
    word::REGISTERED,
    word::SESSION_START,
    word::MISSED_TICKS,
    word::SAMPLING_NS,
    word::CAPACITY,
];

const _: () = assert!(HEADER_BYTES == 8 * HEADER_WORDS);

impl ReadWords for HostileWords<'_> {
    fn word_count(&self) -> usize {
        self.words.len()
    }
    fn load_relaxed(&self, index: usize) -> u64 {
        self.load(index)
    }
    fn load_acquire(&self, index: usize) -> u64 {
        self.load(index)
    }
    fn fence_acquire(&self) {}
}

impl WriteWords for HostileWords<'_> {
    fn store_relaxed(&self, index: usize, value: u64) {
        if let Some(word) = self.words.get(index) {
            word.set(value);
        }
    }
    fn store_release(&self, index: usize, value: u64) {
        self.store_relaxed(index, value);
    }
    fn fence_release(&self) {}
}
