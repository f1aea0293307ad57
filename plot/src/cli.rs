// SPDX-License-Identifier: GPL-2.0

//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  plot profile.data                        profile.svg and profile.png beside it
  plot -o both.svg before.data after.data  two profiles over each other, SVG only
  plot --hz 1000 classic.data              a file that does not state its jiffies per second
  plot case1 case_studies/data/case1       the figures of a case study, from its data
  plot report case_studies/data -o all.html
  plot bench out/bench.json                what mp3 costs, beside what others cost

Exit status: 0 done, 1 a file cannot be read or is no profile, 2 wrong usage.";

/// Draws page faults and CPU utilisation over time, as SVG and PNG.
///
/// With files: draws them. With a command: draws, tabulates or reports the data of a case study, laid out as
/// case_studies/FORMAT.md says, or draws the figures of the benchmark.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What to draw.
    #[command(flatten)]
    pub profiles: Option<Profiles>,

    /// What to do with a study's data.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Work on the data of a case study or of the benchmark.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw case study 1: accumulated faults of each run (case1-RUN) and of all runs together (case1)
    Case1(Figures),
    /// Draw case study 2 against N: utilisation and completion time (case2-utilisation), faults and waiting (case2-swap)
    Case2(Figures),
    /// Print every number of a study as Markdown tables: faults, expectation, times in s, utilisation in %
    Summary(Directory),
    /// Make one self-contained HTML page with interactive charts of all runs
    Report(Report),
    /// Draw what `mp3-bench` measured: cost of a tick (bench-sampling), of a whole profiler (bench-machine), to the profiled
    /// program (bench-profiled), and how late samples are (bench-lateness)
    Bench(Bench),
}

/// Measurements, and where their figures go.
#[derive(Debug, Args)]
pub struct Bench {
    /// What `make bench` made: bench.json
    pub file: PathBuf,

    /// Directory of the figures, each as SVG and PNG [default: that of FILE]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// A study's data, and where its figures go.
#[derive(Debug, Args)]
pub struct Figures {
    /// The study's data, a directory for each run
    pub dir: PathBuf,

    /// Directory of the figures, each as SVG and PNG [default: DIR]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// A study's data.
#[derive(Debug, Args)]
pub struct Directory {
    /// The study's data, a directory for each run; or a directory of studies
    pub dir: PathBuf,
}

/// A study's data, and the page to make of it.
#[derive(Debug, Args)]
pub struct Report {
    /// The study's data, a directory for each run; or a directory of studies
    pub dir: PathBuf,

    /// The page
    #[arg(short, long, value_name = "PATH", default_value = "report.html")]
    pub output: PathBuf,
}

/// Profiles to draw, and where to.
#[derive(Debug, Args)]
pub struct Profiles {
    /// Files of `monitor` (four columns, or --per-process), of the classic monitor, or either compressed with gzip; - is
    /// standard input
    ///
    /// Four columns a line: jiffies, minor faults, major faults, CPU time in ns, each the sum over registered processes
    /// for the interval. Several files are drawn over each other, each from its own first interval on.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Where to write: PATH.svg and PATH.png, or only the one that PATH ends with [default: the first FILE's name
    /// without its extension, beside it]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,

    /// Jiffies per second of files that do not state it [default: 250]
    #[arg(long, value_name = "HZ", value_parser = hz)]
    pub hz: Option<f64>,
}

fn hz(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hz) if hz.is_finite() && hz > 0.0 => Ok(hz),
        _ => Err("a positive number is expected, such as 250".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
