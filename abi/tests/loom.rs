// SPDX-License-Identifier: GPL-2.0

//! The protocols of shared memory, model-checked: `make loom`.
//!
//! Loom runs a model once for every order in which its threads can be interleaved, and for every value that each load may
//! return under the rules of the C11 memory model. The code under test is the crate's own writer and readers; only the words
//! below them are loom's. Bounds are stated where they are set. Loom does not let a load see a store of the future (load
//! buffering); no ordering here depends on that.
//!
//! For each ordering that the protocols rely on there is a test without it. It must fail: so the model is able to see what
//! the ordering is for, and none of them is superfluous.
#![cfg(loom)]

use abi::classic::{ClassicRecord, ClassicWriter, EMPTY, RECORD_LONGS, RING_LONGS};
use abi::events::room::Room;
use abi::header::{word, Header, HEADER_WORDS};
use abi::ring::{Reader, Writer};
use abi::stream::Stream;
use abi::timebase::{self, Timebase, TIMEBASE_WORDS};
use abi::words::{ReadWords, WriteWords};
use loom::sync::atomic::{fence, AtomicU64, Ordering};
use loom::thread;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;

/// An ordering that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// W1: no fence between *reserved* and the record.
    FenceRelease,
    /// W2: *committed* is stored relaxed.
    StoreRelease,
    /// R1: *committed* is loaded relaxed.
    LoadAcquire,
    /// R2: no fence between the record and *reserved*.
    FenceAcquire,
}

/// The words that a model is about, at the indices that they have in the region. All others are constants that no thread
/// loads: stores to them are dropped.
struct LoomWords {
    words: Vec<(usize, AtomicU64)>,
    without: Without,
}

impl LoomWords {
    fn new(indices: impl Iterator<Item = usize>, without: Without) -> Self {
        LoomWords { words: indices.map(|index| (index, AtomicU64::new(0))).collect(), without }
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        // Most stores go past the last one, when a whole buffer is filled.
        if self.words.last().is_none_or(|(last, _)| index > *last) {
            return None;
        }
        self.words.iter().find(|(at, _)| *at == index).map(|(_, word)| word)
    }

    fn load(&self, index: usize, ordering: Ordering) -> u64 {
        self.word(index).expect("a word of the model").load(ordering)
    }

    fn store(&self, index: usize, value: u64, ordering: Ordering) {
        if let Some(word) = self.word(index) {
            word.store(value, ordering);
        }
    }

    /// `ordering`, or relaxed where the model goes without it.
    fn unless(&self, without: Without, ordering: Ordering) -> Ordering {
        if self.without == without {
            Ordering::Relaxed
        } else {
            ordering
        }
    }
}

impl ReadWords for LoomWords {
    fn word_count(&self) -> usize {
        usize::MAX
    }
    fn load_relaxed(&self, index: usize) -> u64 {
        self.load(index, Ordering::Relaxed)
    }
    fn load_acquire(&self, index: usize) -> u64 {
        self.load(index, self.unless(Without::LoadAcquire, Ordering::Acquire))
    }
    fn fence_acquire(&self) {
        if self.without != Without::FenceAcquire {
            fence(Ordering::Acquire);
        }
    }
}

impl WriteWords for LoomWords {
    fn store_relaxed(&self, index: usize, value: u64) {
        self.store(index, value, Ordering::Relaxed);
    }
    fn store_release(&self, index: usize, value: u64) {
        self.store(index, value, self.unless(Without::StoreRelease, Ordering::Release));
    }
    fn fence_release(&self) {
        if self.without != Without::FenceRelease {
            fence(Ordering::Release);
        }
    }
}

/// Runs `model` in every interleaving with at most `preemptions` preemptions, or in all.
fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// Counts over all runs of a model that what it is about did happen.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Counter {
    fn add(&self, count: usize) {
        self.0.fetch_add(count, SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

mod ring {
    use super::*;

    /// Two words: the smallest record that can be torn.
    const WORDS: usize = 2;
    /// Records that the ring holds.
    const CAPACITY: usize = 2;
    const HEADER: Header = Header {
        stream: Stream::Samples,
        record_bytes: 8 * WORDS as u64,
        capacity: CAPACITY as u64,
        hz: 250,
        rate_hz: 20,
        start_monotonic_ns: 0,
        start_realtime_ns: 0,
        start_jiffies: 0,
        features: 0,
    };

    /// What stands in record `position`, and in no other.
    fn record(position: u64) -> [u64; WORDS] {
        [position + 100, position + 200]
    }

    #[derive(Default)]
    struct Seen {
        delivered: Counter,
        /// Lost before they were copied.
        skipped: Counter,
        /// Lost while they were copied.
        overtaken: Counter,
        /// Of those, copies made of two records: what must never be delivered.
        torn: Counter,
    }

    /// Reads once, and holds the answer to what a reader is promised. Returns how many records there were.
    fn read(memory: &LoomWords, reader: &mut Reader<WORDS>, room: usize, seen: &Seen) -> u64 {
        let (first, lost_before) = (reader.position(), reader.lost());
        let mut buffer = [[0; WORDS]; CAPACITY];
        let records = reader.read(memory, &mut buffer[..room]).expect("the writer goes forward only");
        let lost = reader.lost() - lost_before;
        let delivered = records.len();
        for (position, whole) in (first + lost..).zip(records) {
            assert_eq!(*whole, record(position), "not record {position}");
        }
        assert_eq!(first + lost + delivered as u64, reader.position(), "each record is delivered or lost, once");
        // What was lost is gone indeed: the writer has begun to write over it.
        if lost > 0 {
            let reserved = memory.load_relaxed(word::RESERVED);
            assert!(first + lost + CAPACITY as u64 <= reserved, "counted as lost, and still there");
        }
        let copied = buffer.iter().filter(|copy| **copy != [0; WORDS]).count();
        seen.delivered.add(delivered);
        seen.overtaken.add(copied - delivered);
        seen.skipped.add(lost as usize - (copied - delivered));
        seen.torn.add(buffer.iter().filter(|copy| copy[0] + 100 != copy[1] && **copy != [0; WORDS]).count());
        delivered as u64
    }

    /// One writer and `readers` readers. The writer pushes `batches` of records, and commits each batch. Every reader reads
    /// as often as `reads` says meanwhile, and the rest afterwards.
    fn check_protocol(
        without: Without,
        readers: usize,
        batches: &'static [u64],
        reads: usize,
        preemptions: Option<usize>,
    ) {
        let seen = Arc::new(Seen::default());
        let in_model = seen.clone();
        check(preemptions, move || {
            let records = HEADER_WORDS..HEADER_WORDS + WORDS * CAPACITY;
            let indices = [word::RESERVED, word::COMMITTED].into_iter().chain(records);
            let memory = Arc::new(LoomWords::new(indices, without));
            let mut writer = Writer::<WORDS>::new(&*memory, &HEADER);
            let readers: Vec<_> = (0..readers)
                .map(|_| {
                    let (memory, seen) = (memory.clone(), in_model.clone());
                    thread::spawn(move || {
                        let mut reader = Reader::at(&HEADER, 0);
                        let delivered = (0..reads).map(|_| read(&memory, &mut reader, CAPACITY, &seen)).sum::<u64>();
                        (reader, delivered)
                    })
                })
                .collect();
            for &batch in batches {
                for _ in 0..batch {
                    writer.push(&*memory, record);
                }
                writer.commit(&*memory);
            }
            for thread in readers {
                let (mut reader, mut delivered) = thread.join().expect("the reader returns");
                while reader.pending(&*memory) > 0 {
                    delivered += read(&memory, &mut reader, 1, &in_model);
                }
                assert_eq!(delivered + reader.lost(), writer.position(), "every record is accounted for");
            }
        });
        // A model in which no reader is overtaken shows nothing.
        let Seen { delivered, skipped, overtaken, torn } = &*seen;
        let counts = [delivered, skipped, overtaken, torn].map(Counter::get);
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    }

    /// Every interleaving of one reader with three records, each committed for itself.
    #[test]
    fn one_reader() {
        check_protocol(Without::Nothing, 1, &[1, 1, 1], 1, None);
    }

    /// A reader that continues from where it was, while the ring goes round twice: at most 2 preemptions.
    #[test]
    fn one_reader_that_reads_twice() {
        check_protocol(Without::Nothing, 1, &[1, 2, 1], 2, Some(2));
    }

    /// At most 2 preemptions.
    #[test]
    fn two_readers() {
        check_protocol(Without::Nothing, 2, &[2, 1], 1, Some(2));
    }

    /// The same model as [`one_reader`], which holds, without one ordering.
    fn one_reader_without(ordering: Without) {
        check_protocol(ordering, 1, &[1, 1, 1], 1, None);
    }

    #[test]
    #[should_panic(expected = "not record")]
    fn without_w1() {
        one_reader_without(Without::FenceRelease);
    }

    #[test]
    #[should_panic(expected = "not record")]
    fn without_w2() {
        one_reader_without(Without::StoreRelease);
    }

    #[test]
    #[should_panic(expected = "not record")]
    fn without_r1() {
        one_reader_without(Without::LoadAcquire);
    }

    #[test]
    #[should_panic(expected = "not record")]
    fn without_r2() {
        one_reader_without(Without::FenceAcquire);
    }
}

/// A ring that drops what does not fit, whose one reader makes room: the tracer's exclusive mode.
mod discard {
    use super::*;

    const WORDS: usize = 2;
    const CAPACITY: usize = 2;
    /// Where the model has what an ioctl of the reader sets in the kernel: how far the ring may be filled.
    const LIMIT: usize = HEADER_WORDS + WORDS * CAPACITY;
    const HEADER: Header = Header {
        stream: Stream::Events { cpu: 0 },
        record_bytes: 8 * WORDS as u64,
        capacity: CAPACITY as u64,
        hz: 0,
        rate_hz: 0,
        start_monotonic_ns: 0,
        start_realtime_ns: 0,
        start_jiffies: 0,
        features: 0,
    };

    fn record(position: u64) -> [u64; WORDS] {
        [position + 100, position + 200]
    }

    /// One writer of `events`, and a reader that reads twice meanwhile and makes room for what it has. Nothing is ever overwritten
    /// before it was read, and each event is written or counted.
    fn check_room(without: Without, events: u64, preemptions: Option<usize>) {
        let (delivered_ever, dropped_ever) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let in_model = (delivered_ever.clone(), dropped_ever.clone());
        check(preemptions, move || {
            let records = HEADER_WORDS..HEADER_WORDS + WORDS * CAPACITY;
            let indices = [word::RESERVED, word::COMMITTED].into_iter().chain(records).chain([LIMIT]);
            let memory = Arc::new(LoomWords::new(indices, without));
            let mut writer = Writer::<WORDS>::new(&*memory, &HEADER);
            memory.store_relaxed(LIMIT, CAPACITY as u64);
            let read = |memory: &LoomWords, reader: &mut Reader<WORDS>| {
                let first = reader.position();
                let mut buffer = [[0; WORDS]; CAPACITY];
                let records = reader.read(memory, &mut buffer).expect("the writer goes forward only");
                for (position, whole) in (first..).zip(records) {
                    assert_eq!(*whole, record(position), "not record {position}");
                }
                assert_eq!(reader.lost(), 0, "overwritten");
                memory.store_release(LIMIT, reader.position() + CAPACITY as u64);
            };
            let thread = {
                let memory = memory.clone();
                thread::spawn(move || {
                    let mut reader = Reader::at(&HEADER, 0);
                    read(&memory, &mut reader);
                    read(&memory, &mut reader);
                    reader
                })
            };
            let mut room = Room::new(1, CAPACITY as u64);
            let mut dropped = 0;
            for _ in 0..events {
                let position = writer.position();
                if room.needs_attention(position) && !room.attend(position, 1, memory.load_acquire(LIMIT)).fits {
                    dropped += 1;
                    continue;
                }
                writer.push(&*memory, record);
                writer.commit(&*memory);
            }
            let mut reader = thread.join().expect("the reader returns");
            read(&memory, &mut reader);
            assert_eq!(reader.position() + dropped, events, "every event is accounted for");
            in_model.0.add(reader.position() as usize);
            in_model.1.add(dropped as usize);
        });
        assert!(delivered_ever.get() > 0 && dropped_ever.get() > 0);
    }

    /// At most 3 preemptions.
    #[test]
    fn what_is_not_read_is_never_overwritten() {
        check_room(Without::Nothing, 4, Some(3));
    }

    #[test]
    #[should_panic(expected = "not record")]
    fn without_w2() {
        check_room(Without::StoreRelease, 4, Some(3));
    }

    #[test]
    #[should_panic(expected = "not record")]
    fn without_r1() {
        check_room(Without::LoadAcquire, 4, Some(3));
    }
}

/// The numbers of the clock, which change while times are read.
mod clock {
    use super::*;

    /// Numbers of which no two can be mixed without giving another time.
    fn numbers(n: u64) -> Timebase {
        Timebase { cycles: 1000 * n, limit: 1 << 40, mult: n as u32, shift: 0, fraction: 7 * n, base_ns: n << 50 }
    }

    const COUNTER: u64 = 1_000_000;

    fn time(n: u64) -> u64 {
        let Timebase { cycles, mult, fraction, base_ns, .. } = numbers(n);
        base_ns + (COUNTER - cycles) * u64::from(mult) + fraction
    }

    /// `changes` changes of the numbers while one reader reads once.
    fn check_clock(without: Without, changes: u64, preemptions: Option<usize>) {
        let (times, none) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let in_model = (times.clone(), none.clone());
        check(preemptions, move || {
            let memory = Arc::new(LoomWords::new(0..TIMEBASE_WORDS, without));
            numbers(1).publish(&*memory);
            let reader = {
                let (memory, (times, none)) = (memory.clone(), in_model.clone());
                thread::spawn(move || match timebase::time_ns(&*memory, || COUNTER) {
                    Some(found) => {
                        assert!((1..=1 + changes).any(|n| found == time(n)), "a time of mixed numbers");
                        times.add(1);
                    }
                    None => none.add(1),
                })
            };
            for n in 2..2 + changes {
                numbers(n).publish(&*memory);
            }
            reader.join().expect("the reader returns");
        });
        assert!(times.get() > 0 && none.get() > 0);
    }

    /// At most 3 preemptions.
    #[test]
    fn a_time_is_made_of_numbers_that_belong_together() {
        check_clock(Without::Nothing, 1, Some(3));
    }

    /// At most 2 preemptions.
    #[test]
    fn also_when_they_change_twice() {
        check_clock(Without::Nothing, 2, Some(2));
    }

    #[test]
    #[should_panic(expected = "mixed numbers")]
    fn without_w1_and_w3() {
        check_clock(Without::StoreRelease, 1, Some(3));
    }

    #[test]
    #[should_panic(expected = "mixed numbers")]
    fn without_w2() {
        check_clock(Without::FenceRelease, 1, Some(3));
    }

    #[test]
    #[should_panic(expected = "mixed numbers")]
    fn without_r1_and_r2() {
        check_clock(Without::LoadAcquire, 1, Some(3));
    }

    #[test]
    #[should_panic(expected = "mixed numbers")]
    fn without_r3() {
        check_clock(Without::FenceAcquire, 1, Some(3));
    }
}

mod header {
    use super::*;
    use abi::header::HeaderError;

    const HEADER: Header = Header {
        stream: Stream::Samples,
        record_bytes: 192,
        capacity: 2,
        hz: 250,
        rate_hz: 20,
        start_monotonic_ns: 0,
        start_realtime_ns: 0,
        start_jiffies: 0,
        features: 0,
    };

    /// A reader that sees the magic sees the rest. Every interleaving.
    fn check_header(without: Without) {
        let whole = Arc::new(Counter::default());
        let in_model = whole.clone();
        check(None, move || {
            let memory = Arc::new(LoomWords::new(word::MAGIC..=word::CPU, without));
            let reader = {
                let (memory, whole) = (memory.clone(), in_model.clone());
                thread::spawn(move || match Header::read(&*memory, Stream::Samples) {
                    Ok(header) => {
                        assert_eq!(header, HEADER, "a header that was half written");
                        whole.add(1);
                    }
                    Err(error) => assert_eq!(error, HeaderError::Magic(0), "a header that was half written"),
                })
            };
            HEADER.write(&*memory);
            reader.join().expect("the reader returns");
        });
        assert!(whole.get() > 0);
    }

    #[test]
    fn the_magic_comes_last() {
        check_header(Without::Nothing);
    }

    #[test]
    #[should_panic(expected = "half written")]
    fn without_its_release() {
        check_header(Without::StoreRelease);
    }

    #[test]
    #[should_panic(expected = "half written")]
    fn without_its_acquire() {
        check_header(Without::LoadAcquire);
    }
}

mod classic {
    use super::*;

    fn record(n: u64) -> ClassicRecord {
        ClassicRecord { jiffies: n, minor_faults: n + 100, major_faults: n + 200, cpu_ns: n + 300 }
    }

    /// One writer, and a reader as programs for the original MP3 have it: once the jiffies word is there, the values are read.
    /// It then looks at the jiffies word again, as such programs do not: a record that is still the same was not touched
    /// meanwhile. `before` records have been written when the reader begins, and one more is while it reads. Every
    /// interleaving.
    fn check_record(without: Without, before: usize) {
        let (filled, overwritten) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let in_model = (filled.clone(), overwritten.clone());
        check(None, move || {
            // The first record's words; the others are not modelled.
            let memory = Arc::new(LoomWords::new(0..RECORD_LONGS, without));
            let mut writer = ClassicWriter::new(&*memory);
            for n in 0..before {
                writer.push(&*memory, &record(n as u64));
            }
            let reader = {
                let (memory, (filled, overwritten)) = (memory.clone(), in_model.clone());
                thread::spawn(move || {
                    let jiffies = memory.load_acquire(0);
                    if jiffies == EMPTY {
                        return;
                    }
                    let values = [1, 2, 3].map(|index| memory.load_relaxed(index));
                    memory.fence_acquire();
                    if memory.load_relaxed(0) != jiffies {
                        overwritten.add(1);
                        return;
                    }
                    filled.add(1);
                    assert_eq!(values, [100, 200, 300].map(|offset| jiffies + offset), "values of another record");
                })
            };
            writer.push(&*memory, &record(before as u64));
            reader.join().expect("the reader returns");
        });
        assert!(filled.get() > 0);
        assert!(before == 0 || overwritten.get() > 0);
    }

    /// Records that it takes to come round to the first again.
    const LAP: usize = RING_LONGS / RECORD_LONGS;

    #[test]
    fn values_are_there_before_the_jiffies() {
        check_record(Without::Nothing, 0);
    }

    #[test]
    fn jiffies_are_gone_before_the_values_change() {
        check_record(Without::Nothing, LAP);
    }

    #[test]
    #[should_panic(expected = "values of another record")]
    fn without_the_release_of_the_jiffies() {
        check_record(Without::StoreRelease, 0);
    }

    #[test]
    #[should_panic(expected = "values of another record")]
    fn without_the_readers_acquire() {
        check_record(Without::LoadAcquire, 0);
    }

    #[test]
    #[should_panic(expected = "values of another record")]
    fn without_the_fence_behind_the_empty_jiffies() {
        check_record(Without::FenceRelease, LAP);
    }
}

mod moment {
    use super::*;
    use abi::samples::moment::{again, first, Sequence};
    use loom::sync::atomic::{AtomicBool, AtomicU32};
    use std::cell::Cell;

    /// An ordering that is left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Left {
        Nothing,
        /// L1: no fence between the sequence and the look.
        FenceBefore,
        /// L2: no fence between the look and the sequence.
        FenceAfter,
        /// The thread that leaves: none between its first step and what it changes.
        FenceOfFirstStep,
        /// None between that and its last step.
        FenceOfLastStep,
    }

    /// A group of two threads, one of which leaves. It has taken a fault before.
    struct Group {
        sequence: AtomicU32,
        /// Faults of threads that are gone.
        dead: AtomicU64,
        is_other_listed: AtomicBool,
        left: Left,
    }

    impl Group {
        fn new(left: Left) -> Arc<Self> {
            let (sequence, dead, is_other_listed) = (AtomicU32::new(0), AtomicU64::new(0), AtomicBool::new(true));
            Arc::new(Group { sequence, dead, is_other_listed, left })
        }

        /// As the kernel does it in `__exit_signal()`, under a lock for writers.
        fn leave(&self) {
            self.sequence.store(1, Ordering::Relaxed);
            if self.left != Left::FenceOfFirstStep {
                fence(Ordering::Release);
            }
            self.dead.store(1, Ordering::Relaxed);
            self.is_other_listed.store(false, Ordering::Relaxed);
            if self.left != Left::FenceOfLastStep {
                fence(Ordering::Release);
            }
            self.sequence.store(2, Ordering::Relaxed);
        }

        fn is_alone(&self) -> bool {
            !self.is_other_listed.load(Ordering::Relaxed)
        }
    }

    /// A reader of the group.
    struct Look<'a> {
        group: &'a Group,
        /// The fences that it goes through, the last one first.
        fences: Cell<&'static [Left]>,
    }

    impl Sequence for Look<'_> {
        fn load_relaxed(&self) -> u32 {
            self.group.sequence.load(Ordering::Relaxed)
        }
        fn fence_acquire(&self) {
            let (this, before) = self.fences.get().split_last().expect("as many fences as are named");
            self.fences.set(before);
            if self.group.left != *this {
                fence(Ordering::Acquire);
            }
        }
    }

    /// Runs `reader`, which says whether it found the remaining thread alone, beside the thread that leaves. How often it did.
    fn check_reader(left: Left, reader: fn(&Group) -> bool) -> usize {
        let found = Arc::new(Counter::default());
        let in_model = found.clone();
        check(None, move || {
            let group = Group::new(left);
            let other = {
                let group = group.clone();
                thread::spawn(move || group.leave())
            };
            in_model.add(usize::from(reader(&group)));
            other.join().expect("it leaves");
        });
        found.get()
    }

    /// A reader that has looked when there was one thread, before the other was born: with sequence 0.
    fn again_after_one(group: &Group) -> bool {
        let look = Look { group, fences: Cell::new(&[Left::FenceAfter]) };
        let found = again(&look, 0, || group.is_alone().then_some(()));
        assert!(found.is_none(), "a fault is missed");
        found.is_some()
    }

    /// A reader that has not looked before.
    fn for_the_first_time(group: &Group) -> bool {
        let look = Look { group, fences: Cell::new(&[Left::FenceAfter, Left::FenceBefore]) };
        let found = first(&look, || group.is_alone().then(|| group.dead.load(Ordering::Relaxed)));
        if let Some((sequence, dead)) = found {
            assert_eq!((sequence, dead), (2, 1), "a fault is missed");
        }
        found.is_some()
    }

    #[test]
    fn a_thread_that_leaves_between_two_looks_is_noticed() {
        check_reader(Left::Nothing, again_after_one);
    }

    #[test]
    #[should_panic(expected = "a fault is missed")]
    fn not_without_the_fence_behind_the_look() {
        check_reader(Left::FenceAfter, again_after_one);
    }

    #[test]
    #[should_panic(expected = "a fault is missed")]
    fn not_without_the_fence_of_the_first_step() {
        check_reader(Left::FenceOfFirstStep, again_after_one);
    }

    #[test]
    fn a_first_look_has_what_was_left_behind() {
        assert!(check_reader(Left::Nothing, for_the_first_time) > 0);
    }

    #[test]
    #[should_panic(expected = "a fault is missed")]
    fn not_without_the_fence_before_the_look() {
        check_reader(Left::FenceBefore, for_the_first_time);
    }

    #[test]
    #[should_panic(expected = "a fault is missed")]
    fn not_without_the_fence_of_the_last_step() {
        check_reader(Left::FenceOfLastStep, for_the_first_time);
    }
}
