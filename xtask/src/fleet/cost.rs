// SPDX-License-Identifier: GPL-2.0

//! `make fleet-cost`'s figures: kept in `fleet/cost.tsv`, and quoted by docs/fleet.md from there.

use anyhow::{ensure, Context, Result};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What the guest has measured.
const MEASURED: &str = "out/fleet/cost/cost.tsv";

/// The figures that the text quotes.
const DATA: &str = "fleet/cost.tsv";

const TEXT: &str = "docs/fleet.md";

const BEGIN: &str = "<!-- fleet-cost -->\n";
const END: &str = "<!-- fleet-cost end -->";

const HEAD: &str = "program\tprocesses\tseries\tbytes\tinstructions\tresident_kB";

/// The CPU of which a share is told: it executes so many instructions a second.
const CPU: f64 = 3.7e9;

/// One program's figures.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    program: String,
    series: u64,
    bytes: u64,
    /// A second, with one scrape.
    instructions: u64,
    resident_kb: u64,
}

/// Takes over what the last run has measured.
///
/// # Errors
///
/// Nothing was measured, or it is no such file.
pub fn keep() -> Result<()> {
    let measured = fs::read_to_string(MEASURED).with_context(|| format!("{MEASURED}; start with: make fleet-cost"))?;
    let filled = fill(&fs::read_to_string(TEXT)?, &measured)?;
    fs::write(DATA, measured).context(DATA)?;
    fs::write(Path::new(TEXT), filled).context(TEXT)
}

/// The text with the table made from the figures.
fn fill(text: &str, figures: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{TEXT}: no mark {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{TEXT}: no mark {END}"))?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table(figures)?))
}

fn table(figures: &str) -> Result<String> {
    let mut lines = figures.lines();
    ensure!(lines.next() == Some(HEAD), "no figures of fleet/cost: they begin with {HEAD}");
    let mut text = String::from(
        "| | series | bytes | instructions a second | a series | of a CPU | resident |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for line in lines {
        let row = row(line)?;
        writeln!(
            text,
            "| {} | {} | {} | {:.1} million | {} | {:.2} % | {:.1} MB |",
            row.program,
            thousands(row.series),
            thousands(row.bytes),
            row.instructions as f64 / 1e6,
            thousands(row.instructions / row.series.max(1)),
            row.instructions as f64 / CPU * 100.0,
            row.resident_kb as f64 / 1e3,
        )?;
    }
    Ok(text)
}

fn row(line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [program, _, series, bytes, instructions, resident_kb] = fields[..] else {
        anyhow::bail!("no line of figures: {line}");
    };
    let number = |text: &str| text.parse::<u64>().with_context(|| format!("no number: {text} in {line}"));
    Ok(Row {
        program: program.to_owned(),
        series: number(series)?,
        bytes: number(bytes)?,
        instructions: number(instructions)?,
        resident_kb: number(resident_kb)?,
    })
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
    }

    #[test]
    fn the_committed_page_is_what_the_committed_figures_say() {
        let text = read(TEXT);
        assert_eq!(fill(&text, &read(DATA)).unwrap(), text, "make it again: vm/xtask fleet-cost");
    }

    #[test]
    fn figures_become_a_table_and_what_is_none_is_refused() {
        let line = "mp3-exporter\t620\t10000\t812345\t11100000\t7512";
        let table = table(&format!("{HEAD}\n{line}\n")).unwrap();
        let last = table.lines().last().unwrap();
        assert_eq!(last, "| mp3-exporter | 10,000 | 812,345 | 11.1 million | 1,110 | 0.30 % | 7.5 MB |");
        assert!(super::table(line).is_err() && super::table(&format!("{HEAD}\nmp3\t1\t2\n")).is_err());
        assert!(super::table(&format!("{HEAD}\nmp3\t1\t2\t3\tmany\t5\n")).is_err());
    }
}
