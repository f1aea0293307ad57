// SPDX-License-Identifier: GPL-2.0

//! Recordings of samples: the file, the inside of a chunk, and records of any words there and back.

use crate::bytes::Bytes;
use abi::samples::SAMPLE_WORDS;
use client::poller::Wake;
use client::source::{Readiness, Recording};
use client::users::Users;
use format::chunked::sections;
use format::json::Json;
use format::recording::{Block, Header, Piece, Reader, Rows, Writer};
use monitor::record::Wait;
use monitor::{record, End, Sink};
use std::io::{self, Read};

/// A recording makes no one wait.
struct Never;

impl Wait for Never {
    fn wait(&mut self, _position: u64, _completed: u64, readiness: Option<Readiness>) -> io::Result<Wake> {
        assert!(readiness.is_none(), "there is more to read, or it is over");
        Ok(Wake::GoOn)
    }
}

/// The rows of a recording as text: whole lines, as many as there are records, and a header row behind the comments.
fn rows(input: &[u8]) -> u64 {
    let mut text = String::new();
    Rows::new(input).expect("read before").read_to_string(&mut text).expect("memory, as text");
    assert!(text.ends_with('\n'));
    let lines = text.lines().filter(|line| !line.starts_with('#')).count() as u64;
    lines.checked_sub(1).expect("a header row")
}

/// What `monitor --from` and `plot` do with a file, and `monitor` finds as many records as are in it.
fn file(input: &[u8]) {
    let Ok(mut reader) = Reader::new(input) else { return assert!(Recording::new(input).is_err()) };
    let mut records = 0;
    while let Some(mut block) = reader.next_block().expect("memory") {
        records += pieces(&mut block);
    }
    assert_eq!(rows(input), records);
    let mut recording = Recording::new(input).expect("as before");
    let mut out = vec![];
    let sink = Sink { format: &mut Json, output: &mut out };
    let recorded = record(&mut recording, Users::All, End::Never, sink, &mut Never).expect("memory");
    assert_eq!(recorded.summary.samples, records);
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count() as u64, records + 2);
}

/// The records of a block, up to what is wrong with it.
fn pieces(block: &mut Block) -> u64 {
    let mut records = 0;
    while let Ok(Some(piece)) = block.next_piece() {
        records += u64::from(matches!(piece, Piece::Record(_)));
    }
    records
}

/// Records of any words come back as they were, and losses in their places.
fn there_and_back(bytes: &mut Bytes) {
    let mut file = vec![];
    let about = Header { abi: abi::header::ABI_VERSION, hz: 250, rate_hz: 20, ..Header::default() };
    let mut writer = Writer::new(&mut file, &about).expect("memory");
    let mut written = vec![];
    let mut words = [0; SAMPLE_WORDS];
    while !bytes.is_empty() {
        match bytes.byte() {
            how @ 0..=0xbf => {
                // A few words differ from the record before.
                for _ in 0..how & 7 {
                    words[usize::from(bytes.byte()) % SAMPLE_WORDS] = bytes.number();
                }
                writer.push(&words);
                written.push(Piece::Record(words));
            }
            0xc0..=0xdf => {
                let lost = bytes.number();
                writer.lose(lost);
                written.push(Piece::Lost(lost));
            }
            _ => writer.write_all().expect("memory"),
        }
    }
    writer.finish().expect("memory");
    let mut reader = Reader::new(&file[..]).expect("a recording");
    let mut read = vec![];
    while let Some(mut block) = reader.next_block().expect("memory") {
        while let Some(piece) = block.next_piece().expect("as it was written") {
            read.push(piece);
        }
    }
    assert!(read == written && reader.notice().is_none());
}

/// A recording, or the inside of a chunk of one, is read or refused; what is written comes back.
pub fn check(input: &[u8]) {
    file(input);
    if let Ok(mut block) = sections(input).and_then(|sections| Block::of_sections(&sections)) {
        // A record takes a byte at least.
        assert!(pieces(&mut block) <= input.len() as u64);
    }
    there_and_back(&mut Bytes::new(input));
}
