// SPDX-License-Identifier: GPL-2.0

//! `make test`: runs runners, and ends with the total.

use crate::expected::Expected;
use crate::results::{Counts, Results};
use crate::runner::{self, End, Place, Runner};
use crate::stage::{check, Stage};
use anyhow::{bail, ensure, Context, Result};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Tests that are named one by one where they are missing; of more, there is one cause.
const NAMED: usize = 20;

/// Runs all runners of `places` and prints the total, alone on the last line.
///
/// # Errors
///
/// A runner could not be started.
pub fn run(places: &[Place]) -> Result<ExitCode> {
    let mut total = Counts::default();
    let mut spans: Vec<(String, Duration)> = vec![];
    for place in places {
        let prepared = prepare(*place);
        if let Err(error) = &prepared {
            eprintln!("    {error:#}");
        }
        for runner in Runner::all(*place) {
            let stage = Stage::begin(&runner.title);
            let expected = Expected::read(runner.list)?;
            // What could not be prepared does not run, and so all of its tests are missing.
            let ran = match &prepared {
                Ok(()) => Some(runner::run(&runner.command, runner.limit)?),
                Err(_) => None,
            };
            let (counts, remarks) = judge(&expected, ran.as_ref());
            remarks.iter().for_each(|remark| eprintln!("    {remark}"));
            spans.push(stage.end(&counts.to_string()));
            total += counts;
        }
    }
    eprintln!();
    for (title, span) in &spans {
        eprintln!("{:8.1} s  {title}", span.as_secs_f64());
    }
    println!("\n{total}");
    Ok(if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The counts of a runner (`None`: it was not even started), and what is to be said about them.
fn judge(expected: &Expected, ran: Option<&(Results, End)>) -> (Counts, Vec<String>) {
    let nothing = Results::default();
    let results = ran.map_or(&nothing, |(results, _)| results);
    let missing = expected.missing(results);
    let mut counts = results.counts();
    counts.failed += missing.len();
    let mut remarks = vec![];
    // Something failed that no test's failure explains.
    let mut unexplained = |counts: &mut Counts, remark: String| {
        if counts.failed == 0 {
            counts.failed = 1;
        }
        remarks.push(remark);
    };
    match ran {
        None => unexplained(&mut counts, "not run: what it needs could not be made".into()),
        Some((_, End::TimedOut)) => unexplained(&mut counts, "ended: its time was up".into()),
        Some((_, End::Exited(status))) => {
            if !status.success() {
                unexplained(&mut counts, format!("ended with {status}"));
            }
            if let Some(why) = results.contradiction() {
                unexplained(&mut counts, why);
            }
        }
    }
    if !missing.is_empty() {
        remarks.push(format!("{} of {} expected tests did not run:", missing.len(), expected.len()));
        remarks.extend(missing.iter().take(NAMED).map(|name| format!("    {name}")));
        if missing.len() > NAMED {
            remarks.push(format!("    and {} more", missing.len() - NAMED));
        }
        remarks.push("(a test that was renamed or taken away on purpose: make expected)".into());
    }
    match expected.new_ones(results) {
        0 => {}
        new => remarks.push(format!("{new} more than are expected; to have them missed in future: make expected")),
    }
    (counts, remarks)
}

/// Builds what the runners of a place need.
fn prepare(place: Place) -> Result<()> {
    match place {
        Place::Host => Ok(()),
        Place::Vm | Place::Peers | Place::Kasan | Place::Kcsan => {
            check(Command::new("make").args(["--no-print-directory", "guest-tests"]))
        }
    }
}

/// Prints passed, failed and skipped of a runner's output, for scripts. Output that contradicts itself is one failure at least.
///
/// # Errors
///
/// The file cannot be read.
pub fn print_total(file: &Path) -> Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| file.display().to_string())?;
    let mut results = Results::default();
    String::from_utf8_lossy(&text).lines().for_each(|line| results.line(line));
    let mut counts = results.counts();
    if let Some(why) = results.contradiction() {
        eprintln!("{}: {why}", file.display());
        counts.failed = counts.failed.max(1);
    }
    println!("{} {} {}", counts.passed, counts.failed, counts.skipped);
    Ok(ExitCode::SUCCESS)
}

/// Writes the lists of tests, all of them or only those named, from what the runners list; one that cannot list is run.
///
/// # Errors
///
/// A runner fails, or there is no such list.
pub fn write_expected(lists: &[String]) -> Result<()> {
    let runners: Vec<_> = [Place::Host, Place::Vm, Place::Peers].into_iter().flat_map(Runner::all).collect();
    if let Some(unknown) = lists.iter().find(|list| !runners.iter().any(|runner| runner.list == *list)) {
        let known: Vec<_> = runners.iter().map(|runner| runner.list).collect();
        bail!("{unknown}: no such list; there are {}", known.join(", "));
    }
    let wanted = |runner: &&Runner| lists.is_empty() || lists.iter().any(|list| runner.list == list);
    let wanted: Vec<_> = runners.iter().filter(wanted).collect();
    let in_guest: Vec<_> = [Place::Vm, Place::Peers].into_iter().flat_map(Runner::all).collect();
    if wanted.iter().any(|runner| in_guest.iter().any(|guest| guest.list == runner.list)) {
        prepare(Place::Vm)?;
    }
    for runner in wanted {
        let stage = Stage::begin(&runner.title);
        let (results, end) = runner::run(&runner.listing().unwrap_or_else(|| runner.command.clone()), runner.limit)?;
        ensure!(matches!(&end, End::Exited(status) if status.success()), "{}: {end:?}", runner.title);
        let expected = Expected::of(&results);
        ensure!(expected.len() > 0, "{}: no tests", runner.title);
        expected.write(runner.list)?;
        stage.end(&format!("{} tests in xtask/expected/{}", expected.len(), runner.list));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn ran(text: &str, status: i32) -> (Results, End) {
        let mut results = Results::default();
        text.lines().for_each(|line| results.line(line));
        (results, End::Exited(ExitStatus::from_raw(status << 8)))
    }

    fn expected(names: &[&str]) -> Expected {
        Expected::of(&ran(&names.iter().map(|name| format!("test {name} ... ok\n")).collect::<String>(), 0).0)
    }

    #[test]
    fn all_that_is_expected_and_passes_passes() {
        let (counts, remarks) =
            judge(&expected(&["a", "b"]), Some(&ran("test a ... ok\ntest b ... ok\n2 passed, 0 failed\n", 0)));
        assert_eq!((counts, remarks.len()), (Counts { passed: 2, failed: 0, skipped: 0 }, 0));
    }

    #[test]
    fn a_missing_test_is_a_failure_that_names_it() {
        let (counts, remarks) = judge(&expected(&["a", "b"]), Some(&ran("test a ... ok\n1 passed, 0 failed\n", 0)));
        assert_eq!(counts, Counts { passed: 1, failed: 1, skipped: 0 });
        assert!(remarks.contains(&"    b".to_owned()), "{remarks:?}");
    }

    #[test]
    fn a_skipped_test_is_not_missing() {
        let (counts, _) = judge(
            &expected(&["a", "b"]),
            Some(&ran("test a ... ok\ntest b ... skipped: x\n1 passed, 0 failed, 1 skipped\n", 0)),
        );
        assert_eq!(counts, Counts { passed: 1, failed: 0, skipped: 1 });
    }

    #[test]
    fn a_runner_that_ran_nothing_has_failed() {
        for text in ["", "0 passed, 0 failed\n"] {
            assert_eq!(judge(&Expected::default(), Some(&ran(text, 0))).0.failed, 1, "{text:?}");
        }
        // And one that was never started, with all of its tests.
        assert_eq!(judge(&expected(&["a", "b"]), None).0.failed, 2);
    }

    #[test]
    fn a_status_that_no_failed_test_explains_is_a_failure() {
        assert_eq!(judge(&Expected::default(), Some(&ran("test a ... ok\n1 passed, 0 failed\n", 123))).0.failed, 1);
        assert_eq!(judge(&Expected::default(), Some(&ran("test a ... FAILED\n0 passed, 1 failed\n", 1))).0.failed, 1);
    }

    #[test]
    fn a_runner_whose_time_is_up_has_failed() {
        let (results, _) = ran("test a ... ok\n", 0);
        assert_eq!(judge(&Expected::default(), Some(&(results, End::TimedOut))).0.failed, 1);
    }

    #[test]
    fn new_tests_pass_with_a_remark() {
        let (counts, remarks) = judge(&Expected::default(), Some(&ran("test a ... ok\n1 passed, 0 failed\n", 0)));
        assert_eq!((counts.failed, remarks.len()), (0, 1));
    }

    #[test]
    fn every_runner_of_make_test_has_a_list() {
        std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        for runner in [Place::Host, Place::Vm, Place::Peers].into_iter().flat_map(Runner::all) {
            assert!(Expected::read(runner.list).unwrap().len() > 0, "{}", runner.list);
        }
    }
}
