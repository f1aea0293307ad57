// SPDX-License-Identifier: GPL-2.0

//! An hour in simulated time: what `monitor` reads and writes for long takes no more memory.

use abi::header::Header;
use abi::samples::{Flags, SampleRecord, Totals, SAMPLE_WORDS};
use abi::stream::Stream;
use client::machine::Machine;
use client::poller::Wake;
use client::source::recording::header_of;
use client::source::{Look, Readiness, Sampler, Source, SourceError};
use client::users::Users;
use format::columns::Counted;
use format::comments::Delays;
use format::json::Json;
use format::processes::Csv;
use format::profile::Text;
use format::Format;
use monitor::record::Wait;
use monitor::{keep, record, End, Sink};
use std::io::{self, Write};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;

/// Ticks a second.
const RATE: u64 = 20;
const MINUTE: u64 = 60 * RATE;
const HOUR: u64 = 60 * MINUTE;

/// Processes at a time. Each lives for a minute, and another takes its place; a second user has as many.
const PROCESSES: u64 = 4;

/// An hour of samples, a tick a look. What was allocated is noted every minute.
struct Hour {
    header: Header,
    machine: Machine,
    tick: u64,
    records: Vec<[u64; SAMPLE_WORDS]>,
    minutes: Vec<usize>,
}

impl Hour {
    fn new() -> Self {
        let header = Header {
            stream: Stream::Samples,
            record_bytes: 8 * SAMPLE_WORDS as u64,
            capacity: 64,
            hz: 250,
            rate_hz: RATE,
            start_monotonic_ns: 0,
            start_realtime_ns: 0,
            start_jiffies: 0,
            features: 0,
        };
        let machine = Machine {
            host: "host".into(),
            kernel: "7.3".into(),
            cpus: 2,
            delays: Delays::Absent,
            wall_clock_offset_ns: None,
            source: None,
        };
        Hour { header, machine, tick: 0, records: vec![], minutes: Vec::with_capacity(60) }
    }
}

impl Source for Hour {
    fn header(&self) -> &Header {
        &self.header
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn counted(&self) -> Counted {
        Counted::ALL
    }

    fn look(&mut self) -> Result<Look<'_>, SourceError> {
        self.tick += 1;
        if self.tick % MINUTE == 0 {
            self.minutes.push(heap::live());
        }
        self.records.clear();
        for place in 0..2 * PROCESSES {
            let (age, life) = ((self.tick + 7 * place) % MINUTE, (self.tick + 7 * place) / MINUTE);
            let record = SampleRecord {
                sequence: self.tick * 2 * PROCESSES + place,
                time_ns: self.tick * 50_000_000 + place * 300,
                tick: self.tick,
                jiffies: self.tick * 25 / 2,
                pid: (100 + life * 2 * PROCESSES + place) as i32,
                flags: match age {
                    0 => Flags::FIRST,
                    last if last + 1 == MINUTE => Flags::FINAL | Flags::EXITED,
                    _ => Flags::default(),
                },
                threads: 1,
                user: (place % 2) as u32,
                registration: life * 2 * PROCESSES + place,
                totals: Totals { minor_faults: age * age, user_ns: age * 1_234_567, ..Totals::default() },
                ..SampleRecord::default()
            };
            self.records.push(record.to_words());
        }
        // Every second something is lost.
        let lost = self.tick / RATE;
        let over = self.tick == HOUR;
        Ok(Look { records: &self.records, lost, pending: false, completed: self.tick, none_left: false, over })
    }

    fn position(&self) -> u64 {
        self.tick * 2 * PROCESSES
    }

    fn committed(&self) -> u64 {
        u64::MAX
    }

    fn registered(&self) -> u64 {
        2 * PROCESSES
    }

    fn sampler(&self) -> Sampler {
        Sampler::default()
    }

    fn readiness(&mut self) -> io::Result<Readiness<'_>> {
        Ok(Readiness { descriptor: None, timeout: Duration::ZERO })
    }
}

struct Never;

impl Wait for Never {
    fn wait(&mut self, _position: u64, _completed: u64, _readiness: Option<Readiness>) -> io::Result<Wake> {
        Ok(Wake::GoOn)
    }
}

/// Counts what is written, and keeps none of it.
#[derive(Default)]
struct Written(u64);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is allocated at the ends of the minutes stays within a table's doubling of what it was after the first five.
fn is_constant(what: &str, hour: &Hour) {
    let begin = hour.minutes[..5].iter().max().unwrap();
    let most = hour.minutes.iter().max().unwrap();
    assert_eq!(hour.minutes.len(), 60);
    assert!(*most <= begin + 65_536, "{what}: {begin} bytes in the first minutes, {most} later: {:?}", hour.minutes);
}

/// One test: what others allocate would be counted, too.
#[test]
fn an_hour_takes_no_more_memory_than_five_minutes_in_any_format() {
    let users = || Users::Of(vec![0]);
    let formats: [(&str, Box<dyn Format>); 3] =
        [("text", Box::new(Text)), ("CSV", Box::new(Csv)), ("JSON", Box::new(Json))];
    for (name, mut format) in formats {
        let mut hour = Hour::new();
        let mut written = Written::default();
        let sink = Sink { format: format.as_mut(), output: &mut written };
        let recorded = record(&mut hour, users(), End::Never, sink, &mut Never).unwrap();
        assert_eq!(recorded.summary.samples, HOUR * PROCESSES);
        assert!(written.0 > HOUR, "{} bytes", written.0);
        is_constant(name, &hour);
    }
    let mut hour = Hour::new();
    let mut written = Written::default();
    let header = header_of(&hour, &users(), &[]);
    let kept = keep(&mut hour, users(), End::Never, &header, &mut written, &mut Never).unwrap();
    assert_eq!((kept.samples, kept.bytes), (HOUR * PROCESSES, written.0));
    is_constant("a recording", &hour);
}
