// SPDX-License-Identifier: GPL-2.0

//! The first page of a ring: what never changes, then what the writer keeps up to date.
//!
//! ```text
//! word  0 magic            "mp3ring\0", little endian
//!       1 abi version      1
//!       2 header bytes     4096: where the records begin
//!       3 record bytes     192 for samples, 32 for events
//!       4 capacity         records, a power of two
//!       5 hz               jiffies a second
//!       6 rate_hz          ticks a second; samples only
//!       7 start, CLOCK_MONOTONIC, ns  }
//!       8 start, CLOCK_REALTIME, ns   } the same instant: tick 0, a jiffy boundary
//!       9 start, jiffies              }
//!      10 features         FEATURE_* bits
//!      11 kind             0 samples, 1 events  } see Stream
//!      12 cpu              that writes the ring }
//!      16 reserved         records whose writing has begun  }
//!      17 committed        records that may be read         } totals since the ring was made
//! ```
//!
//! What else the writer keeps up to date depends on the kind. Of samples:
//!
//! ```text
//!      18 completed tick   no record of this or an earlier tick follows
//!      19 registered       processes being profiled now
//!      20 session start    position of the first record since the last time that nothing was registered
//!      21 missed ticks     ticks that were due while processes were registered, and not taken
//!      22 sampling time    CLOCK_MONOTONIC ns spent in all ticks so far
//!      23 not followed     children of followed processes that could not be registered: max_processes, or no memory
//! ```
//!
//! Words not listed are 0. A reader compares the magic first, then the version; an unknown version
//! may mean anything.

use super::regions::REGION_BYTES;
use super::stream::Stream;
use super::words::{ReadWords, WriteWords};
use core::fmt;

/// `"mp3ring\0"` as a little-endian word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"mp3ring\0");

/// The version of everything behind the mapping: header, records and protocol.
pub const ABI_VERSION: u64 = 1;

/// Bytes before the first record: one page.
pub const HEADER_BYTES: usize = super::device::PAGE_BYTES;

/// Words before the first record.
pub const HEADER_WORDS: usize = HEADER_BYTES / 8;

/// The kernel was built to count delays (`CONFIG_TASK_DELAY_ACCT`). Whether it does is for every record to say
/// ([`super::samples::Flags::DELAYS`]).
pub const FEATURE_DELAYS: u64 = 1 << 0;

/// Word indices in the header page.
pub mod word {
    /// [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// [`super::ABI_VERSION`].
    pub const ABI_VERSION: usize = 1;
    /// [`super::HEADER_BYTES`].
    pub const HEADER_BYTES: usize = 2;
    /// Bytes in a record.
    pub const RECORD_BYTES: usize = 3;
    /// Records that the ring holds.
    pub const CAPACITY: usize = 4;
    /// Jiffies a second.
    pub const HZ: usize = 5;
    /// Ticks a second.
    pub const RATE_HZ: usize = 6;
    /// Tick 0 on `CLOCK_MONOTONIC`, in ns.
    pub const START_MONOTONIC_NS: usize = 7;
    /// Tick 0 on `CLOCK_REALTIME`, in ns.
    pub const START_REALTIME_NS: usize = 8;
    /// Tick 0 in jiffies.
    pub const START_JIFFIES: usize = 9;
    /// `FEATURE_*` bits.
    pub const FEATURES: usize = 10;
    /// What the ring carries ([`super::Stream::kind`]).
    pub const KIND: usize = 11;
    /// The CPU that writes the ring ([`super::Stream::cpu`]).
    pub const CPU: usize = 12;
    /// Records whose writing has begun.
    pub const RESERVED: usize = 16;
    /// Records that may be read.
    pub const COMMITTED: usize = 17;
    /// The last tick that is complete.
    pub const COMPLETED_TICK: usize = 18;
    /// Processes registered now.
    pub const REGISTERED: usize = 19;
    /// Position of the first record of this session.
    pub const SESSION_START: usize = 20;
    /// Ticks that were due and not taken.
    pub const MISSED_TICKS: usize = 21;
    /// ns spent sampling.
    pub const SAMPLING_NS: usize = 22;
    /// Children of followed processes that could not be registered.
    pub const NOT_FOLLOWED: usize = 23;
}

/// The part of the header that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the ring carries.
    pub stream: Stream,
    /// Bytes in a record.
    pub record_bytes: u64,
    /// Records that the ring holds, a power of two.
    pub capacity: u64,
    /// Jiffies a second.
    pub hz: u64,
    /// Ticks a second; 0 where nothing ticks.
    pub rate_hz: u64,
    /// Tick 0 on `CLOCK_MONOTONIC`, in ns.
    pub start_monotonic_ns: u64,
    /// Tick 0 on `CLOCK_REALTIME`, in ns.
    pub start_realtime_ns: u64,
    /// Tick 0 in jiffies.
    pub start_jiffies: u64,
    /// `FEATURE_*` bits.
    pub features: u64,
}

impl Header {
    /// Writes the header page. The magic comes last: a reader that sees it sees the rest.
    pub fn write<M: WriteWords>(&self, memory: &M) {
        memory.store_relaxed(word::ABI_VERSION, ABI_VERSION);
        memory.store_relaxed(word::HEADER_BYTES, HEADER_BYTES as u64);
        memory.store_relaxed(word::RECORD_BYTES, self.record_bytes);
        memory.store_relaxed(word::CAPACITY, self.capacity);
        memory.store_relaxed(word::HZ, self.hz);
        memory.store_relaxed(word::RATE_HZ, self.rate_hz);
        memory.store_relaxed(word::START_MONOTONIC_NS, self.start_monotonic_ns);
        memory.store_relaxed(word::START_REALTIME_NS, self.start_realtime_ns);
        memory.store_relaxed(word::START_JIFFIES, self.start_jiffies);
        memory.store_relaxed(word::FEATURES, self.features);
        memory.store_relaxed(word::KIND, self.stream.kind());
        memory.store_relaxed(word::CPU, self.stream.cpu());
        memory.store_release(word::MAGIC, MAGIC);
    }

    /// Reads and checks the header page of the ring of `stream`.
    ///
    /// The memory may be the header page alone; [`Header::region_bytes`] then says how much there is to map.
    ///
    /// # Errors
    ///
    /// One of [`HeaderError`], for the first word that is not as it should be.
    pub fn read<M: ReadWords>(memory: &M, stream: Stream) -> Result<Self, HeaderError> {
        if memory.word_count() < HEADER_WORDS {
            return Err(HeaderError::Short);
        }
        let magic = memory.load_acquire(word::MAGIC);
        if magic != MAGIC {
            return Err(HeaderError::Magic(magic));
        }
        let version = memory.load_relaxed(word::ABI_VERSION);
        if version != ABI_VERSION {
            return Err(HeaderError::Version(version));
        }
        let (kind, cpu) = (memory.load_relaxed(word::KIND), memory.load_relaxed(word::CPU));
        if Stream::from_words(kind, cpu) != Some(stream) {
            return Err(HeaderError::Stream { kind, cpu, wanted: stream });
        }
        let header = Header {
            stream,
            record_bytes: memory.load_relaxed(word::RECORD_BYTES),
            capacity: memory.load_relaxed(word::CAPACITY),
            hz: memory.load_relaxed(word::HZ),
            rate_hz: memory.load_relaxed(word::RATE_HZ),
            start_monotonic_ns: memory.load_relaxed(word::START_MONOTONIC_NS),
            start_realtime_ns: memory.load_relaxed(word::START_REALTIME_NS),
            start_jiffies: memory.load_relaxed(word::START_JIFFIES),
            features: memory.load_relaxed(word::FEATURES),
        };
        let header_bytes = memory.load_relaxed(word::HEADER_BYTES);
        if header_bytes != HEADER_BYTES as u64
            || header.record_bytes != stream.record_bytes()
            || !header.capacity.is_power_of_two()
            || header.region_bytes().is_none()
        {
            return Err(HeaderError::Geometry);
        }
        if stream == Stream::Samples && (header.hz == 0 || header.rate_hz == 0 || header.rate_hz > header.hz) {
            return Err(HeaderError::Rate);
        }
        Ok(header)
    }

    /// Bytes of header and records together; `None` where no machine could hold them.
    pub fn region_bytes(&self) -> Option<usize> {
        let records = self.capacity.checked_mul(self.record_bytes)?;
        let bytes = records.checked_add(HEADER_BYTES as u64)?;
        if bytes > REGION_BYTES {
            return None;
        }
        usize::try_from(bytes).ok()
    }
}

/// Why a page is not the header of a ring that this program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Less than a page.
    Short,
    /// Another magic.
    Magic(u64),
    /// Another ABI version.
    Version(u64),
    /// The ring of another stream, or of one that this version does not know.
    Stream {
        /// The kind word.
        kind: u64,
        /// The CPU word.
        cpu: u64,
        /// What the caller asked for.
        wanted: Stream,
    },
    /// Sizes that contradict each other or this version.
    Geometry,
    /// A rate that no sampler has.
    Rate,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Short => write!(f, "shorter than its header of {HEADER_BYTES} bytes"),
            HeaderError::Magic(magic) => write!(f, "not an mp3 ring: it begins with {magic:#018x}"),
            HeaderError::Version(version) => write!(
                f,
                "ABI version {version}, and this program reads version {ABI_VERSION}: take module and programs from the same release"
            ),
            HeaderError::Stream { kind, cpu, wanted } => write!(
                f,
                "a ring of kind {kind} (CPU {cpu}), where one of kind {} (CPU {}) was expected",
                wanted.kind(),
                wanted.cpu()
            ),
            HeaderError::Geometry => write!(f, "header with impossible sizes"),
            HeaderError::Rate => write!(f, "header with an impossible sampling rate"),
        }
    }
}

impl core::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tests::HeapWords;

    const HEADER: Header = Header {
        stream: Stream::Samples,
        record_bytes: 192,
        capacity: 64,
        hz: 250,
        rate_hz: 20,
        start_monotonic_ns: 1,
        start_realtime_ns: 2,
        start_jiffies: 3,
        features: FEATURE_DELAYS,
    };

    #[test]
    fn what_is_written_is_read() {
        let memory = HeapWords::filled(HEADER_WORDS, 0);
        HEADER.write(&memory);
        assert_eq!(Header::read(&memory, Stream::Samples), Ok(HEADER));
        assert_eq!(HEADER.region_bytes(), Some(4096 + 64 * 192));
    }

    #[test]
    fn every_field_that_could_mislead_a_reader_is_checked() {
        let cases = [
            (word::MAGIC, 0, HeaderError::Magic(0)),
            (word::ABI_VERSION, 2, HeaderError::Version(2)),
            (word::KIND, 1, HeaderError::Stream { kind: 1, cpu: 0, wanted: Stream::Samples }),
            (word::KIND, 9, HeaderError::Stream { kind: 9, cpu: 0, wanted: Stream::Samples }),
            (word::HEADER_BYTES, 8192, HeaderError::Geometry),
            (word::RECORD_BYTES, 200, HeaderError::Geometry),
            (word::CAPACITY, 0, HeaderError::Geometry),
            (word::CAPACITY, 63, HeaderError::Geometry),
            (word::CAPACITY, 1 << 63, HeaderError::Geometry),
            (word::CAPACITY, 1 << 26, HeaderError::Geometry),
            (word::HZ, 0, HeaderError::Rate),
            (word::RATE_HZ, 0, HeaderError::Rate),
            (word::RATE_HZ, 251, HeaderError::Rate),
        ];
        for (index, value, error) in cases {
            let memory = HeapWords::filled(HEADER_WORDS, 0);
            HEADER.write(&memory);
            memory.store_relaxed(index, value);
            assert_eq!(Header::read(&memory, Stream::Samples), Err(error), "word {index} = {value}");
        }
        assert_eq!(Header::read(&HeapWords::filled(511, 0), Stream::Samples), Err(HeaderError::Short));
    }

    #[test]
    fn a_ring_of_events_needs_no_rate_and_has_the_cpu_that_writes_it() {
        let stream = Stream::Events { cpu: 3 };
        let header = Header { stream, record_bytes: 32, hz: 0, rate_hz: 0, ..HEADER };
        let memory = HeapWords::filled(HEADER_WORDS, 0);
        header.write(&memory);
        assert_eq!(Header::read(&memory, stream), Ok(header));
        for wanted in [Stream::Events { cpu: 2 }, Stream::Samples] {
            assert_eq!(Header::read(&memory, wanted), Err(HeaderError::Stream { kind: 1, cpu: 3, wanted }));
        }
    }

    #[test]
    fn a_header_without_the_kind_word_is_that_of_the_sample_ring() {
        let memory = HeapWords::filled(HEADER_WORDS, 0);
        HEADER.write(&memory);
        assert_eq!((memory.load_relaxed(word::KIND), memory.load_relaxed(word::CPU)), (0, 0));
    }
}
