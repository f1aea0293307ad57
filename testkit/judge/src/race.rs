// SPDX-License-Identifier: GPL-2.0

//! KCSAN's reports of data races: which of them count.
//!
//! A report counts if one of its two stack traces has a function of the module in it, and the list of races that are meant does
//! not explain it. The others are the kernel's own: under `CONFIG_KCSAN_STRICT` there are many. A report that cannot be read counts.

use crate::line::text;
use std::collections::BTreeMap;

/// How a frame of the module's ends in a stack trace.
const MODULE: &str = "[mp3]";
/// How the report of a race begins, in the line below the rule.
const TITLE: &str = "BUG: KCSAN:";

/// The kernel's functions whose plain writes the module may read with a marked read.
#[derive(Clone, Debug)]
pub struct Meant<'a> {
    writers: Vec<&'a str>,
}

impl<'a> Meant<'a> {
    /// Reads a list: the first word of each line is a writer's name; `#` begins a comment.
    pub fn parse(list: &'a str) -> Self {
        let writers = list
            .lines()
            .filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
            .filter_map(|line| line.split_whitespace().next());
        Meant { writers: writers.collect() }
    }

    fn has(&self, writer: &str) -> bool {
        self.writers.contains(&writer)
    }
}

impl Meant<'static> {
    /// The list that the project keeps, with what each writer writes.
    pub fn committed() -> Self {
        Meant::parse(include_str!("../meant-races"))
    }
}

/// One of the two accesses of a report.
#[derive(Debug)]
struct Access<'a> {
    /// `read`, `write`, `read-write`, each with ` (marked)` behind it where it is.
    kind: &'a str,
    /// The innermost function, without its offset.
    top: Option<&'a str>,
    /// Whether that is the module's.
    top_is_ours: bool,
    /// Whether any function of the trace is.
    ours: bool,
}

/// What a report is about.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// The module's, and not meant.
    Counts,
    /// The kernel with itself.
    Kernels,
    /// Our marked read, and this writer's plain write.
    Meant(&'a str),
}

/// Judges one report: its lines without the rules around it.
pub fn judge<'a>(report: &[&'a str], meant: &Meant<'_>) -> Judgement<'a> {
    let mut accesses: Vec<Access<'_>> = vec![];
    for line in report {
        let line = text(line);
        if let Some(kind) = access_kind(line) {
            accesses.push(Access { kind, top: None, top_is_ours: false, ours: false });
        } else if line.starts_with("Reported by") || line.starts_with("value changed") {
            break;
        } else if let (Some(access), Some(function)) = (accesses.last_mut(), frame(line)) {
            let ours = line.contains(MODULE);
            if access.top.is_none() {
                (access.top, access.top_is_ours) = (Some(function), ours);
            }
            access.ours |= ours;
        }
    }
    if accesses.is_empty() {
        return Judgement::Counts;
    }
    if !accesses.iter().any(|access| access.ours) {
        return Judgement::Kernels;
    }
    let [one, other] = &accesses[..] else { return Judgement::Counts };
    let (ours, other) = if one.ours { (one, other) } else { (other, one) };
    match other.top {
        Some(writer)
            if ours.kind == "read (marked)"
                && ours.top_is_ours
                && matches!(other.kind, "write" | "read-write")
                && !other.ours
                && meant.has(writer) =>
        {
            Judgement::Meant(writer)
        }
        _ => Judgement::Counts,
    }
}

/// The kind in `KIND to 0xADDRESS of N bytes by WHO on cpu N:`.
fn access_kind(line: &str) -> Option<&str> {
    let line = line.strip_prefix("race at unknown origin, with ").unwrap_or(line);
    let (kind, rest) = line.split_once(" to 0x")?;
    let (what, cpu) = rest.strip_suffix(':')?.rsplit_once(" on cpu ")?;
    (what.contains(" bytes by ") && !cpu.is_empty() && cpu.bytes().all(|byte| byte.is_ascii_digit())).then_some(kind)
}

/// The function in ` FUNCTION+0xOFFSET/0xSIZE [MODULE]`.
fn frame(line: &str) -> Option<&str> {
    let frame = line.strip_prefix(' ')?;
    let (function, _) = frame.split_once("+0x")?;
    (!function.is_empty() && !function.contains(' ')).then_some(function)
}

/// How many races a log has, by judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Races {
    /// Reports that count.
    pub counting: usize,
    /// The kernel's own.
    pub kernels: usize,
    /// Those that are meant, by writer.
    pub meant: BTreeMap<String, usize>,
}

impl Races {
    /// Whether there is any report.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Races {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let meant: usize = self.meant.values().sum();
        write!(
            f,
            "data races: {} that count; {} of the kernel with itself; {meant} meant",
            self.counting, self.kernels
        )?;
        if meant > 0 {
            f.write_str(", our marked reads of writes in")?;
        }
        self.meant.iter().try_for_each(|(writer, count)| write!(f, "\n    {count:>6}  {writer}"))
    }
}

/// Returns `lines` without the reports that do not count, and how many there were of each kind.
pub fn without_others<'a>(lines: &[&'a str], meant: &Meant<'_>) -> (Vec<&'a str>, Races) {
    let (mut kept, mut races, mut at) = (vec![], Races::default(), 0);
    while at < lines.len() {
        let begins = is_rule(lines[at]) && lines.get(at + 1).is_some_and(|line| text(line).starts_with(TITLE));
        // A report without its end cannot be judged, and stays.
        let end = begins.then(|| lines[at + 1..].iter().position(|line| is_rule(line))).flatten();
        let Some(length) = end else {
            races.counting += usize::from(begins);
            kept.push(lines[at]);
            at += 1;
            continue;
        };
        let report = &lines[at..=at + 1 + length];
        match judge(report, meant) {
            Judgement::Counts => {
                races.counting += 1;
                kept.extend(report);
            }
            Judgement::Kernels => races.kernels += 1,
            Judgement::Meant(writer) => *races.meant.entry(writer.into()).or_default() += 1,
        }
        at += report.len();
    }
    (kept, races)
}

/// The line of `=` above and below a report.
fn is_rule(line: &str) -> bool {
    let text = text(line);
    text.len() > 2 && text.bytes().all(|byte| byte == b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "add_thread+0x1/0x2 [mp3]";

    /// As kernel/kcsan/report.c prints it, with a line of the log before it and one behind.
    fn log(kind: &str, frame: &str, other_kind: &str, other_frame: &str) -> String {
        let function = |frame: &str| frame.split('+').next().unwrap().to_owned();
        let lines = [
            "before".into(),
            "==================================================================".into(),
            format!("BUG: KCSAN: data-race in {} / {}", function(frame), function(other_frame)),
            String::new(),
            format!("{kind} to 0xffff888003d8c3a0 of 8 bytes by interrupt on cpu 0:"),
            format!(" {frame}"),
            " asm_sysvec_apic_timer_interrupt+0x1a/0x20".into(),
            String::new(),
            format!("{other_kind} to 0xffff888003d8c3a0 of 8 bytes by task 33 on cpu 1:"),
            format!(" {other_frame}"),
            " process_scheduled_works+0x1a/0x20".into(),
            String::new(),
            "value changed: 0x0000000000000001 -> 0x0000000000000002".into(),
            String::new(),
            "Reported by Kernel Concurrency Sanitizer on:".into(),
            "CPU: 1 UID: 0 PID: 33 Comm: kworker/u8:1 7.2.12+mp3-kcsan".into(),
            "==================================================================".into(),
            "after".into(),
        ];
        lines.map(|line| format!("[   12.345678] {line}\n")).concat()
    }

    fn judged(log: &str) -> (Vec<&str>, Races) {
        let lines: Vec<_> = log.lines().collect();
        without_others(&lines, &Meant::parse("# a comment\naccount_time  utime\n"))
    }

    /// Whether the report counts. The rest of the log must stay.
    fn counts(kind: &str, frame: &str, other_kind: &str, other_frame: &str) -> bool {
        let log = log(kind, frame, other_kind, other_frame);
        let (kept, races) = judged(&log);
        let kept: Vec<_> = kept.into_iter().map(text).collect();
        assert_eq!((kept[0], kept[kept.len() - 1]), ("before", "after"));
        let counts = kept.iter().any(|line| line.starts_with(TITLE));
        assert_eq!(counts, races.counting == 1, "{races:?}");
        assert_eq!(counts, kept.len() == 18, "whole or not at all: {kept:?}");
        counts
    }

    #[test]
    fn the_kernel_with_itself_does_not_count() {
        assert!(!counts("write", "one+0x1/0x2", "read", "other+0x1/0x2"));
    }

    #[test]
    fn the_module_with_itself_counts() {
        assert!(counts("write", "one+0x1/0x2 [mp3]", "read", "other+0x1/0x2 [mp3]"));
    }

    #[test]
    fn a_marked_read_of_what_a_listed_function_writes_is_meant() {
        assert!(!counts("read-write", "account_time+0x1/0x2", "read (marked)", OURS));
    }

    #[test]
    fn the_order_of_the_two_accesses_does_not_matter() {
        assert!(!counts("read (marked)", OURS, "write", "account_time+0x1/0x2"));
    }

    #[test]
    fn a_plain_read_of_it_counts() {
        assert!(counts("write", "account_time+0x1/0x2", "read", OURS));
    }

    #[test]
    fn a_marked_write_to_it_counts() {
        assert!(counts("read", "account_time+0x1/0x2", "write (marked)", OURS));
    }

    #[test]
    fn a_marked_read_of_what_another_function_writes_counts() {
        assert!(counts("write", "account_time_too+0x1/0x2", "read (marked)", OURS));
    }

    #[test]
    fn a_function_of_the_kernel_that_the_module_called_counts() {
        let frames = "helper+0x1/0x2\n[   12.345678]  caller+0x1/0x2 [mp3]";
        let log = log("write", "account_time+0x1/0x2", "read (marked)", frames);
        assert_eq!(judged(&log).1.counting, 1);
    }

    #[test]
    fn a_race_of_unknown_origin_counts_where_it_is_ours() {
        for (frame, counting) in [(OURS, 1), ("other+0x1/0x2", 0)] {
            let log = format!(
                "=====\nBUG: KCSAN: data-race in x\n\nrace at unknown origin, with read to 0xffff of 8 bytes by task 33 on cpu 1:\n \
                 {frame}\n\nvalue changed: 0x1 -> 0x2\n=====\n"
            );
            assert_eq!(judged(&log).1.counting, counting, "{frame}");
        }
    }

    #[test]
    fn our_name_behind_the_traces_is_not_a_frame() {
        let log = log("write", "one+0x1/0x2", "read", "other+0x1/0x2")
            .replace("7.2.12+mp3-kcsan", "7.2.12\n[   12.3]  x+0x1/0x2 [mp3]");
        // Each of the two lines ends the traces.
        for ends in ["value changed", "Reported by"] {
            let lines: String =
                log.lines().filter(|line| !line.contains(ends)).map(|line| format!("{line}\n")).collect();
            assert_eq!(judged(&lines).1, Races { kernels: 1, ..Races::default() }, "without {ends}");
        }
        assert_eq!(judged(&log).1, Races { kernels: 1, ..Races::default() });
    }

    #[test]
    fn lines_of_an_access_and_of_a_frame_are_whole() {
        assert_eq!(access_kind("read-write to 0xff of 8 bytes by task 1 on cpu 10:"), Some("read-write"));
        for line in [
            "write to 0xff on cpu 1:",
            "write to 0xff of 8 bytes by task 1 on cpu :",
            "write to 0xff of 8 bytes by task 1 on cpu one:",
            "write to 0xff of 8 bytes by task 1 on cpu 1",
        ] {
            assert_eq!(access_kind(line), None, "{line}");
        }
        assert_eq!(frame(" one+0x1/0x2 [mp3]"), Some("one"));
        for line in ["one+0x1/0x2", " +0x1/0x2", " two words+0x1/0x2", " one"] {
            assert_eq!(frame(line), None, "{line}");
        }
    }

    #[test]
    fn a_list_of_writers_has_names_and_comments() {
        let meant = Meant::parse("# why\n__account_time  utime\ntick stime\n  indented\n\n");
        assert_eq!(meant.writers, ["__account_time", "tick"]);
    }

    #[test]
    fn two_signs_are_no_rule() {
        let race = log("write", "one+0x1/0x2", "read", "other+0x1/0x2");
        assert_eq!(judged(&race.replace(&"=".repeat(66), "===")).1.kernels, 1);
        let log = race.replace(&"=".repeat(66), "==");
        assert_eq!((judged(&log).0.len(), judged(&log).1), (18, Races::default()));
    }

    #[test]
    fn a_report_that_breaks_off_counts() {
        let log = log("write", "one+0x1/0x2", "read", "other+0x1/0x2");
        let (whole, _) = log.split_once("value changed").unwrap();
        let (kept, races) = judged(whole);
        assert_eq!((kept.len(), races.counting), (whole.lines().count(), 1));
    }

    #[test]
    fn a_report_without_any_access_counts() {
        assert_eq!(judged("=====\nBUG: KCSAN: something new\n=====\n").1.counting, 1);
    }

    #[test]
    fn other_checkers_reports_stay_and_do_not_hide_what_follows() {
        let race = log("write", "one+0x1/0x2", "read", "other+0x1/0x2");
        // An odd number of rules: that of a report which broke off.
        let log = format!("===========\nBUG: KASAN: slab-use-after-free in x\n{race}");
        let (kept, races) = judged(&log);
        assert_eq!((kept.len(), races.kernels), (4, 1), "{kept:?}");
    }

    #[test]
    fn the_summary_names_the_writers() {
        let log = log("write", "account_time+0x1/0x2", "read (marked)", OURS).repeat(2);
        let text = judged(&log).1.to_string();
        assert_eq!(
            text,
            "data races: 0 that count; 0 of the kernel with itself; 2 meant, our marked reads of writes in\n         2  account_time"
        );
    }
}
