// SPDX-License-Identifier: GPL-2.0

//! What a session has recorded of page faults, put together.

use abi::events::{Attempt, Counted, Event, Fault, FaultPlace, FaultSignal, FaultTotals, Join, Map, MapFile, Whole};
use anyhow::{bail, ensure, Context, Result};
use std::collections::HashMap;
use testkit::tracing::{Happened, Tracing};

/// A mapping and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub map: Map,
    pub file: MapFile,
    pub name: String,
}

/// Everything about faults in the rings.
#[derive(Debug, Default)]
pub struct Seen {
    /// In the order of their ends.
    pub attempts: Vec<Attempt>,
    /// Beginnings, where ends are not recorded.
    pub entries: Vec<(u64, Fault, FaultPlace)>,
    /// By thread group and ID.
    pub mappings: HashMap<(u32, u32), Mapping>,
    pub signals: Vec<FaultSignal>,
    /// By thread: the last ones, and when.
    pub totals: HashMap<u32, (u64, FaultTotals)>,
    /// execve by a thread that did not lead its group: when, its ID, and that before.
    pub renumbered: Vec<(u64, u32, u32)>,
}

impl Seen {
    /// Reads what is in the rings of `tracing`, of which nothing may have been lost.
    pub fn read(tracing: &mut Tracing) -> Result<Self> {
        let mut seen = Seen::default();
        for ring in &mut tracing.rings {
            seen.take(ring.read()?)?;
        }
        ensure!(tracing.lost() == 0 && tracing.counts().dropped == 0, "{} lost", tracing.lost());
        let counted: u64 = tracing.rings.iter().map(|ring| abi::events::header::faults(&ring.memory)).sum();
        let read = (seen.attempts.len() + seen.entries.len()) as u64;
        ensure!(read == counted, "{read} attempts, and the header says {counted}");
        seen.attempts.sort_by_key(|attempt| attempt.end_ns);
        Ok(seen)
    }

    /// The records of one ring, in its order.
    pub fn take(&mut self, events: Vec<Happened>) -> Result<()> {
        let mut events = events.into_iter().peekable();
        while let Some(happened) = events.next() {
            let mut follows = || events.next_if(|next| next.ns == happened.ns).map(|next| next.event);
            match happened.event {
                Event::Fault(fault) => {
                    let Some(Event::FaultPlace(place)) = follows() else { bail!("a half of {fault:?}") };
                    self.attempts.push(Attempt { end_ns: happened.ns, fault, place });
                }
                Event::FaultEntry(fault) => {
                    let Some(Event::FaultPlace(place)) = follows() else { bail!("a half of {fault:?}") };
                    self.entries.push((happened.ns, fault, place));
                }
                Event::Map(map) => {
                    let Some(Event::MapFile(file)) = follows() else { bail!("a half of {map:?}") };
                    let mut name = vec![];
                    for _ in 0..map.text_records() {
                        let Some(Event::Text(text)) = follows() else { bail!("no name of {map:?}") };
                        name.extend_from_slice(&text.bytes);
                    }
                    name.truncate(usize::from(map.text_bytes));
                    let mapping = Mapping { map, file, name: String::from_utf8_lossy(&name).into_owned() };
                    let before = self.mappings.insert((map.tgid, map.id), mapping.clone());
                    ensure!(before.is_none_or(|before| before == mapping), "two of one ID: {mapping:?}");
                }
                Event::Exec(exec) if exec.tid != exec.old_tid => {
                    self.renumbered.push((happened.ns, exec.tid, exec.old_tid));
                }
                Event::FaultSignal(signal) => self.signals.push(signal),
                Event::FaultTotals(totals) => {
                    // execve gives a thread the number of one that has ended, and rings are read in no order of time.
                    let last = self.totals.entry(totals.tid).or_insert((happened.ns, totals));
                    if happened.ns >= last.0 {
                        *last = (happened.ns, totals);
                    }
                }
                Event::FaultPlace(_) | Event::MapFile(_) => bail!("a second half alone"),
                _ => {}
            }
        }
        Ok(())
    }

    /// Minor and major faults that the kernel has counted for a process.
    pub fn counts(&self, tgid: u32) -> (u64, u64) {
        self.attempts.iter().filter(|attempt| attempt.fault.tgid == tgid).fold((0, 0), |(minor, major), attempt| {
            match attempt.fault.counted {
                Counted::Nothing | Counted::Several => (minor, major),
                Counted::Minor => (minor + 1, major),
                Counted::Major => (minor, major + 1),
            }
        })
    }

    /// Checks that no fault of any thread is missing between two records, or before its end.
    pub fn ensure_none_missing(&self) -> Result<()> {
        const MODULUS: u16 = 0xfff;
        let mut last: HashMap<u32, (u16, u16)> = HashMap::new();
        let mut renumbered = self.renumbered.clone();
        for Attempt { fault, .. } in &self.attempts {
            let now = (fault.minor, fault.major);
            let expected = match fault.counted {
                Counted::Nothing => (0, 0),
                Counted::Minor => (1, 0),
                Counted::Major => (0, 1),
                Counted::Several => bail!("several in {fault:?}"),
            };
            let moved =
                |before: (u16, u16)| (now.0.wrapping_sub(before.0) & MODULUS, now.1.wrapping_sub(before.1) & MODULUS);
            let Some(before) = last.insert(fault.tid, now) else { continue };
            if moved(before) == expected {
                continue;
            }
            // After execve by another thread the number is the leader's, and the counts are those of the thread that has it
            // now. Its first faults as another program come before execve is over.
            let index = renumbered.iter().position(|&(_, tid, old)| {
                tid == fault.tid && last.get(&old).is_some_and(|&before| moved(before) == expected)
            });
            let index = index.with_context(|| format!("{:?} more than {before:?} at {fault:?}", moved(before)))?;
            renumbered.remove(index);
        }
        for (tid, (_, totals)) in &self.totals {
            if let Some(&(minor, major)) = last.get(tid) {
                // Faults on a thread's very last steps come after its totals.
                let after = (
                    minor.wrapping_sub(totals.minor as u16) & MODULUS,
                    major.wrapping_sub(totals.major as u16) & MODULUS,
                );
                ensure!(after.0 < 64 && after.1 < 64, "{totals:?}, and {minor} and {major} in the last record");
            }
        }
        Ok(())
    }

    /// The faults, joined from their attempts, in the order of their ends.
    pub fn wholes(&self) -> Vec<Whole> {
        let mut threads: HashMap<u32, Join> = HashMap::new();
        let mut all: Vec<Whole> = self
            .attempts
            .iter()
            .flat_map(|&attempt| threads.entry(attempt.fault.tid).or_default().push(attempt))
            .flatten()
            .collect();
        all.extend(threads.values_mut().filter_map(Join::finish));
        all.sort_by_key(Whole::end_ns);
        all
    }

    /// The faults of `wholes` in the page of `address`, by any thread.
    pub fn at(&self, address: usize) -> Vec<Whole> {
        let page = address as u64 & !0xfff;
        self.wholes().into_iter().filter(|whole| whole.first.fault.address & !0xfff == page).collect()
    }

    /// The mapping of a fault.
    pub fn mapping(&self, whole: &Whole) -> Result<&Mapping> {
        let key = (whole.first.fault.tgid, whole.first.place.mapping);
        self.mappings.get(&key).with_context(|| format!("no mapping of {whole:?}"))
    }
}
