// SPDX-License-Identifier: GPL-2.0

//! Case study 1: accumulated page faults of programs that run at the same time.

use crate::study::metrics::Metrics;
use crate::study::run::Run;
use crate::study::Study;
use plot::axis::Axis;
use plot::figure::Figure;
use plot::number::{fixed, seconds, thousands};
use plot::palette::{series, INK, MAJOR, MINOR, MUTED, SUM};
use plot::panel::{Horizontal, Item, Panel, Pen};

const EXPECTED: &str =
    "Expected: the different pages that the accesses touch on average, the sum over programs of P(1 − e^(−V/P)) for V \
     visits to P pages of 4 KiB; each costs one minor fault when it is first stored to.";

/// The figure of one run: minor and major faults separately, and the part of each program.
pub fn one(run: &Run) -> Figure {
    let trace = &run.profile.trace;
    let totals = trace.totals();
    let metrics = Metrics::of(run);
    let highest = metrics.expected.unwrap_or(0.0).max(totals.faults() as f64);
    let (total, minor) = (Pen::full(SUM, 6.0), Pen::full(MINOR, 1.8));
    let major = Pen::full(MAJOR, 1.8).dashed(6.0, 3.0);
    let mut items = vec![
        Item::Line { points: trace.accumulated(|bucket| bucket.minor.saturating_add(bucket.major)), pen: total },
        Item::Line { points: trace.accumulated(|bucket| bucket.minor), pen: minor },
        Item::Line { points: trace.accumulated(|bucket| bucket.major), pen: major },
    ];
    items.extend(level(&metrics, ""));
    items.extend(completions(run).map(|(label, x)| Item::Moment {
        x,
        label: format!("{label} done, {}", seconds(x)),
        colour: INK,
    }));
    let sums = Panel {
        title: "Accumulated page faults".into(),
        unit: "(count, both programs)".replace("both", if run.userapps.len() == 2 { "both" } else { "all" }),
        y: Axis::roomy(highest, 6),
        y_suffix: "",
        items,
        legend: vec![
            (total, format!("total {}", thousands(totals.faults()))),
            (minor, format!("minor {}", thousands(totals.minor))),
            (major, format!("major {}", thousands(totals.major))),
        ],
    };
    Figure {
        title: format!("Case study {}: {}", run.name, workloads(run)),
        subtitle: vec![result(&metrics), machine(run)],
        legend: Vec::new(),
        panels: vec![(sums, 340.0), (per_program(run), 220.0)],
        x: time(totals.end_s),
        caption: vec![EXPECTED.to_owned()],
    }
}

/// The figure of all runs on the same axes.
pub fn together(study: &Study) -> Figure {
    let end_s = study.runs.iter().map(|run| run.profile.trace.totals().end_s).fold(0.0, f64::max);
    let mut highest = 0.0f64;
    let (mut items, mut majors, mut legend) = (Vec::new(), Vec::new(), Vec::new());
    let mut most_major = 0;
    for (index, run) in study.runs.iter().enumerate() {
        let (colour, mark) = series(index * 2);
        let pen = Pen::full(colour, 2.2).marked(mark);
        let metrics = Metrics::of(run);
        highest = highest.max(metrics.faults() as f64).max(metrics.expected.unwrap_or(0.0));
        most_major = most_major.max(metrics.major);
        let trace = &run.profile.trace;
        let points = trace.accumulated(|bucket| bucket.minor);
        items.push(Item::Marks { points: sparse(&points), pen });
        items.push(Item::Line { points, pen });
        let points = trace.accumulated(|bucket| bucket.major);
        majors.push(Item::Marks { points: sparse(&points), pen });
        majors.push(Item::Line { points, pen });
        items.extend(level(&metrics, &format!("{}: ", run.name)));
        items.extend(completions(run).map(|(label, x)| {
            let label = format!("{}: {label} done, {}", run.name, seconds(x));
            Item::Moment { x, label, colour }
        }));
        let name = format!(
            "{} — {}: {} minor, {} major",
            run.name,
            workloads(run),
            thousands(metrics.minor),
            thousands(metrics.major)
        );
        legend.push((pen, name));
    }
    let panel = |title: &str, unit: &str, y: Axis, items| Panel {
        title: title.into(),
        unit: unit.into(),
        y,
        y_suffix: "",
        items,
        legend: Vec::new(),
    };
    let unit = "(count, all programs of a run)";
    let without = "(count, all programs of a run; there were no major ones)";
    let minor_unit = if most_major == 0 { without } else { unit };
    let mut panels = vec![(panel("Accumulated minor page faults", minor_unit, Axis::roomy(highest, 6), items), 400.0)];
    if most_major > 0 {
        let y = Axis::roomy(most_major as f64, 3);
        panels.push((panel("Accumulated major page faults", unit, y, majors), 150.0));
    }
    Figure {
        title: "Case study 1: random and local accesses".into(),
        subtitle: study.runs.iter().take(1).map(machine).collect(),
        legend,
        panels,
        x: time(end_s),
        caption: vec![EXPECTED.to_owned()],
    }
}

fn per_program(run: &Run) -> Panel {
    let (mut items, mut legend) = (Vec::new(), Vec::new());
    let mut highest = 0.0f64;
    let lag_s = run.lag_s();
    for (index, process) in run.processes.list.iter().enumerate() {
        let (colour, mark) = series(index + 1);
        let pen = Pen::full(colour, 1.8).marked(mark);
        let value = |name| run.processes.column(name);
        let (Some(minor), Some(major)) = (value("minor_total"), value("major_total")) else { continue };
        let mut points = vec![((process.start_s - lag_s).max(0.0), 0.0)];
        points.extend(process.rows.iter().map(|row| {
            let faults = row.values[minor].unwrap_or(0) as f64 + row.values[major].unwrap_or(0) as f64;
            (row.time_s - lag_s, faults)
        }));
        let faults = points.last().map_or(0.0, |&(_, faults)| faults);
        highest = highest.max(faults);
        items.push(Item::Line { points: points.clone(), pen });
        items.push(Item::Marks { points: sparse(&points), pen });
        legend.push((pen, format!("{} ({}): {}", run.label(process), process.pid, fixed(faults, 0))));
    }
    Panel {
        title: "Each program".into(),
        unit: "(accumulated page faults)".into(),
        y: Axis::roomy(highest, 4),
        y_suffix: "",
        items,
        legend,
    }
}

/// When each program of the study was done, in seconds of the figure.
pub fn completions(run: &Run) -> impl Iterator<Item = (String, f64)> + '_ {
    let lag_s = run.lag_s();
    run.processes
        .list
        .iter()
        .filter(|process| run.userapps.iter().any(|userapp| userapp.pid == process.pid))
        .filter_map(move |process| {
            let last = process.rows.last()?;
            Some((run.label(process), last.time_s - lag_s))
        })
}

fn level(metrics: &Metrics, prefix: &str) -> Option<Item> {
    let y = metrics.expected?;
    let label = format!("{prefix}expected {}", thousands(y.round() as u64));
    Some(Item::Level { y, label, colour: MUTED })
}

fn result(metrics: &Metrics) -> String {
    let expected = match (metrics.expected, metrics.deviation_percent()) {
        (Some(expected), Some(deviation)) => {
            let sign = if deviation > 0.0 { "+" } else { "" };
            format!(", {sign}{} % from the expected {}", fixed(deviation, 2), thousands(expected.round() as u64))
        }
        _ => String::new(),
    };
    format!(
        "{} minor + {} major = {} page faults{expected} · {} CPU time · done after {}",
        thousands(metrics.minor),
        thousands(metrics.major),
        thousands(metrics.faults()),
        seconds(metrics.cpu_s),
        seconds(metrics.wall_s)
    )
}

/// The machine in one line: what most affects the numbers.
pub fn machine(run: &Run) -> String {
    let entries = run.description.machine.entries();
    let of = |wanted: &str| entries.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone());
    let cpus = run.description.machine.cpus;
    let mut parts = vec![format!("{cpus} CPU{}", if cpus == 1 { "" } else { "s" })];
    parts.extend(of("memory mib").map(|memory| format!("{memory} MiB memory")));
    parts.extend(of("swap mib").map(|swap| format!("{swap} MiB swap")));
    parts.extend(of("accelerator"));
    parts.extend(of("kernel").map(|kernel| format!("Linux {}", kernel.trim_start_matches("Linux "))));
    parts.push(run.description.started.replace('T', " ").replace('Z', " UTC"));
    parts.join(" · ")
}

fn workloads(run: &Run) -> String {
    let names: Vec<&str> = run.userapps.iter().map(|userapp| userapp.workload.as_str()).collect();
    names.join(" with ")
}

fn time(end_s: f64) -> Horizontal {
    Horizontal { axis: Axis::tight(end_s, 12), title: "Time since the first interval began (s)".into() }
}

/// About eight of the points, evenly spaced in time, for marks.
fn sparse(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let end = points.last().map_or(0.0, |&(x, _)| x);
    let mut chosen: Vec<(f64, f64)> = (1..=8)
        .filter_map(|index| points.iter().find(|&&(x, _)| x >= end * f64::from(index) / 8.0 - 1e-9).copied())
        .collect();
    chosen.dedup();
    chosen
}
