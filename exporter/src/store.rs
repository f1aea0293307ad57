// SPDX-License-Identifier: GPL-2.0

//! What is known of processes, commands, cgroups and all together. Memory depends on how many there may be, not on how long
//! they are watched.

use crate::cgroup;
use crate::group::{GroupId, Groups};
use crate::held::Held;
use crate::series::labelled;
use abi::samples::{Flags, Levels, SampleRecord, Totals};
use client::intervals::Intervals;
use format::columns::Counted;
use format::comm::Printable;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};

/// A registration without a record for so long, and for some ticks, after records were lost: its last one was among them.
const FORGOTTEN_NS: u64 = 10_000_000_000;

/// How often a process's cgroup is looked up again.
const CGROUP_NS: u64 = 10_000_000_000;

/// Series of a process or a group: its counters, its memory in two gauges, its threads or processes.
pub const SERIES_EACH: usize = abi::samples::COUNTERS.len() + 1;

/// Which levels are exported beside the sums over all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Each process.
    pub processes: bool,
    /// All processes of a command name.
    pub commands: bool,
    /// All processes of a cgroup.
    pub cgroups: bool,
}

/// Bounds of what is kept and shown.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Series in a scrape, beside those about the exporter itself.
    pub series: usize,
    /// A process that has ended is shown for so long, ns.
    pub linger_ns: u64,
}

/// One registration.
#[derive(Clone, Debug)]
pub struct Process {
    /// PID in the initial namespace.
    pub pid: i32,
    /// Command name, as it was last seen.
    comm: [u8; 16],
    /// PID and name as labels.
    pub labels: String,
    /// Counted since its registration.
    pub totals: Totals,
    /// As they stood last.
    pub levels: Levels,
    /// Threads.
    pub threads: u32,
    /// The counters that it has.
    pub counted: Counted,
    command: Option<GroupId>,
    cgroup: Option<GroupId>,
    cgroup_name: String,
    cgroup_ns: u64,
    seen_ns: u64,
    ended: bool,
}

impl Process {
    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Its command's group.
    pub fn command(&self) -> Option<GroupId> {
        self.command
    }

    /// Its cgroup's group.
    pub fn cgroup(&self) -> Option<GroupId> {
        self.cgroup
    }
}

/// How a cgroup is looked up: by PID; `None` where the process is gone.
pub type Lookup = Box<dyn FnMut(i32) -> Option<String> + Send>;

/// Everything that is counted.
pub struct Store {
    levels: Shown,
    bounds: Bounds,
    source: Counted,
    lookup: Option<Lookup>,
    intervals: Intervals,
    held: Held,
    /// By registration: older ones first.
    processes: BTreeMap<u64, Process>,
    by_pid: FxHashMap<i32, u64>,
    /// Those that have ended and when, in the order of their ends.
    ended: VecDeque<(u64, u64)>,
    live: usize,
    /// The sum over all processes, those that have ended included.
    pub totals: Totals,
    /// The counters that any process had.
    pub counted: Option<Counted>,
    /// By command name.
    pub commands: Groups,
    /// By cgroup.
    pub cgroups: Groups,
    /// Records that were lost.
    pub lost: u64,
    /// The time of the last record.
    now_ns: u64,
    /// The highest tick of a record.
    tick: u64,
    /// The tick and the time of the last loss, until everything that is registered must have had a record again.
    loss: Option<(u64, u64)>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("processes", &self.processes.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Nothing yet, from a source with these counters. Without `lookup`, there are no cgroups.
    pub fn new(levels: Shown, bounds: Bounds, source: Counted, lookup: Option<Lookup>) -> Self {
        let levels = Shown { cgroups: levels.cgroups && lookup.is_some(), ..levels };
        // A quarter of the series for each of both.
        let groups = (bounds.series / 4 / SERIES_EACH).saturating_sub(1);
        Store {
            levels,
            bounds,
            source,
            lookup,
            intervals: Intervals::default(),
            held: Held::default(),
            processes: BTreeMap::new(),
            by_pid: FxHashMap::default(),
            ended: VecDeque::new(),
            live: 0,
            totals: Totals::default(),
            counted: None,
            commands: Groups::new("comm", groups),
            cgroups: Groups::new("cgroup", groups),
            lost: 0,
            now_ns: 0,
            tick: 0,
            loss: None,
        }
    }

    /// Which levels there are.
    pub fn levels(&self) -> Shown {
        self.levels
    }

    /// Takes a record, which is in every sum after [`Self::settle`] at the latest.
    pub fn hold(&mut self, record: &SampleRecord) {
        let number = record.registration;
        let first = match Held::is_plain(record) && (self.held.has(number) || self.processes.contains_key(&number)) {
            true => self.held.put(record),
            false => {
                self.held.remove(number).into_iter().for_each(|before| self.count(&before));
                Some(*record)
            }
        };
        first.into_iter().for_each(|record| self.take(&record));
    }

    /// Counts what is held.
    pub fn settle(&mut self) {
        self.count_held();
        self.forget_if_due();
    }

    fn count_held(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        held.drain().for_each(|record| self.count(&record));
        // With its room.
        self.held = held;
    }

    /// Takes a record, and counts it.
    pub fn take(&mut self, record: &SampleRecord) {
        self.now_ns = self.now_ns.max(record.time_ns);
        self.tick = self.tick.max(record.tick);
        self.forget_if_due();
        self.count(record);
    }

    fn count(&mut self, record: &SampleRecord) {
        self.now_ns = self.now_ns.max(record.time_ns);
        self.tick = self.tick.max(record.tick);
        let step = self.intervals.advance(record);
        // What was counted before the first record that was read is part of what this process has counted.
        let added = step.interval.plus(&step.before);
        let counted = self.source.in_record(record.flags);
        self.totals = self.totals.plus(&added);
        self.counted = Some(self.counted.map_or(counted, |all| all.union(counted)));
        self.update(record, counted);
        if let Some(process) = self.processes.get(&record.registration) {
            let (command, cgroup) = (process.command, process.cgroup);
            command.into_iter().for_each(|id| self.commands.add(id, &added, counted));
            cgroup.into_iter().for_each(|id| self.cgroups.add(id, &added, counted));
        }
        if record.flags.contains(Flags::FINAL) {
            self.end(record.registration);
        }
    }

    /// Takes what the record says of its process as it stands.
    fn update(&mut self, record: &SampleRecord, counted: Counted) {
        let now_ns = self.now_ns;
        let is_new = !self.processes.contains_key(&record.registration);
        if is_new {
            // A number that is given again is another process: both under one name would be one series twice.
            if let Some(before) = self.by_pid.insert(record.pid, record.registration) {
                self.end(before);
                self.processes.remove(&before);
            }
            self.live += 1;
        }
        let process = self.processes.entry(record.registration).or_insert_with(|| Process {
            pid: record.pid,
            comm: [0; 16],
            labels: String::new(),
            totals: Totals::default(),
            levels: Levels::default(),
            threads: 0,
            counted,
            command: None,
            cgroup: None,
            cgroup_name: String::new(),
            cgroup_ns: 0,
            seen_ns: now_ns,
            ended: false,
        });
        let is_renamed = is_new || process.comm != record.comm;
        process.totals = record.totals.at_least(&process.totals);
        process.levels = record.levels;
        process.threads = record.threads;
        process.counted = counted;
        process.seen_ns = now_ns;
        if is_renamed {
            process.comm = record.comm;
            let name = Printable::new(record.comm_bytes());
            let name = String::from_utf8_lossy(name.as_bytes());
            process.labels = format!("pid=\"{}\",{}", record.pid, labelled("comm", &name));
            if self.levels.commands {
                process.command.into_iter().for_each(|id| self.commands.leave(id, now_ns));
                process.command = Some(self.commands.join(&name, now_ns));
            }
        }
        let is_stale = is_new || record.flags.contains(Flags::EXECED) || now_ns >= process.cgroup_ns + CGROUP_NS;
        if let Some(lookup) = self.lookup.as_mut().filter(|_| self.levels.cgroups && is_stale) {
            process.cgroup_ns = now_ns;
            // One that is gone stays where it was.
            let found = lookup(record.pid).or_else(|| is_new.then(|| cgroup::UNKNOWN.to_owned()));
            if let Some(name) = found.filter(|name| *name != process.cgroup_name) {
                process.cgroup.into_iter().for_each(|id| self.cgroups.leave(id, now_ns));
                process.cgroup = Some(self.cgroups.join(&name, now_ns));
                process.cgroup_name = name;
            }
        }
    }

    /// The process has ended: it is shown a little longer.
    fn end(&mut self, registration: u64) {
        let Some(process) = self.processes.get_mut(&registration).filter(|process| !process.ended) else { return };
        process.ended = true;
        (process.levels, process.threads) = (Levels::default(), 0);
        process.command.into_iter().for_each(|id| self.commands.leave(id, self.now_ns));
        process.cgroup.into_iter().for_each(|id| self.cgroups.leave(id, self.now_ns));
        self.live = self.live.saturating_sub(1);
        self.ended.push_back((registration, self.now_ns));
        self.bury(self.now_ns);
    }

    /// Drops those that ended too long ago, or that are too many.
    pub fn bury(&mut self, now_ns: u64) {
        let most = self.bounds.series / SERIES_EACH;
        while let Some(&(registration, ended_ns)) = self.ended.front() {
            if self.ended.len() <= most && now_ns.saturating_sub(ended_ns) <= self.bounds.linger_ns {
                break;
            }
            self.ended.pop_front();
            if let Some(process) = self.processes.remove(&registration) {
                if self.by_pid.get(&process.pid) == Some(&registration) {
                    self.by_pid.remove(&process.pid);
                }
            }
        }
    }

    /// Records were lost: so many in all.
    pub fn lose(&mut self, total: u64) {
        if total == self.lost {
            return;
        }
        // What is held was written before.
        self.count_held();
        self.lost = total;
        self.intervals.lose();
        self.loss = Some((self.tick, self.now_ns));
    }

    /// Ends what has no record since the last loss, once everything that is registered must have had one.
    fn forget_if_due(&mut self) {
        let Some((tick, ns)) = self.loss else { return };
        if self.now_ns.saturating_sub(ns) <= FORGOTTEN_NS || self.tick <= tick.saturating_add(5) {
            return;
        }
        self.loss = None;
        self.count_held();
        self.intervals.forget_before(tick.saturating_add(1));
        let silent = self.processes.iter().filter(|(_, process)| !process.ended && process.seen_ns <= ns);
        let silent: Vec<u64> = silent.map(|(registration, _)| *registration).collect();
        silent.into_iter().for_each(|registration| self.end(registration));
    }

    /// The time of the last record, `CLOCK_MONOTONIC` ns.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Processes that live.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Registrations seen so far.
    pub fn begun(&self) -> u64 {
        self.intervals.begun()
    }

    /// Registrations of which every record was lost.
    pub fn unseen(&self) -> u64 {
        self.intervals.unseen()
    }

    /// Processes that there is an entry for, those that have ended included.
    pub fn entries(&self) -> usize {
        self.processes.len()
    }

    /// Whether this is the PID of a process that lives and is sampled.
    pub fn is_live(&self, pid: i32) -> bool {
        let registration = self.by_pid.get(&pid);
        registration.and_then(|number| self.processes.get(number)).is_some_and(|process| !process.ended)
    }

    /// All processes that live.
    pub fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(|process| !process.ended)
    }

    /// The processes that a scrape shows, and how many living ones it leaves out: the first that were registered among those
    /// that live, then the last that have ended, as many as there is room for.
    pub fn shown(&self) -> (Vec<&Process>, usize) {
        if !self.levels.processes {
            return (vec![], self.live);
        }
        let used = |groups: &Groups, is_on: bool| if is_on { groups.len() } else { 0 };
        let groups = used(&self.commands, self.levels.commands) + used(&self.cgroups, self.levels.cgroups);
        let room = (self.bounds.series / SERIES_EACH).saturating_sub(groups + 1);
        let mut shown: Vec<&Process> = self.living().take(room).collect();
        let left_out = self.live - shown.len();
        let ended = self.ended.iter().rev().filter_map(|(registration, _)| self.processes.get(registration));
        shown.extend(ended.take(room - shown.len()));
        (shown, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Shown = Shown { processes: true, commands: true, cgroups: true };
    const SECOND: u64 = 1_000_000_000;

    fn store(series: usize) -> Store {
        let lookup: Lookup = Box::new(|pid| (pid < 1_000).then(|| format!("/slice/{}", pid % 2)));
        Store::new(ALL, Bounds { series, linger_ns: 60 * SECOND }, Counted::ALL, Some(lookup))
    }

    fn record(registration: u64, second: u64, minor_faults: u64, comm: &[u8], flags: Flags) -> SampleRecord {
        let mut record = SampleRecord {
            registration,
            pid: registration as i32,
            tick: second,
            time_ns: second * SECOND,
            flags,
            totals: Totals { minor_faults, ..Totals::default() },
            ..SampleRecord::default()
        };
        record.comm[..comm.len()].copy_from_slice(comm);
        record
    }

    const NONE: Flags = Flags(0);

    fn by_name(groups: &Groups) -> Vec<(String, u64)> {
        groups.iter().map(|(_, group)| (group.name.clone(), group.totals.minor_faults)).collect()
    }

    #[test]
    fn the_sums_of_every_level_are_those_of_the_processes_and_stay_when_they_end() {
        let mut store = store(10_000);
        for (second, minor) in [(1, 0), (2, 7), (3, 11)] {
            store.take(&record(1, second, minor, b"make", if second == 1 { Flags::FIRST } else { NONE }));
            store.take(&record(2, second, 2 * minor, b"cc", if second == 1 { Flags::FIRST } else { NONE }));
        }
        store.take(&record(2, 4, 30, b"cc", Flags::FINAL | Flags::EXITED));
        assert_eq!(store.totals.minor_faults, 41);
        assert_eq!(by_name(&store.commands), [("make".to_owned(), 11), ("cc".to_owned(), 30)]);
        assert_eq!(by_name(&store.cgroups), [("/slice/1".to_owned(), 11), ("/slice/0".to_owned(), 30)]);
        let (shown, left_out) = store.shown();
        let shown: Vec<_> =
            shown.iter().map(|process| (process.pid, process.totals.minor_faults, process.ended)).collect();
        assert_eq!((shown, left_out), (vec![(1, 11, false), (2, 30, true)], 0));
        store.bury(70 * SECOND);
        assert_eq!((store.shown().0.len(), store.entries(), store.live()), (1, 1, 1));
        assert_eq!(store.totals.minor_faults, 41);
    }

    /// What a store says of everything that lives, and of what it has ever counted, line by line.
    fn said(store: &Store) -> Vec<String> {
        let group = |(_, group): (GroupId, &crate::group::Group)| {
            format!("{} {:?} {:?} {}", group.labels, group.totals.to_array(), group.counted, group.live)
        };
        let process = |one: &Process| {
            format!("{} {:?} {:?} {} {:?}", one.labels, one.totals.to_array(), one.levels, one.threads, one.counted)
        };
        let sums = (store.totals.to_array(), store.counted, store.live(), store.begun(), store.unseen());
        let groups = store.commands.iter().chain(store.cgroups.iter()).map(group);
        [format!("{sums:?}")].into_iter().chain(groups).chain(store.living().map(process)).collect()
    }

    #[test]
    fn samples_that_were_held_count_as_those_that_were_counted_one_by_one() {
        let (mut at_once, mut later) = (store(10_000), store(10_000));
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        // By place: the registration, its faults so far, its name, its other flags.
        let mut live: Vec<(u64, u64, u8, Flags)> = vec![];
        let (mut next, mut lost) = (1, 0);
        for second in 1..=600 {
            for (registration, faults, name, flags) in &mut live {
                // Now and then: another name without execve, delays counted from now on, execve, the end.
                *faults += random(50);
                let event = random(30);
                if matches!(event, 0 | 2) {
                    *name = b'a' + random(5) as u8;
                }
                let extra = match event {
                    1 => {
                        *flags = Flags::DELAYS;
                        NONE
                    }
                    2 => Flags::EXECED,
                    3 => Flags::FINAL | Flags::EXITED,
                    _ => NONE,
                };
                let record = record(*registration, second, *faults, &[*name], *flags | extra);
                at_once.take(&record);
                later.hold(&record);
            }
            live.retain(|(registration, ..)| at_once.processes.get(registration).is_some_and(|process| !process.ended));
            if random(3) == 0 && live.len() < 40 {
                let name = b'a' + random(5) as u8;
                // Its first record may have been lost: it has counted already.
                let (faults, flags) = if random(4) == 0 { (random(90), NONE) } else { (0, Flags::FIRST) };
                live.push((next, faults, name, NONE));
                let record = record(next, second, faults, &[name], flags);
                at_once.take(&record);
                later.hold(&record);
                next += 1;
            }
            if random(40) == 0 {
                lost += 3;
                at_once.lose(lost);
                later.lose(lost);
                // Of some, the end was among the lost.
                live.truncate(live.len() - live.len() / 4);
            }
            if random(5) == 0 {
                later.settle();
                let (one, other) = (said(&at_once), said(&later));
                let differ: Vec<_> = one.iter().zip(&other).filter(|(one, other)| one != other).collect();
                assert!(one == other, "at {second}: {differ:#?}");
            }
        }
        assert!(next > 100 && lost > 20 && at_once.totals.minor_faults > 10_000);
    }

    #[test]
    fn what_is_counted_after_an_execve_is_the_new_commands() {
        let mut store = store(10_000);
        store.take(&record(1, 1, 0, b"sh", Flags::FIRST));
        store.take(&record(1, 2, 5, b"sh", NONE));
        store.take(&record(1, 3, 9, b"make", Flags::EXECED));
        assert_eq!(by_name(&store.commands), [("sh".to_owned(), 5), ("make".to_owned(), 4)]);
        assert_eq!(store.commands.iter().map(|(_, group)| group.live).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn what_was_counted_before_the_exporter_began_counts() {
        let mut store = store(10_000);
        store.take(&record(9, 100, 50, b"old", NONE));
        store.take(&record(9, 101, 53, b"old", NONE));
        assert_eq!((store.totals.minor_faults, by_name(&store.commands)[0].1), (53, 53));
    }

    #[test]
    fn a_pid_that_is_given_again_is_shown_once() {
        let mut store = store(10_000);
        let second = SampleRecord { pid: 1, ..record(2, 5, 1, b"x", Flags::FIRST) };
        store.take(&record(1, 1, 3, b"x", Flags::FIRST));
        store.take(&record(1, 2, 4, b"x", Flags::FINAL));
        store.take(&second);
        let (shown, _) = store.shown();
        assert_eq!(shown.iter().map(|process| process.totals.minor_faults).collect::<Vec<_>>(), [1]);
        // Also where the end of the first was lost.
        let third = SampleRecord { pid: 1, ..record(3, 6, 2, b"x", Flags::FIRST) };
        store.take(&third);
        assert_eq!((store.shown().0.len(), store.live(), store.totals.minor_faults), (1, 1, 7));
    }

    #[test]
    fn processes_beyond_the_bound_are_left_out_and_counted_in_every_sum() {
        let mut store = store(40 * SERIES_EACH);
        for registration in 1..=100 {
            store.take(&record(registration, 1, 1, b"x", Flags::FIRST));
        }
        let (shown, left_out) = store.shown();
        assert!(shown.len() <= 38 && shown.len() + left_out == 100, "{} {left_out}", shown.len());
        assert_eq!(by_name(&store.commands), [("x".to_owned(), 100)]);
        // One ends: the next one that was registered is shown then.
        store.take(&record(1, 2, 1, b"x", Flags::FINAL));
        assert_eq!(store.shown().1, left_out - 1);
    }

    #[test]
    fn a_process_whose_end_was_lost_is_forgotten() {
        let mut store = store(10_000);
        store.take(&record(1, 1, 1, b"x", Flags::FIRST));
        store.take(&record(2, 1, 1, b"y", Flags::FIRST));
        store.lose(5);
        for second in 2..=20 {
            store.take(&record(2, second, second, b"y", NONE));
        }
        assert_eq!((store.live(), store.lost, store.totals.minor_faults), (1, 5, 21));
    }

    #[test]
    fn a_process_that_was_gone_before_it_was_looked_at_has_an_unknown_cgroup() {
        let mut store = store(10_000);
        store.take(&record(5_000, 1, 2, b"x", Flags::FIRST));
        assert_eq!(by_name(&store.cgroups), [("(unknown)".to_owned(), 2)]);
    }
}
