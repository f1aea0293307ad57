// SPDX-License-Identifier: GPL-2.0

//! A ring's header and its reader, while the memory changes as it likes.

use crate::bytes::Bytes;
use crate::hostile::HostileWords;
use abi::header::{word, Header};
use abi::ring::Reader;
use abi::stream::Stream;
use abi::words::{ReadWords, WriteWords};

const WORDS: usize = abi::events::EVENT_WORDS;
const STREAM: Stream = Stream::Events { cpu: 0 };
/// Words behind the header, of which a ring may well claim to have more.
const REGION: usize = 16 * WORDS;

/// A header that can be read has sizes that fit together; a reader never returns more than was there, counts what it does
/// not return, takes a bounded number of loads, and passes nothing on as whole that a calm memory does not hold.
pub fn check(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let memory = HostileWords::new(REGION);
    let capacity = match bytes.byte() {
        any @ 0x80.. => u64::from(any) << (any & 63),
        power => 1 << (power & 7),
    };
    memory.put_header(&mut bytes, capacity, STREAM);
    // One word of the header is anything.
    memory.store_relaxed(usize::from(bytes.byte()) % (word::CPU + 1), bytes.number());
    for index in 0..REGION {
        memory.store_relaxed(abi::header::HEADER_WORDS + index, bytes.number());
    }
    let rooms: [usize; 6] = std::array::from_fn(|_| usize::from(bytes.byte()) % 8);
    let begin = bytes.number();
    let at_oldest = bytes.byte() % 2 == 0;
    memory.change(bytes);

    let header = match Header::read(&memory, STREAM) {
        Ok(header) => {
            assert!(header.capacity.is_power_of_two() && header.record_bytes == 8 * WORDS as u64);
            assert!(header.region_bytes().is_some_and(|bytes| bytes as u64 <= abi::regions::REGION_BYTES));
            header
        }
        // A reader that goes on in spite of it must not be harmed either.
        Err(error) => {
            assert!(!error.to_string().is_empty());
            Header {
                stream: STREAM,
                record_bytes: 8 * WORDS as u64,
                capacity,
                hz: 1,
                rate_hz: 1,
                start_monotonic_ns: 0,
                start_realtime_ns: 0,
                start_jiffies: 0,
                features: 0,
            }
        }
    };
    let mut reader = if at_oldest { Reader::<WORDS>::at_oldest(&header, &memory) } else { Reader::at(&header, begin) };
    let begin = reader.position();
    let mut delivered = 0;
    for room in rooms {
        let (first, lost_before, loads_before) = (reader.position(), reader.lost(), memory.loads());
        let was_calm = memory.is_calm();
        let pending = reader.pending(&memory);
        let mut buffer = vec![[0; WORDS]; room];
        let answer = reader.read(&memory, &mut buffer);
        assert!(memory.loads() - loads_before <= 4 + (WORDS * room) as u64, "loads without end");
        match answer {
            Ok(records) => {
                let count = records.len() as u64;
                delivered += count;
                let lost = reader.lost() - lost_before;
                assert!(records.len() <= room);
                assert!(count + lost <= memory.committed_seen() - first, "more than was committed");
                assert!(!was_calm || count + lost <= pending, "more than was pending");
                assert_eq!(first + lost + count, reader.position());
                assert_eq!(reader.position() - begin, delivered + reader.lost());
                if was_calm {
                    for (index, record) in records.iter().enumerate() {
                        let slot = (first + lost + index as u64) & (header.capacity.wrapping_sub(1));
                        let at = (slot as usize).saturating_mul(WORDS).saturating_add(abi::header::HEADER_WORDS);
                        assert!((0..WORDS).all(|word| record[word] == memory.load_relaxed(at.saturating_add(word))));
                    }
                    assert!(room == 0 || pending == 0 || count + lost > 0, "no progress");
                }
            }
            Err(error) => {
                assert!(error.committed < error.position && error.position == first);
                assert_eq!((reader.position(), reader.lost()), (first, lost_before));
            }
        }
    }
}
