// SPDX-License-Identifier: GPL-2.0

//! Times on the command line.

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

/// A time in ns.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
