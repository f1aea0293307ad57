// SPDX-License-Identifier: GPL-2.0

//! What the guest reported of itself: lines of `KEY VALUE`, the last of them `end`.

/// The report.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    text: &'a str,
}

impl<'a> Status<'a> {
    /// Of the lines that came out of the port.
    pub fn parse(text: &'a str) -> Self {
        Status { text }
    }

    /// Whether the guest came to its own end.
    pub fn ended(&self) -> bool {
        self.text.lines().last() == Some("end") && self.text.ends_with('\n')
    }

    /// The last value of `key`.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.text.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
    }

    /// The last value of `key`, as a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_key_holds() {
        let status = Status::parse("tainted_before 0\ntainted 12288\nstdout 7\nstdout 8\nexit 0\nend\n");
        assert!(status.ended());
        assert_eq!(
            (status.number("stdout"), status.number("tainted"), status.number("tainted_before")),
            (Some(8), Some(12288), Some(0))
        );
        assert_eq!((status.number("stderr"), status.value("tain")), (None, None));
    }

    #[test]
    fn a_report_that_breaks_off_has_not_ended() {
        for text in ["", "exit 0\n", "exit 0\nend", "end\nexit 0\n", "exit 0\nen"] {
            assert!(!Status::parse(text).ended(), "{text:?}");
        }
    }
}
