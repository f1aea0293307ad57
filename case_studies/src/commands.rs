// SPDX-License-Identifier: GPL-2.0

//! Case studies to figures, tables and a page.

use crate::cli::{Figures, Report};
use anyhow::{Context, Result};
use plot::figure::Figure;
use plot::save;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use studies::figure::{case1, case2};
use studies::report;
use studies::study::{summary, Study};

/// Draws case study 1.
pub fn case1(arguments: &Figures) -> Result<String> {
    let study = load(&arguments.dir)?;
    let mut figures: Vec<(String, Figure)> =
        study.runs.iter().map(|run| (format!("case1-{}", run.name), case1::one(run))).collect();
    figures.push(("case1".into(), case1::together(&study)));
    write_all(arguments, &figures)
}

/// Draws case study 2.
pub fn case2(arguments: &Figures) -> Result<String> {
    let study = load(&arguments.dir)?;
    let figures =
        [("case2-utilisation".into(), case2::utilisation(&study)), ("case2-swap".into(), case2::swapping(&study))];
    write_all(arguments, &figures)
}

/// The numbers of the studies in `dir`.
pub fn summary(dir: &Path) -> Result<String> {
    let mut said = String::new();
    for study in Study::load_all(dir)? {
        tell(&study);
        write!(said, "{}{}: ", if said.is_empty() { "" } else { "\n" }, study.name)?;
        said += &summary::text(&study);
    }
    Ok(said)
}

/// Makes the page.
pub fn report(arguments: &Report) -> Result<String> {
    let studies = Study::load_all(&arguments.dir)?;
    studies.iter().for_each(tell);
    let page = report::html(&studies)?;
    fs::write(&arguments.output, page).with_context(|| format!("{}: cannot be written", arguments.output.display()))?;
    Ok(format!("{}\n", arguments.output.display()))
}

fn load(dir: &Path) -> Result<Study> {
    let study = Study::load(dir)?;
    tell(&study);
    Ok(study)
}

/// Prints what the reader should know about the files of a study.
fn tell(study: &Study) {
    for run in &study.runs {
        for (path, notices) in
            [(&run.profile.path, &run.profile.notices), (&run.processes.path, &run.processes.notices)]
        {
            for notice in notices {
                let _ = writeln!(io::stderr(), "studies: {path}: {notice}");
            }
        }
    }
}

fn write_all(arguments: &Figures, figures: &[(String, Figure)]) -> Result<String> {
    let out = arguments.output.as_ref().unwrap_or(&arguments.dir);
    let figures = figures.iter().map(|(name, figure)| Ok((name.clone(), figure.svg()?)));
    save::figures(out, &figures.collect::<Result<Vec<_>>>()?)
}
