// SPDX-License-Identifier: GPL-2.0

//! Intervals of all processes to one line a tick.

use abi::samples::{SampleRecord, Totals};
use format::profile::Tick;

/// Gathers the records of one tick until it is known to be complete.
///
/// A record that a registration or its end writes between two ticks carries the number of the upcoming one, so that it is
/// in that tick's line.
#[derive(Debug, Default)]
pub struct Ticks {
    /// The tick's number, and its line.
    open: Option<(u64, Tick)>,
}

impl Ticks {
    /// Takes a record and what it adds. Gives the line before, if this record is the first of a later tick.
    pub fn push(&mut self, record: &SampleRecord, interval: &Totals) -> Option<(u64, Tick)> {
        let closed = self.open.take_if(|(tick, _)| *tick != record.tick);
        let (_, line) = self.open.get_or_insert((record.tick, Tick::default()));
        line.jiffies = record.jiffies;
        line.minor = line.minor.saturating_add(interval.minor_faults);
        line.major = line.major.saturating_add(interval.major_faults);
        line.cpu_ns = line.cpu_ns.saturating_add(interval.cpu_ns());
        closed
    }

    /// Gives the line that is being gathered if its tick is `completed` or earlier.
    pub fn close_through(&mut self, completed: u64) -> Option<(u64, Tick)> {
        self.open.take_if(|(tick, _)| *tick <= completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ticks: &mut Ticks, tick: u64, jiffies: u64, minor_faults: u64) -> Option<(u64, u64, u64)> {
        let record = SampleRecord { tick, jiffies, ..SampleRecord::default() };
        let interval = Totals { minor_faults, user_ns: 1, system_ns: 2, ..Totals::default() };
        ticks.push(&record, &interval).map(|(_, line)| (line.jiffies, line.minor, line.cpu_ns))
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
}
