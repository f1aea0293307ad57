// SPDX-License-Identifier: GPL-2.0

//! Cumulative records to intervals.

use abi::samples::{Flags, SampleRecord, Totals};
use rustc_hash::FxHashMap;

/// What was last seen of each registration that has not ended.
///
/// An interval is the difference to the record before, or to 0 where there was none: a record that was lost costs
/// resolution, and the sum of all intervals is right nevertheless.
#[derive(Debug, Default)]
pub struct Intervals {
    /// The numbers are the module's own, counted up: no caller can choose them so that they collide.
    live: FxHashMap<u64, Seen>,
    begun: u64,
}

#[derive(Debug)]
struct Seen {
    totals: Totals,
    tick: u64,
}

impl Intervals {
    /// What `record` adds to the one before it.
    pub fn advance(&mut self, record: &SampleRecord) -> Totals {
        let interval = match self.live.get_mut(&record.registration) {
            Some(seen) => {
                let interval = record.totals.since(&seen.totals);
                seen.totals = record.totals;
                seen.tick = record.tick;
                interval
            }
            None => {
                self.begun += 1;
                let seen = Seen { totals: record.totals, tick: record.tick };
                self.live.insert(record.registration, seen);
                record.totals
            }
        };
        if record.flags.contains(Flags::FINAL) {
            self.live.remove(&record.registration);
        }
        interval
    }

    /// Forgets registrations without a record in `tick` or later. To be called after records were lost and `tick` is
    /// complete: whatever is still registered had a record in it, and the last record of all others was among the lost.
    pub fn forget_before(&mut self, tick: u64) {
        self.live.retain(|_, seen| seen.tick >= tick);
    }

    /// Registrations that have not ended.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Registrations seen so far.
    pub fn begun(&self) -> u64 {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(registration: u64, minor_faults: u64, flags: Flags) -> SampleRecord {
        SampleRecord {
            registration,
            flags,
            totals: Totals { minor_faults, ..Totals::default() },
            ..SampleRecord::default()
        }
    }

    #[test]
    fn intervals_of_each_registration_add_up_to_its_total() {
        let mut intervals = Intervals::default();
        let mut minor =
            |registration, total, flags| intervals.advance(&record(registration, total, flags)).minor_faults;
        assert_eq!(minor(1, 0, Flags::FIRST), 0);
        assert_eq!(minor(1, 10, Flags::default()), 10);
        assert_eq!(minor(2, 0, Flags::FIRST), 0);
        assert_eq!(minor(2, 7, Flags::default()), 7);
        assert_eq!(minor(1, 15, Flags::default()), 5);
        assert_eq!(minor(1, 15, Flags::FINAL), 0);
        assert_eq!((intervals.live(), intervals.begun()), (1, 2));
    }

    #[test]
    fn a_lost_beginning_is_in_the_first_interval() {
        let mut intervals = Intervals::default();
        assert_eq!(intervals.advance(&record(1, 99, Flags::default())).minor_faults, 99);
        assert_eq!(intervals.advance(&record(1, 100, Flags::FINAL)).minor_faults, 1);
        assert_eq!(intervals.live(), 0);
    }

    #[test]
    fn registrations_whose_end_was_lost_are_forgotten() {
        let mut intervals = Intervals::default();
        intervals.advance(&SampleRecord { tick: 4, ..record(1, 1, Flags::default()) });
        intervals.advance(&SampleRecord { tick: 5, ..record(2, 1, Flags::default()) });
        intervals.forget_before(5);
        assert_eq!(intervals.live(), 1);
    }
}
