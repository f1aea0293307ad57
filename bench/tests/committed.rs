// SPDX-License-Identifier: GPL-2.0

//! The committed figures: the texts and pictures that quote them say what they say.

use bench::report::Report;
use bench::texts::{fill, DATA, FIGURES, TEXTS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Texts that quote figures without having a table that is made from them.
const OTHERS: [&str; 1] = ["docs/sched.md"];

/// What a figure of costs is followed by.
const UNITS: [&str; 2] = [" instructions", " % of a CPU"];

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn report() -> Report {
    let mut report = Report::read(&top(DATA)).unwrap();
    report.set_ratios();
    report
}

#[test]
fn the_tables_in_the_texts_agree_with_the_data() {
    for name in TEXTS {
        let text = read(name);
        assert!(text.contains("<!-- bench: "), "{name} quotes nothing");
        let filled = fill(&text, &report()).unwrap();
        assert!(filled == text, "{name} is not what the data say: make it again with `make bench-keep`");
    }
}

#[test]
fn every_other_figure_in_the_texts_is_in_the_data() {
    let known = bench::table::markdown(&report());
    let is_known = |number: &str| known.split([' ', '|', '(', ')', '–', '×', '\n']).any(|word| word == number);
    for name in TEXTS.into_iter().chain(OTHERS) {
        for (number, line) in outside_of_tables(&read(name)).lines().flat_map(quoted) {
            assert!(is_known(&number), "{name}: {number} is not in the data: {line}");
        }
    }
}

/// `text` without what is made from the data.
fn outside_of_tables(text: &str) -> String {
    let mut parts = text.split("<!-- bench: ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    kept.extend(parts.filter_map(|part| part.strip_prefix("end -->")));
    kept
}

/// The numbers of a line that have one of the units.
fn quoted(line: &str) -> Vec<(String, String)> {
    let mut numbers = vec![];
    for unit in UNITS {
        for (at, _) in line.match_indices(unit) {
            let number: String = {
                let word = line[..at].rsplit(|letter: char| !letter.is_ascii_digit() && !",.".contains(letter)).next();
                word.unwrap_or_default().trim_matches([',', '.']).to_owned()
            };
            if !number.is_empty() {
                numbers.push((number, line.to_owned()));
            }
        }
    }
    numbers
}

#[test]
fn the_pictures_are_drawn_from_the_data() {
    let drawn = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/committed"));
    fs::create_dir_all(&drawn).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mp3-bench"))
        .args(["figures".as_ref(), top(DATA).as_os_str(), "-o".as_ref(), drawn.as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in
        ["bench-sampling", "bench-machine", "bench-profiled", "bench-lateness"].map(|name| format!("{name}.png"))
    {
        let now = fs::read(drawn.join(&name)).unwrap();
        let committed = fs::read(top(FIGURES).join(&name)).unwrap();
        assert!(now == committed, "{name} is not what the data say: make it again with `make bench-keep`");
    }
}

#[test]
fn numbers_are_found_before_their_units() {
    let of = |line| quoted(line).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(of("costs 1,025 instructions, 3.5 % of a CPU; and 12 records"), ["1,025", "3.5"]);
    assert_eq!(of("in instructions"), [""; 0]);
    assert_eq!(outside_of_tables("a <!-- bench: idle -->\n7 instructions\n<!-- bench: end --> b"), "a  b");
}
