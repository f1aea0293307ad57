// SPDX-License-Identifier: GPL-2.0

//! `work` as a user runs it.

use serde_json::Value;
use std::process::{Command, Output};

fn work(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_work")).args(line.split_whitespace()).output().unwrap()
}

fn json(line: &str) -> Value {
    let output = work(&format!("{line} --json"));
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn takes_one_fault_for_each_page_that_it_touches_and_no_other() {
    for line in ["16 R 1000 --pause 0 --seed 3", "16 L 5000 --pause 0.01 --iterations 5", "1 R 0 --pause 0"] {
        let expected = json(&format!("{line} --expect"));
        let outcome = json(line);
        assert_eq!(outcome["distinct_pages"], expected["distinct_pages"], "{line}");
        assert_eq!(outcome["minor_faults"], expected["distinct_pages"], "{line}");
    }
}

#[test]
fn pauses_after_each_iteration() {
    let outcome = json("1 R 1 --iterations 3 --pause 0.02");
    assert!(outcome["real_s"].as_f64().unwrap() >= 0.06, "{outcome}");
}

#[test]
fn runs_on_the_cpus_it_was_given() {
    assert!(work("1 R 1 --pause 0 --cpu 0").status.success());
    let output = work("1 R 1 --pause 0 --cpu 1023");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("work: cannot run on CPU 1023: "), "{output:?}");
}

#[test]
fn wrong_usage_is_2() {
    for line in ["", "200", "0 R 1", "1025 R 1", "200 X 1", "200 R -1", "1 R 1 --pause -1", "1 R 1 --cpu 2-1"] {
        let output = work(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn prints_the_iterations_that_a_number_of_pages_takes() {
    let output = |line: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_work")).args(line.split(' ')).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(output("200 R 10000 --reached 9084"), (Some(0), "1.0\n".into()));
    assert_eq!(output("200 R 10000 --reached 50170"), (Some(0), "20.0\n".into()));
    assert_eq!(output("200 R 10000 --reached x").0, Some(2));
}
