// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::args::WorkloadArgs;
use clap::Parser;

const EXAMPLES: &str = "\
Example:
  work 200 R 10000 --seed 7     200 MB, 20 x 10000 stores at random places: about 50 000 faults

To have it profiled while it runs: userapp 200 R 10000, or userapp run -- work 200 R 10000

Exit status: 0 done, 1 failed, 2 wrong usage";

/// Stores bytes all over some memory, in iterations with a pause after each, without telling the mp3 module.
///
/// Every page is 4 KiB and costs one minor page fault, when it is first stored to. The same seed makes the same accesses,
/// so that the number of faults is known beforehand (--expect).
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// Touch nothing; print how many pages the accesses would touch
    #[arg(long)]
    pub expect: bool,

    /// Touch nothing; print after how many iterations so many different pages are touched on average
    #[arg(long, value_name = "PAGES", conflicts_with_all = ["expect", "json"])]
    pub reached: Option<u64>,

    /// Print one JSON object; times in s and ns
    #[arg(long)]
    pub json: bool,
}
