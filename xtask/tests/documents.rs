// SPDX-License-Identifier: GPL-2.0

//! What the documents tell a reader to run or to look at is there: tests by their names, doors of the Makefile, scripts and
//! their options, environment variables, crates, files that a link leads to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Doors of the kernel's Makefile that a document names.
const OF_THE_KERNEL: [&str; 2] = ["bindeb-pkg", "rpm-pkg"];

/// What the documents are held to.
struct Project {
    /// Names of tests, as in `xtask/expected/`, and of those that are run by other doors.
    tests: BTreeSet<String>,
    /// What `make` can be asked for.
    doors: BTreeSet<String>,
    /// The packages of the workspace and where they are.
    crates: Vec<(String, PathBuf)>,
    /// All sources but the documents: a variable that stands in none of them does nothing.
    sources: String,
}

impl Project {
    fn read() -> Self {
        let mut tests = BTreeSet::new();
        for list in fs::read_dir(top("xtask/expected")).unwrap() {
            let list = fs::read_to_string(list.unwrap().path()).unwrap();
            tests.extend(list.lines().filter(|line| !line.starts_with('#')).map(String::from));
        }
        let doors = read("Makefile");
        let doors = doors.lines().filter_map(|line| line.split_once(':'));
        let doors = doors.filter(|(name, rest)| !rest.starts_with('=') && name.chars().all(is_of_a_door));
        let files = files();
        let crates = files.iter().filter(|path| path.ends_with("Cargo.toml")).filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let name = text.lines().find_map(|line| line.strip_prefix("name = \""))?.trim_end_matches('"').to_owned();
            Some((name, path.parent()?.to_owned()))
        });
        let is_source = |path: &&PathBuf| path.extension().is_none_or(|kind| kind != "md") && !path.starts_with(this());
        let texts = files.iter().filter(is_source).filter_map(|path| fs::read_to_string(path).ok());
        Project {
            tests,
            doors: doors.map(|(name, _)| name.to_owned()).collect(),
            crates: crates.collect(),
            sources: texts.collect(),
        }
    }

    /// Whether a test has this name. `suite::name` may leave out what stands before it, and `…` the rest of it.
    fn has_test(&self, quoted: &str) -> bool {
        let (wanted, whole) = match quoted.strip_suffix('…') {
            Some(begin) => (begin, false),
            None => (quoted, true),
        };
        self.tests.iter().any(|name| {
            let ends = |at: usize| name[at..] == *wanted || (!whole && name[at..].starts_with(wanted));
            let begins = name.match_indices("::").map(|(at, _)| at + 2).chain([0]);
            begins.into_iter().any(ends)
        })
    }

    /// Whether one word after `mp3-tests` or `cargo test` chooses a test.
    fn has_filter(&self, word: &str) -> bool {
        self.tests.iter().any(|name| name.contains(word))
    }

    fn directory(&self, name: &str) -> Option<&Path> {
        Some(&self.crates.iter().find(|(known, _)| known == name)?.1)
    }

    /// What is wrong with a command, as sentences.
    fn faults(&self, command: &str) -> Vec<String> {
        let mut faults = vec![];
        // A block of commands says in a second column what they do.
        let command = command.split("  ").next().unwrap_or(command);
        let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
        for (at, word) in words.iter().enumerate() {
            let variable: String =
                word.chars().take_while(|letter| letter.is_ascii_uppercase() || "_3".contains(*letter)).collect();
            if word.starts_with("MP3_") && !self.sources.contains(&variable) {
                faults.push(format!("nothing reads {variable}"));
            }
            let rest = || words[at + 1..].iter().take_while(|word| !["&&", "|", ";", "#", "..."].contains(word));
            match *word {
                "make" if at == first(&words) => {
                    let doors = rest().take_while(|word| word.chars().all(is_of_a_door) && !word.starts_with('-'));
                    let unknown = doors.filter(|door| !self.doors.contains(**door) && !OF_THE_KERNEL.contains(door));
                    faults.extend(unknown.map(|door| format!("no make {door}")));
                }
                "mp3-tests" => {
                    let filters = rest().filter(|word| !word.starts_with(['-', '{', '[']) && !is_placeholder(word));
                    faults.extend(
                        filters
                            .filter(|filter| !self.has_filter(filter.trim_end_matches([',', '`'])))
                            .map(|filter| format!("no test has {filter} in its name")),
                    );
                }
                "test" if at > 0 && words[at - 1] == "cargo" => faults.extend(self.faults_of_cargo(&words[at + 1..])),
                script if script.starts_with("vm/") && at == first(&words) => {
                    let options = rest().take_while(|word| **word != "--").filter(|word| word.starts_with("--"));
                    faults.extend(faults_of_script(script, options.copied()));
                }
                _ => {}
            }
        }
        faults
    }

    fn faults_of_cargo(&self, words: &[&str]) -> Vec<String> {
        let mut faults = vec![];
        let mut package = None;
        for pair in words.windows(2) {
            match pair {
                ["-p" | "--package", name] => {
                    package = self.directory(name);
                    if package.is_none() {
                        faults.push(format!("no crate {name}"));
                    }
                }
                ["--test", name] if package.is_some_and(|at| !at.join(format!("tests/{name}.rs")).exists()) => {
                    faults.push(format!("no tests/{name}.rs"));
                }
                _ => {}
            }
        }
        faults
    }
}

fn faults_of_script<'a>(script: &str, options: impl Iterator<Item = &'a str>) -> Vec<String> {
    if !top(script).exists() {
        return vec![format!("no {script}")];
    }
    if !top(script).is_file() {
        return vec![];
    }
    // Some parse their options in a library beside them, some in xtask.
    let text = read(script) + &concatenated("vm/lib") + &concatenated("xtask/src");
    let is_known = |option: &&str| {
        let name = option.split('=').next().unwrap_or(option);
        let long = name.trim_start_matches('-').replace('-', "_");
        let goes_on = |rest: &str| rest.starts_with(|letter: char| letter == '-' || letter.is_ascii_alphanumeric());
        text.match_indices(name).any(|(at, _)| !goes_on(&text[at + name.len()..]))
            || text.contains(&format!("    {long}:"))
    };
    options.filter(|option| !is_known(option)).map(|option| format!("{script} has no {option}")).collect()
}

/// The index of the word that is run: after environment variables and `sudo`.
fn first(words: &[&str]) -> usize {
    words.iter().position(|word| !word.contains('=') && *word != "sudo").unwrap_or(0)
}

fn is_of_a_door(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
}

/// A word for which the reader puts his own, such as NAMES.
fn is_placeholder(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_uppercase() || ".…_".contains(letter))
}

fn top(path: &str) -> PathBuf {
    Path::new(TOP).join(path)
}

fn this() -> PathBuf {
    top("xtask/tests")
}

fn read(path: &str) -> String {
    fs::read_to_string(top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn concatenated(directory: &str) -> String {
    let directory = top(directory);
    files()
        .iter()
        .filter(|path| path.starts_with(&directory))
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// The project's files, without what is built and what has no text.
fn files() -> Vec<PathBuf> {
    let mut files = vec![];
    let mut directories = vec![PathBuf::from(TOP)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let is_dir = entry.file_type().unwrap().is_dir();
            match name.to_str() {
                Some(".git" | "target" | "out" | "data" | "corpus" | "figures") => {}
                _ if is_dir => directories.push(entry.path()),
                Some(name) if [".png", ".svg", ".zst", ".gz"].iter().any(|kind| name.ends_with(kind)) => {}
                _ => files.push(entry.path()),
            }
        }
    }
    files
}

fn documents() -> Vec<(String, String)> {
    let documents = files().into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let name = |path: &Path| path.strip_prefix(TOP).unwrap().display().to_string();
    documents.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// What stands in backticks, line by line, and the lines of blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let mut quoted = vec![];
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            quoted.push(line.trim());
        } else {
            quoted.extend(line.split('`').skip(1).step_by(2));
        }
    }
    quoted
}

/// Whether words in backticks are a test's name: a sentence, or `suite::sentence`.
fn is_test_name(quoted: &str) -> bool {
    let words = quoted.matches('_').count() + 1;
    quoted.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_:…".contains(letter))
        && (words > 4 || (words > 2 && quoted.contains("::")))
        // Metrics, functions and parameters of the module.
        && !quoted.starts_with("mp3_")
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let project = Project::read();
    let mut named = 0;
    let mut missing = vec![];
    for (document, text) in documents() {
        for name in quoted(&text).into_iter().filter(|quoted| is_test_name(quoted)) {
            named += 1;
            if !project.has_test(name) {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(named > 80, "{named}");
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn every_command_in_a_document_can_be_given() {
    let project = Project::read();
    let mut wrong = vec![];
    for (document, text) in documents() {
        for command in quoted(&text) {
            wrong.extend(project.faults(command).into_iter().map(|fault| format!("{document}: {fault}: {command}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_link_in_a_document_leads_to_a_file() {
    let mut broken = vec![];
    let mut links = 0;
    for (document, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            links += 1;
            if !top(&document).parent().unwrap().join(path).exists() {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(links > 50, "{links}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_not_there_is_found() {
    let project = Project::read();
    let name = "fairness::one_user_cannot_fill_the_table";
    assert!(
        project.has_test(name) && project.has_test("fairness::one_user…") && project.has_test("one_user_cannot_f…")
    );
    assert!(!project.has_test("fairness::one_user") && !project.has_test("user_cannot_fill_the_table"));
    let faults = |command| project.faults(command);
    assert_eq!(faults("make test expectd"), ["no make expectd"]);
    assert_eq!(faults("vm/runn -- true"), ["no vm/runn"]);
    assert_eq!(faults("vm/run --no-modul --timeout 5 -- mp3-tests fairness::"), ["vm/run has no --no-modul"]);
    assert_eq!(
        faults("vm/run -- MP3_NOTHINGS=1 mp3-tests no_such_suite"),
        ["nothing reads MP3_NOTHINGS", "no test has no_such_suite in its name"]
    );
    assert_eq!(faults("cargo test -p nothing"), ["no crate nothing"]);
    assert_eq!(faults("cargo test -p abi --test silver"), ["no tests/silver.rs"]);
    assert_eq!(faults("make test && vm/run -- true"), Vec::<String>::new());
}
