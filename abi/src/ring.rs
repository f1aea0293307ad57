// SPDX-License-Identifier: GPL-2.0

//! One writer that never waits, any number of readers that never write.
//!
//! ```text
//!                     oldest = reserved - capacity
//!                       |            position (each reader's own)
//!                       v                v                    committed    reserved
//!   ----+---------------+----------------+------------------------+------------+----
//!       |  overwritten  |  read already  |  to be read            |  being     |
//!       |               |                |                        |  written   |
//!   ----+---------------+----------------+------------------------+------------+----
//!        record n lies in slot n mod capacity, after the header page
//! ```
//!
//! Positions count records since the ring was made and never wrap. The writer raises *reserved* before it touches a
//! slot and *committed* after it has filled it. A reader copies records below *committed* and then looks at *reserved*: a
//! record that is still within `capacity` of it was not touched while it was copied; one that is not was lost, and is
//! counted. No lock is taken, and no reader
//! can delay the writer.
//!
//! | store | pairs with | and guarantees |
//! |---|---|---|
//! | W1 *reserved*, then release fence | R2 acquire fence, then *reserved* | a reader that copied one word of a newer record sees that the slot was reserved for it |
//! | W2 *committed*, release | R1 *committed*, acquire | a reader that sees the position sees the records below it |

use super::header::{word, Header, HEADER_WORDS};
use super::words::{ReadWords, WriteWords};
use core::borrow::Borrow;
use core::fmt;

/// Slots of `WORDS` words in a ring of `capacity` records.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Slots<const WORDS: usize> {
    mask: u64,
}

impl<const WORDS: usize> Slots<WORDS> {
    fn new(header: &Header) -> Self {
        Slots { mask: header.capacity.saturating_sub(1) }
    }

    fn capacity(self) -> u64 {
        self.mask.saturating_add(1)
    }

    /// Index of the first word of record `position`.
    #[inline]
    fn word_of(self, position: u64) -> usize {
        let slot = (position & self.mask) as usize;
        // Cannot wrap in a ring that is in memory. Whatever a header claims, the memory looks at the index once more.
        slot.wrapping_mul(WORDS).wrapping_add(HEADER_WORDS)
    }

    /// The oldest position that the writer has left alone.
    fn oldest(self, reserved: u64) -> u64 {
        reserved.saturating_sub(self.capacity())
    }
}

/// The writer's side. It keeps its position to itself and only publishes it: what stands in shared memory is never
/// read back.
///
/// With C's representation: the module is made of two crates that share a writer.
#[derive(Debug)]
#[repr(C)]
pub struct Writer<const WORDS: usize> {
    slots: Slots<WORDS>,
    position: u64,
}

impl<const WORDS: usize> Writer<WORDS> {
    /// The writer of no ring.
    pub const NONE: Self = Writer { slots: Slots { mask: 0 }, position: 0 };

    /// The writer of a fresh ring, whose memory is all zero. Writes the header.
    pub fn new<M: WriteWords>(memory: &M, header: &Header) -> Self {
        header.write(memory);
        Writer { slots: Slots::new(header), position: 0 }
    }

    /// The position of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes the record that `make` gives for its position. Readers see it after [`Writer::commit`].
    ///
    /// The slot is reserved before `make` is called. A time that `make` reads is therefore not earlier than the reservation
    /// in program order, so that a reader that finds no reservation knows of a time before which no record can come.
    #[inline]
    pub fn push<M: WriteWords, R: Borrow<[u64; WORDS]>>(&mut self, memory: &M, make: impl FnOnce(u64) -> R) {
        let position = self.reserve(memory);
        memory.store_block(self.slots.word_of(position), make(position).borrow());
        self.advance(position);
    }

    /// The first step of [`Writer::push`]: reserves the slot of the next record and gives its position. The caller stores the
    /// record's words there, in any order, and reads its time in between. Until it calls [`Writer::advance`] it may begin anew.
    #[inline(always)]
    pub fn reserve<M: WriteWords>(&self, memory: &M) -> u64 {
        self.reserve_many(memory, 1)
    }

    /// As [`Writer::reserve`], for `records` that follow one another: the position of the first. The caller stores the words of
    /// all of them, and then calls [`Writer::advance`] with the position of the last.
    #[inline(always)]
    pub fn reserve_many<M: WriteWords>(&self, memory: &M, records: u64) -> u64 {
        memory.store_relaxed(word::RESERVED, self.position.wrapping_add(records));
        // W1: the reservation before any word of the records.
        memory.fence_release();
        self.position
    }

    /// The last step: the record at `position`, which was reserved, is complete.
    #[inline(always)]
    pub fn advance(&mut self, position: u64) {
        // No count of records reaches the end of 64 bits.
        self.position = position.wrapping_add(1);
    }

    /// Lets readers have every record pushed so far.
    #[inline]
    pub fn commit<M: WriteWords>(&self, memory: &M) {
        // W2: the records before the position.
        memory.store_release(word::COMMITTED, self.position);
    }
}

/// A reader's side: its own position and what it lost.
#[derive(Clone, Debug)]
pub struct Reader<const WORDS: usize> {
    slots: Slots<WORDS>,
    position: u64,
    lost: u64,
}

impl<const WORDS: usize> Reader<WORDS> {
    /// A reader that begins with record `position`. Should that be overwritten already, it counts as lost.
    pub fn at(header: &Header, position: u64) -> Self {
        Reader { slots: Slots::new(header), position, lost: 0 }
    }

    /// A reader that begins with the oldest record there is.
    pub fn at_oldest<M: ReadWords>(header: &Header, memory: &M) -> Self {
        let slots = Slots::new(header);
        Reader { slots, position: slots.oldest(memory.load_relaxed(word::RESERVED)), lost: 0 }
    }

    /// The next record to be read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Records that were overwritten before this reader had them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Records that are there to be read, lost ones included.
    pub fn pending<M: ReadWords>(&self, memory: &M) -> u64 {
        memory.load_relaxed(word::COMMITTED).saturating_sub(self.position)
    }

    /// Copies the next records, as many as `buffer` holds, and returns those that are whole.
    ///
    /// An empty answer means either that there is nothing ([`Reader::pending`] is 0) or that the writer overtook the
    /// whole batch, which is then counted in [`Reader::lost`].
    ///
    /// # Errors
    ///
    /// [`WentBackwards`] if the writer's position is below this reader's, which no writer of this ring does.
    pub fn read<'a, M: ReadWords>(
        &mut self,
        memory: &M,
        buffer: &'a mut [[u64; WORDS]],
    ) -> Result<&'a [[u64; WORDS]], WentBackwards> {
        // R1: the position before the records.
        let committed = memory.load_acquire(word::COMMITTED);
        if committed < self.position {
            return Err(WentBackwards { position: self.position, committed });
        }
        // Do not copy what is known to be gone. What is committed was reserved; where memory denies that, it must not make
        // this reader walk through more than a ring holds.
        let reserved = memory.load_relaxed(word::RESERVED).max(committed);
        self.skip_to(self.slots.oldest(reserved).min(committed));

        let wanted = committed.saturating_sub(self.position);
        let count = buffer.len().min(usize::try_from(wanted).unwrap_or(usize::MAX));
        let first = self.position;
        let batch = buffer.get_mut(..count).unwrap_or_default();
        for (offset, record) in batch.iter_mut().enumerate() {
            memory.load_block(self.slots.word_of(first.saturating_add(offset as u64)), record);
        }
        // R2: the records before the reservation that tells which of them were overwritten meanwhile.
        memory.fence_acquire();
        let end = first.saturating_add(count as u64);
        self.skip_to(self.slots.oldest(memory.load_relaxed(word::RESERVED)).min(end));

        let overtaken = self.position.saturating_sub(first) as usize;
        self.position = end;
        Ok(buffer.get(overtaken..count).unwrap_or_default())
    }

    fn skip_to(&mut self, position: u64) {
        if position > self.position {
            self.lost = self.lost.saturating_add(position.saturating_sub(self.position));
            self.position = position;
        }
    }
}

/// The writer's position is below the reader's: this is not the ring that the reader began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WentBackwards {
    /// The reader's position.
    pub position: u64,
    /// The writer's.
    pub committed: u64,
}

impl fmt::Display for WentBackwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ring went back from record {} to {}", self.position, self.committed)
    }
}

impl core::error::Error for WentBackwards {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;
    use crate::words::tests::HeapWords;

    const WORDS: usize = 3;
    const HEADER: Header = Header {
        stream: Stream::Samples,
        record_bytes: 8 * WORDS as u64,
        capacity: 8,
        hz: 250,
        rate_hz: 20,
        start_monotonic_ns: 0,
        start_realtime_ns: 0,
        start_jiffies: 0,
        features: 0,
    };

    fn ring() -> (HeapWords, Writer<WORDS>) {
        let memory = HeapWords::filled(HEADER_WORDS + 8 * WORDS, 0);
        let writer = Writer::new(&memory, &HEADER);
        (memory, writer)
    }

    fn push(memory: &HeapWords, writer: &mut Writer<WORDS>, count: u64) {
        for _ in 0..count {
            writer.push(memory, |n| [n, n * 10, n * 100]);
        }
        writer.commit(memory);
    }

    fn read(reader: &mut Reader<WORDS>, memory: &HeapWords, room: usize) -> Vec<u64> {
        let mut buffer = vec![[0; WORDS]; room];
        let records = reader.read(memory, &mut buffer).unwrap();
        for [n, ten, hundred] in records {
            assert_eq!((*ten, *hundred), (n * 10, n * 100));
        }
        records.iter().map(|record| record[0]).collect()
    }

    #[test]
    fn what_is_pushed_is_seen_after_the_commit() {
        let (memory, mut writer) = ring();
        let mut reader = Reader::at(&HEADER, 0);
        writer.push(&memory, |_| [1, 10, 100]);
        assert_eq!(reader.pending(&memory), 0);
        assert!(read(&mut reader, &memory, 8).is_empty());
        writer.commit(&memory);
        assert_eq!(reader.pending(&memory), 1);
        assert_eq!(read(&mut reader, &memory, 8), [1]);
        assert!(read(&mut reader, &memory, 8).is_empty());
    }

    #[test]
    fn a_record_is_made_after_its_slot_is_reserved() {
        let (memory, mut writer) = ring();
        writer.push(&memory, |position| [position, memory.load_relaxed(word::RESERVED), 0]);
        writer.commit(&memory);
        assert_eq!(memory.load_relaxed(HEADER_WORDS + 1), 1);
    }

    #[test]
    fn a_full_ring_is_read_whole_in_batches_of_any_size() {
        for room in 1..=9 {
            let (memory, mut writer) = ring();
            let mut reader = Reader::at(&HEADER, 0);
            push(&memory, &mut writer, 8);
            let mut seen = vec![];
            while reader.pending(&memory) > 0 {
                seen.extend(read(&mut reader, &memory, room));
            }
            assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(reader.lost(), 0);
        }
    }

    #[test]
    fn a_slow_reader_counts_exactly_what_it_lost() {
        let (memory, mut writer) = ring();
        let mut slow = Reader::at(&HEADER, 0);
        let mut fast = slow.clone();
        for _ in 0..7 {
            push(&memory, &mut writer, 3);
            assert_eq!(read(&mut fast, &memory, 8).len(), 3);
        }
        // 21 written, the last 8 are there.
        assert_eq!(read(&mut slow, &memory, 8), [13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!((slow.lost(), fast.lost()), (13, 0));
    }

    #[test]
    fn a_record_being_written_costs_the_slot_it_overwrites() {
        let (memory, mut writer) = ring();
        let mut reader = Reader::at(&HEADER, 0);
        push(&memory, &mut writer, 8);
        // Reserved, not committed: record 0 is going.
        writer.push(&memory, |_| [8, 80, 800]);
        assert_eq!(read(&mut reader, &memory, 8), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(reader.lost(), 1);
    }

    #[test]
    fn readers_may_come_late() {
        let (memory, mut writer) = ring();
        push(&memory, &mut writer, 11);
        assert_eq!(Reader::<WORDS>::at_oldest(&HEADER, &memory).position(), 3);
        let mut reader = Reader::at(&HEADER, 10);
        assert_eq!(read(&mut reader, &memory, 8), [10]);
        assert_eq!(reader.lost(), 0);
    }

    #[test]
    fn a_ring_that_goes_backwards_is_noticed() {
        let (memory, mut writer) = ring();
        push(&memory, &mut writer, 2);
        let mut reader = Reader::<WORDS>::at(&HEADER, 3);
        let error = reader.read(&memory, &mut [[0; WORDS]; 4]).unwrap_err();
        assert_eq!(error, WentBackwards { position: 3, committed: 2 });
    }

    #[test]
    fn never_more_than_a_ring_is_read_however_much_is_said_to_be_there() {
        let (memory, _) = ring();
        memory.store_relaxed(word::COMMITTED, u64::MAX / 2);
        memory.store_relaxed(word::RESERVED, 0);
        let mut reader = Reader::<WORDS>::at(&HEADER, 0);
        assert_eq!(reader.read(&memory, &mut [[0; WORDS]; 64]).unwrap().len(), 8);
        assert_eq!(reader.pending(&memory), 0);
        assert_eq!(reader.lost(), u64::MAX / 2 - 8);
    }

    #[test]
    fn a_hostile_position_cannot_make_a_reader_leave_the_ring() {
        let (memory, _) = ring();
        memory.store_relaxed(word::COMMITTED, u64::MAX);
        memory.store_relaxed(word::RESERVED, u64::MAX - 3);
        let mut reader = Reader::<WORDS>::at(&HEADER, 0);
        assert_eq!(reader.read(&memory, &mut [[0; WORDS]; 64]).unwrap().len(), 8);
        assert_eq!(reader.lost(), u64::MAX - 8);
    }
}
