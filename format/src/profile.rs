// SPDX-License-Identifier: GPL-2.0

//! `profile.data`: the classic four columns, a line per tick, between comment lines.

use crate::comments::{Kind, Preamble, Trailer, IDLE};
use crate::error::{shorten, LineError};
use crate::{number, Format};

const COLUMNS: [&str; 4] = ["jiffies", "minor", "major", "cpu_ns"];

/// What happened between the tick before and this one, summed over the registered processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tick {
    /// When the tick's last record was written, in jiffies.
    pub jiffies: u64,
    /// Minor page faults of the interval.
    pub minor: u64,
    /// Major page faults of the interval.
    pub major: u64,
    /// CPU time of the interval, ns.
    pub cpu_ns: u64,
}

/// The writer: `jiffies minor major cpu_ns` for each tick.
#[derive(Debug, Default)]
pub struct Text;

impl Format for Text {
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble) {
        preamble.write(out, Kind::Profile);
        out.extend_from_slice(
            b"# units: faults and ns of CPU time in the interval that ends at jiffies, summed over the registered processes\n\
              # columns: jiffies minor_interval major_interval cpu_ns_interval\n",
        );
    }

    fn tick(&mut self, out: &mut Vec<u8>, tick: &Tick) {
        number::write(out, tick.jiffies);
        for value in [tick.minor, tick.major, tick.cpu_ns] {
            out.push(b' ');
            number::write(out, value);
        }
        out.push(b'\n');
    }

    fn idle(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("# {IDLE}: nothing was registered until the next interval began\n").as_bytes());
    }

    fn trailer(&mut self, out: &mut Vec<u8>, trailer: &Trailer) {
        trailer.write(out);
    }
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
            *value = number::read(column, field)?;
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

fn columns(line: &str) -> LineError {
    LineError::Columns { found: line.split_ascii_whitespace().count(), line: shorten(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comments::tests::preamble;

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

    #[test]
    fn idle_time_and_the_end_are_comments() {
        let mut out = vec![];
        Text.idle(&mut out);
        assert_eq!(out, b"# idle: nothing was registered until the next interval began\n");
        out.clear();
        let (trailer, mut expected) = (Trailer { lost: Some(3), ..Trailer::default() }, vec![]);
        trailer.write(&mut expected);
        Text.trailer(&mut out, &trailer);
        assert_eq!(out, expected);
        assert!(String::from_utf8(out).unwrap().lines().any(|line| line == "# lost: 3"));
    }

    #[test]
    fn a_file_of_one_tick() {
        let mut out = vec![];
        Text.preamble(&mut out, &preamble());
        Text.tick(&mut out, &Tick { jiffies: 10, minor: 20, major: 0, cpu_ns: 40 });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# mp3 profile 1\n# host: box\n# kernel: 7.2\n# cpus: 2\n# hz: 250\n# rate_hz: 20\n\
             # start: 2026-12-31T23:59:59.000000Z\n# delays: off (kernel.task_delayacct is 0)\n# users: root and alice\n\
             # units: faults and ns of CPU time in the interval that ends at jiffies, summed over the registered processes\n\
             # columns: jiffies minor_interval major_interval cpu_ns_interval\n\
             10 20 0 40\n"
        );
    }
}
