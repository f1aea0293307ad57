// SPDX-License-Identifier: GPL-2.0

//! Recordings of rings that the tests write as the module would.

use super::*;
use crate::heap::{HeapWords, Ring};
use abi::header::word;
use abi::samples::{Flags, Totals};
use client::source::RingSource;
use client::users::Session;
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
    fn nothing_yet(&mut self, _others: u64) {
        self.nothing_yet += 1;
    }

    fn wait(&mut self, position: u64, _completed: u64, readiness: Option<Readiness>) -> io::Result<Wake> {
        if readiness.is_none() {
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
        source: None,
    }
}

fn source(ring: &Ring) -> RingSource<'_, HeapWords> {
    RingSource::new(&ring.memory, &ring.header, machine(), &Users::All, Begin::Profile, None).unwrap()
}

fn run(ring: &Ring, options: Options, sink: Sink, wait: &mut dyn Wait) -> Result<Recorded, RecordError> {
    let Options { users, begin, end } = options;
    let mut source = RingSource::new(&ring.memory, &ring.header, machine(), &users, begin, None).unwrap();
    record(&mut source, users, end, sink, wait)
}

fn record_as(format: &mut dyn Format, ring: &Ring, options: Options, wait: &mut Script) -> (String, Recorded) {
    let mut output = vec![];
    let sink = Sink { format, output: &mut output };
    let recorded = run(ring, options, sink, wait).unwrap();
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

const RUNNING: Options = Options { users: Users::All, begin: Begin::Profile, end: End::LastProcess };

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
    let (lines, recorded) = profile(&ring, Options { end: End::Never, ..RUNNING }, &mut script);
    assert_eq!(lines, [(5, 3), (5, 4)]);
    assert!(recorded.stopped);
    assert_eq!(recorded.summary.processes, 2);
}

#[test]
fn draining_ends_with_what_is_there() {
    let ring = Ring::new(64);
    let process = Process { ring: &ring, registration: 1 };
    let drain = Options { end: End::Drained, ..RUNNING };
    let mut script = Script::new(vec![]);
    let (text, recorded) = record_as(&mut Text, &ring, drain.clone(), &mut script);
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
        fn wait(&mut self, _position: u64, _completed: u64, _readiness: Option<Readiness>) -> io::Result<Wake> {
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
    let recorded = run(&ring, RUNNING, sink, &mut wait).unwrap();
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
    let source = source(&ring);
    let mut recorder = Recorder::new(&source, Users::All, sink);
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
    let source = source(&ring);
    let mut recorder = Recorder::new(&source, Users::All, sink);
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
    let all = Options { users: Users::All, begin: Begin::Oldest, end: End::Drained };
    for options in [all.clone(), Options { begin: Begin::Profile, ..all }] {
        let (lines, recorded) = profile(&ring, options.clone(), &mut Script::new(vec![]));
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
    let (_, recorded) = profile(&ring, Options { end: End::Never, ..RUNNING }, &mut script);
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
    let (text, _) = record_as(&mut Text, &ring, Options { begin: Begin::Oldest, ..RUNNING }, &mut Script::new(vec![]));
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
    let error = run(&ring, RUNNING, sink, &mut script).unwrap_err();
    assert!(matches!(error, RecordError::Source(SourceError::Ring(_))), "{error}");
}

/// A record of `user`, of process 100 + `registration`.
fn of_user(user: u32, registration: u64, tick: u64, minor_faults: u64, flags: Flags) -> SampleRecord {
    SampleRecord {
        time_ns: tick * 50_000_000,
        tick,
        jiffies: tick * 12,
        pid: 100 + registration as i32,
        user,
        flags,
        registration,
        totals: Totals { minor_faults, user_ns: minor_faults * 100, ..Totals::default() },
        ..SampleRecord::default()
    }
}

fn of_root() -> Options {
    Options { users: Users::Of(vec![0]), ..RUNNING }
}

/// What other users register is in no line, and neither begins nor ends a profile.
#[test]
fn a_profile_is_that_of_its_user() {
    const NONE: Flags = Flags(0);
    let ring = Ring::new(64);
    // A stranger's session runs already: for all users, the session begins with it.
    ring.set(word::SESSION_START, ring.position());
    ring.push(of_user(1000, 1, 4, 0, Flags::FIRST));
    ring.set(word::REGISTERED, 1);
    let mut script = Script::new(vec![
        Box::new(|| {
            ring.push(of_user(1000, 1, 5, 700, NONE));
            ring.push(of_user(0, 2, 6, 0, Flags::FIRST));
            ring.set(word::REGISTERED, 2);
        }),
        Box::new(|| {
            ring.push(of_user(1000, 1, 6, 800, Flags::FINAL));
            ring.push(of_user(0, 2, 6, 10, NONE));
            // The last of the stranger's, which ended the profile once.
            ring.push(of_user(1000, 3, 7, 0, Flags::FIRST));
            ring.push(of_user(1000, 3, 7, 90, Flags::FINAL));
            ring.set(word::COMPLETED_TICK, 6);
        }),
        Box::new(|| {
            ring.push(of_user(1000, 4, 7, 0, Flags::FIRST));
            ring.push(of_user(0, 2, 7, 12, Flags::FINAL));
        }),
    ]);
    let (lines, recorded) = profile(&ring, of_root(), &mut script);
    assert_eq!(lines, [(6, 10), (7, 2)]);
    assert_eq!(script.nothing_yet, 1);
    assert!(!recorded.stopped, "4, a stranger's, is still registered");
    let Summary { samples, processes, totals, unseen, .. } = recorded.summary;
    assert_eq!((samples, processes, totals.minor_faults, unseen), (3, 1, 12, 0));

    // The same again, once it is over and the stranger goes on.
    ring.push(of_user(1000, 4, 8, 5, NONE));
    let (lines, _) = profile(&ring, of_root(), &mut Script::new(vec![]));
    assert_eq!(lines, [(6, 10), (7, 2)]);
    let everyone = Options { end: End::Drained, ..RUNNING };
    let (lines, _) = profile(&ring, everyone, &mut Script::new(vec![]));
    assert_eq!(lines, [(4, 0), (5, 700), (6, 110), (7, 92), (8, 5)]);
    let next = Options { begin: Begin::Next, end: End::Drained, ..of_root() };
    assert_eq!(profile(&ring, next, &mut Script::new(vec![])).0, []);
}

#[test]
fn a_recording_has_no_record_of_a_stranger_unless_it_is_asked_for() {
    const NONE: Flags = Flags(0);
    let ring = Ring::new(64);
    ring.push(of_user(1000, 1, 1, 0, Flags::FIRST));
    ring.push(of_user(0, 2, 1, 0, Flags::FIRST));
    for tick in 2..5 {
        ring.push(of_user(1000, 1, tick, 70 * tick, NONE));
        ring.push(of_user(0, 2, tick, tick, if tick == 4 { Flags::FINAL } else { NONE }));
    }
    ring.set(word::REGISTERED, 1);
    let kept = |users: Users, end: End| {
        let mut file = vec![];
        let mut source = RingSource::new(&ring.memory, &ring.header, machine(), &users, Begin::Oldest, None).unwrap();
        let header = client::source::recording::header_of(&source, &users, &[]);
        let kept = crate::keep(&mut source, users, end, &header, &mut file, &mut Script::new(vec![])).unwrap();
        let mut recording = client::source::Recording::new(&file[..]).unwrap();
        let look = client::source::Source::look(&mut recording).unwrap();
        assert_eq!(kept.samples, look.records.len() as u64);
        look.records.iter().map(|words| SampleRecord::from_words(words).user).collect::<Vec<_>>()
    };
    // It ends with the user's last process, and the stranger's goes on.
    assert_eq!(kept(Users::Of(vec![0]), End::LastProcess), [0; 4]);
    assert_eq!(kept(Users::Of(vec![1000]), End::Drained), [1000; 4]);
    assert_eq!(kept(Users::All, End::Drained), [1000, 0].repeat(4));
}

/// The end of the user's only process is among what is lost, and a stranger's goes on.
#[test]
fn a_profile_whose_end_was_lost_ends_although_others_go_on() {
    let ring = Ring::new(8);
    let none = Flags::default();
    let mut script = Script::new(vec![
        Box::new(|| {
            ring.push(of_user(0, 1, 1, 0, Flags::FIRST));
            ring.push(of_user(1000, 2, 1, 0, Flags::FIRST));
            ring.set(word::REGISTERED, 2);
        }),
        Box::new(|| {
            ring.push(of_user(0, 1, 2, 10, Flags::FINAL));
            (2..=20).for_each(|tick| ring.push(of_user(1000, 2, tick, tick, none)));
            // Tick 13 is the first that is left, and might have begun before the loss. 14 did not.
            ring.set(word::COMPLETED_TICK, 20);
        }),
    ]);
    let (_, recorded) = profile(&ring, of_root(), &mut script);
    assert!(!recorded.stopped);
    assert_eq!((recorded.summary.samples, recorded.summary.lost), (1, 12));
}

/// After a loss, a tick that was missed says nothing about what is registered.
#[test]
fn a_tick_that_was_missed_after_a_loss_forgets_no_process() {
    let ring = Ring::new(8);
    let mut output = vec![];
    let sink = Sink { format: &mut Text, output: &mut output };
    let source = source(&ring);
    let mut recorder = Recorder::new(&source, Users::All, sink);
    recorder.take(&of_user(0, 1, 1, 0, Flags::FIRST)).unwrap();
    recorder.take(&of_user(0, 1, 2, 1_000, Flags::default())).unwrap();
    recorder.lose(7);
    recorder.take(&of_user(0, 1, 9, 9_000, Flags::default())).unwrap();
    // A registration, of the tick that would have come; but the machine stalled.
    recorder.take(&of_user(0, 2, 10, 0, Flags::FIRST)).unwrap();
    for tick in [40, 41, 42, 43] {
        recorder.take(&of_user(0, 1, tick, 1_000 * tick, Flags::default())).unwrap();
        recorder.take(&of_user(0, 2, tick, 0, Flags::default())).unwrap();
    }
    assert_eq!(recorder.summary.totals.minor_faults, 43_000);
    assert_eq!(recorder.intervals.live(), 2);
}

/// What is left of a user's session after its beginning was overwritten.
#[test]
fn a_session_whose_beginning_is_overwritten_is_read_from_the_oldest_record_on() {
    let ring = Ring::new(8);
    let none = Flags::default();
    ring.push(of_user(0, 1, 1, 0, Flags::FIRST));
    ring.push(of_user(0, 2, 1, 0, Flags::FIRST));
    for tick in 1..=9 {
        ring.push(of_user(0, 1, tick, tick, none));
        ring.push(of_user(0, 2, tick, 10 * tick, if tick == 9 { Flags::FINAL } else { none }));
    }
    ring.push(of_user(1000, 3, 10, 0, Flags::FIRST));
    ring.push(of_user(0, 1, 10, 11, Flags::FINAL));
    ring.set(word::REGISTERED, 1);
    let session = Session::find(&ring.memory, &ring.header, &Users::Of(vec![0])).unwrap();
    assert_eq!(session, Some(Session { begin: 0, is_whole: false, is_running: false }));
    let (lines, recorded) = profile(&ring, of_root(), &mut Script::new(vec![]));
    assert_eq!(lines, [(7, 0), (8, 11), (9, 11), (10, 2)]);
    assert_eq!((recorded.summary.before.minor_faults, recorded.summary.lost), (77, 14));
    // Another session has begun since then, so that the beginning of this one is not known.
    ring.set(word::SESSION_START, 20);
    let session = Session::find(&ring.memory, &ring.header, &Users::Of(vec![0])).unwrap();
    assert_eq!(session, Some(Session { begin: 14, is_whole: false, is_running: false }));
    assert_eq!(Session::find(&ring.memory, &ring.header, &Users::Of(vec![7])), Ok(None));
}

#[test]
fn an_output_that_is_full_is_an_error() {
    let ring = Ring::new(8);
    let process = Process { ring: &ring, registration: 1 };
    process.register(1);
    process.unregister(1, 3);
    let mut nothing: &mut [u8] = &mut [];
    let sink = Sink { format: &mut Text, output: &mut nothing };
    let error = run(&ring, RUNNING, sink, &mut Script::new(vec![])).unwrap_err();
    assert!(matches!(error, RecordError::Write(_)), "{error}");
}
