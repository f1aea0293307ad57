// SPDX-License-Identifier: GPL-2.0

//! The committed data: what is claimed of the two studies, and that their texts and figures say what the data say.

use format::columns;
use plot::panel::Item;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use studies::figure::case2;
use studies::study::metrics::Metrics;
use studies::study::Study;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The runs of a study by name, and their numbers.
fn study(name: &str) -> (Study, Vec<(String, Metrics)>) {
    let study = Study::load(&here("data").join(name)).unwrap();
    let numbers = study.runs.iter().map(|run| (run.name.clone(), Metrics::of(run))).collect();
    (study, numbers)
}

fn summary() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_studies")).arg("summary").arg(here("data")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sampled_faults_equal_those_of_getrusage() {
    for (name, numbers) in [study("case1").1, study("case2").1].concat() {
        assert_eq!(numbers.faults(), numbers.rusage_faults, "{name}");
    }
}

#[test]
fn where_memory_is_enough_faults_are_the_pages_touched_and_near_the_expectation() {
    let runs = [study("case1").1, study("case2").1].concat();
    let fitting: Vec<_> = runs.iter().filter(|(name, _)| name != "n28").collect();
    assert_eq!(fitting.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(), ["1a", "1b", "n01", "n05", "n11", "n21"]);
    for (name, numbers) in fitting {
        assert_eq!((numbers.minor, numbers.major), (numbers.distinct_pages.unwrap(), 0), "{name}");
        assert!(numbers.deviation_percent().unwrap().abs() < 0.5, "{name}");
    }
}

#[test]
fn too_many_copies_thrash() {
    let (study, numbers) = study("case2");
    let (most_that_fit, too_many) = (&numbers[3].1, &numbers[4].1);
    assert_eq!((most_that_fit.processes, too_many.processes), (21, 28));
    assert!(too_many.major > 10_000);
    assert!(too_many.minor >= too_many.distinct_pages.unwrap());
    for pair in numbers[..4].windows(2) {
        assert!(pair[0].1.utilisation_percent < pair[1].1.utilisation_percent);
    }
    assert!(too_many.utilisation_percent < 0.75 * most_that_fit.utilisation_percent);
    assert!(too_many.wall_s > 3.0 * most_that_fit.wall_s);
    // And so the figure draws it.
    let figure = case2::utilisation(&study);
    let Some(Item::Line { points, .. }) =
        figure.panels[0].0.items.iter().find(|item| matches!(item, Item::Line { .. }))
    else {
        panic!("no line");
    };
    let drawn: Vec<_> = numbers.iter().map(|(_, n)| (n.processes as f64, n.utilisation_percent)).collect();
    assert_eq!(*points, drawn);
}

#[test]
fn the_committed_summary_agrees_with_the_data() {
    assert!(summary() == fs::read_to_string(here("summary.md")).unwrap(), "make it again with `studies summary`");
}

#[test]
fn the_tables_of_the_readme_agree_with_the_data() {
    let (summary, readme) = (summary(), fs::read_to_string(here("README.md")).unwrap());
    let mut numbers = 0;
    for cell in readme.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|')) {
        // Metrics with more than two digits: the others are N.
        let is_digit = |letter: char| letter.is_ascii_digit();
        let is_number = |word: &&str| {
            word.matches(is_digit).count() > 2 && word.trim_start_matches(['−', '+']).starts_with(is_digit)
        };
        for word in cell.split([' ', ':']).filter(is_number).filter(|_| !cell.contains(" R ")) {
            let known = summary.split(['|', ' ', '–', '\n']).any(|said| said == word);
            assert!(known, "{word} in {cell:?} is not in the summary");
            numbers += 1;
        }
    }
    assert!(numbers > 40, "{numbers}");
}

#[test]
fn the_committed_figures_agree_with_the_data() {
    let figures = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/committed"));
    fs::create_dir_all(&figures).unwrap();
    for study in ["case1", "case2"] {
        let output = Command::new(env!("CARGO_BIN_EXE_studies"))
            .args([study.as_ref(), here("data").join(study).as_os_str(), "-o".as_ref(), figures.as_os_str()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let names = ["case1", "case1-1a", "case1-1b", "case2-utilisation", "case2-swap"];
    for name in names.map(|name| format!("{name}.svg")) {
        let texts = |dir: &Path| -> Vec<String> {
            let svg = fs::read_to_string(dir.join(&name)).unwrap();
            svg.split("<text")
                .skip(1)
                .filter_map(|text| Some(text.split('<').next()?.split_once('>')?.1.trim().into()))
                .collect()
        };
        let (now, committed) = (texts(&figures), texts(&here("figures")));
        assert!(now.len() > 10 && now == committed, "{name}: {now:?}\n{committed:?}");
    }
}

/// What a process was doing at each moment: on a CPU, waiting for one, or asleep. So these fit into its life, whatever counted
/// them. Block-I/O delay does not, which is why no text and no figure goes by it.
#[test]
fn what_the_copies_waited_for_fits_into_their_lives() {
    let mut impossible = 0;
    for run in study("case1").0.runs.iter().chain(&study("case2").0.runs) {
        let processes = &run.processes;
        for process in &processes.list {
            let seconds = |name: &str| processes.last(process, columns::of(name)).map_or(0.0, |ns| ns as f64 / 1e9);
            let life_s = process.rows.last().unwrap().time_s - process.start_s;
            let awake_s = seconds("user") + seconds("system") + seconds("run_delay");
            // 20 pauses of a second. The scheduler's clock, which counts both, and CLOCK_MONOTONIC agree to a quarter of a percent.
            let asleep_s = life_s * 1.0025 - awake_s - 20.0;
            assert!(asleep_s >= 0.0, "{} of {}: {awake_s} s awake of {life_s}", process.pid, run.name);
            for name in ["swapin_delay", "thrashing_delay"] {
                assert!(seconds(name) <= asleep_s, "{} of {}: {name} of {asleep_s} s", process.pid, run.name);
            }
            assert!(seconds("reclaim_delay") <= life_s - 20.0);
            impossible += usize::from(seconds("blkio_delay") > life_s);
        }
    }
    assert!(impossible > 0, "this kernel counts block-I/O delay right: the texts can say so");
}

/// Where the README's prose has the numbers of N = 28 from.
#[test]
fn the_readmes_prose_about_28_copies_agrees_with_the_data() {
    let (study, metrics) = study("case2");
    let (run, metrics) = (&study.runs[4], &metrics[4].1);
    let processes = &run.processes;
    let sum = |name: &str| -> f64 {
        processes.list.iter().filter_map(|process| processes.last(process, columns::of(name))).sum::<u64>() as f64 / 1e9
    };
    let lives: f64 = processes.list.iter().map(|process| process.rows.last().unwrap().time_s - process.start_s).sum();
    let asleep = lives - metrics.cpu_s - sum("run_delay") - 28.0 * 20.0;
    let readme = fs::read_to_string(here("README.md")).unwrap().replace('\n', " ");
    let each = |seconds: f64| format!("{:.1} s", seconds / 28.0);
    let grouped = |number: u64| plot::number::thousands(number);
    for said in [
        format!("lived {}", each(lives)),
        format!("{} on a CPU", each(metrics.cpu_s)),
        format!("{} in the queue", each(sum("run_delay"))),
        format!("{} asleep in the kernel", each(asleep)),
        format!("{} of that for pages evicted shortly before", each(sum("thrashing_delay"))),
        format!("{} in direct reclaim", each(sum("reclaim_delay"))),
        format!("{} faults came on top", grouped(metrics.faults() - metrics.distinct_pages.unwrap())),
        format!("{} major ones", grouped(metrics.major)),
        format!("{} minor ones", grouped(metrics.minor - metrics.distinct_pages.unwrap())),
    ] {
        assert!(readme.contains(&said), "the README does not say: {said}");
    }
}
