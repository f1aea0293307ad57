// SPDX-License-Identifier: GPL-2.0

//! From the module's records of faults to faults: two records make an attempt, attempts make a fault, and a mapping's
//! records say where it was.

use crate::fault::{Access, Counted, Fault, Kind};
use abi::events::fault::class::{Area, Backing};
use abi::events::fault::join::{Attempt, Join, Outcome, Whole};
use abi::events::fault::kind::FaultKind;
use abi::events::fault::map::{Map, MapFile, Protection as MapProtection};
use abi::events::fault::signal::FaultSignal;
use abi::events::fault::state::PageState;
use abi::events::fault::{FaultFlags, FaultResult, COUNT_BITS};
use abi::events::Event;
use format::mappings::{FileId, Mapping, Protection};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use trace::event::{Timed, What};

/// What a CPU's records have begun.
#[derive(Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    /// The first record of an attempt, or of a beginning; its place comes next.
    Fault { fault: abi::events::fault::Fault, is_entry: bool },
    /// A mapping whose file comes next.
    Map(Map),
    /// A mapping and the part of its name that has come.
    Named(Map, MapFile, Vec<u8>),
}

/// What is known of a thread.
#[derive(Debug, Default)]
struct Thread {
    cpu: u32,
    join: Join,
    /// A beginning, whose outcome the thread's next record tells.
    begun: Option<Fault>,
    /// The thread's own counts of minor and major faults, modulo 2^12, as of its last record.
    counts: Option<(u16, u16)>,
    /// What these went in all since the thread was made; not known of a thread that was there before, or of one that has got another's
    /// number.
    since_birth: Option<u64>,
}

/// Modulus of the counts in records.
const COUNTS: u16 = 1 << COUNT_BITS;

/// How far a count went, modulo 2^12.
fn step(from: u16, to: u16) -> u16 {
    to.wrapping_sub(from) % COUNTS
}

impl Thread {
    /// The thread's counts are these now, and a record tells of `counted` of what was added. How many faults have no record.
    fn count(&mut self, minor: u16, major: u16, counted: u16) -> u64 {
        let before = self.counts.replace((minor, major));
        before.map_or(0, |before| {
            let added = step(before.0, minor) + step(before.1, major);
            self.since_birth = self.since_birth.map(|sum| sum + u64::from(added));
            u64::from(added.saturating_sub(counted))
        })
    }

    /// Of a thread that is new: it has had none.
    fn new(cpu: u32) -> Self {
        Thread { cpu, counts: Some((0, 0)), since_birth: Some(0), ..Thread::default() }
    }

    /// How many faults have no record beyond those that the low bits of the counts tell of, now that `all` are known. Such a gap is a
    /// multiple of the modulus.
    fn beyond(&self, all: u64) -> u64 {
        let beyond = self.since_birth.map_or(0, |sum| all.saturating_sub(sum));
        if beyond % u64::from(COUNTS) == 0 {
            beyond
        } else {
            0
        }
    }

    /// The beginning before, now that the counts behind it are known.
    fn ended(&mut self, minor: u16, major: u16) -> Option<Fault> {
        let begun = self.begun.take()?;
        let counted = match self.counts.map(|before| (step(before.0, minor), step(before.1, major))) {
            Some((0, 0)) => Counted::Not,
            Some((_, 0)) => Counted::Minor,
            Some((0, _)) => Counted::Major,
            _ => Counted::Unknown,
        };
        Some(Fault { counted, ..begun })
    }
}

/// Puts faults together.
#[derive(Debug, Default)]
pub struct Decoder {
    cpus: Vec<Pending>,
    threads: FxHashMap<u32, Thread>,
    mappings: FxHashMap<(u32, u32), Arc<Mapping>>,
    /// Records without the one that belongs to them.
    pub incomplete: u64,
    /// Faults that the threads' own counts say there were, and that have no record.
    pub missed: u64,
    /// Accesses that ended in a signal.
    pub signals: Vec<(u64, FaultSignal)>,
    /// How many there were: the first few are kept.
    pub signal_count: u64,
}

/// Signals that are kept.
const SIGNALS: usize = 16;

impl Decoder {
    /// The mapping that a fault names. That of a fault on another process's memory is the other's.
    pub fn mapping(&self, fault: &Fault) -> Option<&Arc<Mapping>> {
        if fault.is_remote {
            return self.mappings.iter().find(|((_, id), _)| *id == fault.mapping).map(|(_, mapping)| mapping);
        }
        self.mappings.get(&(fault.tgid, fault.mapping))
    }

    /// Takes the next event and gives the faults that are complete with it to `emit`. The mapping of a fault comes before it.
    /// A mapping that is new is given to `mapped`.
    pub fn take(&mut self, timed: &Timed, mut emit: impl FnMut(Fault), mapped: impl FnOnce(u32, &Arc<Mapping>)) {
        let What::Event(event) = &timed.what else {
            if matches!(timed.what, What::Lost(_)) {
                // What is missing may be the end of what has begun.
                *self.cpu(timed.cpu) = Pending::Nothing;
            }
            return;
        };
        match event {
            Event::Fault(fault) => self.begin(timed.cpu, Pending::Fault { fault: *fault, is_entry: false }),
            Event::FaultEntry(fault) => self.begin(timed.cpu, Pending::Fault { fault: *fault, is_entry: true }),
            Event::FaultPlace(place) => match std::mem::take(self.cpu(timed.cpu)) {
                Pending::Fault { fault, is_entry } => {
                    let attempt = Attempt { end_ns: timed.ns, fault, place: *place };
                    let (minor, major) = (fault.minor, fault.major);
                    let thread = self.threads.entry(fault.tid).or_default();
                    thread.cpu = timed.cpu;
                    if is_entry {
                        let before = thread.ended(minor, major);
                        let is_again = before.is_some_and(|before| before.counted == Counted::Not)
                            && fault.flags.contains(FaultFlags::TRIED);
                        // The counts are those before this fault: one was added for the beginning before.
                        self.missed += thread.count(minor, major, u16::from(before.is_some()));
                        let begun = entry(timed.cpu, &attempt);
                        match before {
                            // The same fault once more.
                            Some(before) if is_again && before.page() == begun.page() => {
                                thread.begun = Some(Fault { attempts: before.attempts.saturating_add(1), ..before });
                            }
                            before => {
                                before.into_iter().for_each(&mut emit);
                                thread.begun = Some(begun);
                            }
                        }
                        return;
                    }
                    let several = fault.counted == abi::events::fault::Counted::Several;
                    let counted = u16::from(fault.counted != abi::events::fault::Counted::Nothing);
                    let missed = thread.count(minor, major, counted);
                    // Several: the others that were counted have records of their own, before this one.
                    self.missed += if several { 0 } else { missed };
                    thread.join.push(attempt).iter().flatten().for_each(|whole| emit(ended(timed.cpu, whole)));
                }
                _ => self.incomplete += 1,
            },
            Event::Map(map) => self.begin(timed.cpu, Pending::Map(*map)),
            Event::MapFile(file) => match std::mem::take(self.cpu(timed.cpu)) {
                Pending::Map(map) if map.text_bytes == 0 => self.add(&map, file, &[], mapped),
                Pending::Map(map) => *self.cpu(timed.cpu) = Pending::Named(map, *file, vec![]),
                _ => self.incomplete += 1,
            },
            Event::Text(text) => {
                if let Pending::Named(map, file, mut name) = std::mem::take(self.cpu(timed.cpu)) {
                    let wanted = usize::from(map.text_bytes).saturating_sub(name.len());
                    name.extend(text.bytes.iter().take(wanted));
                    if name.len() >= usize::from(map.text_bytes) {
                        self.add(&map, &file, &name, mapped);
                    } else {
                        *self.cpu(timed.cpu) = Pending::Named(map, file, name);
                    }
                }
            }
            Event::FaultSignal(signal) => {
                self.signal_count += 1;
                if self.signals.len() < SIGNALS {
                    self.signals.push((timed.ns, *signal));
                }
            }
            Event::FaultTotals(totals) => {
                if let Some(mut thread) = self.threads.remove(&totals.tid) {
                    let (minor, major) = (totals.minor as u16 % COUNTS, totals.major as u16 % COUNTS);
                    let begun = thread.ended(minor, major);
                    self.missed += thread.count(minor, major, u16::from(begun.is_some()));
                    self.missed += thread.beyond(totals.minor.saturating_add(totals.major));
                    begun.into_iter().for_each(&mut emit);
                    thread.join.finish().iter().for_each(|whole| emit(ended(thread.cpu, whole)));
                }
            }
            // The number is another thread's from now on.
            Event::NewTask(new) => {
                self.end(new.tid, &mut emit);
                self.threads.insert(new.tid, Thread::new(timed.cpu));
            }
            // As with execve by a thread that does not lead its group, whose counts go on under the leader's number.
            Event::Exec(exec) if exec.tid != exec.old_tid => {
                if let Some(thread) = self.threads.get_mut(&exec.tid) {
                    thread.since_birth = None;
                }
            }
            _ => {}
        }
    }

    /// Gives the faults that were not complete to `emit`: nothing more comes.
    pub fn finish(&mut self, mut emit: impl FnMut(Fault)) {
        let mut threads: Vec<u32> = self.threads.keys().copied().collect();
        threads.sort_unstable();
        threads.into_iter().for_each(|tid| self.end(tid, &mut emit));
    }

    fn end(&mut self, tid: u32, emit: &mut impl FnMut(Fault)) {
        if let Some(mut thread) = self.threads.remove(&tid) {
            thread.begun.into_iter().for_each(&mut *emit);
            thread.join.finish().iter().for_each(|whole| emit(ended(thread.cpu, whole)));
        }
    }

    fn cpu(&mut self, cpu: u32) -> &mut Pending {
        let cpu = cpu as usize;
        if self.cpus.len() <= cpu {
            self.cpus.resize_with(cpu + 1, Pending::default);
        }
        &mut self.cpus[cpu]
    }

    fn begin(&mut self, cpu: u32, pending: Pending) {
        if !matches!(std::mem::replace(self.cpu(cpu), pending), Pending::Nothing) {
            self.incomplete += 1;
        }
    }

    fn add(&mut self, map: &Map, file: &MapFile, name: &[u8], mapped: impl FnOnce(u32, &Arc<Mapping>)) {
        let mapping = Arc::new(mapping(map, file, name));
        let known = self.mappings.get(&(map.tgid, map.id));
        // They come again now and then: the one that is there serves.
        if known.is_none_or(|known| **known != *mapping) {
            mapped(map.tgid, &mapping);
            self.mappings.insert((map.tgid, map.id), mapping);
        }
    }
}

/// A mapping as its records describe it.
fn mapping(map: &Map, file: &MapFile, name: &[u8]) -> Mapping {
    let mut text = String::from_utf8_lossy(name).into_owned();
    if usize::from(map.path_bytes) > name.len() {
        text.insert(0, '…');
    }
    let name = match (map.class.backing(), map.class.area()) {
        (_, Area::Heap) => "[heap]".into(),
        (_, Area::Stack) => "[stack]".into(),
        (Backing::Anonymous, Area::Plain) if !text.is_empty() => format!("[anon:{text}]"),
        (Backing::Special, Area::Plain) if text.is_empty() => "[special]".into(),
        _ => text,
    };
    Mapping {
        start: map.start(),
        end: map.end(),
        offset: file.offset << crate::fault::PAGE_BITS,
        protection: Protection {
            read: map.protection.contains(MapProtection::READ),
            write: map.protection.contains(MapProtection::WRITE),
            execute: map.protection.contains(MapProtection::EXECUTE),
        },
        is_shared: map.class.is_shared(),
        name: name.into(),
        file: (file.inode != 0).then_some(FileId { major: file.major(), minor: file.minor(), inode: file.inode }),
        build_id: Box::default(),
    }
}

fn access(flags: FaultFlags) -> Access {
    if flags.contains(FaultFlags::EXECUTE) {
        Access::Execute
    } else if flags.contains(FaultFlags::WRITE) {
        Access::Write
    } else {
        Access::Read
    }
}

/// What both a fault and its beginning say.
fn common(cpu: u32, attempt: &Attempt) -> Fault {
    let abi::events::fault::Fault { tid, tgid, address, flags, .. } = attempt.fault;
    let ip = attempt.place.ip;
    Fault {
        from: attempt.begin_ns(),
        took: None,
        cpu,
        tid,
        tgid,
        address,
        ip: (ip != 0).then_some(ip),
        by_kernel: flags.contains(FaultFlags::KERNEL) || flags.contains(FaultFlags::NO_ACCESS),
        is_remote: flags.contains(FaultFlags::REMOTE),
        access: access(flags),
        kind: Kind::ended(FaultKind::Unknown),
        counted: Counted::Unknown,
        attempts: 1,
        mapping: attempt.place.mapping,
    }
}

fn entry(cpu: u32, attempt: &Attempt) -> Fault {
    let kind = FaultKind::of(&attempt.fault, PageState::Unknown, FaultResult::NONE, FaultResult::NONE);
    // The time is that of the beginning: there is no latency.
    Fault { from: attempt.end_ns, kind: Kind { kind, is_ended: false }, ..common(cpu, attempt) }
}

fn ended(cpu: u32, whole: &Whole) -> Fault {
    Fault {
        took: Some(whole.latency_ns()),
        kind: Kind::ended(whole.kind()),
        counted: match whole.outcome {
            Outcome::Minor => Counted::Minor,
            Outcome::Major => Counted::Major,
            Outcome::Failed | Outcome::Abandoned => Counted::Not,
        },
        attempts: whole.attempts,
        ..common(cpu, &whole.first)
    }
}
