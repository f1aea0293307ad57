// SPDX-License-Identifier: GPL-2.0

//! What a ring carries.
//!
//! All rings share one header ([`super::header`]) and one protocol ([`super::ring`]). They differ in the size of a record
//! and in what its words mean, which the header says with two words: a kind, and the CPU that writes the ring.

use super::events::EVENT_BYTES;
use super::samples::SAMPLE_BYTES;

/// A stream of records, which has a ring of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// One record per registered process and tick ([`super::samples`]). Kind 0.
    Samples,
    /// What happens on one CPU ([`super::events`]). Kind 1.
    Events {
        /// The CPU that writes the ring.
        cpu: u32,
    },
}

impl Stream {
    /// The header's kind word. A header from before this word existed has 0 there, and is that of the sample ring.
    pub const fn kind(self) -> u64 {
        match self {
            Stream::Samples => 0,
            Stream::Events { .. } => 1,
        }
    }

    /// The header's CPU word; 0 for samples, which any CPU writes.
    pub const fn cpu(self) -> u64 {
        match self {
            Stream::Samples => 0,
            Stream::Events { cpu } => cpu as u64,
        }
    }

    /// The stream of a kind and a CPU word; `None` where no release has defined one.
    pub const fn from_words(kind: u64, cpu: u64) -> Option<Stream> {
        match kind {
            0 => Some(Stream::Samples),
            1 if cpu <= u32::MAX as u64 => Some(Stream::Events { cpu: cpu as u32 }),
            _ => None,
        }
    }

    /// Bytes in one of its records.
    pub const fn record_bytes(self) -> u64 {
        match self {
            Stream::Samples => SAMPLE_BYTES as u64,
            Stream::Events { .. } => EVENT_BYTES as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        for stream in [Stream::Samples, Stream::Events { cpu: 0 }, Stream::Events { cpu: 8191 }] {
            assert_eq!(Stream::from_words(stream.kind(), stream.cpu()), Some(stream));
        }
        assert_eq!(Stream::from_words(2, 0), None);
        assert_eq!(Stream::from_words(1, 1 << 32), None);
    }
}
