// SPDX-License-Identifier: GPL-2.0

//! Ticks to intervals: when each began, and by how many seconds its counts are divided.

use format::error::LineError;
use format::profile::Tick;

/// The sampler's rate where a file does not state it, in Hz: the classic one.
pub const CLASSIC_RATE_HZ: f64 = 20.0;

/// Half of the range of a 32-bit counter: where the counter of a 32-bit kernel seems to go back or to leap by more, it has
/// wrapped.
const HALF_OF_32_BITS: u64 = 1 << 31;

/// The time base of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Jiffies in a second.
    pub hz: f64,
    /// Samples asked for in a second, where the file says so.
    pub rate_hz: Option<f64>,
}

impl Clock {
    /// Length of an undisturbed interval, in jiffies; seldom a whole number (12.5 at 20 Hz and HZ=250).
    pub fn nominal_jiffies(self) -> f64 {
        self.hz / self.rate_hz.unwrap_or(CLASSIC_RATE_HZ)
    }

    /// Length of an undisturbed interval, in seconds.
    pub fn nominal_s(self) -> f64 {
        self.nominal_jiffies() / self.hz
    }
}

/// What happened in one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its begin, in seconds since the first interval's begin.
    pub start_s: f64,
    /// Its end, likewise.
    pub end_s: f64,
    /// Its length, in seconds: what counts are divided by for a rate. Not always the difference of the two above, which
    /// are known to a jiffy only.
    pub length_s: f64,
    /// Minor page faults.
    pub minor: u64,
    /// Major page faults.
    pub major: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
}

impl Interval {
    /// Minor page faults per second.
    pub fn minor_rate(&self) -> f64 {
        self.minor as f64 / self.length_s
    }

    /// Major page faults per second.
    pub fn major_rate(&self) -> f64 {
        self.major as f64 / self.length_s
    }

    /// Page faults per second, minor and major.
    pub fn fault_rate(&self) -> f64 {
        (self.minor as f64 + self.major as f64) / self.length_s
    }

    /// CPU time over wall time, in percent of one CPU: 200 is two CPUs kept busy.
    pub fn cpu_percent(&self) -> f64 {
        self.cpu_ns as f64 / (self.length_s * 1e9) * 100.0
    }
}

/// Makes intervals of ticks, one behind: the last record of a registration may come right after a tick and then
/// belongs to that tick's interval.
#[derive(Debug)]
pub struct Intervals {
    clock: Clock,
    /// Jiffies of the tick before, as written.
    before: Option<u64>,
    pending: Option<Interval>,
}

impl Intervals {
    /// Intervals in the time of `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock, before: None, pending: None }
    }

    /// Takes a tick; returns the interval that is complete now, if there is one. `idle`: nothing was registered between the tick
    /// before and the begin of this one's interval.
    ///
    /// - An interval goes from tick to tick, however long that is: a machine that stalled has counted all the time.
    /// - After an idle time it has its nominal length.
    /// - The first interval began one nominal length before its tick: that is time 0.
    /// - A length within one jiffy of the nominal one *is* the nominal one, where the file states its rate: jiffies are
    ///   too coarse to say more, and would draw 12 and 13 jiffies in turn as a wave that is not there.
    /// - A record less than half a nominal length after a tick is counted with that tick. Alone, its few milliseconds,
    ///   known to a jiffy, would give any utilisation.
    ///
    /// # Errors
    /// Jiffies that go backwards, or sums beyond 64 bits.
    pub fn push(&mut self, tick: Tick, idle: bool) -> Result<Option<Interval>, LineError> {
        let nominal = self.clock.nominal_jiffies();
        let (Some(before), Some(pending)) = (self.before, self.pending.as_mut()) else {
            self.before = Some(tick.jiffies);
            self.pending = Some(Interval {
                start_s: 0.0,
                end_s: self.clock.nominal_s(),
                length_s: self.clock.nominal_s(),
                minor: tick.minor,
                major: tick.major,
                cpu_ns: tick.cpu_ns,
            });
            return Ok(None);
        };
        let delta = elapsed(before, tick.jiffies)? as f64;
        self.before = Some(tick.jiffies);
        let delta_s = delta / self.clock.hz;
        if delta * 2.0 < nominal {
            pending.end_s += delta_s;
            pending.length_s += delta_s;
            add(&mut pending.minor, tick.minor, "minor")?;
            add(&mut pending.major, tick.major, "major")?;
            add(&mut pending.cpu_ns, tick.cpu_ns, "cpu_ns")?;
            return Ok(None);
        }
        let idle = idle && delta > 2.0 * nominal;
        let on_time = self.clock.rate_hz.is_some() && (delta - nominal).abs() <= 1.0;
        let length_s = if idle || on_time { self.clock.nominal_s() } else { delta_s };
        let end_s = pending.end_s + delta_s;
        let next = Interval {
            start_s: if idle { end_s - length_s } else { pending.end_s },
            end_s,
            length_s,
            minor: tick.minor,
            major: tick.major,
            cpu_ns: tick.cpu_ns,
        };
        Ok(self.pending.replace(next))
    }

    /// The last interval, when there are no more ticks.
    pub fn finish(self) -> Option<Interval> {
        self.pending
    }
}

/// Jiffies from one tick to the next.
fn elapsed(before: u64, now: u64) -> Result<u64, LineError> {
    let has_32_bits = before.max(now) <= u64::from(u32::MAX);
    match now.checked_sub(before) {
        Some(delta) if has_32_bits && delta > HALF_OF_32_BITS => Err(LineError::JiffiesLeap { before, now }),
        Some(delta) => Ok(delta),
        None if has_32_bits && before - now > HALF_OF_32_BITS => Ok(now + (1 << 32) - before),
        None => Err(LineError::JiffiesBackwards { before, now }),
    }
}

/// Adds with an error instead of an overflow.
pub fn add(sum: &mut u64, value: u64, column: &'static str) -> Result<(), LineError> {
    *sum = sum.checked_add(value).ok_or(LineError::SumTooLarge { column })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { hz: 250.0, rate_hz: Some(20.0) };

    fn intervals(clock: Clock, ticks: &[(u64, u64)]) -> Vec<Interval> {
        intervals_idle(clock, ticks, false)
    }

    /// The same with nothing registered between the ticks.
    fn intervals_idle(clock: Clock, ticks: &[(u64, u64)], idle: bool) -> Vec<Interval> {
        let mut intervals = Intervals::new(clock);
        let mut all = Vec::new();
        for &(jiffies, minor) in ticks {
            let tick = Tick { jiffies, minor, major: 1, cpu_ns: 25_000_000 };
            all.extend(intervals.push(tick, idle).unwrap());
        }
        all.extend(intervals.finish());
        all
    }

    #[test]
    fn twelve_and_thirteen_jiffies_are_both_fifty_milliseconds() {
        let all = intervals(CLOCK, &[(1000, 5), (1012, 5), (1025, 5)]);
        assert_eq!(all.len(), 3);
        for interval in &all {
            assert!((interval.length_s - 0.05).abs() < 1e-12);
            assert!((interval.cpu_percent() - 50.0).abs() < 1e-9);
            assert!((interval.minor_rate() - 100.0).abs() < 1e-9);
            assert!((interval.fault_rate() - 120.0).abs() < 1e-9);
        }
        assert_eq!(all[0].start_s, 0.0);
        // Time itself stays what jiffies say: one nominal interval, then 25 jiffies.
        assert!((all[2].end_s - (0.05 + 25.0 / 250.0)).abs() < 1e-12);
    }

    #[test]
    fn without_a_stated_rate_jiffies_are_all_there_is() {
        let all = intervals(Clock { hz: 250.0, rate_hz: None }, &[(1000, 5), (1013, 5)]);
        assert!((all[1].length_s - 0.052).abs() < 1e-12);
    }

    #[test]
    fn a_record_right_after_a_tick_is_counted_with_it() {
        let all = intervals(CLOCK, &[(1000, 5), (1012, 5), (1012, 7), (1014, 1)]);
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].minor, all[1].major, all[1].cpu_ns), (13, 3, 75_000_000));
        assert!((all[1].length_s - 0.058).abs() < 1e-12);
    }

    #[test]
    fn a_late_tick_is_divided_by_its_own_length_and_an_idle_gap_is_not() {
        let all = intervals(CLOCK, &[(1000, 5), (1250, 5)]);
        assert!((all[1].length_s - 1.0).abs() < 1e-12);
        let all = intervals_idle(CLOCK, &[(1000, 5), (1000 + 2500, 5)], true);
        assert!((all[1].length_s - 0.05).abs() < 1e-12);
        assert!((all[1].end_s - 10.05).abs() < 1e-9);
        assert!((all[1].start_s - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_machine_that_stalled_has_counted_all_the_time() {
        let all = intervals(CLOCK, &[(1000, 5), (1000 + 2500, 200)]);
        assert!((all[1].length_s - 10.0).abs() < 1e-12);
        assert!((all[1].minor_rate() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_counter_of_32_bits_may_wrap() {
        let all = intervals(CLOCK, &[(u64::from(u32::MAX) - 4, 5), (7, 5), (20, 5)]);
        assert_eq!(all.len(), 3);
        assert!((all[2].end_s - (0.05 + 25.0 / 250.0)).abs() < 1e-12, "{all:?}");
        // One of 64 bits goes on.
        let all = intervals(CLOCK, &[(u64::from(u32::MAX) - 4, 5), (u64::from(u32::MAX) + 8, 5)]);
        assert!((all[1].end_s - 0.098).abs() < 1e-12);
    }

    #[test]
    fn a_counter_that_wrapped_and_was_sorted_is_refused() {
        let mut intervals = Intervals::new(CLOCK);
        intervals.push(Tick { jiffies: 7, ..Tick::default() }, false).unwrap();
        let after = Tick { jiffies: u64::from(u32::MAX) - 4, ..Tick::default() };
        let error = intervals.push(after, false).unwrap_err();
        assert_eq!(error, LineError::JiffiesLeap { before: 7, now: u64::from(u32::MAX) - 4 });
    }

    #[test]
    fn a_file_sampled_every_minute_has_no_idle_gaps() {
        let all = intervals(Clock { hz: 250.0, rate_hz: Some(1.0 / 60.0) }, &[(0, 5), (15_000, 5), (30_500, 5)]);
        assert!((all[2].length_s - 62.0).abs() < 1e-9);
    }

    #[test]
    fn time_and_sums_are_checked() {
        let mut intervals = Intervals::new(CLOCK);
        intervals.push(Tick { jiffies: 10, minor: u64::MAX, ..Tick::default() }, false).unwrap();
        let again = Tick { jiffies: 10, minor: 1, ..Tick::default() };
        assert_eq!(intervals.push(again, false), Err(LineError::SumTooLarge { column: "minor" }));
        let earlier = Tick { jiffies: 9, ..Tick::default() };
        assert_eq!(intervals.push(earlier, false), Err(LineError::JiffiesBackwards { before: 10, now: 9 }));
    }
}
