// SPDX-License-Identifier: GPL-2.0

//! Case studies to figures, tables and a page.

use crate::cli::{Figures, Report};
use crate::draw::write_figure;
use anyhow::{Context, Result};
use plot::figure::{case1, case2, Figure};
use plot::report;
use plot::study::{summary, Study};
use std::fmt::Write;
use std::fs;
use std::path::Path;

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

/// What a reader of the study should know about its files.
fn tell(study: &Study) {
    for run in &study.runs {
        for (path, notices) in
            [(&run.profile.path, &run.profile.notices), (&run.processes.path, &run.processes.notices)]
        {
            for notice in notices {
                eprintln!("plot: {path}: {notice}");
            }
        }
    }
}

fn write_all(arguments: &Figures, figures: &[(String, Figure)]) -> Result<String> {
    let out = arguments.output.as_ref().unwrap_or(&arguments.dir);
    let figures = figures.iter().map(|(name, figure)| Ok((name.clone(), figure.svg()?)));
    write_figures(out, &figures.collect::<Result<Vec<_>>>()?)
}

/// Writes each of `figures`, a name and its SVG, as SVG and PNG into `out`, and says where to.
pub fn write_figures(out: &Path, figures: &[(String, String)]) -> Result<String> {
    fs::create_dir_all(out).with_context(|| format!("{}: cannot be made", out.display()))?;
    let mut said = String::new();
    for (name, svg) in figures {
        for extension in ["svg", "png"] {
            let path = out.join(format!("{name}.{extension}"));
            write_figure(svg, &path)?;
            writeln!(said, "{}", path.display())?;
        }
    }
    Ok(said)
}
