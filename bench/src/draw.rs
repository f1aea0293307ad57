// SPDX-License-Identifier: GPL-2.0

//! The benchmark's file to its figures.

use crate::figures::{lateness, machine, profiled, sampling};
use crate::report::Report;
use anyhow::{bail, Result};
use plot::save;
use std::path::Path;

/// Draws every figure that `file` has measurements for, into `output` or beside `file`, and says of the others that it has
/// none. Returns the paths of what was drawn, a line each.
///
/// # Errors
/// The file cannot be read or has no measurements for any figure, or a figure cannot be written.
pub fn draw(file: &Path, output: Option<&Path>) -> Result<String> {
    let mut report = Report::read(file)?;
    report.set_ratios();
    let path = file.display();
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
            None => missing
                .push(format!("mp3-bench: {path}: {name} is not drawn: nothing of section {section} in the file")),
        }
    }
    if drawn.is_empty() {
        bail!("{path}: nothing to draw: no figures of sections sampling, machine, profiled or lateness");
    }
    for line in missing {
        eprintln!("{line}");
    }
    // `bench.json` alone lies in the empty path, which is here.
    let beside = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    save::figures(output.unwrap_or(beside), &drawn)
}
