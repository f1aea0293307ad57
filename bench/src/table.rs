// SPDX-License-Identifier: GPL-2.0

//! The figures as Markdown, a table for each section, to be pasted into docs/performance.md.

use crate::report::{Clock, Distribution, Report, Row, Section, MP3};
use std::collections::BTreeSet;

/// The cell of a figure that was not measured.
const NOTHING: &str = "–";

/// All figures: a table of the single ones and a table of the spreads for each section that has some.
pub fn markdown(report: &Report) -> String {
    let sections: BTreeSet<Section> =
        report.rows.iter().map(|row| row.section).chain(report.distributions.iter().map(|of| of.section)).collect();
    let mut parts: Vec<String> = Vec::new();
    if !report.versions.is_empty() {
        let versions: Vec<String> = report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        parts.push(versions.join(" · ") + "\n");
    }
    for of in sections {
        parts.push(format!("### {}\n", title(of)));
        parts.extend(section(of, report));
    }
    parts.join("\n")
}

/// The tables of a section; `None` where nothing of it was measured.
pub fn section(of: Section, report: &Report) -> Option<String> {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.section == of).collect();
    let spreads: Vec<&Distribution> = report.distributions.iter().filter(|spread| spread.section == of).collect();
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(single(of, &rows));
    }
    if !spreads.is_empty() {
        parts.push(distributions(&spreads));
    }
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// What a section's figures are of.
fn title(section: Section) -> &'static str {
    match section {
        Section::Sampling => "Sampling: the cost of a tick",
        Section::Threads => "Sampling processes of 64 threads",
        Section::Profiled => "What the profiled program pays",
        Section::Machine => "What the machine pays for a whole profiler",
        Section::Idle => "Loaded, and nothing to do",
        Section::Reading => "Reading: from the ring into a file",
        Section::Memory => "Memory of a reader",
        Section::Lateness => "How late samples are",
        Section::Plot => "Drawing",
        Section::Tracing => "What a context switch and a wake-up pay for being recorded",
        Section::TracingBetween => "What a hand-over between two CPUs pays for being recorded",
        Section::Faults => "What a page fault pays for being recorded",
        Section::Scaling => "The sampler's cost against busy CPUs",
    }
}

/// What a section's parameter counts.
pub fn parameter(section: Section) -> &'static str {
    match section {
        Section::Sampling | Section::Threads | Section::Machine => "processes",
        Section::Profiled => "Hz",
        Section::Memory => "minutes",
        Section::Plot => "samples",
        Section::Scaling => "virtual CPUs",
        Section::Idle
        | Section::Reading
        | Section::Lateness
        | Section::Tracing
        | Section::TracingBetween
        | Section::Faults => "parameter",
    }
}

/// How time was measured, in words.
pub fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Instructions => "in instructions, 1 ns each",
        Clock::Wall => "in time that passed",
        Clock::None => "counted",
    }
}

/// `value` with three significant digits, and all digits in front of the point: `45,012`, `12.3`, `0.0123`.
pub fn figure(value: f64) -> String {
    fixed(value, decimals(value))
}

/// How many times mp3's figure one is: `×12.3`.
pub fn ratio(ratio: f64) -> String {
    format!("×{}", figure(ratio))
}

/// The least and the most of a row's runs, with as many decimals as its figure: `390–410`; nothing where all were equal.
pub fn spread(row: &Row) -> Option<String> {
    let decimals = if row.value == 0.0 { decimals(row.high - row.low) } else { decimals(row.value) };
    let (low, high) = (fixed(row.low, decimals), fixed(row.high, decimals));
    (row.low < row.high).then(|| match row.low < 0.0 {
        // A dash beside a minus sign is hard to read.
        true => format!("{low} to {high}"),
        false => format!("{low}–{high}"),
    })
}

/// `text` as the beginning of a sentence.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// How many microseconds one `unit` of time is; `None` for a unit of something else. An instruction is 1 ns of its clock.
pub fn microseconds(unit: &str) -> Option<f64> {
    match unit {
        "instructions" | "ns" => Some(1e-3),
        "µs" | "us" => Some(1.0),
        "ms" => Some(1e3),
        "s" => Some(1e6),
        _ => None,
    }
}

/// Decimals that leave `value` three digits; none for whole numbers.
fn decimals(value: f64) -> usize {
    let magnitude = value.abs();
    if magnitude.fract() == 0.0 || magnitude >= 100.0 {
        return 0;
    }
    let decimals = |magnitude: f64| (2.0 - magnitude.log10().floor()).clamp(0.0, 9.0) as usize;
    // The digits counted are those after rounding: 9.996 is 10.0, not 10.00.
    let rounded: f64 = format!("{magnitude:.*}", decimals(magnitude)).parse().unwrap_or(magnitude);
    decimals(rounded)
}

/// `value` with `decimals` decimals, and a comma between thousands.
fn fixed(value: f64, decimals: usize) -> String {
    let plain = format!("{:.decimals$}", value.abs());
    let whole = plain.find('.').unwrap_or(plain.len());
    let mut text = String::new();
    if value < 0.0 && plain.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        text.push('−');
    }
    for (index, digit) in plain[..whole].char_indices() {
        if index > 0 && (whole - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + &plain[whole..]
}

/// Rows that agree in this share a column.
type Column<'a> = (&'a str, &'a str, Clock);

fn single(section: Section, rows: &[&Row]) -> String {
    let columns: Vec<Column<'_>> = distinct(rows.iter().map(|row| (&*row.quantity, &*row.unit, row.clock)));
    let mut subjects: Vec<&str> = distinct(rows.iter().map(|row| &*row.subject));
    // First what the others are compared with.
    subjects.sort_by_key(|&subject| subject != MP3);
    let mut parameters: Vec<Option<f64>> = distinct(rows.iter().map(|row| row.parameter));
    parameters.sort_by(|a, b| a.unwrap_or(f64::MIN).total_cmp(&b.unwrap_or(f64::MIN)));
    let varied = parameters.len() > 1;
    let clocks: Vec<Clock> = distinct(rows.iter().map(|row| row.clock).filter(|&clock| clock != Clock::None));

    let mut head = vec!["subject".to_owned()];
    if varied {
        head.push(parameter(section).to_owned());
    }
    head.extend(columns.iter().map(|&(quantity, unit, of)| match of {
        Clock::None => format!("{quantity} ({unit})"),
        _ if clocks.len() < 2 || unit == "instructions" => format!("{quantity} ({unit})"),
        _ => format!("{quantity} ({unit}, {})", clock(of)),
    }));
    let mut body = Vec::new();
    for &subject in &subjects {
        for &of in &parameters {
            let of_line: Vec<&&Row> = rows.iter().filter(|row| row.subject == subject && row.parameter == of).collect();
            if of_line.is_empty() {
                continue;
            }
            let mut line = vec![subject.to_owned()];
            if varied {
                line.push(of.map_or(NOTHING.to_owned(), figure));
            }
            line.extend(columns.iter().map(|&column| {
                let of_column = of_line.iter().find(|row| (&*row.quantity, &*row.unit, row.clock) == column);
                of_column.map_or(NOTHING.to_owned(), |row| cell(row))
            }));
            body.push(line);
        }
    }
    let mut text = table(&head, &body, 1) + "\n";
    text += &note(section, rows, &parameters, &clocks);
    text
}

/// What holds for all figures of a table, below it.
fn note(section: Section, rows: &[&Row], parameters: &[Option<f64>], clocks: &[Clock]) -> String {
    let (least, most) = rows.iter().fold((u32::MAX, 0), |(least, most), row| (least.min(row.runs), most.max(row.runs)));
    let mut said = Vec::new();
    if let [Some(only)] = parameters {
        said.push(match section {
            Section::Profiled => format!("At {} Hz", figure(*only)),
            _ => format!("For {} {}", figure(*only), parameter(section)),
        });
    }
    said.push(match (least, most) {
        (1, 1) => "single runs".to_owned(),
        (least, most) if least == most => format!("medians of {most} runs (least–most)"),
        (least, most) => format!("medians of {least} to {most} runs (least–most)"),
    });
    if let [only] = clocks {
        said.push(format!("measured {}", clock(*only)));
    }
    if rows.iter().any(|row| row.subject != MP3 && row.ratio.is_some()) {
        said.push("× is the figure divided by mp3's".to_owned());
    }
    sentence(&said.join("; ")) + ".\n"
}

/// A figure, what its runs lay between, and how it compares.
fn cell(row: &Row) -> String {
    let mut text = figure(row.value);
    if let Some(spread) = spread(row) {
        text += &format!(" ({spread})");
    }
    if let Some(of) = row.ratio.filter(|_| row.subject != MP3) {
        text += &format!(" {}", ratio(of));
    }
    text
}

fn distributions(spreads: &[&Distribution]) -> String {
    let times = spreads.iter().all(|of| microseconds(&of.unit).is_some());
    let clocks: Vec<Clock> = distinct(spreads.iter().map(|of| of.clock));
    let mut head: Vec<String> = ["subject", "condition"].map(str::to_owned).to_vec();
    for quantile in ["median", "99 %", "worst"] {
        head.push(if times { format!("{quantile} (µs)") } else { quantile.to_owned() });
    }
    head.push("samples".to_owned());
    let mut body = Vec::new();
    for condition in distinct(spreads.iter().map(|of| &*of.condition)) {
        for of in spreads.iter().filter(|of| of.condition == condition) {
            let factor = if times { microseconds(&of.unit).unwrap_or(1.0) } else { 1.0 };
            let mut line = vec![of.subject.clone(), condition.to_owned()];
            if clocks.len() > 1 {
                line[1] += &format!(", {}", clock(of.clock));
            }
            for fraction in [0.5, 0.99, 1.0] {
                let value = of.quantile(fraction).map(|value| figure(value * factor));
                let unit = if times { String::new() } else { format!(" {}", of.unit) };
                line.push(value.map_or(NOTHING.to_owned(), |value| value + &unit));
            }
            line.push(figure(of.count as f64));
            body.push(line);
        }
    }
    let mut text = table(&head, &body, 2);
    if let [only] = clocks[..] {
        text += &format!("\nMeasured {}.\n", clock(only));
    }
    text
}

/// A Markdown table of which the first `words` columns are words and the others numbers.
fn table(head: &[String], body: &[Vec<String>], words: usize) -> String {
    let escaped = |line: &[String]| line.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>();
    let head = escaped(head);
    let body: Vec<_> = body.iter().map(|line| escaped(line)).collect();
    let width =
        |column: usize| body.iter().chain([&head]).map(|line| line[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < words {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rules = widths.iter().enumerate().map(|(column, &width)| match column {
        column if column < words => "-".repeat(width),
        _ => "-".repeat(width - 1) + ":",
    });
    let rules: Vec<String> = rules.collect();
    line(&head) + &line(&rules) + &body.iter().map(|cells| line(cells)).collect::<String>()
}

/// The different ones, in the order in which they first come.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut different = Vec::new();
    for one in all {
        if !different.contains(&one) {
            different.push(one);
        }
    }
    different
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FORMAT;

    fn row(subject: &str, parameter: Option<f64>, quantity: &str, values: &[f64]) -> Row {
        Row::of(Section::Sampling, subject, parameter, quantity, "instructions", Clock::Instructions, values)
    }

    fn report(rows: Vec<Row>) -> Report {
        let mut report = Report { format: FORMAT.into(), rows, ..Report::default() };
        report.set_ratios();
        report
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let written = [0.0, 5.0, 400.4, 45_012.3, 12.34, 9.996, 99.96, 1.0, 0.012_34, -0.5, -1234.0, 1e-12];
        assert_eq!(
            written.map(figure),
            ["0", "5", "400", "45,012", "12.3", "10.0", "100", "1", "0.0123", "−0.500", "−1,234", "0.000000000"]
        );
        assert_eq!(ratio(12.345), "×12.3");
    }

    #[test]
    fn a_row_is_a_subject_and_a_parameter() {
        let text = markdown(&report(vec![
            row("taskstats", Some(1000.0), "per process and tick", &[9000.0, 8900.0, 9100.0]),
            row("mp3", Some(1000.0), "per process and tick", &[400.0, 390.0, 410.0]),
            row("mp3", Some(10.0), "per process and tick", &[500.0, 500.0, 500.0]),
            row("mp3", Some(10.0), "per tick", &[0.0, -0.1, 0.25]),
        ]));
        assert_eq!(
            text,
            "\
### Sampling: the cost of a tick

| subject   | processes | per process and tick (instructions) | per tick (instructions) |
| --------- | --------: | ----------------------------------: | ----------------------: |
| mp3       |        10 |                                 500 |     0 (−0.100 to 0.250) |
| mp3       |     1,000 |                       400 (390–410) |                       – |
| taskstats |     1,000 |           9,000 (8,900–9,100) ×22.5 |                       – |

Medians of 3 runs (least–most); measured in instructions, 1 ns each; × is the figure divided by mp3's.
"
        );
    }

    #[test]
    fn what_is_the_same_for_all_rows_is_said_once() {
        let of = |section, subject, parameter| {
            Row::of(section, subject, Some(parameter), "added", "%", Clock::Wall, &[1.25])
        };
        let text = markdown(&report(vec![
            of(Section::Profiled, "a|b", 20.0),
            of(Section::Machine, "mp3", 1000.0),
            Row { clock: Clock::Instructions, ..of(Section::Machine, "mp3", 1000.0) },
        ]));
        assert!(
            text.contains("| a\\|b    |      1.25 |\n\nAt 20 Hz; single runs; measured in time that passed.\n"),
            "{text}"
        );
        assert!(text.contains("added (%, in time that passed) | added (%, in instructions, 1 ns each) |"), "{text}");
        assert!(text.contains("For 1,000 processes; single runs.\n"), "{text}");
    }

    #[test]
    fn lateness_is_in_microseconds() {
        let mut values: Vec<f64> = (1..=1000).map(|value| f64::from(value) * 1000.0).collect();
        let of = Distribution::of(Section::Lateness, "mp3", "20 Hz, idle", "ns", Clock::Wall, &mut values);
        let mut report = report(Vec::new());
        report.versions = [("mp3".to_owned(), "0.1.0".to_owned()), ("perf".to_owned(), "6.12".to_owned())].into();
        report.distributions.push(of);
        assert_eq!(
            markdown(&report),
            "\
mp3 0.1.0 · perf 6.12

### How late samples are

| subject | condition   | median (µs) | 99 % (µs) | worst (µs) | samples |
| ------- | ----------- | ----------: | --------: | ---------: | ------: |
| mp3     | 20 Hz, idle |         500 |       990 |      1,000 |   1,000 |

Measured in time that passed.
"
        );
    }
}
