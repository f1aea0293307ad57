// SPDX-License-Identifier: GPL-2.0

//! Recordings of records that a small model of the module makes.

use super::*;
use crate::chunked::ChunkError;
use abi::samples::{Flags, Levels, SampleRecord, Totals, SAMPLE_WORDS};

type Words = [u64; SAMPLE_WORDS];

fn header() -> Header {
    Header { host: "here".into(), abi: abi::header::ABI_VERSION, hz: 250, rate_hz: 20, ..Header::default() }
}

/// `ticks` ticks of `processes` processes, of which every third does something.
fn records(processes: u64, ticks: u64) -> Vec<Words> {
    let mut all = vec![];
    for tick in 0..ticks {
        for registration in 1..=processes {
            let busy = if registration % 3 == 0 { tick * registration } else { 0 };
            let flags = match tick {
                0 => Flags::FIRST,
                last if last + 1 == ticks => Flags::FINAL | Flags::EXITED,
                _ => Flags::DELAYS,
            };
            let record = SampleRecord {
                sequence: 1_000 + all.len() as u64,
                time_ns: 5_000_000_000 + tick * 50_000_000 + registration * 166,
                tick: 77 + tick,
                jiffies: 4_294_937_296 + tick * 25 / 2,
                pid: 100 + registration as i32,
                flags,
                threads: 1,
                user: 1000,
                comm: *b"work\0\0\0\0\0\0\0\0\0\0\0\0",
                registration,
                totals: Totals { minor_faults: busy * 3, user_ns: busy * 49_999, ..Totals::default() },
                levels: Levels { resident_pages: 512 + busy % 5, swapped_pages: 0 },
            };
            all.push(record.to_words());
        }
    }
    all
}

fn written(records: &[Words]) -> Vec<u8> {
    let mut file = vec![];
    let mut writer = Writer::new(&mut file, &header()).unwrap();
    for words in records {
        writer.push(words);
        writer.write_due().unwrap();
    }
    writer.know(State { completed: 9, sampling_ns: 8, sampling_records: 7 });
    assert_eq!(writer.finish().unwrap(), file.len() as u64);
    file
}

fn read(file: &[u8]) -> (Vec<Piece>, Option<String>) {
    let mut reader = Reader::new(file).unwrap();
    let mut pieces = vec![];
    while let Some(mut block) = reader.next_block().unwrap() {
        loop {
            match block.next_piece() {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(error) => {
                    reader.spoil(error);
                    break;
                }
            }
        }
    }
    (pieces, reader.notice())
}

fn of(records: &[Words]) -> Vec<Piece> {
    records.iter().map(|words| Piece::Record(*words)).collect()
}

#[test]
fn records_come_back_as_they_were() {
    let all = records(10, 200);
    let (pieces, notice) = read(&written(&all));
    assert_eq!((pieces, notice), (of(&all), None));
}

#[test]
fn any_words_come_back() {
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed ^ seed >> 33
    };
    let all: Vec<Words> = (0..2_000)
        .map(|_| {
            let few = random() % 4;
            std::array::from_fn(|index| match index {
                8 => random() % 5,
                _ if random() % 4 < few => random(),
                _ => 0,
            })
        })
        .collect();
    assert_eq!(read(&written(&all)).0, of(&all));
}

#[test]
fn a_process_at_rest_takes_a_few_bytes() {
    let mut encoder = Encoder::default();
    let all = records(1_000, 22);
    let mut bytes = vec![];
    for (tick, records) in all.chunks(1_000).enumerate() {
        if tick == 2 {
            bytes.push(encoder.bytes());
        }
        records.iter().filter(|words| words[8] % 3 != 0).for_each(|words| encoder.push(words));
        if tick == 20 {
            bytes.push(encoder.bytes());
        }
    }
    let per_record = (bytes[1] - bytes[0]) as f64 / (19.0 * 667.0);
    assert!(per_record < 4.0, "{per_record}");
}

#[test]
fn a_file_that_was_cut_off_is_read_up_to_there() {
    let all = records(10, 400);
    let file = written(&all);
    let whole = of(&all);
    let mut longest = 0;
    for end in (400..file.len()).step_by(97) {
        let (pieces, notice) = read(&file[..end]);
        assert!(whole.starts_with(&pieces), "cut at {end}");
        assert!(notice.unwrap().starts_with("has no end"));
        longest = longest.max(pieces.len());
    }
    // At most the last chunk of 2 s is missing.
    assert!(longest + 420 >= whole.len(), "{longest} of {}", whole.len());
}

#[test]
fn a_byte_that_was_changed_is_noticed() {
    let all = records(10, 400);
    let mut file = written(&all);
    let middle = file.len() / 2;
    file[middle] ^= 0x10;
    let (pieces, notice) = read(&file);
    assert!(notice.unwrap().starts_with("damaged"));
    assert!(!pieces.is_empty() && of(&all).starts_with(&pieces));
}

#[test]
fn losses_stand_where_they_happened() {
    let all = records(2, 3);
    let mut file = vec![];
    let mut writer = Writer::new(&mut file, &header()).unwrap();
    writer.lose(3);
    writer.push(&all[0]);
    writer.lose(5);
    writer.lose(6);
    writer.push(&all[1]);
    writer.lose(9);
    writer.write_all().unwrap();
    writer.push(&all[2]);
    writer.finish().unwrap();
    let expected = [
        Piece::Lost(3),
        Piece::Record(all[0]),
        Piece::Lost(5),
        Piece::Lost(6),
        Piece::Record(all[1]),
        Piece::Lost(9),
        Piece::Record(all[2]),
    ];
    assert_eq!(read(&file), (expected.to_vec(), None));
}

#[test]
fn every_chunk_is_found_and_can_be_the_first() {
    let all = records(10, 400);
    let file = written(&all);
    let mut reader = Reader::new(std::io::Cursor::new(&file)).unwrap();
    let index = reader.index().unwrap();
    // 20 s of 2 s each, and what is left.
    assert!((10..=11).contains(&index.len()), "{}", index.len());
    assert_eq!(index.iter().map(|(_, span)| span.records as usize).sum::<usize>(), all.len());
    let (offset, span) = index[5];
    reader.seek(offset).unwrap();
    let mut block = reader.next_block().unwrap().unwrap();
    let before: usize = index[..5].iter().map(|(_, span)| span.records as usize).sum();
    assert_eq!(block.next_piece().unwrap(), Some(Piece::Record(all[before])));
    assert_eq!((block.span, span.first_ns), (span, all[before][1]));
}

#[test]
fn the_state_and_the_header_are_kept() {
    let file = written(&records(1, 2));
    let mut reader = Reader::new(&file[..]).unwrap();
    assert_eq!(reader.header(), &header());
    let block = reader.next_block().unwrap().unwrap();
    assert_eq!(block.state, State { completed: 9, sampling_ns: 8, sampling_records: 7 });
    assert!(is_recording(&file));
    let absent = Header { absent: vec!["swapped".into()], ..header() };
    assert!(!absent.counted().has_named("swapped") && absent.counted().has_named("minor"));
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let refused = |bytes: &[u8]| Reader::new(bytes).unwrap_err().to_string();
    assert_eq!(
        refused(b"# mp3 profile 1\n0123456789"),
        "not a recording of samples: it does not begin with \"mp3sampl\""
    );
    let mut later = written(&records(1, 2));
    later[8] = 2;
    assert!(refused(&later).starts_with("version 2 of the format"));
    let mut other = vec![];
    Writer::new(&mut other, &Header { abi: 9, ..header() }).unwrap();
    assert!(matches!(Reader::new(&other[..]), Err(ChunkError::Header)));
}
