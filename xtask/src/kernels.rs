// SPDX-License-Identifier: GPL-2.0

//! The kernels on which the module was tried: `docs/kernels.tsv`, from which `vm/prepare` chooses, and the page made from it.
//!
//! A line is a trial, its fields separated by tabs: date (UTC), suite, release, version of Debian's package, rustc, C compiler,
//! result (`passed`, `failed`, `not built`, `not prepared`), tests (`all`, `short`), and four numbers: tests that passed, failed
//! and were skipped, and the seconds of the whole. Lines that begin with `#` are comments.

use anyhow::{bail, ensure, Context, Result};
use std::cmp::Ordering;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const LIST: &str = "docs/kernels.tsv";
const PAGE: &str = "docs/kernels.md";
const FIELDS: [&str; 12] = [
    "date", "suite", "release", "version", "rustc", "compiler", "result", "tests", "passed", "failed", "skipped",
    "seconds",
];
const SUITE: usize = 1;
const RELEASE: usize = 2;
const VERSION: usize = 3;
const TESTS: usize = 7;
/// The columns of the page, in its order.
const COLUMNS: [&str; 12] = [
    "version", "release", "suite", "rustc", "compiler", "result", "tests", "passed", "failed", "skipped", "seconds",
    "date",
];

const BEFORE: &str = "\
# Kernels

The kernels on which the module was built, loaded and tested, each booted in QEMU as Debian ships it. `make kernels` writes this page and
[kernels.tsv](kernels.tsv), from which `vm/prepare` chooses: it takes the newest kernel of trixie-backports that passed, and an untried one
only where it is asked to (`vm/prepare --update`) or where no other is on offer. `vm/prepare --untried` says which kernels Debian has that are
not in this list.

";
const AFTER: &str = "
The version is that of Debian's package. *All* tests are those of `mp3-tests` in two guests: all suites but the long ones on two processors,
and the suites of time on one whose clock counts instructions; *short* are those of `vm/kernels --short`. *Seconds* are those of the whole:
making the kernel's tree where it was not there yet, building the module, booting, testing.
";

/// What to do with the list.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Puts the trials in FILE into docs/kernels.tsv, each in the place of the one on the same kernel, and writes docs/kernels.md
    Record { file: PathBuf },
    /// Prints the trials in FILE as a table
    Table { file: PathBuf },
}

/// Runs `command` in the checkout.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Record { file } => {
            let mut list = if Path::new(LIST).exists() { List::read(Path::new(LIST))? } else { List::default() };
            for trial in List::read(file)?.0 {
                list.record(trial);
            }
            fs::write(LIST, list.to_text()).context(LIST)?;
            fs::write(PAGE, list.to_page()).context(PAGE)
        }
        Command::Table { file } => {
            print!("{}", List::read(file)?.to_table());
            Ok(())
        }
    }
}

/// A trial of one kernel: its fields, in the order of [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trial([String; FIELDS.len()]);

impl Trial {
    fn parse(line: &str) -> Result<Self> {
        let fields: Vec<_> = line.split('\t').map(String::from).collect();
        let count = fields.len();
        let Ok(fields) = <[String; FIELDS.len()]>::try_from(fields) else {
            bail!("{count} fields instead of {}: {line}", FIELDS.len());
        };
        for number in &fields[TESTS + 1..] {
            ensure!(number.parse::<u64>().is_ok(), "{number}: not a number: {line}");
        }
        Ok(Trial(fields))
    }

    /// What tells kernels apart: the release has the flavour, the version the build.
    fn kernel(&self) -> (&str, &str, &str) {
        (&self.0[SUITE], &self.0[VERSION], &self.0[RELEASE])
    }

    fn is_short(&self) -> bool {
        self.0[TESTS] == "short"
    }

    fn field(&self, name: &str) -> &str {
        FIELDS.iter().position(|field| *field == name).map_or("", |n| &self.0[n])
    }
}

/// The trials, the newest kernel first.
#[derive(Debug, Default)]
struct List(Vec<Trial>);

impl List {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(Trial::parse)
            .collect::<Result<_>>()
            .map(List)
    }

    /// Takes the trial in the place of the one on the same kernel; a short one does not take the place of a full one.
    fn record(&mut self, trial: Trial) {
        match self.0.iter_mut().find(|old| old.kernel() == trial.kernel()) {
            Some(old) if trial.is_short() && !old.is_short() => {}
            Some(old) => *old = trial,
            None => self.0.push(trial),
        }
        self.0.sort_by(|one, other| {
            let ((suite, version, release), (other_suite, other_version, other_release)) =
                (one.kernel(), other.kernel());
            compare_versions(other_version, version).then_with(|| (suite, release).cmp(&(other_suite, other_release)))
        });
    }

    fn to_text(&self) -> String {
        let mut text = format!("# {}\n", FIELDS.join("\t"));
        for trial in &self.0 {
            let _ = writeln!(text, "{}", trial.0.join("\t"));
        }
        text
    }

    fn to_page(&self) -> String {
        let mut page = String::from(BEFORE);
        let _ = writeln!(page, "| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
        for trial in &self.0 {
            let cells: Vec<_> = COLUMNS.iter().map(|column| trial.field(column)).collect();
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
        page + AFTER
    }

    fn to_table(&self) -> String {
        let head = COLUMNS.map(String::from);
        let rows: Vec<_> = self.0.iter().map(|trial| COLUMNS.map(|column| trial.field(column).to_string())).collect();
        let mut table = String::new();
        for row in std::iter::once(&head).chain(&rows) {
            let mut line = String::new();
            for (n, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|row| row[n].len()).max().unwrap_or(0).max(head[n].len());
                let _ = write!(line, "{cell:width$}  ");
            }
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }
}

/// Debian's order of versions (deb-version(7)), of what stands in kernel packages: runs of digits count as numbers, `~` comes
/// before the end, the end before letters, and letters before all else.
fn compare_versions(one: &str, other: &str) -> Ordering {
    fn weight(character: Option<char>) -> (u8, char) {
        match character {
            Some('~') => (0, '~'),
            None => (1, ' '),
            Some(digit) if digit.is_ascii_digit() => (1, ' '),
            Some(letter) if letter.is_ascii_alphabetic() => (2, letter),
            Some(sign) => (3, sign),
        }
    }
    fn number<'a>(text: &mut &'a str) -> &'a str {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        *text = rest;
        digits.trim_start_matches('0')
    }
    let (mut one, mut other) = (one, other);
    loop {
        let (first, second) = (one.chars().next(), other.chars().next());
        if first.is_none() && second.is_none() {
            return Ordering::Equal;
        }
        let starts_number = |character: Option<char>| character.is_none_or(|character| character.is_ascii_digit());
        let order = if starts_number(first) && starts_number(second) {
            let (first, second) = (number(&mut one), number(&mut other));
            first.len().cmp(&second.len()).then_with(|| first.cmp(second))
        } else {
            let order = weight(first).cmp(&weight(second));
            one = one.get(first.map_or(0, char::len_utf8)..).unwrap_or("");
            other = other.get(second.map_or(0, char::len_utf8)..).unwrap_or("");
            order
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(suite: &str, version: &str, tests: &str, result: &str) -> Trial {
        let line = format!(
            "2026-11-21\t{suite}\t{version}-cloud\t{version}\t1.85.1\tgcc-14 14.2.0\t{result}\t{tests}\t300\t0\t9\t305"
        );
        Trial::parse(&line).unwrap()
    }

    fn versions(list: &List) -> Vec<&str> {
        list.0.iter().map(|trial| trial.field("version")).collect()
    }

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        let ordered = [
            "7.2.6-1~bpo13+1",
            "7.2.12-1~bpo13+1",
            "7.2.12-1",
            "7.2.12-2",
            "7.3~rc7-1~exp1",
            "7.3-1",
            "7.3-1a",
            "7.3-1+b1",
            "7.3.4-1~bpo13+1",
            "7.10.1-1",
        ];
        for (n, one) in ordered.iter().enumerate() {
            for (m, other) in ordered.iter().enumerate() {
                assert_eq!(compare_versions(one, other), n.cmp(&m), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_kernel_that_is_tried_again_has_one_line_and_the_newest_kernel_comes_first() {
        let mut list = List::default();
        list.record(trial("trixie-backports", "7.2.12-1~bpo13+1", "all", "failed"));
        list.record(trial("trixie-backports", "7.3.4-1~bpo13+1", "all", "passed"));
        list.record(trial("forky", "7.2.12-1", "all", "passed"));
        list.record(trial("trixie-backports", "7.2.12-1~bpo13+1", "all", "passed"));
        assert_eq!(versions(&list), ["7.3.4-1~bpo13+1", "7.2.12-1", "7.2.12-1~bpo13+1"]);
        assert!(list.0.iter().all(|trial| trial.field("result") == "passed"));
    }

    #[test]
    fn a_short_trial_does_not_take_the_place_of_a_full_one() {
        let mut list = List::default();
        list.record(trial("sid", "7.2.13-1", "short", "failed"));
        list.record(trial("sid", "7.2.13-1", "all", "passed"));
        list.record(trial("sid", "7.2.13-1", "short", "failed"));
        assert_eq!(list.0, [trial("sid", "7.2.13-1", "all", "passed")]);
    }

    #[test]
    fn flavours_of_a_version_have_lines_of_their_own() {
        let mut list = List::default();
        let mut real_time = trial("trixie-backports", "7.3.4-1~bpo13+1", "all", "failed");
        real_time.0[RELEASE] = "7.3.4-1~bpo13+1-rt".into();
        list.record(real_time.clone());
        list.record(trial("trixie-backports", "7.3.4-1~bpo13+1", "all", "passed"));
        assert_eq!(list.0, [trial("trixie-backports", "7.3.4-1~bpo13+1", "all", "passed"), real_time]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut list = List::default();
        list.record(trial("forky", "7.2.12-1", "short", "not built"));
        assert_eq!(List::parse(&list.to_text()).unwrap().0, list.0);
    }

    #[test]
    fn a_printed_table_has_a_line_for_each_trial_and_its_columns_stand_below_one_another() {
        let list =
            List(vec![trial("sid", "7.2.13-1", "all", "passed"), trial("forky", "7.10-1", "short", "not built")]);
        let table = list.to_table();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        for column in COLUMNS {
            let at = lines[0].find(column).unwrap();
            for (line, trial) in lines[1..].iter().zip(&list.0) {
                assert!(line[at..].starts_with(trial.field(column)), "{column}: {line}");
            }
        }
        assert!(lines.iter().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn a_line_that_is_no_trial_is_refused() {
        for line in ["7.3.4", "a\tb\tc\td\te\tf\tg\th\tmany\t0\t0\t0"] {
            assert!(List::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_committed_page_is_what_the_committed_list_says() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let list = List::read(&top.join(LIST)).unwrap();
        assert_eq!(fs::read_to_string(top.join(PAGE)).unwrap(), list.to_page());
        assert!(list.0.iter().any(|trial| trial.field("result") == "passed"));
    }
}
