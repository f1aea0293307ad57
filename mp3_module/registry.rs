// SPDX-License-Identifier: GPL-2.0

//! The registered processes.
//!
//! A tick passes over all of them twenty times a second, so they lie side by side in slots; a tree finds the slot of one.
//! A slot keeps its process until that is removed, so a pass can be interrupted between any two slots and go on later.

use crate::abi::command::Pid;
use crate::abi::samples::{Encoded, Flags, SampleRecord, State, Totals};
use crate::process::{Process, ProcessKey, Sample};
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::rcu;

/// What a process, or all of them, have counted since a tick.
#[derive(Default)]
pub(crate) struct Interval {
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// User and system time, ns.
    pub(crate) cpu_ns: u64,
}

impl Interval {
    fn between(earlier: &Totals, later: &Totals) -> Self {
        Interval {
            minor_faults: later.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: later.major_faults.saturating_sub(earlier.major_faults),
            cpu_ns: later.cpu_ns().saturating_sub(earlier.cpu_ns()),
        }
    }

    /// Sums up.
    pub(crate) fn add(&mut self, other: &Interval) {
        self.minor_faults = self.minor_faults.saturating_add(other.minor_faults);
        self.major_faults = self.major_faults.saturating_add(other.major_faults);
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
    }
}

/// What a new sample brought.
pub(crate) struct Change {
    /// Since the record before.
    pub(crate) interval: Interval,
    /// The process is dead, and this was its final record.
    pub(crate) dead: bool,
}

/// A registered process: who it is, and what has been recorded of it.
pub(crate) struct Entry {
    process: Process,
    /// The counters when it was registered. Never reset a kernel counter: remember it, and subtract.
    baseline: Totals,
    exec_id: u64,
    /// Its last record, which is the next one too, but for time and place, where nothing has changed.
    record: Encoded,
}

impl Entry {
    /// Registers `process`, with its first record; `None` if it is dead already.
    pub(crate) fn new(mut process: Process, registration: u64, rcu: &rcu::Guard) -> Option<Self> {
        let sample = process.sample(rcu);
        if sample.dead {
            return None;
        }
        let mut entry = Entry {
            baseline: sample.totals,
            exec_id: sample.exec_id,
            record: Encoded::new(SampleRecord { pid: process.pid(), registration, ..SampleRecord::default() }),
            process,
        };
        entry.update(&sample);
        entry.record.add_flags(Flags::FIRST);
        Some(entry)
    }

    /// The last record.
    #[inline]
    pub(crate) fn record(&mut self) -> &mut Encoded {
        &mut self.record
    }

    /// Reads the counters into the record, all but its place in the ring, and says what has changed.
    #[inline]
    pub(crate) fn sample(&mut self, rcu: &rcu::Guard) -> Option<Change> {
        if self.process.stands_still(rcu) {
            self.record.retain_flags(Flags::DELAYS);
            return None;
        }
        Some(self.sample_anew(rcu))
    }

    /// As [`Entry::sample`], also where nothing has changed.
    pub(crate) fn sample_anew(&mut self, rcu: &rcu::Guard) -> Change {
        let sample = self.process.sample(rcu);
        self.update(&sample)
    }

    /// Has the record say what `sample` does.
    fn update(&mut self, sample: &Sample) -> Change {
        let mut flags = Flags::default();
        if sample.dead {
            flags |= Flags::FINAL | Flags::EXITED;
        }
        if sample.has_delays {
            flags |= Flags::DELAYS;
        }
        if sample.exec_id != self.exec_id {
            self.exec_id = sample.exec_id;
            flags |= Flags::EXECED;
        }
        let before = self.record.totals();
        let totals = sample.totals.since(&self.baseline).at_least(&before);
        let state = State { flags, threads: sample.threads, comm: sample.comm, levels: sample.levels };
        self.record.update(&state, &totals);
        Change { interval: Interval::between(&before, &totals), dead: sample.dead }
    }

    /// A line of `/proc/mp3/status`: the PID in the reader's namespace and the user time since the process was forked, ns.
    pub(crate) fn status(&mut self) -> Option<(Pid, u64)> {
        let pid = self.process.pid_for_current()?;
        Some((pid, self.process.user_ns(&rcu::read_lock())))
    }
}

/// The slots and the way to them.
pub(crate) struct Registry {
    slots: KVVec<Option<Entry>>,
    free: KVVec<usize>,
    by_key: RBTree<ProcessKey, usize>,
    limit: usize,
}

impl Registry {
    /// An empty registry for at most `limit` processes.
    pub(crate) fn new(limit: usize) -> Self {
        Registry { slots: KVVec::new(), free: KVVec::new(), by_key: RBTree::new(), limit }
    }

    /// How many are registered.
    pub(crate) fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots in use or used before: where a pass ends.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a process.
    pub(crate) fn find(&self, key: ProcessKey) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    /// The process in `slot`, if one is.
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Entry> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// The processes in at most `count` slots from `first` on, and how far each is from there.
    pub(crate) fn range_mut(&mut self, first: usize, count: usize) -> impl Iterator<Item = (usize, &mut Entry)> {
        let end = self.slots.len().min(first.saturating_add(count));
        self.slots
            .get_mut(first..end)
            .unwrap_or_default()
            .iter_mut()
            .enumerate()
            .filter_map(|(offset, entry)| Some((offset, entry.as_mut()?)))
    }

    /// The first slot from `slot` on that has a process in it.
    pub(crate) fn next_occupied(&self, slot: usize) -> Option<usize> {
        self.slots.iter().enumerate().skip(slot).find(|(_, entry)| entry.is_some()).map(|(slot, _)| slot)
    }

    /// Makes room for one more, so that [`Registry::insert`] cannot fail half-way.
    ///
    /// # Errors
    ///
    /// `ENOSPC` at the limit, `ENOMEM` without memory. Nothing has changed then.
    pub(crate) fn reserve(&mut self) -> Result {
        if self.len() >= self.limit {
            return Err(ENOSPC);
        }
        if self.free.is_empty() {
            self.slots.reserve(1, GFP_KERNEL)?;
            // The list of free slots has room for every slot: removing must not need memory.
            let room = self.slots.len().saturating_add(1).saturating_sub(self.free.len());
            self.free.reserve(room, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Registers `entry`, which is not registered.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. Nothing has changed then.
    pub(crate) fn insert(&mut self, entry: Entry) -> Result {
        self.reserve()?;
        let key = entry.process.key();
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        self.by_key.try_create_and_insert(key, slot, GFP_KERNEL)?;
        match self.free.pop().and_then(|slot| self.slots.get_mut(slot)) {
            Some(vacant) => *vacant = Some(entry),
            // Has room since `reserve`.
            None => self.slots.push(Some(entry), GFP_KERNEL)?,
        }
        Ok(())
    }

    /// Forgets the process in `slot`.
    pub(crate) fn remove(&mut self, slot: usize) -> Option<Entry> {
        let entry = self.slots.get_mut(slot)?.take()?;
        self.by_key.remove(&entry.process.key());
        // Has room since `reserve`.
        let _ = self.free.push_within_capacity(slot);
        if self.is_empty() {
            // An idle module holds no memory for processes that were, and a registry of one has one slot to pass over.
            self.slots = KVVec::new();
            self.free = KVVec::new();
        }
        Some(entry)
    }
}
