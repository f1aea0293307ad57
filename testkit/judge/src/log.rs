// SPDX-License-Identifier: GPL-2.0

//! A log judged as a whole.

use crate::line::text;
use crate::race::{without_others, Meant, Races};
use crate::sign::{Severity, Signs};

/// What a log says.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The log without the data races that do not count.
    lines: Vec<&'a str>,
    /// Every bad line, by its index in `lines`.
    bad: Vec<(usize, Severity)>,
    /// The data races.
    pub races: Races,
}

impl<'a> Verdict<'a> {
    /// Judges the lines of a log, with or without their time stamps.
    pub fn of(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines: Vec<_> = lines.into_iter().collect();
        let (lines, races) = without_others(&lines, &Meant::committed());
        let mut signs = Signs::default();
        let bad = lines.iter().enumerate().filter_map(|(at, line)| Some((at, signs.next(text(line))?))).collect();
        Verdict { lines, bad, races }
    }

    /// Whether any line is at least as bad as `severity`.
    pub fn has(&self, severity: Severity) -> bool {
        self.first(severity).is_some()
    }

    fn first(&self, severity: Severity) -> Option<usize> {
        self.bad.iter().find(|(_, found)| *found >= severity).map(|(at, _)| *at)
    }

    /// What the kernel said, from the first line that is at least as bad as `severity`: `before` lines more, and at most `length`.
    pub fn excerpt(&self, severity: Severity, before: usize, length: usize) -> Option<String> {
        let begin = self.first(severity)?.saturating_sub(before);
        Some(
            self.lines[begin..]
                .iter()
                .take(length)
                .map(|line| line.trim_end_matches('\r'))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_log_has_no_excerpt() {
        let verdict = Verdict::of("[    0.0] Linux version\n[    1.0] mp3: loaded".lines());
        assert!(!verdict.has(Severity::Warning) && verdict.races.is_empty());
        assert_eq!(verdict.excerpt(Severity::Warning, 2, 10), None);
    }

    #[test]
    fn the_excerpt_begins_at_the_first_bad_line() {
        let log = "one\ntwo\nthree\nWARNING: x\nfive\nBUG: y\nseven";
        let verdict = Verdict::of(log.lines());
        assert!(verdict.has(Severity::Warning) && verdict.has(Severity::Fatal));
        assert_eq!(verdict.excerpt(Severity::Warning, 1, 3).unwrap(), "three\nWARNING: x\nfive");
        assert_eq!(verdict.excerpt(Severity::Fatal, 0, 10).unwrap(), "BUG: y\nseven");
        assert_eq!(verdict.excerpt(Severity::Warning, 100, 2).unwrap(), "one\ntwo");
    }

    #[test]
    fn a_race_of_the_kernel_with_itself_is_no_bad_line() {
        let access = "to 0xff of 8 bytes by task 1 on cpu 0:\n";
        let log = format!("=====\nBUG: KCSAN: data-race in a / b\nwrite {access} a+0x1/0x2\nread {access} b+0x1/0x2\n=====\nWARNING: x");
        let verdict = Verdict::of(log.lines());
        assert!(!verdict.has(Severity::Fatal));
        assert_eq!(verdict.excerpt(Severity::Warning, 5, 10).unwrap(), "WARNING: x");
    }
}
