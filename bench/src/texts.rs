// SPDX-License-Identifier: GPL-2.0

//! The texts that quote figures: what stands between two marks in them is made from the file of figures.
//!
//! ```text
//! <!-- bench: sampling -->
//! (made from the figures)
//! <!-- bench: end -->
//! ```

use crate::report::{Clock, Report, Row, Section};
use crate::summary;
use crate::table;
use anyhow::{bail, ensure, Context, Result};
use std::fs;
use std::path::Path;

/// The figures that the texts quote, in the repository.
pub const DATA: &str = "bench/data/bench.json";

/// The texts, in the repository.
pub const TEXTS: [&str; 2] = ["README.md", "docs/performance.md"];

/// The figures that are drawn from the data, in `docs/`.
pub const FIGURES: &str = "docs";

const BEGIN: &str = "<!-- bench: ";
const CLOSE: &str = " -->";
const END: &str = "<!-- bench: end -->";

/// `text` with what stands between the marks made anew from `report`.
///
/// # Errors
/// A mark names nothing that can be made, or is not closed.
pub fn fill(text: &str, report: &Report) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, mark) = rest.split_at(at);
        let (name, after) = mark[BEGIN.len()..].split_once(CLOSE).context("a mark without an end")?;
        ensure!(name != "end", "{END} without a beginning");
        let (_, behind) = after.split_once(END).with_context(|| format!("{BEGIN}{name}{CLOSE} is never closed"))?;
        ensure!(!after[..after.len() - behind.len() - END.len()].contains(BEGIN), "{name}: a mark inside of another");
        filled += &format!("{before}{BEGIN}{name}{CLOSE}\n{}\n{END}", block(name, report)?.trim_end());
        rest = behind;
    }
    filled += rest;
    Ok(filled)
}

/// What `name` stands for.
fn block(name: &str, report: &Report) -> Result<String> {
    if let Some(text) = summary::block(name, report) {
        return text;
    }
    let section: Section =
        serde_json::from_value(name.into()).ok().with_context(|| format!("{name}: not a section"))?;
    table::section(section, report).with_context(|| format!("{name}: nothing of it was measured"))
}

/// Takes `file` as the figures that the repository in `top` quotes: copies it, makes its texts anew, and draws its figures.
///
/// # Errors
/// The file is not a file of figures, lacks one that a text quotes, or something cannot be written.
pub fn keep(file: &Path, top: &Path) -> Result<()> {
    let mut report = Report::read(file)?;
    report.set_ratios();
    let mut texts = vec![];
    for name in TEXTS {
        let path = top.join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        texts.push((path, fill(&text, &report).with_context(|| name.to_owned())?));
    }
    // Nothing is written before all of it is known to be possible.
    report.write(&top.join(DATA))?;
    for (path, text) in texts {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let drawn = crate::draw::draw(file, Some(&top.join(FIGURES)))?;
    // The texts show the PNGs. Each is drawn from its SVG, which would be as large and the same.
    for svg in drawn.lines().filter(|path| path.ends_with(".svg")) {
        fs::remove_file(svg).with_context(|| svg.to_owned())?;
    }
    Ok(())
}

/// A figure of the report, by what it is of; where it was measured by several clocks, that in instructions.
///
/// # Errors
/// It is not there.
pub fn find<'a>(
    report: &'a Report,
    section: Section,
    subject: &str,
    parameter: Option<f64>,
    quantity: &str,
) -> Result<&'a Row> {
    let matching = report.rows.iter().filter(|row| {
        row.section == section && row.subject == subject && row.parameter == parameter && row.quantity == quantity
    });
    let found = matching.min_by_key(|row| match row.clock {
        Clock::Instructions => 0,
        Clock::None => 1,
        Clock::Wall => 2,
    });
    match found {
        Some(row) => Ok(row),
        None => bail!("not measured: {section:?}, {subject}, {parameter:?}, {quantity}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let row = |subject| Row::of(Section::Idle, subject, None, "wake-ups", "/s", Clock::None, &[2.0]);
        Report { rows: vec![row("mp3"), row("atop")], ..Report::default() }
    }

    #[test]
    fn what_stands_between_the_marks_is_made_anew_and_stays_so() {
        let text = "Before.\n\n<!-- bench: idle -->\nold\n<!-- bench: end -->\n\nAfter.\n";
        let filled = fill(text, &report()).unwrap();
        assert!(filled.starts_with("Before.\n\n<!-- bench: idle -->\n| subject"), "{filled}");
        assert!(filled.ends_with("<!-- bench: end -->\n\nAfter.\n") && !filled.contains("old"), "{filled}");
        assert_eq!(fill(&filled, &report()).unwrap(), filled);
    }

    #[test]
    fn a_mark_that_cannot_be_filled_is_an_error() {
        let why = |text: &str| format!("{:#}", fill(text, &report()).unwrap_err());
        assert_eq!(why("<!-- bench: scaling -->\n<!-- bench: end -->"), "scaling: nothing of it was measured");
        assert_eq!(why("<!-- bench: weather -->\n<!-- bench: end -->"), "weather: not a section");
        assert_eq!(why("<!-- bench: idle -->\n"), "<!-- bench: idle --> is never closed");
        assert_eq!(why("<!-- bench: end -->\n"), "<!-- bench: end --> without a beginning");
        let nested = "<!-- bench: idle --><!-- bench: idle --><!-- bench: end --><!-- bench: end -->";
        assert_eq!(why(nested), "idle: a mark inside of another");
    }

    #[test]
    fn a_figure_that_is_not_there_is_named() {
        let report = report();
        assert_eq!(find(&report, Section::Idle, "atop", None, "wake-ups").unwrap().value, 2.0);
        let error = find(&report, Section::Idle, "atop", Some(1.0), "wake-ups").unwrap_err().to_string();
        assert_eq!(error, "not measured: Idle, atop, Some(1.0), wake-ups");
    }
}
