// SPDX-License-Identifier: GPL-2.0

//! A point in time as RFC 3339 has it.

use std::fmt;

/// UTC, to the microsecond: `2026-11-20T23:33:56.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    unix_us: u64,
}

impl Utc {
    /// `ns` nanoseconds after 1970-01-01T00:00:00Z, leap seconds not counted.
    pub fn from_unix_ns(ns: u64) -> Self {
        Utc { unix_us: ns / 1_000 }
    }

    /// `ns` on `CLOCK_MONOTONIC`, where `CLOCK_REALTIME` minus it is `offset_ns`. A clock that makes no sense still gives a time.
    pub fn from_monotonic_ns(ns: u64, offset_ns: i128) -> Self {
        Self::from_unix_ns((i128::from(ns) + offset_ns).clamp(0, i128::from(u64::MAX)) as u64)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, us) = (self.unix_us / 1_000_000, self.unix_us % 1_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01. H. Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`: years begin in March, so that the leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        // date -u -d @N +%FT%T
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_798_761_599, "2026-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(Utc::from_unix_ns(seconds * 1_000_000_000 + 1_999).to_string(), format!("{text}.000001Z"));
        }
    }

    #[test]
    fn every_day_is_the_day_after_the_one_before() {
        let mut before = date(0);
        for days in 1..200_000 {
            let (year, month, day) = date(days);
            let next_month = (before.0 + before.1 / 12, before.1 % 12 + 1, 1);
            assert!((year, month, day) == (before.0, before.1, before.2 + 1) || (year, month, day) == next_month);
            assert!((1..=31).contains(&day));
            before = (year, month, day);
        }
    }

    #[test]
    fn the_last_instant_that_can_be_told() {
        assert_eq!(Utc::from_unix_ns(u64::MAX).to_string(), "2554-07-21T23:34:33.709551Z");
    }
}
