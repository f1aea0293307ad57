// SPDX-License-Identifier: GPL-2.0

//! The ABI, byte by byte and number by number.
//!
//! Programs that were built from an earlier release of the same ABI version must go on reading what the module writes. All
//! numbers here are written out, and none is taken from the crate: any change of the layout makes a test fail. An
//! intended change needs a new `ABI_VERSION`.
#![cfg(not(loom))]

use abi::classic;
use abi::device;
use abi::header::{word, Header, ABI_VERSION, FEATURE_DELAYS, HEADER_BYTES, HEADER_WORDS};
use abi::regions::{Region, REGION_BYTES};
use abi::ring::Writer;
use abi::samples::{Flags, Levels, SampleRecord, Totals, SAMPLE_BYTES, SAMPLE_WORDS};
use abi::stream::Stream;
use abi::words::{ReadWords, WriteWords};
use std::cell::Cell;

/// A region in plain memory.
struct Memory(Vec<Cell<u64>>);

impl Memory {
    fn new(words: usize) -> Self {
        Memory(vec![Cell::new(0); words])
    }

    /// The bytes of words `first..end`, as a reader's mapping has them.
    fn bytes(&self, first: usize, end: usize) -> Vec<u8> {
        self.0[first..end].iter().flat_map(|word| word.get().to_ne_bytes()).collect()
    }
}

impl ReadWords for Memory {
    fn word_count(&self) -> usize {
        self.0.len()
    }
    fn load_relaxed(&self, index: usize) -> u64 {
        self.0[index].get()
    }
    fn load_acquire(&self, index: usize) -> u64 {
        self.0[index].get()
    }
    fn fence_acquire(&self) {}
}

impl WriteWords for Memory {
    fn store_relaxed(&self, index: usize, value: u64) {
        self.0[index].set(value);
    }
    fn store_release(&self, index: usize, value: u64) {
        self.0[index].set(value);
    }
    fn fence_release(&self) {}
}

/// Each word different, and each byte of it.
const HEADER: Header = Header {
    stream: Stream::Samples,
    record_bytes: 192,
    capacity: 0x80,
    hz: 0xfa,
    rate_hz: 0x14,
    start_monotonic_ns: 0x1716_1514_1312_1110,
    start_realtime_ns: 0x2726_2524_2322_2120,
    start_jiffies: 0x3736_3534_3332_3130,
    features: FEATURE_DELAYS,
};

#[test]
fn a_header_has_these_bytes() {
    let memory = Memory::new(HEADER_WORDS + 128 * SAMPLE_WORDS);
    let mut writer = Writer::<SAMPLE_WORDS>::new(&memory, &HEADER);
    #[rustfmt::skip]
    let constant = [
        0x6d, 0x70, 0x33, 0x72, 0x69, 0x6e, 0x67, 0x00, // "mp3ring\0"
        0x01, 0, 0, 0, 0, 0, 0, 0, // ABI version
        0x00, 0x10, 0, 0, 0, 0, 0, 0, // header bytes
        0xc0, 0, 0, 0, 0, 0, 0, 0, // record bytes
        0x80, 0, 0, 0, 0, 0, 0, 0, // capacity
        0xfa, 0, 0, 0, 0, 0, 0, 0, // HZ
        0x14, 0, 0, 0, 0, 0, 0, 0, // rate
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, // start, monotonic
        0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, // start, real time
        0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, // start, jiffies
        0x01, 0, 0, 0, 0, 0, 0, 0, // features
        0x00, 0, 0, 0, 0, 0, 0, 0, // kind
        0x00, 0, 0, 0, 0, 0, 0, 0, // CPU
    ];
    assert_eq!(memory.bytes(0, 13), constant);
    assert!(memory.bytes(13, HEADER_WORDS).iter().all(|&byte| byte == 0), "the other words are 0");

    writer.push(&memory, |_| [0; SAMPLE_WORDS]);
    assert_eq!((memory.load_relaxed(16), memory.load_relaxed(17)), (1, 0), "reserved, and not committed");
    writer.push(&memory, |_| [0; SAMPLE_WORDS]);
    writer.commit(&memory);
    assert_eq!((memory.load_relaxed(16), memory.load_relaxed(17)), (2, 2));
}

#[test]
fn a_header_of_events_differs_in_these_words() {
    let memory = Memory::new(HEADER_WORDS);
    let stream = Stream::Events { cpu: 5 };
    Header { stream, record_bytes: 32, hz: 0, rate_hz: 0, ..HEADER }.write(&memory);
    let words = [3, 5, 6, 11, 12].map(|index| memory.load_relaxed(index));
    assert_eq!(words, [32, 0, 0, 1, 5]);
}

#[test]
fn the_words_that_the_writer_keeps_up_to_date_stand_here() {
    let indices = [
        word::RESERVED,
        word::COMMITTED,
        word::COMPLETED_TICK,
        word::REGISTERED,
        word::SESSION_START,
        word::MISSED_TICKS,
        word::SAMPLING_NS,
    ];
    assert_eq!(indices, [16, 17, 18, 19, 20, 21, 22]);
    assert_eq!((HEADER_BYTES, ABI_VERSION, FEATURE_DELAYS), (4096, 1, 1));
}

#[test]
fn a_record_has_these_bytes() {
    let record = SampleRecord {
        sequence: 0x0001_0203_0405_0607,
        time_ns: 0x1011_1213_1415_1617,
        tick: 0x2021_2223_2425_2627,
        jiffies: 0x3031_3233_3435_3637,
        pid: 0x4041_4243,
        flags: Flags(0x5051_5253),
        threads: 0x6061_6263,
        user: 0x6465_6667,
        comm: *b"abcdefghijklmno\0",
        registration: 0x7071_7273_7475_7677,
        totals: Totals {
            minor_faults: 0x80,
            major_faults: 0x81,
            user_ns: 0x82,
            system_ns: 0x83,
            voluntary_switches: 0x84,
            involuntary_switches: 0x85,
            run_delay_ns: 0x86,
            blkio_delay_ns: 0x87,
            swapin_delay_ns: 0x88,
            reclaim_delay_ns: 0x89,
            thrashing_delay_ns: 0x8a,
            compact_delay_ns: 0x8b,
            wpcopy_delay_ns: 0x8c,
        },
        levels: Levels { resident_pages: 0x8d, swapped_pages: 0x8e },
    };
    let bytes: Vec<u8> = record.to_words().iter().flat_map(|word| word.to_le_bytes()).collect();
    #[rustfmt::skip]
    let head = [
        0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x00, // sequence
        0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x10, // time
        0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 0x20, // tick
        0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x30, // jiffies
        0x43, 0x42, 0x41, 0x40, 0x53, 0x52, 0x51, 0x50, // PID, flags
        0x63, 0x62, 0x61, 0x60, 0x67, 0x66, 0x65, 0x64, // threads, user
        b'a', b'b', b'c', b'd', b'e', b'f', b'g', b'h', // command name
        b'i', b'j', b'k', b'l', b'm', b'n', b'o', 0,
        0x77, 0x76, 0x75, 0x74, 0x73, 0x72, 0x71, 0x70, // registration
    ];
    assert_eq!(bytes[..72], head);
    let counters: Vec<u8> = (0x80..=0x8e).flat_map(|number: u8| [number, 0, 0, 0, 0, 0, 0, 0]).collect();
    assert_eq!(bytes[72..], counters);
    assert_eq!((bytes.len(), SAMPLE_BYTES, SAMPLE_WORDS), (192, 192, 24));
    assert_eq!(SampleRecord::from_words(&record.to_words()), record);
}

#[test]
fn flags_are_these_bits() {
    let flags = [Flags::FIRST, Flags::FINAL, Flags::EXITED, Flags::EXECED, Flags::DELAYS, Flags::REVOKED];
    assert_eq!(flags.map(|flag| flag.0), [1, 2, 4, 8, 16, 32]);
    let set = Flags::FIRST | Flags::DELAYS;
    assert!(set.contains(Flags::FIRST) && set.contains(Flags::DELAYS) && set.contains(set));
    assert!(!set.contains(Flags::FINAL) && !set.contains(Flags::FIRST | Flags::FINAL) && !Flags::FIRST.contains(set));
    assert!(set.contains(Flags::default()));
}

#[test]
fn cpu_time_is_user_and_system_time() {
    let totals = Totals { user_ns: 5, system_ns: 7, run_delay_ns: 100, ..Totals::default() };
    assert_eq!(totals.cpu_ns(), 12);
}

#[test]
fn ioctls_have_these_numbers() {
    assert_eq!(device::MP3_IOC_SET_POSITION, 0x4008_7033);
    assert_eq!(device::MP3_IOC_SET_REGION_POSITION, 0x4010_7037);
    assert_eq!((device::MP3_IOC_TYPE, device::MP3_IOC_SET_POSITION_NR), (0x70, 0x33));
    assert_eq!(device::MP3_IOC_SET_REGION_POSITION_NR, 0x37);
}

#[test]
fn regions_lie_at_these_offsets() {
    assert_eq!((Region::Classic.offset(), Region::SAMPLES.offset()), (0, 0x1_0000_0000));
    assert_eq!(
        [0, 1, 8191].map(|cpu| Region::events(cpu).offset()),
        [0x10_0000_0000, 0x11_0000_0000, 0x200f_0000_0000]
    );
    assert_eq!((device::CLASSIC_OFFSET, device::SAMPLES_OFFSET, REGION_BYTES), (0, 0x1_0000_0000, 0x1_0000_0000));
}

#[test]
fn the_classic_buffer_has_these_sizes() {
    assert_eq!((classic::CLASSIC_BYTES, classic::CLASSIC_LONGS), (524_288, 65_536));
    assert_eq!((classic::RING_LONGS, classic::RECORD_LONGS, classic::EMPTY), (48_000, 4, u64::MAX));
}

#[test]
fn paths_are_these() {
    assert_eq!((device::STATUS_PATH, device::DEVICE_PATH), ("/proc/mp3/status", "/dev/mp3"));
}
