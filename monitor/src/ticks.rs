// SPDX-License-Identifier: GPL-2.0

//! From the intervals of all processes to one line per tick.

use abi::samples::{SampleRecord, Totals};
use format::profile::Tick;
use std::collections::BTreeMap;

/// Sums the records of each tick until the tick is known to be complete.
///
/// A record that a registration or its end writes between two ticks carries the number of the upcoming one, so that it is
/// in that tick's line. One that is written while a tick is being taken carries the number of the next already, and records
/// of the tick itself follow it: so two lines can be open.
#[derive(Debug, Default)]
pub struct Ticks {
    open: BTreeMap<u64, Tick>,
    /// Jiffies of the last line that was returned: lines are in order of time.
    last_jiffies: u64,
}

impl Ticks {
    /// Takes a record and what it adds.
    pub fn push(&mut self, record: &SampleRecord, interval: &Totals) {
        let line = self.open.entry(record.tick).or_default();
        line.jiffies = line.jiffies.max(record.jiffies);
        line.minor = line.minor.saturating_add(interval.minor_faults);
        line.major = line.major.saturating_add(interval.major_faults);
        line.cpu_ns = line.cpu_ns.saturating_add(interval.cpu_ns());
    }

    /// Returns the next line that is complete now that a record of `tick` was read: no record follows of a tick before the
    /// previous one.
    pub fn close_behind(&mut self, tick: u64) -> Option<(u64, Tick)> {
        self.close_through(tick.checked_sub(2)?)
    }

    /// Returns the next line, if its tick is `completed` or earlier.
    pub fn close_through(&mut self, completed: u64) -> Option<(u64, Tick)> {
        let first = self.open.first_entry().filter(|first| *first.key() <= completed)?;
        let (number, mut line) = first.remove_entry();
        line.jiffies = line.jiffies.max(self.last_jiffies);
        self.last_jiffies = line.jiffies;
        Some((number, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ticks: &mut Ticks, tick: u64, jiffies: u64, minor_faults: u64) -> Option<(u64, u64, u64)> {
        let record = SampleRecord { tick, jiffies, ..SampleRecord::default() };
        let interval = Totals { minor_faults, user_ns: 1, system_ns: 2, ..Totals::default() };
        ticks.push(&record, &interval);
        ticks.close_behind(tick).map(|(_, line)| (line.jiffies, line.minor, line.cpu_ns))
    }

    #[test]
    fn a_later_tick_closes_the_line() {
        let mut ticks = Ticks::default();
        assert_eq!(push(&mut ticks, 7, 100, 1), None);
        assert_eq!(push(&mut ticks, 7, 103, 2), None);
        assert_eq!(push(&mut ticks, 9, 125, 4), Some((103, 3, 6)));
        assert_eq!(ticks.close_through(u64::MAX).map(|(tick, line)| (tick, line.minor)), Some((9, 4)));
        assert_eq!(ticks.close_through(u64::MAX), None);
    }

    #[test]
    fn completion_closes_the_line_and_no_later_one() {
        let mut ticks = Ticks::default();
        push(&mut ticks, 7, 100, 1);
        assert_eq!(ticks.close_through(6), None);
        assert_eq!(ticks.close_through(7).map(|(tick, _)| tick), Some(7));
        assert_eq!(ticks.close_through(7), None);
    }

    #[test]
    fn a_registration_during_a_tick_makes_no_line_of_its_own() {
        let mut ticks = Ticks::default();
        push(&mut ticks, 98, 100, 1);
        // A first record, of the upcoming tick, while the batches of this one are still being written.
        push(&mut ticks, 99, 101, 0);
        push(&mut ticks, 98, 102, 2);
        push(&mut ticks, 99, 112, 4);
        let lines: Vec<_> = std::iter::from_fn(|| ticks.close_through(u64::MAX)).collect();
        let said: Vec<_> = lines.iter().map(|(tick, line)| (*tick, line.jiffies, line.minor)).collect();
        assert_eq!(said, [(98, 102, 3), (99, 112, 4)]);
    }

    #[test]
    fn lines_are_in_order_of_time() {
        let mut ticks = Ticks::default();
        push(&mut ticks, 99, 101, 0);
        push(&mut ticks, 98, 102, 2);
        let jiffies: Vec<_> =
            std::iter::from_fn(|| ticks.close_through(u64::MAX)).map(|(_, line)| line.jiffies).collect();
        assert_eq!(jiffies, [102, 102]);
    }
}
