// SPDX-License-Identifier: GPL-2.0

//! The committed lists of tests, one file a runner in `xtask/expected/`: a test that is not run any more is missed by name.

use crate::results::Results;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "# The tests of this runner. Written by: make expected\n";

/// The names of one runner's tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    names: BTreeSet<String>,
}

impl Expected {
    /// Reads the list of this name; an empty one where there is no file yet.
    pub fn read(list: &str) -> Result<Self> {
        let path = path(list);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn parse(text: &str) -> Self {
        let names = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(String::from);
        Expected { names: names.collect() }
    }

    /// The names that a runner has listed or run.
    pub fn of(results: &Results) -> Self {
        Expected { names: results.tests().keys().cloned().collect() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Writes the list of this name.
    pub fn write(&self, list: &str) -> Result<()> {
        let path = path(list);
        let names: String = self.names.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&path, format!("{HEAD}{names}")).with_context(|| path.display().to_string())
    }

    /// What is expected and was not run.
    pub fn missing(&self, results: &Results) -> Vec<&str> {
        self.names.iter().filter(|name| !results.tests().contains_key(*name)).map(String::as_str).collect()
    }

    /// What was run and is not expected.
    pub fn new_ones(&self, results: &Results) -> usize {
        results.tests().keys().filter(|name| !self.names.contains(*name)).count()
    }
}

fn path(list: &str) -> PathBuf {
    ["xtask", "expected", list].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(names: &[&str]) -> Results {
        let mut results = Results::default();
        names.iter().for_each(|name| results.line(&format!("test {name} ... ok")));
        results
    }

    #[test]
    fn a_test_that_vanished_is_missed_by_name_even_where_another_came() {
        let expected = Expected::parse("# comment\n\na\nb, with a comma\nc\n");
        let results = results(&["a", "c", "d"]);
        assert_eq!(expected.missing(&results), ["b, with a comma"]);
        assert_eq!((expected.new_ones(&results), expected.len()), (1, 3));
    }

    #[test]
    fn a_list_that_is_not_there_yet_is_empty() {
        assert_eq!(Expected::read("a-runner-that-is-new").unwrap(), Expected::default());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let expected = Expected::of(&results(&["b", "a"]));
        let names: String = expected.names.iter().map(|name| format!("{name}\n")).collect();
        assert_eq!(Expected::parse(&format!("{HEAD}{names}")), expected);
    }
}
