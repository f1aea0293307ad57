// SPDX-License-Identifier: GPL-2.0

//! Times on the command line, and intervals.

use std::time::Duration;

const UNITS: [(&str, f64); 4] = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];

fn parse(text: &str, unit: f64) -> Result<Duration, String> {
    let (number, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, unit));
    let wrong = || format!("'{text}' is no time: a number with ns, us, ms or s, such as 10ms");
    let seconds = number.trim().parse::<f64>().map_err(|_| wrong())? * unit;
    if seconds > 0.0 {
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}

/// A time; a number without a unit is in seconds.
///
/// # Errors
///
/// What it should look like.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    parse(text, 1.0)
}

/// A time; a number without a unit is in ms.
///
/// # Errors
///
/// What it should look like.
pub fn parse_milliseconds(text: &str) -> Result<Duration, String> {
    parse(text, 1e-3)
}

/// When the tables of one interval after another are due.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// ns, at least 1.
    every: Option<u64>,
    /// The end of the one under way, ns.
    end: Option<u64>,
}

impl Intervals {
    /// Of this length, the first one from `start` on (ns), or from when it is first asked. Without a length there are none.
    pub fn new(every: Option<Duration>, start: Option<u64>) -> Self {
        let every = every.map(|every| ns(every).max(1));
        Intervals { every, end: start.zip(every).map(|(start, every)| start.saturating_add(every)) }
    }

    /// Whether one has ended by `now`, ns. Several that have ended are one: nothing has happened in the others.
    pub fn has_ended(&mut self, now: u64) -> bool {
        let Some(every) = self.every else { return false };
        let end = *self.end.get_or_insert(now.saturating_add(every));
        let has_ended = now >= end;
        if has_ended {
            let more = (now - end) / every;
            self.end = Some(end.saturating_add(every.saturating_mul(1 + more)));
        }
        has_ended
    }
}

/// A time in ns.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_keep_their_raster_whenever_they_are_asked_about() {
        let mut from_start = Intervals::new(Some(Duration::from_nanos(10)), Some(5));
        let ended = [14, 15, 16, 24, 47, 54, 55].map(|now| from_start.has_ended(now));
        assert_eq!(ended, [false, true, false, false, true, false, true]);
        let mut from_first = Intervals::new(Some(Duration::from_nanos(10)), None);
        assert_eq!([100, 109, 110].map(|now| from_first.has_ended(now)), [false, false, true]);
        assert!(!Intervals::new(None, Some(0)).has_ended(u64::MAX));
        assert!(Intervals::new(Some(Duration::MAX), Some(1)).has_ended(u64::MAX));
    }

    #[test]
    fn times_have_units_or_the_usual_one() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_milliseconds("20"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_milliseconds("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(parse_seconds("10 ms"), Ok(Duration::from_millis(10)));
        for text in ["", "x", "-1", "0", "inf", "nan", "1h", "1e300"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
