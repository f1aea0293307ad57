// SPDX-License-Identifier: GPL-2.0

//! The benchmark's file to its figures.

use crate::cli::Bench;
use crate::studies::write_figures;
use anyhow::{bail, Result};
use bench::report::Report;
use plot::figure::bench::{lateness, machine, profiled, sampling};
use std::path::Path;

/// Draws every figure that the file has measurements for, and says of the others that it has none.
pub fn draw(arguments: &Bench) -> Result<String> {
    let mut report = Report::read(&arguments.file)?;
    report.set_ratios();
    let path = arguments.file.display();
    let figures = [
        ("bench-sampling", "sampling", sampling(&report).map(|figure| figure.svg())),
        ("bench-machine", "machine", machine(&report).map(|figure| figure.svg())),
        ("bench-profiled", "profiled", profiled(&report).map(|figure| figure.svg())),
        ("bench-lateness", "lateness", lateness(&report).map(|figure| figure.svg())),
    ];
    let (mut drawn, mut missing) = (Vec::new(), Vec::new());
    for (name, section, svg) in figures {
        match svg {
            Some(svg) => drawn.push((name.to_owned(), svg?)),
            None => {
                missing.push(format!("plot: {path}: {name} is not drawn: nothing of section {section} in the file"))
            }
        }
    }
    if drawn.is_empty() {
        bail!("{path}: nothing to draw: no figures of sections sampling, machine, profiled or lateness");
    }
    for line in missing {
        eprintln!("{line}");
    }
    // `bench.json` alone lies in the empty path, which is here.
    let beside = arguments.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write_figures(arguments.output.as_deref().unwrap_or(beside), &drawn)
}
