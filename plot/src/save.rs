// SPDX-License-Identifier: GPL-2.0

//! Figures to files.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The extensions of what can be written: PNG is left out of a build without the feature `png`.
pub const EXTENSIONS: &[&str] = if cfg!(feature = "png") { &["svg", "png"] } else { &["svg"] };

/// Writes `svg` to `output`, as PNG if that is its extension.
///
/// # Errors
/// The SVG cannot be turned into pixels, or the file cannot be written.
pub fn figure(svg: &str, output: &Path) -> Result<()> {
    let bytes = if has_extension(output, "png") { png(svg)? } else { svg.as_bytes().to_vec() };
    fs::write(output, bytes).with_context(|| format!("{}: cannot be written", output.display()))
}

/// Writes each of `figures`, a name and its SVG, with each of [`EXTENSIONS`] into `out`, and returns the paths, a line each.
///
/// # Errors
/// As [`figure`]; or `out` cannot be made.
pub fn figures(out: &Path, figures: &[(String, String)]) -> Result<String> {
    fs::create_dir_all(out).with_context(|| format!("{}: cannot be made", out.display()))?;
    let mut said = String::new();
    for (name, svg) in figures {
        for extension in EXTENSIONS {
            let path = out.join(format!("{name}.{extension}"));
            figure(svg, &path)?;
            writeln!(said, "{}", path.display())?;
        }
    }
    Ok(said)
}

#[cfg(feature = "png")]
fn png(svg: &str) -> Result<Vec<u8>> {
    Ok(crate::raster::png(svg)?)
}

#[cfg(not(feature = "png"))]
fn png(_svg: &str) -> Result<Vec<u8>> {
    anyhow::bail!("this plot was built without PNG; with it: cargo run -p plot")
}

/// Whether the file's name ends with `extension`, in capitals or not.
pub fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
