// SPDX-License-Identifier: GPL-2.0

//! Merges files of figures, and prints them, on the host.

use crate::report::Report;
use crate::table::markdown;
use anyhow::{ensure, Context, Result};
use std::path::{Path, PathBuf};

/// Puts `inputs` together as `out`, with the ratios that only all of them have; what none of them measured is taken from `base`.
///
/// # Errors
/// An input or `base` is not a file of figures, two inputs hold the same figure, or `out` cannot be written.
pub fn merge(out: &Path, inputs: &[PathBuf], base: Option<&Path>) -> Result<()> {
    ensure!(!inputs.is_empty(), "{}: nothing to put together", out.display());
    let reports = inputs.iter().map(|path| Report::read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut all = Report::merge(reports).with_context(|| out.display().to_string())?;
    if let Some(base) = base {
        all.complete(Report::read(base)?);
    }
    all.set_ratios();
    all.write(out)?;
    Ok(())
}

/// The figures of the file at `path` as Markdown.
///
/// # Errors
/// It is not a file of figures, or holds none.
pub fn table(path: &Path) -> Result<String> {
    let mut report = Report::read(path)?;
    report.set_ratios();
    ensure!(!report.rows.is_empty() || !report.distributions.is_empty(), "{}: no figures", path.display());
    Ok(markdown(&report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Clock, Row, Section};
    use std::fs;

    #[test]
    fn what_was_not_measured_is_taken_from_the_base() {
        let dir = std::env::temp_dir().join(format!("mp3-bench-base-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = |name: &str, version: &str, rows: Vec<Row>| {
            let path = dir.join(name);
            let versions = [("perf".to_owned(), version.to_owned())].into();
            Report { rows, versions, ..Report::default() }.write(&path).unwrap();
            path
        };
        let row = |section, clock, subject, value| Row::of(section, subject, None, "cost", "ns", clock, &[value]);
        let new = [row(Section::Tracing, Clock::Instructions, "mp3", 2.0)];
        let base = [
            row(Section::Tracing, Clock::Instructions, "mp3", 1.0),
            row(Section::Tracing, Clock::Instructions, "a peer that is gone", 9.0),
            row(Section::Tracing, Clock::Wall, "mp3", 3.0),
            row(Section::Faults, Clock::Instructions, "mp3", 4.0),
        ];
        let (new, base) = (file("new", "2", new.to_vec()), file("base", "1", base.to_vec()));
        let out = dir.join("bench.json");
        merge(&out, &[new], Some(&base)).unwrap();
        let all = Report::read(&out).unwrap();
        assert_eq!(all.rows.iter().map(|row| row.value).collect::<Vec<_>>(), [2.0, 3.0, 4.0]);
        assert_eq!(all.versions["perf"], "2; 1");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn files_become_one_with_ratios_and_a_table() {
        let dir = std::env::temp_dir().join(format!("mp3-bench-host-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = |name: &str, rows: Vec<Row>| {
            let path = dir.join(name);
            Report { rows, ..Report::default() }.write(&path).unwrap();
            path
        };
        let row = |subject, value| Row::of(Section::Idle, subject, None, "wake-ups", "/s", Clock::None, &[value]);
        let (one, other) = (file("one", vec![row("mp3", 2.0)]), file("other", vec![row("atop", 25.0)]));
        let out = dir.join("bench.json");
        merge(&out, &[one.clone(), other], None).unwrap();
        assert_eq!(Report::read(&out).unwrap().rows[1].ratio, Some(12.5));
        assert!(table(&out).unwrap().contains("| atop    |      25 ×12.5 |"), "{}", table(&out).unwrap());

        let twice = format!("{:#}", merge(&out, &[one.clone(), one], None).unwrap_err());
        assert_eq!(twice, format!("{}: two figures for Idle, mp3, wake-ups (None)", out.display()));
        assert!(merge(&out, &[], None).is_err());
        let nothing = file("nothing", Vec::new());
        assert_eq!(table(&nothing).unwrap_err().to_string(), format!("{}: no figures", nothing.display()));
        fs::remove_dir_all(&dir).unwrap();
    }
}
