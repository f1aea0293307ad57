// SPDX-License-Identifier: GPL-2.0

//! What is known of each process. Memory depends on how many there are now, not on how long they have been watched.

use crate::schedule::Schedule;
use abi::record::{Flags, SampleRecord, Totals, SAMPLE_WORDS};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Pictures kept of each process.
pub const HISTORY: usize = 120;

/// Pictures for which a process that has ended is still shown.
const SHOWN_AFTER_END: u32 = 3;

/// A process without a record for so long has ended: its last record was among those that were lost.
const FORGOTTEN_NS: u64 = 10_000_000_000;

/// What happened from one picture to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Minor faults a second.
    pub minor: f64,
    /// Major faults a second.
    pub major: f64,
    /// CPU time, percent of one CPU.
    pub cpu: f64,
    /// Of that in kernel mode.
    pub system: f64,
    /// Time runnable and not running, percent of the time.
    pub run_delay: f64,
    /// Time waiting for block I/O, percent.
    pub blkio: f64,
    /// Time waiting for memory: swap-in, reclaim, thrashing, compaction; percent.
    pub memory: f64,
    /// Voluntary switches a second.
    pub voluntary: f64,
    /// Involuntary switches a second.
    pub involuntary: f64,
}

impl Rates {
    /// Those of `interval`, which took `ns`.
    fn of(interval: &Totals, ns: u64) -> Self {
        let second = 1e9 / ns as f64;
        let percent = |time: u64| time as f64 / ns as f64 * 100.0;
        let memory = [
            interval.swapin_delay_ns,
            interval.reclaim_delay_ns,
            interval.thrashing_delay_ns,
            interval.compact_delay_ns,
        ];
        Rates {
            minor: interval.minor_faults as f64 * second,
            major: interval.major_faults as f64 * second,
            cpu: percent(interval.cpu_ns()),
            system: percent(interval.system_ns),
            run_delay: percent(interval.run_delay_ns),
            blkio: percent(interval.blkio_delay_ns),
            memory: percent(memory.into_iter().fold(0, u64::saturating_add)),
            voluntary: interval.voluntary_switches as f64 * second,
            involuntary: interval.involuntary_switches as f64 * second,
        }
    }

    /// Minor and major faults a second.
    pub fn faults(&self) -> f64 {
        self.minor + self.major
    }
}

/// A point of a process's history.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Faults a second.
    pub faults: f32,
    /// CPU time, percent.
    pub cpu: f32,
    /// Time runnable and not running, percent.
    pub run_delay: f32,
}

/// One registration.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its last record.
    pub last: SampleRecord,
    /// Its record when the last picture was made.
    before: SampleRecord,
    /// Since the picture before.
    pub rates: Rates,
    /// The same of what was traced, while it is.
    pub schedule: Option<Schedule>,
    /// Of earlier pictures, the newest last.
    pub history: VecDeque<Point>,
    /// Pictures since it has ended.
    ended: Option<u32>,
}

impl Process {
    /// Its command name, printable.
    pub fn name(&self) -> String {
        let printable = format::comm::Printable::new(self.last.comm_bytes());
        String::from_utf8_lossy(printable.as_bytes()).into_owned()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the kernel counts its delays.
    pub fn has_delays(&self) -> bool {
        self.last.flags.contains(Flags::DELAYS)
    }
}

/// All processes.
#[derive(Clone, Debug, Default)]
pub struct Model {
    processes: FxHashMap<u64, Process>,
    /// The time of the last record, ns.
    pub now_ns: u64,
    /// The time of the last picture, or of the first record, ns.
    pictured_ns: Option<u64>,
    /// Records that were lost.
    pub lost: u64,
    /// Records that were read.
    pub records: u64,
}

impl Model {
    /// Takes a record.
    pub fn take(&mut self, words: &[u64; SAMPLE_WORDS]) {
        let record = SampleRecord::from_words(words);
        self.records += 1;
        self.now_ns = self.now_ns.max(record.time_ns);
        self.pictured_ns.get_or_insert(record.time_ns);
        let process = self.processes.entry(record.registration).or_insert_with(|| Process {
            last: record,
            before: record,
            rates: Rates::default(),
            schedule: None,
            history: VecDeque::new(),
            ended: None,
        });
        process.last = record;
        if record.flags.contains(Flags::FINAL) {
            process.ended.get_or_insert(0);
        }
    }

    /// Makes a picture of what came since the last one. All rates are of the whole time between the two: so they add up, also
    /// with those of processes that lived for a part of it.
    pub fn picture(&mut self) {
        let now_ns = self.now_ns;
        let ns = now_ns.saturating_sub(self.pictured_ns.replace(now_ns).unwrap_or(now_ns));
        self.processes.retain(|_, process| {
            let Process { last, before, rates, history, ended, .. } = process;
            *rates = if ns > 0 { Rates::of(&last.totals.since(&before.totals), ns) } else { Rates::default() };
            *before = *last;
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(Point {
                faults: rates.faults() as f32,
                cpu: rates.cpu as f32,
                run_delay: rates.run_delay as f32,
            });
            if now_ns.saturating_sub(last.time_ns) > FORGOTTEN_NS {
                ended.get_or_insert(0);
            }
            match ended {
                Some(pictures) => {
                    *pictures += 1;
                    *pictures <= SHOWN_AFTER_END
                }
                None => true,
            }
        });
    }

    /// Adds what was traced until the last picture, by PID. A process that neither ran nor waited is not in it.
    pub fn schedule(&mut self, traced: &FxHashMap<u32, Schedule>) {
        for process in self.processes.values_mut() {
            let pid = u32::try_from(process.last.pid).unwrap_or(0);
            process.schedule = Some(traced.get(&pid).copied().unwrap_or_default());
        }
    }

    /// Forgets everything: another place in a recording.
    pub fn clear(&mut self) {
        let lost = self.lost;
        *self = Model { lost, ..Model::default() };
    }

    /// The processes, in no order.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// One of them.
    pub fn process(&self, registration: u64) -> Option<&Process> {
        self.processes.get(&registration)
    }

    /// How many there are that have not ended.
    pub fn alive(&self) -> usize {
        self.processes.values().filter(|process| !process.has_ended()).count()
    }

    /// The sum over all processes.
    pub fn sum(&self) -> Rates {
        self.processes.values().fold(Rates::default(), |sum, Process { rates, .. }| Rates {
            minor: sum.minor + rates.minor,
            major: sum.major + rates.major,
            cpu: sum.cpu + rates.cpu,
            system: sum.system + rates.system,
            run_delay: sum.run_delay + rates.run_delay,
            blkio: sum.blkio + rates.blkio,
            memory: sum.memory + rates.memory,
            voluntary: sum.voluntary + rates.voluntary,
            involuntary: sum.involuntary + rates.involuntary,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use abi::record::Levels;

    /// A record of process `pid`, `ms` after the start, with so many minor faults and CPU time, ms.
    pub(crate) fn record(pid: i32, ms: u64, minor_faults: u64, cpu_ms: u64, flags: Flags) -> [u64; SAMPLE_WORDS] {
        let mut comm = [0; 16];
        let name = format!("work{pid}");
        comm[..name.len()].copy_from_slice(name.as_bytes());
        SampleRecord {
            time_ns: 1_000_000_000 + ms * 1_000_000,
            pid,
            registration: pid as u64,
            flags,
            threads: 1,
            comm,
            totals: Totals { minor_faults, user_ns: cpu_ms * 1_000_000, ..Totals::default() },
            levels: Levels { resident_pages: 1024, swapped_pages: 0 },
            ..SampleRecord::default()
        }
        .to_words()
    }

    #[test]
    fn processes_that_come_and_go_do_not_use_more_than_there_is() {
        let mut model = Model::default();
        model.take(&record(1, 0, 0, 0, Flags::FIRST));
        model.picture();
        // Ten that take a CPU for a tenth of a second each, one after the other.
        for pid in 10..20 {
            let born_ms = 100 * (pid as u64 - 10);
            model.take(&record(pid, born_ms, 0, 0, Flags::FIRST));
            model.take(&record(pid, born_ms + 100, 50, 100, Flags::FINAL));
        }
        model.take(&record(1, 1000, 0, 0, Flags::default()));
        model.picture();
        assert_eq!((model.sum().cpu, model.sum().minor), (100.0, 500.0));
        assert_eq!(model.process(10).unwrap().rates.cpu, 10.0);
    }

    #[test]
    fn rates_are_of_the_time_between_two_pictures() {
        let mut model = Model::default();
        model.take(&record(1, 0, 0, 0, Flags::FIRST));
        model.picture();
        for ms in [50, 100, 500] {
            model.take(&record(1, ms, 2 * ms, ms / 2, Flags::default()));
        }
        model.picture();
        let rates = model.process(1).unwrap().rates;
        assert_eq!((rates.minor, rates.cpu, rates.faults()), (2_000.0, 50.0, 2_000.0));
        assert_eq!(model.sum().cpu, 50.0);
        // Nothing came: it stands still.
        model.picture();
        assert_eq!(model.process(1).unwrap().rates, Rates::default());
        assert_eq!(model.process(1).unwrap().history.len(), 3);
    }

    #[test]
    fn one_that_has_ended_is_shown_a_little_longer() {
        let mut model = Model::default();
        model.take(&record(1, 0, 0, 0, Flags::FIRST));
        model.take(&record(1, 10, 5, 0, Flags::FINAL));
        model.picture();
        assert!(model.process(1).unwrap().has_ended());
        assert_eq!(model.alive(), 0);
        for _ in 0..3 {
            model.picture();
        }
        assert!(model.process(1).is_none());
    }

    #[test]
    fn one_whose_end_was_lost_is_forgotten() {
        let mut model = Model::default();
        model.take(&record(1, 0, 0, 0, Flags::FIRST));
        model.take(&record(2, 0, 0, 0, Flags::FIRST));
        model.take(&record(2, 11_000, 0, 0, Flags::default()));
        for _ in 0..4 {
            model.picture();
        }
        assert!(model.process(1).is_none() && model.process(2).is_some());
    }
}
