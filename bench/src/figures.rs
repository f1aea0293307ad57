// SPDX-License-Identifier: GPL-2.0

//! The figures of the benchmark: what mp3 costs beside what others cost, and how late samples are.

use crate::report::{Clock, Distribution, Report, Row, Section, MP3};
use crate::table;
use plot::axis::Axis;
use plot::figure::bars::{Bar, BarFigure, Group};
use plot::figure::Figure;
use plot::palette::series;
use plot::panel::{Horizontal, Item, Panel, Pen};

/// What is drawn of section Sampling.
const PER_PROCESS: &str = "per process and tick";

/// Quantiles that get a mark.
const MARKED: [f64; 3] = [0.5, 0.99, 1.0];

/// Cost of a tick for each process, against the number of processes; `None` without measurements of it.
pub fn sampling(report: &Report) -> Option<Figure> {
    let all = || report.rows.iter().filter(|row| row.section == Section::Sampling && row.quantity == PER_PROCESS);
    let first =
        all().find(|row| row.clock == Clock::Instructions).or_else(|| all().find(|row| row.clock == Clock::Wall))?;
    let rows: Vec<(f64, &Row)> = all()
        .filter(|row| row.clock == first.clock && row.unit == first.unit)
        .filter_map(|row| Some((row.parameter?, row)))
        .collect();
    let most = rows.iter().map(|&(processes, _)| processes).max_by(f64::total_cmp)?;
    let (mut bands, mut lines, mut marks, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, subject) in subjects(rows.iter().map(|(_, row)| &*row.subject)).into_iter().enumerate() {
        let mut of_subject: Vec<&(f64, &Row)> = rows.iter().filter(|(_, row)| row.subject == subject).collect();
        of_subject.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(&&(last, row)) = of_subject.last() else { continue };
        let (colour, mark) = series(index);
        let pen = Pen::full(colour, if subject == MP3 { 3.0 } else { 1.8 }).marked(mark);
        let points: Vec<(f64, f64)> = of_subject.iter().map(|&&(processes, row)| (processes, row.value)).collect();
        let edges = of_subject.iter().map(|&&(processes, row)| (processes, row.low, row.high)).collect();
        bands.push(Item::Band { edges, colour, opacity: 0.15 });
        lines.push(Item::Line { points: points.clone(), pen });
        marks.push(Item::Marks { points, pen });
        let place = if last == most { String::new() } else { format!(" at {}", table::figure(last)) };
        let detail = format!("{}{}{place}", table::figure(row.value), ratio(row));
        names.push(Item::Name { at: (last, row.value), name: subject.to_owned(), detail, pen });
    }
    let y = Axis::logarithmic(rows.iter().flat_map(|(_, row)| [row.low, row.value, row.high]));
    let x = Axis::logarithmic(rows.iter().map(|&(processes, _)| processes));
    let panel = Panel {
        title: "Cost per process and tick".into(),
        unit: format!("({}, logarithmic)", first.unit),
        y,
        y_suffix: "",
        items: [bands, lines, marks, names].concat(),
        legend: Vec::new(),
    };
    Some(Figure {
        title: "What it costs to sample a process once".into(),
        subtitle: vec![format!(
            "At the lines' ends: {} for {} processes, and how many times what mp3 takes.",
            first.unit,
            table::figure(most)
        )],
        legend: Vec::new(),
        panels: vec![(panel, 400.0)],
        x: Horizontal { axis: x, title: "Processes that are sampled (logarithmic)".into() },
        caption: caption(report, rows.iter().map(|&(_, row)| row)),
    })
}

/// What a whole profiler takes of the machine; `None` without measurements of it.
pub fn machine(report: &Report) -> Option<BarFigure> {
    let first = report.rows.iter().find(|row| row.section == Section::Machine)?;
    Some(bars(report, first, "What a whole profiler takes of the machine"))
}

/// What the profiled program pays; `None` without measurements of it.
pub fn profiled(report: &Report) -> Option<BarFigure> {
    let rows = || report.rows.iter().filter(|row| row.section == Section::Profiled);
    let first = rows().find(|row| row.subject == MP3).or_else(|| rows().next())?;
    Some(bars(report, first, "What the profiled program pays"))
}

/// Bars of all rows that measure the same as `first`: a group for each parameter, the least on top.
fn bars(report: &Report, first: &Row, title: &str) -> BarFigure {
    let same = |row: &&Row| {
        (row.section, &row.quantity, &row.unit, row.clock) == (first.section, &first.quantity, &first.unit, first.clock)
    };
    let mut rows: Vec<&Row> = report.rows.iter().filter(same).collect();
    rows.sort_by(|a, b| a.parameter.partial_cmp(&b.parameter).unwrap_or(std::cmp::Ordering::Equal));
    let mut groups: Vec<(Option<f64>, Group)> = Vec::new();
    for row in &rows {
        if groups.last().is_none_or(|(parameter, _)| *parameter != row.parameter) {
            groups.push((row.parameter, Group { title: String::new(), bars: Vec::new() }));
        }
        if let Some((_, group)) = groups.last_mut() {
            group.bars.push(bar(row));
        }
    }
    let several = groups.len() > 1;
    for (parameter, group) in &mut groups {
        group.bars.sort_by(|a, b| a.value.total_cmp(&b.value));
        if let Some(parameter) = parameter.filter(|_| several) {
            group.title = format!("{} {}", table::figure(parameter), table::parameter(first.section));
        }
    }
    let mut subtitle = table::sentence(&format!("{}, in {}", first.quantity, first.unit));
    if rows.iter().any(|row| row.subject != MP3 && row.ratio.is_some()) {
        subtitle += "; × is how many times what mp3 takes";
    }
    BarFigure {
        title: title.to_owned(),
        subtitle: vec![subtitle + "."],
        groups: groups.into_iter().map(|(_, group)| group).collect(),
        scale: table::sentence(&format!("{} ({}, logarithmic)", first.quantity, first.unit)),
        caption: caption(report, rows.iter().copied()),
    }
}

fn bar(row: &Row) -> Bar {
    // The scale says `% of a CPU`; `%` is enough at the bar.
    let unit = row.unit.split(' ').next().unwrap_or_default();
    let spread = table::spread(row).map_or(String::new(), |spread| format!(" ({spread})"));
    Bar {
        name: row.subject.clone(),
        value: row.value,
        spread: (row.low, row.high),
        text: format!("{} {unit}{spread}{}", table::figure(row.value), ratio(row)),
        stands_out: row.subject == MP3,
    }
}

/// How late samples are, a panel for each condition; `None` without measurements of it.
pub fn lateness(report: &Report) -> Option<Figure> {
    let all: Vec<(f64, &Distribution)> = report
        .distributions
        .iter()
        .filter(|of| of.section == Section::Lateness)
        .filter_map(|of| Some((table::microseconds(&of.unit)?, of)))
        .collect();
    if all.is_empty() {
        return None;
    }
    // The same colour for a subject in all panels.
    let subjects = subjects(all.iter().map(|(_, of)| &*of.subject));
    let mut conditions: Vec<(&str, Clock)> = Vec::new();
    for (_, of) in &all {
        if !conditions.contains(&(&*of.condition, of.clock)) {
            conditions.push((&*of.condition, of.clock));
        }
    }
    let panel = |&(condition, clock): &(&str, Clock)| {
        let (mut lines, mut marks, mut legend) = (Vec::new(), Vec::new(), Vec::new());
        for (index, &subject) in subjects.iter().enumerate() {
            let found =
                all.iter().find(|(_, of)| (&*of.subject, &*of.condition, of.clock) == (subject, condition, clock));
            let Some(&(factor, of)) = found else { continue };
            let (colour, mark) = series(index);
            let pen = Pen::full(colour, if subject == MP3 { 3.0 } else { 1.8 }).marked(mark);
            let points = of.quantiles.iter().map(|&(fraction, value)| (value * factor, fraction * 100.0)).collect();
            let known: Vec<(f64, f64)> = MARKED
                .iter()
                .filter_map(|&fraction| Some((of.quantile(fraction)? * factor, fraction * 100.0)))
                .collect();
            let numbers: Vec<String> = known.iter().map(|&(value, _)| table::figure(value)).collect();
            lines.push(Item::Line { points, pen });
            marks.push(Item::Marks { points: known, pen });
            legend.push((pen, format!("{subject}: {}", numbers.join(", "))));
        }
        let panel = Panel {
            title: condition.to_owned(),
            unit: format!("(samples that are not later, measured {})", table::clock(clock)),
            y: Axis::tight(100.0, 5),
            y_suffix: " %",
            items: [lines, marks].concat(),
            legend,
        };
        (panel, 200.0)
    };
    let counts: Vec<u64> = all.iter().map(|(_, of)| of.count).collect();
    let counted = match (counts.iter().min()?, counts.iter().max()?) {
        (least, most) if least == most => table::figure(*most as f64),
        (least, most) => format!("{} to {}", table::figure(*least as f64), table::figure(*most as f64)),
    };
    let values = all.iter().flat_map(|&(factor, of)| of.quantiles.iter().map(move |&(_, value)| value * factor));
    let axis = Axis::logarithmic(values.clone());
    let least = values.clone().filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min);
    let axis = axis.trimmed(least / 1.3, values.clone().fold(0.0, f64::max) * 1.3);
    let mut caption = vec![format!("{counted} samples a line.")];
    if values.clone().any(|value| value <= 0.0) {
        caption[0] += " What is not late at all stands at the left edge.";
    }
    caption.extend(versions(report));
    Some(Figure {
        title: "How late samples are".into(),
        subtitle: vec!["Marks and numbers: the median, 99 % and the worst of all samples, in µs.".to_owned()],
        legend: Vec::new(),
        panels: conditions.iter().map(panel).collect(),
        x: Horizontal { axis, title: "From when a sample was due to when it was taken (µs, logarithmic)".into() },
        caption,
    })
}

/// Each once: mp3 first, which so has the same colour in all figures, the others as they come.
fn subjects<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut different = Vec::new();
    for subject in all {
        if !different.contains(&subject) {
            different.push(subject);
        }
    }
    different.sort_by_key(|&subject| subject != MP3);
    different
}

/// How a row compares with that of mp3, which is the reference itself.
fn ratio(row: &Row) -> String {
    row.ratio.filter(|_| row.subject != MP3).map_or(String::new(), |ratio| format!(" {}", table::ratio(ratio)))
}

/// Number of runs, clock and versions.
fn caption<'a>(report: &Report, rows: impl Iterator<Item = &'a Row> + Clone) -> Vec<String> {
    let least = rows.clone().map(|row| row.runs).min().unwrap_or(0);
    let most = rows.clone().map(|row| row.runs).max().unwrap_or(0);
    let runs = match (least, most) {
        (1, 1) => "Single runs".to_owned(),
        (least, most) if least == most => format!("Medians of {most} runs, with the least and the most"),
        (least, most) => format!("Medians of {least} to {most} runs, with the least and the most"),
    };
    let clock = rows.clone().next().map_or(Clock::None, |row| row.clock);
    let measured = if clock == Clock::None { String::new() } else { format!(", measured {}", table::clock(clock)) };
    let mut said = vec![format!("{runs}{measured}. On a logarithmic scale, equal distances are equal ratios.")];
    said.extend(versions(report));
    said
}

/// What was compared, in a line.
fn versions(report: &Report) -> Option<String> {
    let known: Vec<String> = report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    (!known.is_empty()).then(|| known.join(" · "))
}
