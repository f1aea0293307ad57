// SPDX-License-Identifier: GPL-2.0

//! Case study 2: more and more copies of a program, until they no longer fit into memory.

use super::case1::machine;
use crate::study::metrics::Metrics;
use crate::study::Study;
use plot::axis::Axis;
use plot::delays::{Delay, DELAYS};
use plot::figure::Figure;
use plot::number::{fixed, seconds, thousands};
use plot::palette::{Mark, RGBColor, CPU, INK, MAJOR, MINOR, SERIES};
use plot::panel::{Horizontal, Item, Panel, Pen};

const UTILISATION: &str = "CPU utilisation = CPU time of all copies (user and system, sampled) / (completion time × CPUs of the machine). \
     100 % is every CPU busy with them all the time. Completion time: from the start of the first copy to the end of the last.";

const WAITING: &str = "Waiting is the kernel's delay accounting, summed over the copies, and may therefore exceed the completion time. Its \
     kinds may overlap, and do not add up. Block-I/O delay is not shown: since Linux 6.12 the kernel charges it to the wrong task.";

/// Utilisation and completion time against the number of copies.
pub fn utilisation(study: &Study) -> Figure {
    let metrics: Vec<Metrics> = study.runs.iter().map(Metrics::of).collect();
    let busy = over_n(&metrics, |metrics| Some(metrics.utilisation_percent));
    let done = over_n(&metrics, |metrics| Some(metrics.wall_s));
    let utilisation =
        single("CPU utilisation", "(percent of all CPUs)", " %", &busy, CPU, |value| fixed(value, 1) + " %");
    let completion = single("Completion time", "(s)", "", &done, INK, seconds);
    figure(
        study,
        "Case study 2: CPU utilisation and completion time",
        vec![(utilisation, 270.0), (completion, 230.0)],
        vec![UTILISATION.to_owned()],
    )
}

/// Major faults, and time lost waiting, against the number of copies.
pub fn swapping(study: &Study) -> Figure {
    let metrics: Vec<Metrics> = study.runs.iter().map(Metrics::of).collect();
    let major = over_n(&metrics, |metrics| Some(metrics.major as f64));
    let minor = over_n(&metrics, |metrics| Some(metrics.minor as f64));
    let count = |value: f64| thousands(value as u64);
    let majors = single("Major page faults", "(count, all copies)", "", &major, MAJOR, count);
    let minors = single("Minor page faults", "(count, all copies)", "", &minor, MINOR, count);
    let mut caption = vec![WAITING.to_owned()];
    let mut items = Vec::new();
    let mut legend = Vec::new();
    let mut highest = 0.0f64;
    let marks = [Mark::Circle, Mark::Square, Mark::Triangle];
    for (index, Delay { name, .. }) in DELAYS.iter().enumerate() {
        let points = over_n(&metrics, |metrics| metrics.delays_s[index]);
        let pen = Pen::full(SERIES[index], 1.8).marked(marks[index]);
        if points.is_empty() {
            caption.push(format!("Not counted by this kernel: {name}."));
            continue;
        }
        highest = points.iter().map(|&(_, value)| value).fold(highest, f64::max);
        items.push(Item::Line { points: points.clone(), pen });
        items.push(Item::Marks { points, pen });
        legend.push((pen, (*name).to_owned()));
    }
    let waiting = Panel {
        title: "Time lost waiting for memory and swap".into(),
        unit: if items.is_empty() { not_counted(study) } else { "(s, summed over copies)".into() },
        y: Axis::roomy(highest, 4),
        y_suffix: "",
        items,
        legend,
    };
    figure(
        study,
        "Case study 2: page faults and the wait for swap",
        vec![(majors, 220.0), (waiting, 240.0), (minors, 180.0)],
        caption,
    )
}

/// Why there is no waiting to show, in the monitor's words.
fn not_counted(study: &Study) -> String {
    let why = study.runs.iter().find_map(|run| run.processes.comments.preamble.delays.clone());
    format!("(the kernel did not count it: delay accounting {})", why.unwrap_or_else(|| "off".into()))
}

/// Points (number of copies, value) of the runs that have the value.
pub fn over_n(metrics: &[Metrics], value: impl Fn(&Metrics) -> Option<f64>) -> Vec<(f64, f64)> {
    metrics.iter().filter_map(|metrics| Some((metrics.processes as f64, value(metrics)?))).collect()
}

fn single(
    title: &str,
    unit: &str,
    y_suffix: &'static str,
    points: &[(f64, f64)],
    colour: RGBColor,
    write: impl Fn(f64) -> String,
) -> Panel {
    let highest = points.iter().map(|&(_, y)| y).fold(0.0, f64::max);
    let pen = Pen::full(colour, 1.8).marked(Mark::Circle);
    let mut items = vec![Item::Line { points: points.to_vec(), pen }, Item::Marks { points: points.to_vec(), pen }];
    items.extend(points.iter().map(|&at| Item::Value { at, text: write(at.1), colour: INK }));
    Panel {
        title: title.into(),
        unit: unit.into(),
        // Room for the numbers above the highest points.
        y: Axis::roomy(highest * 1.12, 4),
        y_suffix,
        items,
        legend: Vec::new(),
    }
}

fn figure(study: &Study, title: &str, panels: Vec<(Panel, f64)>, caption: Vec<String>) -> Figure {
    let mut counts: Vec<f64> = study.runs.iter().map(|run| run.userapps.len() as f64).collect();
    counts.dedup();
    let workloads = study.runs.first().and_then(|run| run.userapps.first());
    let workload = workloads.map_or(String::new(), |userapp| format!("N copies of userapp {}", userapp.workload));
    let mut subtitle = vec![workload];
    subtitle.extend(study.runs.first().map(machine));
    let x = Horizontal { axis: Axis::at(&counts), title: "N, copies running at the same time".into() };
    Figure { title: title.into(), subtitle, legend: Vec::new(), panels, x, caption }
}
