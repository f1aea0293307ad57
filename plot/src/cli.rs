// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::choice::Choice;
use clap::Parser;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  plot profile.data                        profile.svg and profile.png beside it
  plot -o both.svg before.data after.data  two profiles over each other, SVG only
  plot make.mp3                            a recording of monitor --record, a line a process
  plot -o all.html processes.csv           a page to explore in a browser: one file, no network
  plot --process work --by cpu --most 20 processes.csv
                                           20 processes called work, those with most CPU time first
  plot --hz 1000 classic.data              a file that does not state its jiffies per second

The case studies are drawn by `studies`, the benchmark by `mp3-bench figures`.

Exit status: 0 done, 1 a file cannot be read or is no profile, 2 wrong usage.";

/// Draws page faults and CPU utilisation over time, as SVG and PNG.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Arguments {
    /// Files of `monitor` (four columns, --per-process, --json or --record), of the classic monitor, or any text of these
    /// compressed with gzip; - is standard input
    ///
    /// Four columns a line: jiffies, minor faults, major faults, CPU time in ns, each the sum over registered processes
    /// for the interval. Several files are drawn over each other, each from its own first interval on.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Where to write: PATH.svg and PATH.png, or only the one that PATH ends with; PATH.html: a page to explore in a browser; into
    /// PATH/ if that is a directory; - is standard output, as SVG [default: the first FILE's name without its extension, beside it]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,

    /// Jiffies per second of files that do not state it [default: 250]
    #[arg(long, value_name = "HZ", value_parser = hz)]
    pub hz: Option<f64>,

    /// Which processes are drawn, and in which order.
    #[command(flatten)]
    pub choice: Choice,
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
