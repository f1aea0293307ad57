// SPDX-License-Identifier: GPL-2.0

//! What a test runner prints, as test names and outcomes.
//!
//! Read are libtest's format (and libtest-mimic's), and the plainer one of `mp3-tests` and of `vm/lib/check.sh`:
//!
//! ```text
//!      Testing PACKAGE TARGET                      which binary's the following names are (xtask test-binary)
//! test NAME ... ok                                 or FAILED, ignored, skipped: WHY; behind it a time
//! test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
//! 3 passed, 0 failed, 1 skipped
//! NAME: test                                       with --list
//! ```
//!
//! Every runner ends with its own total. Names and totals must agree, or the results cannot be believed.

use std::collections::BTreeMap;
use std::fmt;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not made, and said so.
    Skipped,
    /// It is only known by its name (`--list`).
    Listed,
}

/// Tests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The total of a run, as it stands alone on its last line.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// The results of one runner.
#[derive(Clone, Debug, Default)]
pub struct Results {
    tests: BTreeMap<String, Outcome>,
    /// What stands before the names of the binary that speaks.
    prefix: String,
    /// The sum of the runner's own totals; `None` before the first.
    total: Option<Counts>,
}

impl Results {
    /// Takes one line of output.
    pub fn line(&mut self, line: &str) {
        if let Some(binary) = line.strip_prefix(HEADER) {
            self.prefix = match binary.split_once(' ') {
                // The library or the program that the package is named after.
                Some((package, target)) if package.replace('-', "_") == target => format!("{package}::"),
                Some((package, target)) => format!("{package}/{target}::"),
                None => String::new(),
            };
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            self.add_total(libtest_total(rest));
        } else if let Some((name, outcome)) = test_line(line).or_else(|| listed(line)) {
            self.add(name, outcome);
        } else {
            self.add_total(plain_total(line));
        }
    }

    fn add_total(&mut self, total: Option<Counts>) {
        if let Some(total) = total {
            *self.total.get_or_insert_default() += total;
        }
    }

    fn add(&mut self, name: &str, outcome: Outcome) {
        // Where a documentation test stands changes with every line above it.
        let is_doctest = name.contains(" (line ");
        let plain =
            name.strip_suffix(" - should panic").or_else(|| name.strip_suffix(" - compile fail")).unwrap_or(name);
        let plain = plain.split(" (line ").next().unwrap_or(plain);
        let base = if is_doctest { plain.to_owned() } else { format!("{}{plain}", self.prefix) };
        let mut name = base.clone();
        for n in 2.. {
            if !self.tests.contains_key(&name) {
                break;
            }
            name = format!("{base} #{n}");
        }
        self.tests.insert(name, outcome);
    }

    /// Names and outcomes.
    pub fn tests(&self) -> &BTreeMap<String, Outcome> {
        &self.tests
    }

    /// Tests by outcome, by their names.
    pub fn counts(&self) -> Counts {
        let count = |wanted: Outcome| self.tests.values().filter(|outcome| **outcome == wanted).count();
        Counts { passed: count(Outcome::Passed), failed: count(Outcome::Failed), skipped: count(Outcome::Skipped) }
    }

    /// Why the results cannot be believed.
    pub fn contradiction(&self) -> Option<String> {
        let counts = self.counts();
        match self.total {
            None => Some("it printed no total".into()),
            Some(total) if total != counts => {
                Some(format!("its total is \"{total}\", but the tests that it named are \"{counts}\""))
            }
            Some(_) if counts.passed + counts.failed == 0 => Some("it ran nothing".into()),
            Some(_) => None,
        }
    }
}

/// How the line begins that says which binary speaks.
pub const HEADER: &str = "     Testing ";

/// `test NAME ... OUTCOME`. libtest-mimic pads the names of a run to one length.
fn test_line(line: &str) -> Option<(&str, Outcome)> {
    let (name, rest) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let word: &str = rest.split([' ', ',', ':']).next()?;
    let outcome = match word {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        "ignored" | "skipped" => Outcome::Skipped,
        _ => return None,
    };
    Some((name.trim_end(), outcome))
}

/// `NAME: test`, as `--list` prints it.
fn listed(line: &str) -> Option<(&str, Outcome)> {
    line.strip_suffix(": test").map(|name| (name, Outcome::Listed))
}

/// `ok. 3 passed; 0 failed; 1 ignored; ...`.
fn libtest_total(text: &str) -> Option<Counts> {
    let (_, text) = text.split_once(". ")?;
    let number =
        |what: &str| text.split("; ").find_map(|part| part.strip_suffix(what)?.strip_suffix(' ')?.parse().ok());
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}

/// `3 passed, 0 failed` or `3 passed, 0 failed, 1 skipped`, alone on a line.
fn plain_total(line: &str) -> Option<Counts> {
    let mut parts = line.split(", ");
    let mut number = |what: &str| parts.next()?.strip_suffix(what)?.strip_suffix(' ')?.parse().ok();
    let (passed, failed) = (number("passed")?, number("failed")?);
    let skipped = if line.matches(", ").count() > 1 { number("skipped")? } else { 0 };
    (parts.next().is_none()).then_some(Counts { passed, failed, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(text: &str) -> Results {
        let mut results = Results::default();
        text.lines().for_each(|line| results.line(line));
        results
    }

    fn names(results: &Results) -> Vec<&str> {
        results.tests().keys().map(String::as_str).collect()
    }

    #[test]
    fn libtest_is_read_with_the_packages_names() {
        let results = results(
            "     Testing mp3-x mp3_x\nrunning 2 tests\ntest ring::tests::wraps ... ok\ntest ring::tests::falls ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             \x20    Testing monitor command\ntest it_prints ... ignored, needs a terminal\n\
             test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(
            names(&results),
            ["monitor/command::it_prints", "mp3-x::ring::tests::falls", "mp3-x::ring::tests::wraps"]
        );
        assert_eq!(results.counts(), Counts { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(results.contradiction(), None);
    }

    #[test]
    fn the_guests_and_the_scripts_tests_are_read() {
        let results = results(
            "test accounting::many_threads ... ok (1.2 s)\n    a remark\ntest leaks::none ... skipped: no kmemleak\n\
             test its stdout, and nothing else ... ok\ntest scale::many ... FAILED (3.0 s)\n    why\n\n\
             failed:\n    scale::many\n\n2 passed, 1 failed, 1 skipped\n",
        );
        assert_eq!(results.counts(), Counts { passed: 2, failed: 1, skipped: 1 });
        assert!(names(&results).contains(&"its stdout, and nothing else"));
        assert_eq!(results.contradiction(), None);
    }

    #[test]
    fn a_runner_that_ran_nothing_is_a_contradiction() {
        assert_eq!(results("").contradiction().unwrap(), "it printed no total");
        assert_eq!(results("0 passed, 0 failed\n").contradiction().unwrap(), "it ran nothing");
        assert_eq!(
            results("test a ... skipped: x\n0 passed, 0 failed, 1 skipped\n").contradiction().unwrap(),
            "it ran nothing"
        );
        let libtest = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s\n";
        assert_eq!(results(libtest).contradiction().unwrap(), "it ran nothing");
    }

    #[test]
    fn a_total_that_the_names_do_not_add_up_to_is_a_contradiction() {
        let why = results("test a ... ok\n2 passed, 0 failed\n").contradiction().unwrap();
        assert_eq!(why, "its total is \"2 passed, 0 failed\", but the tests that it named are \"1 passed, 0 failed\"");
        // It broke off before its second total.
        let text = "test a ... ok\n1 passed, 0 failed\ntest b ... ok\n";
        assert!(results(text).contradiction().is_some());
    }

    #[test]
    fn documentation_tests_keep_their_names_when_lines_move() {
        let run = |line: u32| {
            results(&format!(
                "     Testing abi abi\ntest abi/src/ring.rs - ring::Reader (line {line}) ... ok\n\
                 test abi/src/ring.rs - ring::Reader (line {}) ... ok\n\
                 test abi/src/x.rs - x (line 3) - compile fail ... ok\n",
                line + 9
            ))
        };
        assert_eq!(names(&run(12)), names(&run(14)));
        assert_eq!(
            names(&run(12)),
            ["abi/src/ring.rs - ring::Reader", "abi/src/ring.rs - ring::Reader #2", "abi/src/x.rs - x"]
        );
    }

    #[test]
    fn a_test_that_should_panic_has_its_own_name() {
        let results = results("     Testing abi abi\ntest tests::too_long - should panic ... ok\n");
        assert_eq!(names(&results), ["abi::tests::too_long"]);
    }

    #[test]
    fn names_that_are_padded_to_one_length_are_the_names() {
        let results = results("     Testing studies report\ntest short   ... ok\ntest longest ... ok\n");
        assert_eq!(names(&results), ["studies/report::longest", "studies/report::short"]);
    }

    #[test]
    fn a_list_has_the_same_names_as_a_run() {
        let listed = results("     Testing monitor command\nit_prints: test\n1 test, 0 benchmarks\n");
        let run = results("     Testing monitor command\ntest it_prints ... ok\n");
        assert_eq!(names(&listed), names(&run));
        assert_eq!(listed.counts(), Counts::default());
    }

    #[test]
    fn other_lines_are_no_totals_and_no_tests() {
        let lines = "7 passed, 0 failed and so on\n 7 passed, 0 failed\npassed, failed\ntest a has been running for over 60 seconds\n\
                     test result: nonsense\ntest a ... maybe\n1 passed, 0 failed, 2 skipped, 3 more\n";
        let results = results(lines);
        assert!(results.tests().is_empty() && results.total.is_none(), "{results:?}");
    }

    #[test]
    fn the_total_is_one_line_as_other_programs_read_it() {
        let mut counts = Counts { passed: 12, failed: 0, skipped: 0 };
        assert_eq!(counts.to_string(), "12 passed, 0 failed");
        counts += Counts { passed: 1, failed: 2, skipped: 3 };
        assert_eq!(counts.to_string(), "13 passed, 2 failed, 3 skipped");
        assert_eq!(plain_total(&counts.to_string()), Some(counts));
    }
}
