// SPDX-License-Identifier: GPL-2.0

//! Cumulative records to intervals.

use abi::samples::{Flags, SampleRecord, Totals};
use rustc_hash::FxHashMap;

/// What was last seen of each registration that has not ended.
///
/// An interval is the difference to the record before: a record that was lost costs resolution and not totals. Where the
/// record before was never there to be read, there is no interval: see [`Step::before`].
#[derive(Debug, Default)]
pub struct Intervals {
    /// The numbers are the module's own, counted up: no caller can choose them so that they collide.
    live: FxHashMap<u64, Seen>,
    /// How many of `live` were passed over.
    passed: usize,
    begun: u64,
    /// The highest registration number so far.
    newest: u64,
    /// `newest` when records were last lost. A registration with a higher number was made after that.
    newest_before_loss: Option<u64>,
    opening: Opening,
    unseen: u64,
}

#[derive(Debug)]
struct Seen {
    totals: Totals,
    tick: u64,
    is_passed: bool,
}

/// Whether everything that is registered has been seen.
#[derive(Debug, Default)]
enum Opening {
    /// No record yet, or none since the last loss.
    #[default]
    Ahead,
    /// The first record was of this tick, of which others may have been overwritten. All that is registered has a record in
    /// the next one.
    Since(u64),
    /// A whole tick has been seen.
    Over,
}

/// What a record says that was not known before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Counted since the record before, or since the registration where that was after the last record that was read.
    pub interval: Totals,
    /// Counted from the registration to this record, where the registration was before the first record that was read: it
    /// belongs to no interval.
    pub before: Totals,
}

impl Intervals {
    /// What `record` adds to the one before it.
    pub fn advance(&mut self, record: &SampleRecord) -> Step {
        self.take(record, false)
    }

    /// Passes over `record`, of a registration that is in no sum: it says only that this registration's records were not all
    /// lost.
    pub fn pass(&mut self, record: &SampleRecord) {
        self.take(record, true);
    }

    fn take(&mut self, record: &SampleRecord, is_passed: bool) -> Step {
        self.open(record.tick);
        let seen = Seen { totals: record.totals, tick: record.tick, is_passed };
        let is_final = record.flags.contains(Flags::FINAL);
        let step = match self.live.get_mut(&record.registration) {
            Some(before) => {
                let interval = record.totals.since(&before.totals);
                *before = seen;
                Step { interval, before: Totals::default() }
            }
            None => {
                let step = self.begin(record);
                self.begun += u64::from(!is_passed);
                self.passed += usize::from(is_passed);
                self.live.insert(record.registration, seen);
                step
            }
        };
        if is_final {
            self.live.remove(&record.registration);
            self.passed -= usize::from(is_passed);
        }
        step
    }

    fn open(&mut self, tick: u64) {
        match self.opening {
            Opening::Ahead => self.opening = Opening::Since(tick),
            Opening::Since(first) if tick > first.saturating_add(1) => self.opening = Opening::Over,
            Opening::Since(_) | Opening::Over => {}
        }
    }

    /// The first record that is read of a registration.
    fn begin(&mut self, record: &SampleRecord) -> Step {
        let number = record.registration;
        let is_over = matches!(self.opening, Opening::Over);
        // Without a loss, a number is missing where a recording leaves out what other users have registered.
        if is_over && number > self.newest && self.newest_before_loss.is_some() {
            self.unseen = self.unseen.saturating_add(number - self.newest - 1);
        } else if is_over && self.newest_before_loss.is_some_and(|newest| number > newest) {
            // Counted as missing when a higher number came.
            self.unseen = self.unseen.saturating_sub(1);
        }
        self.newest = self.newest.max(number);
        let is_new = record.flags.contains(Flags::FIRST)
            || is_over && self.newest_before_loss.is_some_and(|newest| number > newest);
        if is_new {
            return Step { interval: record.totals, before: Totals::default() };
        }
        Step { interval: Totals::default(), before: record.totals }
    }

    /// Records were lost before the next one.
    pub fn lose(&mut self) {
        self.newest_before_loss = Some(self.newest);
        if !matches!(self.opening, Opening::Over) {
            self.opening = Opening::Ahead;
        }
    }

    /// Drops registrations without a record in `tick` or later. To be called after records were lost and `tick` is
    /// complete: all that is still registered had a record in it, and the last record of all others was among the lost.
    pub fn forget_before(&mut self, tick: u64) {
        self.live.retain(|_, seen| seen.tick >= tick);
        self.passed = self.live.values().filter(|seen| seen.is_passed).count();
    }

    /// Registrations that have not ended, those aside that were passed over.
    pub fn live(&self) -> usize {
        self.live.len().saturating_sub(self.passed)
    }

    /// Registrations seen so far, those aside that were passed over.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Registrations of which every record was lost, told by the gaps in their numbers: what they counted is in no sum. Whether
    /// they would have been passed over is lost, too.
    pub fn unseen(&self) -> u64 {
        self.unseen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(registration: u64, tick: u64, minor_faults: u64, flags: Flags) -> SampleRecord {
        let totals = Totals { minor_faults, ..Totals::default() };
        SampleRecord { registration, tick, flags, totals, ..SampleRecord::default() }
    }

    const NONE: Flags = Flags(0);

    /// Minor faults of the interval, and before it.
    fn step(intervals: &mut Intervals, record: &SampleRecord) -> (u64, u64) {
        let step = intervals.advance(record);
        (step.interval.minor_faults, step.before.minor_faults)
    }

    #[test]
    fn intervals_of_each_registration_add_up_to_its_total() {
        let mut intervals = Intervals::default();
        let mut minor = |registration, total, flags| {
            let (interval, before) = step(&mut intervals, &record(registration, 1, total, flags));
            assert_eq!(before, 0);
            interval
        };
        assert_eq!(minor(1, 0, Flags::FIRST), 0);
        assert_eq!(minor(1, 10, NONE), 10);
        assert_eq!(minor(2, 0, Flags::FIRST), 0);
        assert_eq!(minor(2, 7, NONE), 7);
        assert_eq!(minor(1, 15, NONE), 5);
        assert_eq!(minor(1, 15, Flags::FINAL), 0);
        assert_eq!((intervals.live(), intervals.begun(), intervals.unseen()), (1, 2, 0));
    }

    #[test]
    fn numbers_that_a_recording_leaves_out_are_not_lost_ones() {
        let mut intervals = Intervals::default();
        for tick in 1..=3 {
            step(&mut intervals, &record(2, tick, tick, if tick == 1 { Flags::FIRST } else { NONE }));
        }
        step(&mut intervals, &record(5, 4, 0, Flags::FIRST));
        assert_eq!((intervals.begun(), intervals.unseen()), (2, 0));
        intervals.lose();
        step(&mut intervals, &record(8, 5, 0, Flags::FIRST));
        assert_eq!((intervals.begun(), intervals.unseen()), (3, 2));
    }

    #[test]
    fn registrations_that_are_passed_over_are_not_counted_and_not_missed() {
        let mut intervals = Intervals::default();
        for tick in 1..=3 {
            let flags = if tick == 1 { Flags::FIRST } else { NONE };
            step(&mut intervals, &record(1, tick, tick, flags));
            intervals.pass(&record(2, tick, 50 * tick, flags));
        }
        assert_eq!((intervals.live(), intervals.begun()), (1, 1));
        intervals.pass(&record(2, 4, 300, Flags::FINAL));
        intervals.pass(&record(3, 4, 0, Flags::FIRST));
        assert_eq!(step(&mut intervals, &record(4, 4, 0, Flags::FIRST)), (0, 0));
        assert_eq!((intervals.live(), intervals.begun(), intervals.unseen()), (2, 2, 0));
        intervals.lose();
        intervals.advance(&record(4, 10, 5, NONE));
        intervals.forget_before(10);
        assert_eq!(intervals.live(), 1);
        assert_eq!(step(&mut intervals, &record(4, 11, 6, Flags::FINAL)), (1, 0));
        assert_eq!((intervals.live(), intervals.unseen()), (0, 0));
    }

    #[test]
    fn what_was_counted_before_the_first_record_is_in_no_interval() {
        let mut intervals = Intervals::default();
        assert_eq!(step(&mut intervals, &record(3, 7, 99, NONE)), (0, 99));
        // The others that are registered follow in this tick and the next, also with higher numbers.
        assert_eq!(step(&mut intervals, &record(9, 7, 50, NONE)), (0, 50));
        assert_eq!(step(&mut intervals, &record(5, 8, 1, NONE)), (0, 1));
        assert_eq!(step(&mut intervals, &record(3, 8, 100, Flags::FINAL)), (1, 0));
        assert_eq!((intervals.live(), intervals.unseen()), (2, 0));
    }

    #[test]
    fn a_registration_that_was_lost_is_in_the_interval_of_the_loss() {
        let mut intervals = Intervals::default();
        for tick in 1..=3 {
            step(&mut intervals, &record(1, tick, tick, if tick == 1 { Flags::FIRST } else { NONE }));
        }
        intervals.lose();
        assert_eq!(step(&mut intervals, &record(1, 50, 40, NONE)), (37, 0));
        assert_eq!(step(&mut intervals, &record(4, 50, 20, NONE)), (20, 0));
        // 2 and 3 were not seen; now 2 is.
        assert_eq!(intervals.unseen(), 2);
        assert_eq!(step(&mut intervals, &record(2, 50, 6, NONE)), (6, 0));
        assert_eq!(intervals.unseen(), 1);
    }

    #[test]
    fn a_loss_right_at_the_beginning_begins_again() {
        let mut intervals = Intervals::default();
        assert_eq!(step(&mut intervals, &record(3, 7, 99, NONE)), (0, 99));
        intervals.lose();
        assert_eq!(step(&mut intervals, &record(5, 20, 10, NONE)), (0, 10));
    }

    #[test]
    fn registrations_whose_end_was_lost_are_forgotten() {
        let mut intervals = Intervals::default();
        intervals.advance(&record(1, 4, 1, NONE));
        intervals.advance(&record(2, 5, 1, NONE));
        intervals.forget_before(5);
        assert_eq!(intervals.live(), 1);
    }
}
