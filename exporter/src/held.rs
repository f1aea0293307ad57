// SPDX-License-Identifier: GPL-2.0

//! Samples that are not yet in any sum: of each process the last one, as long as nothing but its numbers changes.
//!
//! Totals are cumulative, so the last of some samples says what all of them say, and the others need not be added up.

use abi::samples::{Flags, SampleRecord};
use rustc_hash::FxHashMap;

/// At most one sample a process.
#[derive(Debug, Default)]
pub struct Held(FxHashMap<u64, SampleRecord>);

impl Held {
    /// Whether `record` tells of nothing but numbers.
    pub fn is_plain(record: &SampleRecord) -> bool {
        Flags(record.flags.0 | Flags::DELAYS.0) == Flags::DELAYS
    }

    /// Holds `record`, which is plain, in the place of the one before. Where that had another command name or other counters,
    /// it is returned: it has to be counted by itself, and first.
    pub fn put(&mut self, record: &SampleRecord) -> Option<SampleRecord> {
        match self.0.get_mut(&record.registration) {
            Some(last) => {
                let before = (last.comm != record.comm || last.flags != record.flags).then_some(*last);
                *last = *record;
                before
            }
            None => {
                self.0.insert(record.registration, *record);
                None
            }
        }
    }

    /// Whether one of this registration is held.
    pub fn has(&self, registration: u64) -> bool {
        self.0.contains_key(&registration)
    }

    /// The one of this registration, which is not held any more.
    pub fn remove(&mut self, registration: u64) -> Option<SampleRecord> {
        self.0.remove(&registration)
    }

    /// All of them, in no order. None is held any more.
    pub fn drain(&mut self) -> impl Iterator<Item = SampleRecord> + '_ {
        self.0.drain().map(|(_, record)| record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tick: u64, name: u8, flags: Flags) -> SampleRecord {
        SampleRecord { registration: 1, tick, comm: [name; 16], flags, ..SampleRecord::default() }
    }

    #[test]
    fn a_sample_takes_the_place_of_the_one_before_unless_its_name_or_its_counters_are_others() {
        let mut held = Held::default();
        let none = Flags::default();
        assert_eq!(held.put(&record(1, b'a', none)), None);
        assert_eq!(held.put(&record(2, b'a', none)), None);
        assert_eq!(held.put(&record(3, b'b', none)), Some(record(2, b'a', none)));
        assert_eq!(held.put(&record(4, b'b', Flags::DELAYS)), Some(record(3, b'b', none)));
        assert_eq!(held.drain().collect::<Vec<_>>(), [record(4, b'b', Flags::DELAYS)]);
        assert!(!held.has(1));
    }

    #[test]
    fn what_begins_ends_or_executes_is_not_plain() {
        for flags in [Flags::FIRST, Flags::FINAL | Flags::EXITED, Flags::EXECED | Flags::DELAYS, Flags(1 << 20)] {
            assert!(!Held::is_plain(&record(1, b'a', flags)), "{flags:?}");
        }
        assert!(Held::is_plain(&record(1, b'a', Flags::DELAYS)) && Held::is_plain(&record(1, b'a', Flags::default())));
    }
}
