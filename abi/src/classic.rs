// SPDX-License-Identifier: GPL-2.0

//! The buffer that programs written for the original MP3 assignment map at offset 0.
//!
//! ```text
//! 65536 longs (128 pages of 4 KiB):
//!   0 ............................................ 47999   48000 ..... 65535
//!   | jiffies minor major cpu | jiffies minor ... |         -1 for ever
//! ```
//!
//! 12000 records of 4 longs. Counts are sums over all registered processes within one interval; CPU time is in ns. Every
//! long is -1 until it is written, and a reader stores -1 over what it has read. The writer goes round and round, and
//! takes nothing from what user space left there.

use super::words::WriteWords;

/// Bytes of the buffer.
pub const CLASSIC_BYTES: usize = 128 * 4096;

/// Longs of the buffer.
pub const CLASSIC_LONGS: usize = CLASSIC_BYTES / 8;

/// Longs that records are written to.
pub const RING_LONGS: usize = 48_000;

/// Longs in a record.
pub const RECORD_LONGS: usize = 4;

/// A long that nothing has been written to, or that a reader has taken: -1.
pub const EMPTY: u64 = u64::MAX;

/// One record: sums over all registered processes for one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassicRecord {
    /// When the interval ended.
    pub jiffies: u64,
    /// Minor faults in the interval.
    pub minor_faults: u64,
    /// Major faults in the interval.
    pub major_faults: u64,
    /// CPU time in the interval, ns.
    pub cpu_ns: u64,
}

/// The writer, with its position in kernel memory, out of user space's reach.
#[derive(Debug)]
pub struct ClassicWriter {
    next: usize,
}

impl ClassicWriter {
    /// Empties the buffer and starts at its beginning.
    pub fn new<M: WriteWords>(memory: &M) -> Self {
        for index in 0..CLASSIC_LONGS {
            memory.store_relaxed(index, EMPTY);
        }
        ClassicWriter { next: 0 }
    }

    /// Writes the next record.
    ///
    /// Readers test the jiffies word, so it is emptied before the values change (a record that no reader fetched is being
    /// overwritten) and filled after them.
    pub fn push<M: WriteWords>(&mut self, memory: &M, record: &ClassicRecord) {
        let at = self.next;
        memory.store_relaxed(at, EMPTY);
        memory.fence_release();
        memory.store_relaxed(at.saturating_add(1), record.minor_faults);
        memory.store_relaxed(at.saturating_add(2), record.major_faults);
        memory.store_relaxed(at.saturating_add(3), record.cpu_ns);
        memory.store_release(at, record.jiffies);

        self.next = at.saturating_add(RECORD_LONGS);
        if self.next >= RING_LONGS {
            self.next = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tests::HeapWords;
    use crate::words::ReadWords;

    fn record(n: u64) -> ClassicRecord {
        ClassicRecord { jiffies: n, minor_faults: n + 1, major_faults: n + 2, cpu_ns: n + 3 }
    }

    #[test]
    fn empty_at_first() {
        let memory = HeapWords::filled(CLASSIC_LONGS, 0);
        ClassicWriter::new(&memory);
        assert!((0..CLASSIC_LONGS).all(|index| memory.load_relaxed(index) == EMPTY));
    }

    #[test]
    fn wraps_at_48000_longs_and_touches_nothing_behind() {
        let memory = HeapWords::filled(CLASSIC_LONGS, 0);
        let mut writer = ClassicWriter::new(&memory);
        for n in 0..13_000 {
            writer.push(&memory, &record(n * 10));
        }
        let at = |record: usize| -> Vec<u64> { (0..4).map(|word| memory.load_relaxed(record * 4 + word)).collect() };
        assert_eq!(at(0), [120_000, 120_001, 120_002, 120_003]);
        assert_eq!(at(999), [129_990, 129_991, 129_992, 129_993]);
        assert_eq!(at(1_000), [10_000, 10_001, 10_002, 10_003]);
        assert_eq!(at(11_999), [119_990, 119_991, 119_992, 119_993]);
        assert!((RING_LONGS..CLASSIC_LONGS).all(|index| memory.load_relaxed(index) == EMPTY));
    }

    #[test]
    fn goes_on_where_it_was_whatever_the_reader_stored() {
        let memory = HeapWords::filled(CLASSIC_LONGS, 0);
        let mut writer = ClassicWriter::new(&memory);
        writer.push(&memory, &record(1));
        for index in 0..CLASSIC_LONGS {
            memory.store_relaxed(index, 0x4141_4141_4141_4141);
        }
        writer.push(&memory, &record(2));
        assert_eq!(memory.load_relaxed(4), 2);
    }
}
