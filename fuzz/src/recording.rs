// SPDX-License-Identifier: GPL-2.0

//! `monitor`'s way from the ring into a file, over a ring that does what it likes.

use crate::bytes::Bytes;
use crate::hostile::HostileWords;
use crate::profile;
use abi::header::{Header, HEADER_WORDS};
use abi::record::{SAMPLE_WORDS, TOTALS};
use abi::stream::Stream;
use abi::words::WriteWords;
use client::machine::Machine;
use client::poller::Wake;
use client::source::{Readiness, RingSource, SourceError};
use client::users::Users;
use format::comments::Delays;
use format::error::{Error, LineError};
use format::json::{self, Json};
use format::processes::Csv;
use format::profile::Text;
use format::Format;
use monitor::record::Wait;
use monitor::{record, Begin, End, Options, RecordError, Recorded, Sink};
use std::io;

/// Stops the recording after so many waits.
struct Patience {
    waits: u8,
    after: u8,
}

/// Waits that a recording may still make after it was stopped.
const ANSWERS: u8 = 2;

impl Wait for Patience {
    fn wait(&mut self, _position: u64, _completed: u64, _readiness: Option<Readiness>) -> io::Result<Wake> {
        if self.waits > 0 {
            self.waits -= 1;
            return Ok(Wake::GoOn);
        }
        self.after += 1;
        assert!(self.after <= ANSWERS, "it does not stop");
        Ok(Wake::Stop)
    }
}

/// A recording ends when it is stopped. Its output is whole lines of its format, as many as its summary says.
pub fn check(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let capacity = 1 << (bytes.byte() % 5);
    let options = bytes.byte();
    let waits = bytes.byte() % 8;
    let memory = HostileWords::new(SAMPLE_WORDS * capacity as usize);
    memory.put_header(&mut bytes, capacity, Stream::Samples);
    let header = Header::read(&memory, Stream::Samples).expect("a header that was put there");
    for index in 0..SAMPLE_WORDS * capacity as usize {
        memory.store_relaxed(HEADER_WORDS + index, bytes.number());
    }
    memory.change(bytes);

    let kind = options % 3;
    let format: &mut dyn Format = match kind {
        0 => &mut Text,
        1 => &mut Csv,
        _ => &mut Json,
    };
    let options = Options {
        users: if options >= 128 { Users::Of(vec![0]) } else { Users::All },
        begin: [Begin::Profile, Begin::Oldest, Begin::Next][usize::from(options / 3) % 3],
        end: [End::LastProcess, End::Drained, End::Never][usize::from(options / 9) % 3],
    };
    let machine = Machine {
        host: "host".into(),
        kernel: "7.2".into(),
        cpus: 2,
        delays: Delays::On,
        wall_clock_offset_ns: None,
        source: None,
    };
    let mut out = vec![];
    let sink = Sink { format, output: &mut out };
    let Options { users, begin, end } = options;
    let Ok(mut source) = RingSource::new(&memory, &header, machine, &users, begin, None) else { return };
    let samples = match record(&mut source, users, end, sink, &mut Patience { waits, after: 0 }) {
        Ok(Recorded { summary, .. }) => {
            assert!(summary.to_string().contains("lost: "));
            Some(summary.samples)
        }
        Err(RecordError::Source(SourceError::Ring(error))) => {
            assert!(error.committed < error.position);
            None
        }
        Err(error) => panic!("{error}"),
    };

    let text = String::from_utf8(out).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "half a line");
    let rows = text.lines().filter(|line| !line.starts_with('#')).count() as u64;
    match kind {
        0 => check_text(&text),
        1 => {
            assert!(samples.is_none_or(|samples| rows == samples + 1), "{rows} rows of {samples:?}");
            check_readable(&text);
        }
        _ => {
            // Two of the lines say what was recorded, and what was lost.
            let about = [json::PREAMBLE, json::TRAILER];
            assert!(samples.is_none_or(|samples| rows == samples + 2), "{rows} lines of {samples:?}");
            for line in text.lines() {
                let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let object = object.as_object().expect("an object a line");
                assert!(object.len() == 9 + TOTALS + 2 || about.iter().any(|key| object.contains_key(*key)), "{line}");
            }
        }
    }
}

/// Four numbers a line.
fn check_text(text: &str) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.split(' ').filter_map(|number| number.parse::<u64>().ok()).count() == 4, "{line}");
        assert!(line.split(' ').count() == 4, "{line}");
    }
    check_readable(text);
}

/// `plot` may refuse what such records say, and never how it is written.
fn check_readable(text: &str) {
    match profile::read(text.as_bytes()) {
        Ok(_) | Err(Error::NoSamples { .. } | Error::Empty { .. }) => {}
        Err(Error::Line {
            why:
                LineError::JiffiesBackwards { .. }
                | LineError::JiffiesLeap { .. }
                | LineError::CounterBackwards { .. }
                | LineError::SumTooLarge { .. }
                | LineError::Negative { .. },
            ..
        }) => {}
        Err(error) => panic!("{error}: {text}"),
    }
}
