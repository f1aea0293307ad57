// SPDX-License-Identifier: GPL-2.0

//! Every number of the studies, as tables for the reader to check.

use super::metrics::{process_waited_s, Metrics};
use super::published::total_faults;
use super::run::Run;
use super::Study;
use format::columns;
use plot::delays::DELAYS;
use plot::number::{fixed, thousands};

/// A table with a heading row.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Headings, units included.
    pub head: Vec<String>,
    /// Rows, a field for each heading.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// The table in Markdown, columns aligned: numbers to the right.
    pub fn markdown(&self) -> String {
        let width = |column: usize| {
            let fields = self.rows.iter().map(|row| row[column].chars().count());
            fields.chain([self.head[column].chars().count(), 3]).max().unwrap_or(3)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |fields: &[String]| {
            let cells: Vec<String> = fields
                .iter()
                .zip(&widths)
                .enumerate()
                .map(
                    |(column, (field, &width))| {
                        if column == 0 {
                            format!("{field:<width$}")
                        } else {
                            format!("{field:>width$}")
                        }
                    },
                )
                .collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rules: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, &width)| if column == 0 { "-".repeat(width) } else { "-".repeat(width - 1) + ":" })
            .collect();
        let mut text = line(&self.head) + &line(&rules);
        for row in &self.rows {
            text += &line(row);
        }
        text
    }
}

/// One row a run.
pub fn runs(study: &Study) -> Table {
    let mut table = Table::new(&[
        "run",
        "processes",
        "completion (s)",
        "minor",
        "major",
        "total faults",
        "expected",
        "off by (%)",
        "pages touched",
        "published",
        "CPU time (s)",
        "utilisation (%)",
    ]);
    for run in &study.runs {
        let metrics = Metrics::of(run);
        table.rows.push(vec![
            run.name.clone(),
            metrics.processes.to_string(),
            fixed(metrics.wall_s, 2),
            thousands(metrics.minor),
            thousands(metrics.major),
            thousands(metrics.faults()),
            known(metrics.expected, |expected| fixed(expected, 0)),
            known(metrics.deviation_percent(), signed),
            known(metrics.distinct_pages, thousands),
            match total_faults(run) {
                Some(published) if published.from == published.to => thousands(published.from),
                Some(published) => format!("{}–{}", thousands(published.from), thousands(published.to)),
                None => "—".into(),
            },
            fixed(metrics.cpu_s, 3),
            fixed(metrics.utilisation_percent, 2),
        ]);
    }
    table
}

/// One row a run: what was sampled, and how well.
pub fn sampling(study: &Study) -> Table {
    let mut table = Table::new(&[
        "run",
        "samples",
        "rate (Hz)",
        "lost",
        "sampled faults",
        "getrusage",
        "difference",
        "peak rate (faults/s)",
    ]);
    for run in &study.runs {
        let metrics = Metrics::of(run);
        table.rows.push(vec![
            run.name.clone(),
            thousands(run.profile.samples),
            known(run.profile.rate_reached_hz(), |rate| fixed(rate, 3)),
            known(run.profile.comments.trailer.lost, thousands),
            thousands(metrics.faults()),
            thousands(metrics.rusage_faults),
            (i128::from(metrics.faults()) - i128::from(metrics.rusage_faults)).to_string(),
            fixed(run.profile.trace.peak(|bucket| bucket.fault_rate), 0),
        ]);
    }
    table
}

/// One row a run: where time went, in seconds summed over its processes.
pub fn waiting(study: &Study) -> Table {
    let names: Vec<String> = DELAYS.iter().map(|delay| format!("{} (s)", delay.name)).collect();
    let mut head = vec!["run", "on a CPU (s)", "runnable, not running (s)"];
    head.extend(names.iter().map(String::as_str));
    let mut table = Table::new(&head);
    for run in &study.runs {
        let metrics = Metrics::of(run);
        let mut row = vec![run.name.clone(), fixed(metrics.cpu_s, 2), seconds(metrics.run_delay_s)];
        row.extend(metrics.delays_s.iter().map(|&delay| seconds(delay)));
        table.rows.push(row);
    }
    table
}

/// One row a program of a run.
pub fn programs(run: &Run) -> Table {
    let mut table = Table::new(&[
        "workload",
        "pid",
        "seed",
        "real (s)",
        "user (s)",
        "system (s)",
        "minor",
        "major",
        "expected",
        "pages touched",
        "swap-in (s)",
        "block I/O (s, not reliable)",
    ]);
    for userapp in &run.userapps {
        let process = run.processes.list.iter().find(|process| process.pid == userapp.pid);
        let waited = |column| {
            seconds(process.and_then(|process| process_waited_s(&run.processes, process, columns::of(column))))
        };
        table.rows.push(vec![
            userapp.workload.clone(),
            userapp.pid.to_string(),
            known(userapp.seed, |seed| seed.to_string()),
            fixed(userapp.real_s, 3),
            fixed(userapp.user_s, 3),
            fixed(userapp.system_s, 3),
            thousands(userapp.profiled.minor_faults),
            thousands(userapp.profiled.major_faults),
            known(userapp.expected_pages(), |expected| fixed(expected, 0)),
            known(userapp.distinct_pages, thousands),
            waited("swapin_delay"),
            waited("blkio_delay"),
        ]);
    }
    table
}

/// What the tables' words mean.
pub const DEFINITIONS: &str = "\
completion: from the start of the first program to the end of the last.
total faults: minor + major, sums of the sampled intervals of all registered processes (profile.data).
expected: sum over programs of P (1 - e^(-V/P)), the different pages that V visits to P pages touch on average.
pages touched: the same for the programs' own seeds, counted.
utilisation: CPU time of all programs / (completion time x CPUs), from profile.data, wall_s and cpus of run.json.
waiting: the kernel's delay accounting, summed over processes; kinds overlap and are not to be added; n/a: not counted.
block I/O: not reliable: since Linux 6.12 the kernel charges it to the wrong task (docs/upstream/README.md).
";

/// All tables of a study, as text.
pub fn text(study: &Study) -> String {
    let mut text = String::from("Runs\n\n");
    text += &runs(study).markdown();
    text += "\nSampling\n\n";
    text += &sampling(study).markdown();
    text += "\nWaiting, seconds summed over the processes of a run\n\n";
    text += &waiting(study).markdown();
    for run in &study.runs {
        text += &format!("\nPrograms of {}\n\n", run.name);
        text += &programs(run).markdown();
    }
    text += "\n";
    text += DEFINITIONS;
    text
}

fn known<T>(value: Option<T>, write: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "n/a".into(), write)
}

fn seconds(value: Option<f64>) -> String {
    known(value, |value| fixed(value, 2))
}

fn signed(percent: f64) -> String {
    let text = fixed(percent, 3);
    if percent > 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        format!("+{text}")
    } else {
        text
    }
}
