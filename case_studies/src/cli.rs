// SPDX-License-Identifier: GPL-2.0

//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  studies case1 case_studies/data/case1       the figures of a case study, from its data
  studies summary case_studies/data           every number of both studies
  studies report case_studies/data -o all.html

Exit status: 0 done, 1 the data cannot be read or are no study, 2 wrong usage.";

/// Draws, tabulates or reports the data of a case study, laid out as case_studies/FORMAT.md says.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do with the study's data.
    #[command(subcommand)]
    pub command: Command,
}

/// Work on the data of a case study.
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
    /// Write the run.json of a run that has just ended, of what its guest left in DIR/guest, which is removed
    Describe(Describe),
    /// Whether the run in DIR was made with these parameters and workloads: exit status 0, or 1 and why not
    Matches(Matches),
}

/// What is known of a run beside what its guest left.
#[derive(Debug, Args)]
pub struct Describe {
    /// The run
    pub dir: PathBuf,

    /// When it began, RFC 3339
    #[arg(long)]
    pub started: String,

    /// Its machine's parameters
    #[arg(long)]
    pub parameters: String,

    /// Its swap space in words; empty: none
    #[arg(long, default_value = "")]
    pub swap: String,

    /// The kernel log of the guest, which says what emulated its processors
    #[arg(long, value_name = "FILE")]
    pub kernel_log: PathBuf,
}

/// What a run should have been made with.
#[derive(Debug, Args)]
pub struct Matches {
    /// The run
    pub dir: PathBuf,

    /// Its machine's parameters
    #[arg(long)]
    pub parameters: String,

    /// Its workloads, in order
    #[arg(value_name = "WORKLOAD", required = true)]
    pub workloads: Vec<String>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
