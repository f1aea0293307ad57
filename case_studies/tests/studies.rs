// SPDX-License-Identifier: GPL-2.0

//! Case studies: the numbers behind their figures, and the commands that draw and print them.

mod study;

use plot::panel::Item;
use std::fs;
use std::process::{Command, Output};
use studies::figure::{case1, case2};
use studies::study::metrics::Metrics;
use studies::study::{summary, Study};
use study::{write_run, write_studies, Dir};

fn studies(dir: &Dir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_studies")).args(arguments).current_dir(&dir.0).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(items: &[Item]) -> Vec<&[(f64, f64)]> {
    items
        .iter()
        .filter_map(|item| if let Item::Line { points, .. } = item { Some(&points[..]) } else { None })
        .collect()
}

#[test]
fn metrics_are_computed_as_they_are_defined() {
    let dir = Dir::new();
    write_studies(&dir.0);
    let study = Study::load(&dir.0.join("case2")).unwrap();
    let numbers = Metrics::of(&study.runs[1]);
    assert_eq!((numbers.processes, numbers.minor, numbers.major), (3, 20 * 303, 20 * 12));
    assert_eq!(numbers.rusage_faults, 20 * 303 + 20 * 12);
    assert!((numbers.cpu_s - 0.6).abs() < 1e-9);
    // 0.6 s of CPU time in 1.25 s on 2 CPUs.
    assert!((numbers.utilisation_percent - 24.0).abs() < 1e-9);
    // P (1 - e^(-A/P)) with P = 51,200 and A = 200,000, three times.
    let expected = 3.0 * 51_200.0 * (1.0 - (-200_000.0f64 / 51_200.0).exp());
    assert!((numbers.expected.unwrap() - expected).abs() < 1e-6);
    assert_eq!(numbers.delays_s, [Some(0.24); 3]);
    assert_eq!(numbers.distinct_pages, Some(20 * 303));
}

#[test]
fn what_the_kernel_does_not_count_is_not_zero() {
    let dir = Dir::new();
    write_studies(&dir.0);
    let study = Study::load(&dir.0.join("case1")).unwrap();
    let numbers = Metrics::of(&study.runs[0]);
    assert_eq!(numbers.delays_s, [None; 3]);
    assert!(numbers.run_delay_s.is_some());
    assert!(summary::waiting(&study).markdown().contains("n/a"));
    let figure = case2::swapping(&study);
    assert!(lines(&figure.panels[1].0.items).is_empty());
    assert!(figure.panels[1].0.unit.contains("did not count"));
}

#[test]
fn case_1_separates_minor_from_major_and_marks_completions() {
    let dir = Dir::new();
    write_studies(&dir.0);
    let study = Study::load(&dir.0.join("case1")).unwrap();
    let figure = case1::one(&study.runs[0]);
    let sums = lines(&figure.panels[0].0.items);
    let ends: Vec<f64> = sums.iter().map(|points| points.last().unwrap().1).collect();
    assert_eq!(ends, [4020.0, 4020.0, 0.0], "total, minor, major");
    let parts: Vec<f64> = lines(&figure.panels[1].0.items).iter().map(|points| points.last().unwrap().1).collect();
    assert_eq!(parts, [2000.0, 2020.0]);
    let done: Vec<(String, f64)> = case1::completions(&study.runs[0]).collect();
    assert_eq!(done, [("1024 R 50000".to_owned(), 1.0), ("1024 R 10000".to_owned(), 1.0)]);
    let together = case1::together(&study);
    assert_eq!(lines(&together.panels[0].0.items).len(), 2);
    let moments = together.panels[0].0.items.iter().filter(|item| matches!(item, Item::Moment { .. })).count();
    assert_eq!(moments, 4);
}

#[test]
fn case_2_is_drawn_against_n() {
    let dir = Dir::new();
    write_studies(&dir.0);
    let study = Study::load(&dir.0.join("case2")).unwrap();
    let busy = case2::utilisation(&study);
    assert_eq!(lines(&busy.panels[0].0.items)[0], [(1.0, 8.0), (3.0, 24.0)]);
    assert_eq!(lines(&busy.panels[1].0.items)[0], [(1.0, 1.25), (3.0, 1.25)]);
    assert!(busy.caption[0].contains("CPU time of all copies"));
    let swap = case2::swapping(&study);
    assert_eq!(lines(&swap.panels[0].0.items)[0], [(1.0, 0.0), (3.0, 240.0)]);
    // Block-I/O delay, which kernels count wrongly, is in no figure.
    assert_eq!(lines(&swap.panels[1].0.items).len(), 3);
}

#[test]
fn commands_draw_and_print() {
    let dir = Dir::new();
    write_studies(&dir.0);
    let output = studies(&dir, &["case1", "case1", "-o", "figures"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for name in ["case1-1a.svg", "case1-1a.png", "case1-1b.svg", "case1-1b.png", "case1.svg", "case1.png"] {
        assert!(dir.0.join("figures").join(name).exists(), "{name}");
    }
    let svg = fs::read_to_string(dir.0.join("figures/case1.svg")).unwrap();
    assert!(svg.contains("1a: 1024 R 10000 done, 1.00 s") && svg.contains("1a: expected 396,273"), "{svg}");
    let output = studies(&dir, &["case2", "case2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(dir.0.join("case2/case2-utilisation.png").exists() && dir.0.join("case2/case2-swap.svg").exists());
    let output = studies(&dir, &["summary", "."]);
    let said = text(&output.stdout);
    for number in ["case1: Runs", "case2: Runs", "396,700–397,068", "396,273", "298,421", "50,116–50,429", "24.00"]
    {
        assert!(said.contains(number), "{number} is missing in\n{said}");
    }
}

#[test]
fn a_directory_that_is_no_study_is_named_with_what_is_missing() {
    let dir = Dir::new();
    let complaint = |arguments: &[&str]| {
        let output = studies(&dir, arguments);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    assert!(complaint(&["case1", "."]).contains("studies: .: no runs in it"));
    assert!(complaint(&["case1", "nowhere"]).contains("studies: nowhere: No such file"));
    write_run(&dir.0.join("1a"), &["1024 R 50000"], 0, true);
    fs::remove_file(dir.0.join("1a/processes.csv")).unwrap();
    assert!(complaint(&["case1", "."]).contains("1a: has no processes.csv, nor processes.csv.gz"));
    fs::write(dir.0.join("1a/userapp.jsonl"), "{\"workload\":\"1024 R 50000\"}\n{\n").unwrap();
    assert!(complaint(&["summary", "1a"]).contains("userapp.jsonl: line 1: missing field `pid`"));
    fs::write(dir.0.join("1a/run.json"), "{\"format\":2,\"started\":\"\",\"wall_s\":1,\"machine\":{\"cpus\":1}}")
        .unwrap();
    assert!(complaint(&["summary", "."]).contains("run.json: line 1: format 2: this program reads format 1"));
}

#[test]
fn a_run_is_described_by_what_its_guest_left_and_found_to_match() {
    let dir = Dir::new();
    let run = dir.0.join("1a");
    write_run(&run, &["1024 R 50000", "1024 R 10000"], 0, true);
    fs::remove_file(run.join("run.json")).unwrap();
    fs::write(run.join("guest"), "wall_s=21.04\ncpus=2\nmemory_mib=2560\nswap_mib=0\nkernel=7.2.12\n").unwrap();
    fs::write(dir.0.join("kernel.log"), "[    0.0] Hypervisor detected: KVM\n").unwrap();
    let describe = ["describe", "1a", "--started", "2026-11-20T23:14:00Z", "--parameters", "mem=3G cpus=2 swap=none"];
    let describe = [&describe[..], &["--kernel-log", "kernel.log"]].concat();
    let output = studies(&dir, &describe);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!run.join("guest").exists());
    let study = Study::load(&dir.0).unwrap();
    let description = &study.runs[0].description;
    assert_eq!((description.wall_s, description.machine.cpus), (21.04, 2));
    assert_eq!(description.machine.more["accelerator"], "kvm");
    assert_eq!(description.machine.more["memory_mib"], 2560);

    let matches = |parameters: &str, workloads: &[&str]| {
        let arguments = [&["matches", "1a", "--parameters", parameters], workloads].concat();
        let output = studies(&dir, &arguments);
        (output.status.code(), text(&output.stderr))
    };
    let same = ["1024 R 50000", "1024 R 10000"];
    assert_eq!(matches("mem=3G cpus=2 swap=none", &same), (Some(0), String::new()));
    let (code, said) = matches("mem=4G cpus=2 swap=none", &same);
    assert!(code == Some(1) && said.contains("1a was run with mem=3G cpus=2 swap=none, and not with mem=4G"), "{said}");
    let (code, said) = matches("mem=3G cpus=2 swap=none", &same[..1]);
    assert!(code == Some(1) && said.contains("other workloads: 1024 R 50000, 1024 R 10000"), "{said}");

    // Without what the guest leaves there is no description.
    let output = studies(&dir, &describe);
    assert!(text(&output.stderr).contains("1a/guest: No such file"), "{}", text(&output.stderr));
}
