// SPDX-License-Identifier: GPL-2.0

//! The page of studies: `plot`'s page, with their tables and machines.

use crate::study::metrics::Metrics;
use crate::study::run::Run;
use crate::study::summary::{self, Table};
use crate::study::Study;
use plot::canvas::escape;
use plot::delays::DELAYS;
use plot::page::data::{self, Group, Page, Series, Trend, TrendLine};
use plot::page::{self, Texts};

/// The page of these studies.
///
/// # Errors
/// The numbers cannot be written as JSON.
pub fn html(studies: &[Study]) -> Result<String, serde_json::Error> {
    let names: Vec<String> = studies.iter().map(Study::title).collect();
    let texts = Texts {
        title: format!("mp3: {}", names.join(", ")),
        sections: studies.iter().enumerate().map(|(index, study)| section(index, study)).collect(),
        definitions: page::definitions(summary::DEFINITIONS),
    };
    page::html(&texts, &Page { studies: studies.iter().map(group).collect() })
}

fn group(study: &Study) -> Group {
    Group { name: study.name.clone(), trends: trends(study), runs: study.runs.iter().map(run).collect() }
}

fn run(run: &Run) -> data::Run {
    let sum = Series::sum(&run.profile.trace, run.lag_s());
    let cpus = Some(u64::from(run.description.machine.cpus));
    data::Run::new(&run.name, cpus, &run.processes, sum, |process| format!("{} ({})", run.label(process), process.pid))
}

fn trends(study: &Study) -> Vec<Trend> {
    let metrics: Vec<Metrics> = study.runs.iter().map(Metrics::of).collect();
    if metrics.windows(2).all(|pair| pair[0].processes == pair[1].processes) {
        return Vec::new();
    }
    let line = |name: &str, value: &dyn Fn(&Metrics) -> Option<f64>| {
        let known = metrics.iter().filter_map(|metrics| Some((metrics.processes, value(metrics)?)));
        let (n, value) = known.unzip();
        TrendLine { name: name.into(), n, value }
    };
    let waits: Vec<TrendLine> = DELAYS
        .iter()
        .enumerate()
        .map(|(index, delay)| line(delay.name, &|metrics| metrics.delays_s[index]))
        .filter(|line| !line.n.is_empty())
        .collect();
    let one = |title, unit, line| Trend { title, unit, lines: vec![line] };
    let mut trends = vec![
        one("CPU utilisation", "% of all CPUs", line("utilisation", &|n| Some(n.utilisation_percent))),
        one("Completion time", "s", line("completion", &|n| Some(n.wall_s))),
        one("Major page faults", "count", line("major", &|n| Some(n.major as f64))),
        one("Minor page faults", "count", line("minor", &|n| Some(n.minor as f64))),
    ];
    if !waits.is_empty() {
        trends.push(Trend { title: "Time lost waiting", unit: "s, summed over processes", lines: waits });
    }
    trends
}

fn section(index: usize, study: &Study) -> String {
    let machines: String = study.runs.iter().enumerate().map(|(run, _)| machine(study, run)).collect();
    let programs: String =
        study.runs.iter().map(|run| table(&format!("Programs of {}", run.name), &summary::programs(run))).collect();
    let details = format!(
        "<details><summary>Sampling, waiting, programs</summary>\n{}{}{programs}</details>\n\
         <details><summary>Machine</summary>\n<div class=\"machines\">{machines}</div></details>\n",
        table("Sampling", &summary::sampling(study)),
        table("Waiting, seconds summed over the processes of a run", &summary::waiting(study)),
    );
    page::section(index, &study.title(), &table("Summary", &summary::runs(study)), &details)
}

fn table(caption: &str, table: &Table) -> String {
    page::table(caption, &table.head, &table.rows)
}

/// The machine of a run, unless it is the one of the run before.
fn machine(study: &Study, run: usize) -> String {
    let this = &study.runs[run].description;
    if run > 0 && study.runs[run - 1].description.machine == this.machine {
        return String::new();
    }
    let same = study.runs[run..].iter().take_while(|other| other.description.machine == this.machine);
    let names: Vec<&str> = same.map(|other| other.name.as_str()).collect();
    let entries: String = this
        .machine
        .entries()
        .iter()
        .map(|(key, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(key), escape(value)))
        .collect();
    format!(
        "<h3>{} <small>first run {}</small></h3>\n<dl>{entries}</dl>\n",
        escape(&names.join(", ")),
        escape(&this.started)
    )
}
