// SPDX-License-Identifier: GPL-2.0

//! From the ring into a file.

use crate::summary::Summary;
use crate::ticks::Ticks;
use abi::header::{word, Header};
use abi::ring::{Reader, WentBackwards};
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use abi::words::ReadWords;
use client::intervals::Intervals;
use client::machine::Machine;
use client::poller::Wake;
use format::profile::Tick;
use format::Format;
use std::io::{self, Write};

/// Records copied from the ring at a time: 768 KiB, in reach of the caches.
const BATCH: usize = 4096;

/// Bytes gathered before they are written, when there is no pause in which to do it.
const ENOUGH: usize = 64 * 1024;

/// The first record to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// The first since the last time that nothing was registered: the profile that is running, or the last one.
    #[default]
    Profile,
    /// The oldest that the ring still has.
    Oldest,
    /// As [`Begin::Profile`] if one is running; otherwise the first of the next.
    Next,
}

/// When to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// When the last registered process is gone.
    #[default]
    LastProcess,
    /// When everything that was there at the beginning has been read.
    Drained,
    /// Never, unless it is stopped.
    Never,
}

/// What to record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The first record to print.
    pub begin: Begin,
    /// When to stop.
    pub end: End,
}

/// What a recording does while there is nothing to read.
pub trait Wait {
    /// Called once, if nothing is registered and there is nothing to print.
    fn nothing_yet(&mut self) {}

    /// Called whenever everything has been written.
    fn progress(&mut self, _summary: &Summary) {}

    /// Waits until there may be records from `position` on. If `pending`, there are some: asks only whether to stop.
    fn wait(&mut self, position: u64, pending: bool) -> io::Result<Wake>;
}

/// How a recording ended.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What it came to.
    pub summary: Summary,
    /// It was stopped before its end.
    pub stopped: bool,
}

/// A recording that failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The ring is not the one it was.
    #[error("this is no longer the ring that it was")]
    Ring(#[from] WentBackwards),
    /// Waiting for the module failed.
    #[error("cannot wait for records")]
    Wait(#[source] io::Error),
    /// The output could not be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
}

/// What to print, and where.
pub struct Sink<'a> {
    /// How.
    pub format: &'a mut dyn Format,
    /// Where to.
    pub output: &'a mut dyn Write,
}

/// Prints the records of the ring in `memory`.
///
/// Lines are complete whenever something is written, and everything that was read is written before waiting. Memory
/// does not grow with time: it holds a batch and an entry for each registered process.
///
/// # Errors
///
/// [`RecordError`]. What was written until then is in complete lines, unless it is the writing that failed.
pub fn record<M: ReadWords>(
    memory: &M,
    header: &Header,
    machine: Machine,
    options: Options,
    sink: Sink,
    wait: &mut dyn Wait,
) -> Result<Recorded, RecordError> {
    let mut reader = reader(memory, header, options.begin);
    let begin = reader.position();
    let mut end = options.end;
    let mut drained_at = memory.load_acquire(word::COMMITTED);
    let mut stopped = false;
    let mut said_nothing_yet = false;
    let mut batch = vec![[0; SAMPLE_WORDS]; BATCH];
    let mut recorder = Recorder::new(header, machine, sink);
    let sampler_before = Sampler::so_far(memory);

    loop {
        // In this order: what was committed before a tick was complete, or before the last process went, is read below.
        let none_before = memory.load_acquire(word::REGISTERED) == 0;
        let completed = memory.load_acquire(word::COMPLETED_TICK);
        let lost_before = reader.lost();
        let records = reader.read(memory, &mut batch)?;
        if reader.lost() != lost_before {
            recorder.lose(reader.lost());
        }
        for words in records {
            recorder.take(&SampleRecord::from_words(words))?;
        }

        let pending = reader.pending(memory) > 0;
        let none_left = none_before && !pending && memory.load_acquire(word::REGISTERED) == 0;
        if !pending {
            recorder.close(if none_left { u64::MAX } else { completed });
            recorder.flush()?;
            wait.progress(&recorder.summary);
        }
        let nothing_yet = reader.position() == begin;
        let over = match end {
            // Nothing left is enough, even if a ring takes back what it said it had.
            End::Drained => !pending || reader.position() >= drained_at,
            End::LastProcess => none_left && !nothing_yet,
            End::Never => false,
        };
        if over {
            break;
        }
        if none_left && nothing_yet && !said_nothing_yet {
            said_nothing_yet = true;
            wait.nothing_yet();
        }
        if wait.wait(reader.position(), pending).map_err(RecordError::Wait)? == Wake::Stop && !stopped {
            // What is there by now belongs to it.
            stopped = true;
            end = End::Drained;
            drained_at = memory.load_acquire(word::COMMITTED);
        }
    }
    let summary = recorder.finish(&Sampler::so_far(memory).since(&sampler_before))?;
    Ok(Recorded { summary, stopped })
}

fn reader<M: ReadWords>(memory: &M, header: &Header, begin: Begin) -> Reader<SAMPLE_WORDS> {
    // Before the others: a profile that begins right now begins at this position or later.
    let committed = memory.load_acquire(word::COMMITTED);
    let is_running = memory.load_acquire(word::REGISTERED) > 0;
    let profile = memory.load_acquire(word::SESSION_START).min(memory.load_acquire(word::COMMITTED));
    match begin {
        Begin::Oldest => Reader::at_oldest(header, memory),
        Begin::Next if !is_running => Reader::at(header, committed),
        Begin::Profile | Begin::Next => Reader::at(header, profile),
    }
}

/// What the module's sampler has done.
struct Sampler {
    ns: u64,
    records: u64,
}

impl Sampler {
    fn so_far<M: ReadWords>(memory: &M) -> Self {
        Sampler { ns: memory.load_relaxed(word::SAMPLING_NS), records: memory.load_relaxed(word::COMMITTED) }
    }

    fn since(&self, earlier: &Sampler) -> Self {
        Sampler { ns: self.ns.saturating_sub(earlier.ns), records: self.records.saturating_sub(earlier.records) }
    }
}

/// Whether the records at hand follow those before.
enum Continuity {
    Whole,
    /// Some were lost.
    Broken,
    /// Some were lost, and the first after them was of this tick.
    BrokenUntil(u64),
}

/// Records on their way into the file.
struct Recorder<'a> {
    sink: Sink<'a>,
    out: Vec<u8>,
    header: Header,
    machine: Machine,
    /// The preamble is printed.
    begun: bool,
    intervals: Intervals,
    ticks: Ticks,
    /// Lines of ticks so far.
    lines: u64,
    summary: Summary,
    continuity: Continuity,
}

impl<'a> Recorder<'a> {
    fn new(header: &Header, machine: Machine, sink: Sink<'a>) -> Self {
        Recorder {
            sink,
            out: Vec::with_capacity(2 * ENOUGH),
            header: *header,
            machine,
            begun: false,
            intervals: Intervals::default(),
            ticks: Ticks::default(),
            lines: 0,
            summary: Summary::new(header.rate_hz),
            continuity: Continuity::Whole,
        }
    }

    fn take(&mut self, sample: &SampleRecord) -> Result<(), RecordError> {
        self.begin(Some(sample.time_ns));
        if matches!(self.continuity, Continuity::Broken) {
            self.continuity = Continuity::BrokenUntil(sample.tick);
        }
        let alone = self.intervals.live() == 0;
        let step = self.intervals.advance(sample);
        if alone && self.summary.is_later(sample.tick) {
            self.close(u64::MAX);
            self.sink.format.idle(&mut self.out);
        }
        self.summary.add(sample, &step, alone);
        self.ticks.push(sample, &step.interval);
        while let Some(closed) = self.ticks.close_behind(sample.tick) {
            self.print(closed);
        }
        self.sink.format.sample(&mut self.out, sample);
        if self.out.len() >= ENOUGH {
            self.flush()?;
        }
        Ok(())
    }

    /// The reader has lost `total` records by now.
    fn lose(&mut self, total: u64) {
        self.summary.lost = total;
        self.summary.interrupt();
        self.intervals.lose();
        self.continuity = Continuity::Broken;
    }

    /// No record of `completed` or an earlier tick follows.
    fn close(&mut self, completed: u64) {
        while let Some(closed) = self.ticks.close_through(completed) {
            self.print(closed);
        }
    }

    fn print(&mut self, (number, line): (u64, Tick)) {
        self.lines += 1;
        self.sink.format.tick(&mut self.out, &line);
        if let Continuity::BrokenUntil(tick) = self.continuity {
            // This one began and ended after the loss: every registered process had a record in it.
            if number > tick {
                self.intervals.forget_before(number);
                self.continuity = Continuity::Whole;
            }
        }
    }

    fn begin(&mut self, first_time_ns: Option<u64>) {
        if !self.begun {
            self.begun = true;
            let preamble = self.machine.preamble(&self.header, first_time_ns);
            self.sink.format.preamble(&mut self.out, &preamble);
        }
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        self.summary.processes = self.intervals.begun();
        self.sink.output.write_all(&self.out).and_then(|()| self.sink.output.flush()).map_err(RecordError::Write)?;
        self.out.clear();
        Ok(())
    }

    fn finish(mut self, sampler: &Sampler) -> Result<Summary, RecordError> {
        self.begin(None);
        self.close(u64::MAX);
        self.summary.processes = self.intervals.begun();
        self.summary.ticks = self.lines;
        self.summary.unseen = self.intervals.unseen();
        self.summary.sampling_ns = sampler.ns;
        self.summary.sampling_records = sampler.records;
        self.sink.format.trailer(&mut self.out, &self.summary.trailer());
        self.flush()?;
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::Ring;
    use abi::samples::{Flags, Totals};
    use format::comments::Delays;
    use format::processes::Csv;
    use format::profile::Text;

    /// What the module does while the monitor waits, one closure a wait; then the monitor is stopped.
    struct Script<'a> {
        steps: Vec<Box<dyn FnMut() + 'a>>,
        nothing_yet: u32,
        waited_for: Vec<u64>,
    }

    impl<'a> Script<'a> {
        fn new(steps: Vec<Box<dyn FnMut() + 'a>>) -> Self {
            Script { steps, nothing_yet: 0, waited_for: vec![] }
        }
    }

    impl Wait for Script<'_> {
        fn nothing_yet(&mut self) {
            self.nothing_yet += 1;
        }

        fn wait(&mut self, position: u64, pending: bool) -> io::Result<Wake> {
            if pending {
                return Ok(Wake::GoOn);
            }
            self.waited_for.push(position);
            if self.steps.is_empty() {
                return Ok(Wake::Stop);
            }
            self.steps.remove(0)();
            Ok(Wake::GoOn)
        }
    }

    /// One process's records, with 10 minor faults and 1000 ns more in each.
    struct Process<'a> {
        ring: &'a Ring,
        registration: u64,
    }

    impl Process<'_> {
        fn sample(&self, tick: u64, minor_faults: u64, flags: Flags) {
            self.ring.push(SampleRecord {
                time_ns: tick * 50_000_000,
                tick,
                jiffies: tick * 12,
                pid: 100,
                flags,
                registration: self.registration,
                totals: Totals { minor_faults, user_ns: minor_faults * 100, ..Totals::default() },
                ..SampleRecord::default()
            });
        }

        fn register(&self, tick: u64) {
            self.ring.set(word::SESSION_START, self.ring.position());
            self.sample(tick, 0, Flags::FIRST);
            self.ring.set(word::REGISTERED, 1);
        }

        fn tick(&self, tick: u64, minor_faults: u64) {
            self.sample(tick, minor_faults, Flags::default());
            self.ring.set(word::COMPLETED_TICK, tick);
        }

        fn unregister(&self, tick: u64, minor_faults: u64) {
            self.sample(tick, minor_faults, Flags::FINAL);
            self.ring.set(word::REGISTERED, 0);
        }
    }

    fn machine() -> Machine {
        Machine {
            host: String::new(),
            kernel: String::new(),
            cpus: 1,
            delays: Delays::Absent,
            wall_clock_offset_ns: None,
        }
    }

    fn record_as(format: &mut dyn Format, ring: &Ring, options: Options, wait: &mut Script) -> (String, Recorded) {
        let mut output = vec![];
        let sink = Sink { format, output: &mut output };
        let recorded = record(&ring.memory, &ring.header, machine(), options, sink, wait).unwrap();
        (String::from_utf8(output).unwrap(), recorded)
    }

    /// The lines of a profile that are no comments, in columns 1 and 2.
    fn profile(ring: &Ring, options: Options, wait: &mut Script) -> (Vec<(u64, u64)>, Recorded) {
        let (text, recorded) = record_as(&mut Text, ring, options, wait);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let columns = lines.map(|line| {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            assert_eq!((numbers.len(), numbers[3]), (4, numbers[1] * 100));
            (numbers[0] / 12, numbers[1])
        });
        (columns.collect(), recorded)
    }

    const RUNNING: Options = Options { begin: Begin::Profile, end: End::LastProcess };

    #[test]
    fn a_line_a_tick_until_the_last_process_is_gone() {
        let ring = Ring::new(64);
        let process = Process { ring: &ring, registration: 1 };
        let mut script = Script::new(vec![
            Box::new(|| process.register(5)),
            Box::new(|| process.tick(5, 10)),
            Box::new(|| {
                process.tick(6, 30);
                process.tick(7, 30);
            }),
            Box::new(|| process.unregister(8, 31)),
        ]);
        let (lines, recorded) = profile(&ring, RUNNING, &mut script);
        assert_eq!(lines, [(5, 10), (6, 20), (7, 0), (8, 1)]);
        assert_eq!(script.nothing_yet, 1);
        assert_eq!(script.waited_for, [0, 1, 2, 4]);
        let summary = recorded.summary;
        assert_eq!((summary.samples, summary.processes, summary.lost), (5, 1, 0));
        assert_eq!(summary.totals.minor_faults, 31);
        assert!(!recorded.stopped);
    }

    #[test]
    fn a_profile_that_is_over_is_printed_at_once_and_an_older_one_is_not() {
        let ring = Ring::new(64);
        for (registration, tick) in [(1, 5), (2, 90)] {
            let process = Process { ring: &ring, registration };
            process.register(tick);
            process.tick(tick, 10);
            process.unregister(tick + 1, 12);
        }
        let (lines, _) = profile(&ring, RUNNING, &mut Script::new(vec![]));
        assert_eq!(lines, [(90, 10), (91, 2)]);
        let all = Options { begin: Begin::Oldest, ..RUNNING };
        let (lines, _) = profile(&ring, all, &mut Script::new(vec![]));
        assert_eq!(lines, [(5, 10), (6, 2), (90, 10), (91, 2)]);
        let next = Options { begin: Begin::Next, ..RUNNING };
        let third = Process { ring: &ring, registration: 3 };
        let mut script = Script::new(vec![Box::new(|| third.register(99)), Box::new(|| third.unregister(99, 7))]);
        let (lines, _) = profile(&ring, next, &mut script);
        assert_eq!((lines, script.nothing_yet), (vec![(99, 7)], 1));
    }

    #[test]
    fn next_joins_a_profile_that_is_running() {
        let ring = Ring::new(64);
        let process = Process { ring: &ring, registration: 1 };
        process.register(5);
        process.tick(5, 10);
        let next = Options { begin: Begin::Next, ..RUNNING };
        let mut script = Script::new(vec![Box::new(|| process.unregister(6, 11))]);
        assert_eq!(profile(&ring, next, &mut script).0, [(5, 10), (6, 1)]);
    }

    #[test]
    fn following_goes_on_with_the_next_profile() {
        let ring = Ring::new(64);
        let (first, second) = (Process { ring: &ring, registration: 1 }, Process { ring: &ring, registration: 2 });
        let mut script = Script::new(vec![
            Box::new(|| first.register(5)),
            // Nothing is registered any more: its line is not held back until the next profile.
            Box::new(|| first.unregister(5, 3)),
            Box::new(|| second.register(5)),
            Box::new(|| second.unregister(5, 4)),
        ]);
        let (lines, recorded) = profile(&ring, Options { begin: Begin::Profile, end: End::Never }, &mut script);
        assert_eq!(lines, [(5, 3), (5, 4)]);
        assert!(recorded.stopped);
        assert_eq!(recorded.summary.processes, 2);
    }

    #[test]
    fn draining_ends_with_what_is_there() {
        let ring = Ring::new(64);
        let process = Process { ring: &ring, registration: 1 };
        let drain = Options { begin: Begin::Profile, end: End::Drained };
        let mut script = Script::new(vec![]);
        let (text, recorded) = record_as(&mut Text, &ring, drain, &mut script);
        assert!(text.starts_with("# mp3 profile 1\n") && text.contains("# samples: 0\n"), "{text}");
        assert_eq!((recorded.summary.samples, script.nothing_yet), (0, 0));

        process.register(5);
        process.tick(5, 10);
        process.sample(6, 15, Flags::default());
        let (lines, recorded) = profile(&ring, drain, &mut script);
        assert_eq!(lines, [(5, 10), (6, 5)]);
        assert_eq!(recorded.summary.totals.minor_faults, 15);
    }

    #[test]
    fn stopped_it_still_prints_what_had_come_by_then() {
        let ring = Ring::new(8192);
        let process = Process { ring: &ring, registration: 1 };
        process.register(5);
        struct StopAfter<'a>(&'a dyn Fn());
        impl Wait for StopAfter<'_> {
            fn wait(&mut self, _position: u64, _pending: bool) -> io::Result<Wake> {
                (self.0)();
                Ok(Wake::Stop)
            }
        }
        let mut output = vec![];
        let sink = Sink { format: &mut Text, output: &mut output };
        // More than one batch, once.
        let backlog = || {
            if ring.position() == 1 {
                (0..5_000).for_each(|_| process.sample(5, 10, Flags::default()));
            }
        };
        let mut wait = StopAfter(&backlog);
        let recorded = record(&ring.memory, &ring.header, machine(), RUNNING, sink, &mut wait).unwrap();
        assert!(recorded.stopped);
        assert_eq!((recorded.summary.samples, recorded.summary.totals.minor_faults), (5_001, 10));
        assert!(String::from_utf8(output).unwrap().contains("\n60 10 0 1000\n"));
    }

    #[test]
    fn lost_records_are_counted_and_totals_stay_exact() {
        let ring = Ring::new(8);
        let (slow, other) = (Process { ring: &ring, registration: 1 }, Process { ring: &ring, registration: 2 });
        let mut script = Script::new(vec![
            Box::new(|| {
                slow.register(1);
                slow.tick(1, 10);
            }),
            Box::new(|| {
                // Its end is among what is lost.
                other.sample(2, 0, Flags::FIRST);
                for tick in 2..=40 {
                    if tick <= 20 {
                        let end = if tick == 20 { Flags::FINAL } else { Flags::default() };
                        other.sample(tick, 5 * tick, end);
                    }
                    slow.tick(tick, 10 * tick);
                }
            }),
            Box::new(|| slow.unregister(41, 402)),
        ]);
        let (lines, recorded) = profile(&ring, RUNNING, &mut script);
        assert_eq!(lines[..2], [(1, 10), (33, 320)]);
        assert_eq!(lines.last(), Some(&(41, 2)));
        assert_eq!(lines.iter().map(|line| line.1).sum::<u64>(), 402);
        assert_eq!(recorded.summary.samples + recorded.summary.lost, ring.position());
        // What is not known to be missed is not called missed.
        assert_eq!((recorded.summary.lost, recorded.summary.missed_ticks), (51, 0));
    }

    #[test]
    fn registrations_whose_end_was_lost_do_not_stay_in_memory() {
        let ring = Ring::new(8);
        let mut csv = Csv;
        let mut output = vec![];
        let sink = Sink { format: &mut csv, output: &mut output };
        let mut recorder = Recorder::new(&ring.header, machine(), sink);
        let sample = |registration, tick| SampleRecord { registration, tick, ..SampleRecord::default() };
        for registration in 1..=100 {
            recorder.take(&sample(registration, 1)).unwrap();
        }
        recorder.lose(1_000);
        for tick in 10..=13 {
            recorder.take(&sample(100, tick)).unwrap();
            recorder.take(&sample(101, tick)).unwrap();
        }
        assert_eq!(recorder.intervals.live(), 2);
    }

    /// A registration while a tick is being taken has the number of the next tick; records of the tick itself follow it.
    #[test]
    fn a_registration_during_a_tick_counts_no_process_twice_also_after_a_loss() {
        let ring = Ring::new(8);
        let mut output = vec![];
        let sink = Sink { format: &mut Text, output: &mut output };
        let mut recorder = Recorder::new(&ring.header, machine(), sink);
        let sample = |registration, tick, minor_faults, flags| SampleRecord {
            registration,
            tick,
            jiffies: tick * 12,
            flags,
            totals: Totals { minor_faults, ..Totals::default() },
            ..SampleRecord::default()
        };
        recorder.take(&sample(1, 1, 0, Flags::FIRST)).unwrap();
        recorder.take(&sample(2, 1, 0, Flags::FIRST)).unwrap();
        for tick in 1..=90 {
            recorder.take(&sample(1, tick, 1000 * tick, Flags::default())).unwrap();
            recorder.take(&sample(2, tick, 1000 * tick, Flags::default())).unwrap();
        }
        recorder.lose(7);
        recorder.take(&sample(1, 96, 96_000, Flags::default())).unwrap();
        recorder.take(&sample(2, 96, 96_000, Flags::default())).unwrap();
        for tick in 97..=100 {
            recorder.take(&sample(1, tick, 1000 * tick, Flags::default())).unwrap();
            recorder.take(&sample(tick, tick + 1, 0, Flags::FIRST)).unwrap();
            recorder.take(&sample(2, tick, 1000 * tick, Flags::default())).unwrap();
        }
        recorder.close(u64::MAX);
        assert_eq!(recorder.summary.totals.minor_faults, 200_000);
        let text = String::from_utf8(std::mem::take(&mut recorder.out)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), 96);
        assert_eq!(
            lines[90..],
            ["1152 12000 0 0", "1164 2000 0 0", "1176 2000 0 0", "1188 2000 0 0", "1200 2000 0 0", "1212 0 0 0"]
        );
    }

    #[test]
    fn what_was_counted_before_the_first_record_is_in_no_line() {
        let ring = Ring::new(8);
        let process = Process { ring: &ring, registration: 1 };
        process.register(1);
        for tick in 1..=100 {
            process.tick(tick, 10_000 + 10 * tick);
        }
        let all = Options { begin: Begin::Oldest, end: End::Drained };
        for options in [all, Options { begin: Begin::Profile, ..all }] {
            let (lines, recorded) = profile(&ring, options, &mut Script::new(vec![]));
            assert_eq!(lines[0], (93, 0));
            assert!(lines[1..].iter().all(|&(_, minor)| minor == 10), "{lines:?}");
            let Summary { totals, before, .. } = recorded.summary;
            assert_eq!((totals.minor_faults, before.minor_faults), (11_000, 10_930));
            let (text, _) = record_as(&mut Text, &ring, options, &mut Script::new(vec![]));
            assert!(text.contains("\n# minor: 11000\n") && text.contains("\n# before_minor: 10930\n"), "{text}");
        }
    }

    #[test]
    fn registrations_of_which_every_record_was_lost_are_counted() {
        let ring = Ring::new(8);
        let mut script = Script::new(vec![
            Box::new(|| {
                let process = Process { ring: &ring, registration: 1 };
                process.register(1);
                for tick in 1..=3 {
                    process.tick(tick, tick);
                }
            }),
            Box::new(|| {
                for registration in 2..=20 {
                    let process = Process { ring: &ring, registration };
                    process.sample(4, 0, Flags::FIRST);
                    process.sample(5, 7, Flags::FINAL);
                }
            }),
        ]);
        let (_, recorded) = profile(&ring, Options { begin: Begin::Profile, end: End::Never }, &mut script);
        // Of the last 8 records, 4 processes have 2 each.
        assert_eq!((recorded.summary.lost, recorded.summary.processes, recorded.summary.unseen), (30, 5, 15));
        assert!(recorded.summary.to_string().contains("unseen        15 registrations"), "{}", recorded.summary);
    }

    #[test]
    fn a_pause_without_a_process_is_marked() {
        let ring = Ring::new(64);
        for (registration, tick) in [(1, 5), (2, 90)] {
            let process = Process { ring: &ring, registration };
            process.register(tick);
            process.tick(tick, 10);
            process.unregister(tick + 1, 12);
        }
        let (text, _) =
            record_as(&mut Text, &ring, Options { begin: Begin::Oldest, ..RUNNING }, &mut Script::new(vec![]));
        let lines: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        assert_eq!(lines[..2], ["60 10 0 1000", "72 2 0 200"]);
        assert!(lines[2].starts_with("# idle: ") && lines[3].starts_with("1080 "), "{text}");
    }

    #[test]
    fn a_ring_that_goes_back_is_an_error() {
        let ring = Ring::new(8);
        let process = Process { ring: &ring, registration: 1 };
        process.register(1);
        let mut script = Script::new(vec![Box::new(|| ring.set(word::COMMITTED, 0))]);
        let mut output = vec![];
        let sink = Sink { format: &mut Text, output: &mut output };
        let error = record(&ring.memory, &ring.header, machine(), RUNNING, sink, &mut script).unwrap_err();
        assert!(matches!(error, RecordError::Ring(_)), "{error}");
    }

    #[test]
    fn an_output_that_is_full_is_an_error() {
        let ring = Ring::new(8);
        let process = Process { ring: &ring, registration: 1 };
        process.register(1);
        process.unregister(1, 3);
        let mut nothing: &mut [u8] = &mut [];
        let sink = Sink { format: &mut Text, output: &mut nothing };
        let error = record(&ring.memory, &ring.header, machine(), RUNNING, sink, &mut Script::new(vec![])).unwrap_err();
        assert!(matches!(error, RecordError::Write(_)), "{error}");
    }
}
