// SPDX-License-Identifier: GPL-2.0

//! One line of the classic four columns.

use crate::error::{shorten, LineError};

const COLUMNS: [&str; 4] = ["jiffies", "minor", "major", "cpu_ns"];

/// What happened between the tick before and this one, summed over the registered processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tick {
    /// When the tick came, in jiffies.
    pub jiffies: u64,
    /// Minor page faults of the interval.
    pub minor: u64,
    /// Major page faults of the interval.
    pub major: u64,
    /// CPU time of the interval, in nanoseconds.
    pub cpu_ns: u64,
}

impl Tick {
    /// Reads `jiffies minor major cpu_ns`, separated by blanks or tabs.
    ///
    /// # Errors
    /// Other than four columns, or a column that is no whole number of 64 bits.
    pub fn parse(line: &str) -> Result<Self, LineError> {
        let mut fields = line.split_ascii_whitespace();
        let mut values = [0; 4];
        for (column, value) in COLUMNS.iter().zip(&mut values) {
            let Some(field) = fields.next() else { return Err(columns(line)) };
            *value = whole(column, field)?;
        }
        if fields.next().is_some() {
            return Err(columns(line));
        }
        let [jiffies, minor, major, cpu_ns] = values;
        Ok(Self { jiffies, minor, major, cpu_ns })
    }
}

/// Whether `line` is the last one of the classic reader, and the count in it: `read N profiled data`.
pub fn closing(line: &str) -> Option<u64> {
    line.trim().strip_prefix("read ")?.strip_suffix(" profiled data")?.trim().parse().ok()
}

/// A whole decimal number of at most 64 bits, no sign.
pub fn whole(column: &str, field: &str) -> Result<u64, LineError> {
    let wrong = || (column.to_owned(), shorten(field));
    let digits = field.strip_prefix('-').unwrap_or(field);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let (column, text) = wrong();
        return Err(LineError::NotANumber { column, text });
    }
    if digits.len() < field.len() {
        let (column, text) = wrong();
        return Err(LineError::Negative { column, text });
    }
    digits.parse().map_err(|_| {
        let (column, text) = wrong();
        LineError::TooLarge { column, text }
    })
}

fn columns(line: &str) -> LineError {
    LineError::Columns { found: line.split_ascii_whitespace().count(), line: shorten(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blanks_and_tabs() {
        let tick = Tick { jiffies: 4_294_901_377, minor: 12, major: 0, cpu_ns: 49_120_554 };
        assert_eq!(Tick::parse("4294901377 12 0 49120554"), Ok(tick));
        assert_eq!(Tick::parse("  4294901377\t12  0\t49120554 "), Ok(tick));
    }

    #[test]
    fn says_what_is_wrong_with_each_field() {
        let message = |line: &str| Tick::parse(line).unwrap_err().to_string();
        assert_eq!(message("1 2 3"), "3 columns where 4 are expected (jiffies minor major cpu_ns): '1 2 3'");
        assert!(message("1 2 3 4 5").starts_with("5 columns where 4 are expected"));
        assert_eq!(message("1 NaN 3 4"), "minor: 'NaN' is not a whole decimal number");
        assert_eq!(message("1 2 3 0.5"), "cpu_ns: '0.5' is not a whole decimal number");
        assert_eq!(message("1 2 +3 4"), "major: '+3' is not a whole decimal number");
        assert_eq!(message("1 2 -1 4"), "major: -1 is negative; the counters never are");
        assert_eq!(message("18446744073709551616 2 3 4"), "jiffies: 18446744073709551616 does not fit into 64 bits");
        assert_eq!(Tick::parse("18446744073709551615 0 0 0").unwrap().jiffies, u64::MAX);
    }

    #[test]
    fn knows_the_classic_closing_line() {
        assert_eq!(closing("read 412 profiled data"), Some(412));
        assert_eq!(closing("read some profiled data"), None);
    }
}
