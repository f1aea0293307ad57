// SPDX-License-Identifier: GPL-2.0

//! When a tick is due: deadlines, not delays.
//!
//! Tick *n* is due at the first jiffy that is not before `start + n / rate`, however long earlier ticks took. A sampler
//! that re-arms itself with a fixed delay drifts by its own run time and by the rounding of the delay; one that asks
//! this clock does neither. At 250 jiffies a second and 20 ticks, ticks lie 12 and 13 jiffies apart in turn.

/// The grid of ticks since tick 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickClock {
    /// Jiffies a second, not 0.
    pub hz: u64,
    /// Ticks a second, 1 to `hz`.
    pub rate_hz: u64,
    /// Tick 0, in jiffies.
    pub start_jiffies: u64,
}

impl TickClock {
    /// The last tick that is due at `jiffies`; 0 before the first.
    pub fn latest(&self, jiffies: u64) -> u64 {
        let elapsed = jiffies.saturating_sub(self.start_jiffies);
        // 64 bits last for half a million years at 1000 Hz.
        elapsed.saturating_mul(self.rate_hz).checked_div(self.hz).unwrap_or(0)
    }

    /// The first tick that is not due yet at `jiffies`: what is counted now belongs to its interval.
    pub fn upcoming(&self, jiffies: u64) -> u64 {
        self.latest(jiffies).saturating_add(1)
    }

    /// The jiffy at which `tick` is due.
    pub fn due(&self, tick: u64) -> u64 {
        let elapsed = tick.saturating_mul(self.hz);
        self.start_jiffies.saturating_add(elapsed.div_ceil(self.rate_hz.max(1)))
    }

    /// Jiffies from `jiffies` to the first tick that is not due yet; at least 1.
    pub fn jiffies_to_upcoming(&self, jiffies: u64) -> u64 {
        self.due(self.upcoming(jiffies)).saturating_sub(jiffies)
    }

    /// How far from `jiffies` a timer should expire for the upcoming tick, in jiffies.
    ///
    /// The kernel's timer wheel fires a timer with the first jiffy *after* its expiry, hence one less than there is to wait:
    /// 0 for a tick that is due with the next jiffy. From 63 jiffies on the wheel is coarser, and late by up to an eighth of
    /// the time. For a tick that far off, the timer is to fire before it is due, and to be set again then.
    pub fn timer_expiry(&self, jiffies: u64) -> u64 {
        let wait = self.jiffies_to_upcoming(jiffies);
        if wait <= EXACT_JIFFIES {
            wait.saturating_sub(1)
        } else {
            // Seven eighths, and an eighth of that late, are less than the whole.
            wait.saturating_sub(wait.div_ceil(8))
        }
    }
}

/// Timers that expire in fewer jiffies than this fire to the jiffy (the first level of `kernel/time/timer.c`).
const EXACT_JIFFIES: u64 = 63;

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: TickClock = TickClock { hz: 250, rate_hz: 20, start_jiffies: 1000 };

    #[test]
    fn twelve_and_thirteen_in_turn() {
        let due: Vec<_> = (0..5).map(|tick| CLOCK.due(tick)).collect();
        assert_eq!(due, [1000, 1013, 1025, 1038, 1050]);
    }

    #[test]
    fn a_minute_has_1200_ticks_however_late_each_was() {
        let mut jiffies = CLOCK.start_jiffies;
        let mut ticks = 0;
        let mut last = 0;
        for n in 0_u64.. {
            jiffies += CLOCK.jiffies_to_upcoming(jiffies);
            // The worker is up to 9 jiffies late, never a whole interval.
            let late = (n * 7) % 10;
            let tick = CLOCK.latest(jiffies + late);
            assert_eq!(tick, last + 1);
            last = tick;
            if jiffies > CLOCK.start_jiffies + 60 * 250 {
                break;
            }
            ticks += 1;
            jiffies += late;
        }
        assert_eq!(ticks, 1200);
    }

    #[test]
    fn a_stall_skips_ticks_and_does_not_catch_up() {
        assert_eq!(CLOCK.latest(1013), 1);
        // Ten seconds later one sample is due, not two hundred.
        assert_eq!(CLOCK.latest(1013 + 2500), 201);
        assert_eq!(CLOCK.jiffies_to_upcoming(1013 + 2500), 12);
    }

    #[test]
    fn every_rate_agrees_with_itself() {
        for hz in [100, 250, 300, 1000] {
            for rate_hz in 1..=hz {
                let clock = TickClock { hz, rate_hz, start_jiffies: 77 };
                for tick in 0..2 * rate_hz {
                    let due = clock.due(tick);
                    assert_eq!(clock.latest(due), tick);
                    assert!(tick == 0 || clock.latest(due - 1) == tick - 1);
                    assert!(clock.jiffies_to_upcoming(due) >= 1);
                }
                assert_eq!(clock.due(rate_hz) - clock.due(0), hz);
            }
        }
    }

    /// When a timer fires that was set at `now` to expire `delay` later, in `kernel/time/timer.c`.
    fn wheel(now: u64, delay: u64) -> u64 {
        let mut shift = 0;
        let mut level_ends = 63;
        while delay >= level_ends {
            shift += 3;
            level_ends = 63 << shift;
        }
        (((now + delay) >> shift) + 1) << shift
    }

    #[test]
    fn the_wheel_fires_on_the_jiffy_at_every_rate() {
        for hz in [100, 250, 1000] {
            for rate_hz in 1..=hz {
                let clock = TickClock { hz, rate_hz, start_jiffies: 4_294_892_296 };
                for tick in 1..20 {
                    let mut now = clock.due(tick - 1);
                    let mut wakes = 0;
                    while clock.latest(now) < tick {
                        now = wheel(now, clock.timer_expiry(now));
                        wakes += 1;
                    }
                    assert_eq!(now, clock.due(tick), "{rate_hz} Hz at HZ={hz}, tick {tick}");
                    // One wake a tick at rates that people use, and never more than a few.
                    assert!(wakes <= if clock.jiffies_to_upcoming(clock.due(0)) < 60 { 1 } else { 4 }, "{wakes}");
                }
            }
        }
    }

    #[test]
    fn before_the_start_nothing_is_due() {
        assert_eq!(CLOCK.latest(0), 0);
        assert_eq!(CLOCK.upcoming(999), 1);
    }
}
