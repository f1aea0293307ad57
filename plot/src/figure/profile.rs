// SPDX-License-Identifier: GPL-2.0

//! Page faults and CPU utilisation over time: one file in detail, or several over each other.

use super::Figure;
use crate::axis::Axis;
use crate::number::{fixed, seconds, thousands};
use crate::palette::{series, CPU, MAJOR, MINOR, SUM};
use crate::panel::{Horizontal, Item, Panel, Pen};
use crate::trace::{Bucket, Extremes, Trace};
use plotters::style::RGBColor;

/// Steps of a line in a figure of several, where more would only blacken the paper.
const OVERLAID: usize = 240;

/// Marks on a line of several.
const MARKS: usize = 6;

const UTILISATION: &str =
    "CPU utilisation: CPU time (user and system) of all registered processes within an interval, divided by \
     the length of the interval; 100 % is one CPU kept busy.";

/// One line of a figure: a file, or a process of one.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it is called.
    pub name: String,
    /// Sample lines read.
    pub samples: u64,
    /// Samples per second reached.
    pub rate_reached_hz: Option<f64>,
    /// How exactly the length of an interval is known, in percent of it: to a jiffy, where times are in jiffies.
    pub length_error_percent: Option<f64>,
    /// Its intervals.
    pub trace: Trace,
}

impl Source {
    /// The totals in one line.
    pub fn totals(&self) -> String {
        let totals = self.trace.totals();
        let rate = self.rate_reached_hz.map_or(String::new(), |rate| format!(" at {} Hz", fixed(rate, 2)));
        format!(
            "{} sample{}{rate} · {} minor + {} major = {} page faults · {} CPU time in {}",
            thousands(self.samples),
            if self.samples == 1 { "" } else { "s" },
            thousands(totals.minor),
            thousands(totals.major),
            thousands(totals.faults()),
            seconds(totals.cpu_ns as f64 / 1e9),
            seconds(totals.end_s)
        )
    }
}

/// The figure of these sources; `origin` names the machine if the file does. `left_out` are sources that belong to the sums and
/// are not drawn.
pub fn figure(sources: &[Source], left_out: &[Source], origin: Option<String>) -> Figure {
    match (sources, left_out) {
        ([source], []) => single(source, origin),
        _ => several(sources, left_out, origin),
    }
}

fn time_axis(end_s: f64) -> Horizontal {
    let (axis, unit) = Axis::time(end_s, 12);
    Horizontal { axis, title: format!("Time since the first interval began ({unit})") }
}

fn single(source: &Source, origin: Option<String>) -> Figure {
    let trace = &source.trace;
    let totals = trace.totals();
    let (minor, major) = (Pen::full(MINOR, 1.8), Pen::full(MAJOR, 1.8).dashed(6.0, 3.0));
    let total = Pen::full(SUM, 6.0);
    let accumulated = Panel {
        title: "Accumulated page faults".into(),
        unit: "(count)".into(),
        y: Axis::roomy(totals.faults() as f64, 6),
        y_suffix: "",
        items: vec![
            Item::Line { points: trace.accumulated(|bucket| bucket.minor.saturating_add(bucket.major)), pen: total },
            Item::Line { points: trace.accumulated(|bucket| bucket.minor), pen: minor },
            Item::Line { points: trace.accumulated(|bucket| bucket.major), pen: major },
        ],
        legend: vec![
            (total, format!("total {}", thousands(totals.faults()))),
            (minor, format!("minor {}", thousands(totals.minor))),
            (major, format!("major {}", thousands(totals.major))),
        ],
    };
    let faults_unit = "(page faults per second)";
    let mut panels = vec![(accumulated, 270.0)];
    // A scale of their own: a hundred major faults a second are much, and a hundred thousand minor ones are not.
    if totals.major > 0 {
        let minor = stepped(trace, "Minor fault rate", faults_unit, MINOR, |b| b.minor_rate, |b| b.mean().minor_rate());
        let major = stepped(trace, "Major fault rate", faults_unit, MAJOR, |b| b.major_rate, |b| b.mean().major_rate());
        panels.extend([(minor, 165.0), (major, 140.0)]);
    } else {
        let title = "Fault rate";
        let unit = "(minor page faults per second; no major ones)";
        panels.push((stepped(trace, title, unit, MINOR, |b| b.minor_rate, |b| b.mean().minor_rate()), 180.0));
    }
    let percent = "(percent of one CPU)";
    let mut cpu = stepped(trace, "CPU utilisation", percent, CPU, |b| b.cpu_percent, |b| b.mean().cpu_percent());
    cpu.y_suffix = " %";
    panels.push((cpu, 150.0));
    let mut caption = vec![UTILISATION.to_owned()];
    if let Some(error) = source.length_error_percent {
        let precision =
            format!("Intervals are known to a jiffy: single rates and utilisations to ±{} %.", fixed(error, 0));
        caption[0] = format!("{UTILISATION} {precision}");
    }
    if trace.is_decimated() {
        caption.push(decimated(trace));
    }
    Figure {
        title: source.name.clone(),
        subtitle: std::iter::once(source.totals()).chain(origin).collect(),
        legend: Vec::new(),
        panels,
        x: time_axis(totals.end_s),
        caption,
    }
}

/// A panel with one line in steps, the space below it tinted; or, of a decimated trace, the spread around it.
fn stepped(
    trace: &Trace,
    title: &str,
    unit: &str,
    colour: RGBColor,
    extremes: fn(&Bucket) -> Extremes,
    mean: fn(&Bucket) -> f64,
) -> Panel {
    let points = trace.steps(mean);
    let mut items = spread(trace, extremes, colour);
    if items.is_empty() {
        let edges = points.iter().map(|&(x, y)| (x, 0.0, y)).collect();
        items.push(Item::Band { edges, colour, opacity: 0.22 });
    }
    items.push(Item::Line { points, pen: Pen::full(colour, 1.3) });
    Panel {
        title: title.into(),
        unit: unit.into(),
        y: Axis::roomy(trace.peak(extremes), 4),
        y_suffix: "",
        items,
        legend: Vec::new(),
    }
}

fn several(sources: &[Source], left_out: &[Source], origin: Option<String>) -> Figure {
    let end_s = sources.iter().map(|source| source.trace.totals().end_s).fold(0.0, f64::max);
    let any_major = sources.iter().any(|source| source.trace.totals().major > 0);
    let mut sums = Overlay::new(sources.len(), end_s);
    let mut rates = Overlay { slim: 0.6, ..Overlay::new(sources.len(), end_s) };
    let mut cpu = Overlay { slim: 0.6, ..Overlay::new(sources.len(), end_s) };
    let mut majors = Overlay::new(sources.len(), end_s);
    // One width for all: a mean over a second is lower than one over a tenth, and would look as if there was less.
    let width_s = sources.iter().map(|source| source.trace.coarser(OVERLAID).width_s()).fold(0.0, f64::max);
    let coarse: Vec<Trace> = sources.iter().map(|source| source.trace.as_wide_as(width_s)).collect();
    for (index, (source, coarse)) in sources.iter().zip(&coarse).enumerate() {
        sums.add(index, source.trace.accumulated(|bucket| bucket.minor.saturating_add(bucket.major)));
        majors.add(index, source.trace.accumulated(|bucket| bucket.major));
        rates.add(index, coarse.steps(|bucket| bucket.mean().fault_rate()));
        cpu.add(index, coarse.steps(|bucket| bucket.mean().cpu_percent()));
    }
    let legend = sources
        .iter()
        .enumerate()
        .map(|(index, source)| {
            let totals = source.trace.totals();
            let text = format!(
                "{} — {} faults, {} major, {} CPU in {}",
                source.name,
                thousands(totals.faults()),
                thousands(totals.major),
                seconds(totals.cpu_ns as f64 / 1e9),
                seconds(totals.end_s)
            );
            (sums.pen(index), text)
        })
        .collect();
    let all = || sources.iter().chain(left_out);
    let sum = |part: fn(&Source) -> u64| all().map(part).fold(0u64, u64::saturating_add);
    let shown = match left_out.len() {
        0 => String::new(),
        _ => format!(" {}, of which {} are drawn", all().count(), sources.len()),
    };
    let subtitle = format!(
        "{} samples · {} minor + {} major page faults · {} CPU time, in all{shown}",
        thousands(sum(|source| source.samples)),
        thousands(sum(|source| source.trace.totals().minor)),
        thousands(sum(|source| source.trace.totals().major)),
        seconds(sum(|source| source.trace.totals().cpu_ns) as f64 / 1e9)
    );
    let mut panels = vec![(sums.panel("Accumulated page faults", "(count; minor + major)", "", 6), 290.0)];
    if any_major {
        panels.push((majors.panel("Accumulated major page faults", "(count)", "", 4), 150.0));
    }
    panels.push((rates.panel("Fault rate", "(page faults per second; minor + major)", "", 4), 185.0));
    panels.push((cpu.panel("CPU utilisation", "(percent of one CPU)", " %", 4), 165.0));
    let mut caption = vec![UTILISATION.to_owned()];
    let coarsest = coarse.iter().flat_map(|trace| trace.buckets().iter().map(|bucket| bucket.intervals)).max();
    if let Some(coarsest) = coarsest.filter(|&intervals| intervals > 1) {
        caption.push(format!(
            "Rates and utilisation are means over up to {} neighbouring intervals.",
            thousands(coarsest)
        ));
    }
    Figure {
        title: format!("Page faults and CPU time, {} over each other", sources.len()),
        subtitle: std::iter::once(subtitle).chain(origin).collect(),
        legend,
        panels,
        x: time_axis(end_s),
        caption,
    }
}

/// Lines drawn over each other in one panel.
struct Overlay {
    count: usize,
    end_s: f64,
    highest: f64,
    /// Factor on the width of lines: less than 1 for lines that go up and down a lot.
    slim: f64,
    lines: Vec<Item>,
    marks: Vec<Item>,
}

impl Overlay {
    fn new(count: usize, end_s: f64) -> Self {
        Self { count, end_s, highest: 0.0, slim: 1.0, lines: Vec::new(), marks: Vec::new() }
    }

    /// Pen of the line with this index. Earlier lines are wider, so that one that coincides with a later one looks out
    /// from under it.
    fn pen(&self, index: usize) -> Pen {
        let (colour, mark) = series(index);
        let width = 1.6 + 0.7 * (self.count - 1 - index).min(4) as f64;
        Pen::full(colour, width * self.slim).marked(mark)
    }

    fn add(&mut self, index: usize, points: Vec<(f64, f64)>) {
        let pen = self.pen(index);
        self.highest = points.iter().map(|&(_, y)| y).fold(self.highest, f64::max);
        self.marks.push(Item::Marks { points: self.marked(index, &points), pen });
        self.lines.push(Item::Line { points, pen });
    }

    /// The highest point in each of a few stretches of time, another part of the stretch for each line: there marks are
    /// seen, and not all in the same place.
    fn marked(&self, index: usize, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let slots = MARKS * self.count;
        (0..MARKS)
            .filter_map(|mark| {
                let slot = mark * self.count + index;
                let (from, to) = (slot as f64, (slot + 1) as f64);
                let part = self.end_s / slots as f64;
                points
                    .iter()
                    .filter(|&&(x, _)| x >= from * part && x < to * part)
                    .max_by(|a, b| a.1.total_cmp(&b.1))
                    .copied()
            })
            .collect()
    }

    fn panel(self, title: &str, unit: &str, y_suffix: &'static str, labels: usize) -> Panel {
        Panel {
            title: title.into(),
            unit: unit.into(),
            y: Axis::roomy(self.highest, labels),
            y_suffix,
            items: self.lines.into_iter().chain(self.marks).collect(),
            legend: Vec::new(),
        }
    }
}

/// The lowest to the highest value of each bucket, where buckets hold more than one interval.
fn spread(trace: &Trace, extremes: impl Fn(&Bucket) -> Extremes, colour: RGBColor) -> Vec<Item> {
    if !trace.is_decimated() {
        return Vec::new();
    }
    let mut runs: Vec<Vec<(f64, f64, f64)>> = Vec::new();
    let mut before = f64::NAN;
    for bucket in trace.buckets() {
        let Extremes { min, max } = extremes(bucket);
        let edges = [(bucket.start_s, min, max), (bucket.end_s, min, max)];
        match runs.last_mut() {
            Some(run) if before == bucket.start_s => run.extend(edges),
            _ => runs.push(edges.to_vec()),
        }
        before = bucket.end_s;
    }
    runs.into_iter().map(|edges| Item::Band { edges, colour, opacity: 0.28 }).collect()
}

fn decimated(trace: &Trace) -> String {
    let widest = trace.buckets().iter().map(|bucket| bucket.intervals).max().unwrap_or(1);
    format!(
        "Lines are means over up to {} neighbouring intervals; shaded: from the lowest to the highest single interval among them.",
        thousands(widest)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Interval;

    fn source(name: &str, minor: &[u64]) -> Source {
        let mut trace = Trace::default();
        for (index, &minor) in minor.iter().enumerate() {
            let start_s = index as f64 * 0.05;
            let end_s = start_s + 0.05;
            trace.push(&Interval { start_s, end_s, length_s: 0.05, minor, major: 2, cpu_ns: 40_000_000 }).unwrap();
        }
        Source {
            name: name.into(),
            samples: minor.len() as u64,
            rate_reached_hz: Some(20.0),
            length_error_percent: Some(8.0),
            trace,
        }
    }

    fn points(item: &Item) -> &[(f64, f64)] {
        match item {
            Item::Line { points, .. } => points,
            other => panic!("no line: {other:?}"),
        }
    }

    #[test]
    fn one_file_has_sums_rates_and_utilisation() {
        let figure = figure(&[source("p.data", &[10, 20, 30])], &[], None);
        assert_eq!(
            figure.subtitle[0],
            "3 samples at 20.00 Hz · 60 minor + 6 major = 66 page faults · 0.12 s CPU time in 0.15 s"
        );
        let [(sums, _), (minor, _), (major, _), (cpu, _)] = &figure.panels[..] else { panic!("four panels") };
        let ends: Vec<f64> = sums.items.iter().map(|item| points(item).last().unwrap().1).collect();
        assert_eq!(ends, [66.0, 60.0, 6.0]);
        let highest = |panel: &Panel| points(panel.items.last().unwrap()).iter().map(|&(_, y)| y).fold(0.0, f64::max);
        assert!((highest(minor) - 600.0).abs() < 1e-6);
        assert!((highest(major) - 40.0).abs() < 1e-6);
        assert!((highest(cpu) - 80.0).abs() < 1e-6);
        assert!(minor.y.max > 600.0 && cpu.y.max > 80.0);
    }

    #[test]
    fn several_files_are_named_in_the_legend_and_share_the_axes() {
        let figure = figure(&[source("a.data", &[10, 20, 30]), source("b.data", &[1; 100])], &[], None);
        assert_eq!(figure.legend.len(), 2);
        assert!(figure.legend[0].1.starts_with("a.data — 66 faults, 6 major"));
        assert_eq!(figure.x.axis.max, 5.0);
        let (sums, _) = &figure.panels[0];
        assert!(sums.y.max > 300.0, "the higher of the two sets the scale");
        assert!(figure.subtitle[0].starts_with("103 samples · 160 minor + 206 major page faults"));
    }

    #[test]
    fn sums_are_those_of_all_processes_also_of_those_that_are_not_drawn() {
        let figure =
            figure(&[source("1 a", &[10]), source("2 b", &[5])], &[source("3 c", &[3]), source("4 d", &[2])], None);
        assert_eq!(figure.legend.len(), 2);
        assert!(figure.subtitle[0].starts_with("4 samples · 20 minor + 8 major page faults"), "{:?}", figure.subtitle);
        assert!(figure.subtitle[0].ends_with("in all 4, of which 2 are drawn"), "{:?}", figure.subtitle);
    }

    #[test]
    fn rates_of_files_over_each_other_are_means_over_the_same_time() {
        // The same load, once for 4 s and once for 4 minutes: every other interval has faults.
        let load = |intervals: usize| (0..intervals).map(|index| 100 * (index as u64 % 2)).collect::<Vec<_>>();
        let figure = figure(&[source("short", &load(80)), source("long", &load(4800))], &[], None);
        let rates = &figure.panels.iter().find(|(panel, _)| panel.title == "Fault rate").unwrap().0;
        let highest = |index: usize| points(&rates.items[index]).iter().map(|&(_, y)| y).fold(0.0, f64::max);
        let (short, long) = (highest(0), highest(1));
        assert!((short / long - 1.0).abs() < 0.15, "{short} beside {long}");
    }

    #[test]
    fn the_svg_says_what_the_figure_says() {
        let svg = figure(&[source("p.data", &[10, 20_000, 30])], &[], Some("guest · Linux 7.2".into())).svg().unwrap();
        for text in [
            "p.data",
            "20,040 minor",
            "guest · Linux 7.2",
            "Accumulated page faults",
            "(page faults per second)",
            "(percent of one CPU)",
            "Time since the first interval began (s)",
            "100 % is one CPU kept",
        ] {
            assert!(svg.contains(text), "{text} is missing");
        }
    }
}
