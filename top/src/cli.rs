// SPDX-License-Identifier: GPL-2.0

//! The command line.

use abi::device::DEVICE_PATH;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  mp3-top                          what is registered with the module; without the module, every process, from /proc
  mp3-top --source proc            every process, from /proc
  mp3-top --sched                  with switches and wake-up latency of each process
  mp3-top --replay recording.mp3   a recording of `monitor --record`, at its own pace

Keys: arrows select and sort, Enter shows one process, / filters, space freezes, a registers a PID, d unregisters,
? shows all keys, q ends.

Exit status: 0 ended, also by a signal or because the terminal went away; 1 failed; 2 wrong usage";

/// Shows processes on a live screen: page faults a second, CPU time, what they wait for, switches, memory.
#[derive(Parser, Debug)]
#[command(name = "mp3-top", version, after_help = EXAMPLES)]
pub struct Cli {
    /// Where samples come from
    #[arg(long, value_enum, default_value_t = From::Auto)]
    pub source: From,

    /// Seconds between two pictures
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub delay: Duration,

    /// Ticks a second of samples from /proc (the module's rate is set when it is loaded)
    #[arg(long, value_name = "HZ", default_value_t = client::source::proc::RATE_HZ, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rate: u64,

    /// Also trace the scheduler: switches, and how long a process waits for a CPU after it was woken. Needs the module, and
    /// CAP_PERFMON
    #[arg(long, conflicts_with = "replay")]
    pub sched: bool,

    /// Show only processes whose name or PID contains TEXT
    #[arg(short, long, value_name = "TEXT")]
    pub filter: Option<String>,

    /// Show a recording of `monitor --record` instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "rate"])]
    pub replay: Option<PathBuf>,

    /// The module's device
    #[arg(long, value_name = "PATH", default_value = DEVICE_PATH)]
    pub device: PathBuf,
}

/// Where samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The module if it can be used, else /proc
    Auto,
    /// The module's registered processes
    Module,
    /// Every process, from /proc: no module is needed
    Proc,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0.1 to 3600 is expected".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_delay_is_a_number_of_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "NaN", "soon", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
