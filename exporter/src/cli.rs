// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::exposition::FIXED;
use crate::store::{Shown, SERIES_EACH};
use abi::device::DEVICE_PATH;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  exporter                                  what is registered with the module, by any user; without the module, every
                                            process, from /proc
  exporter --name nginx --name postgres     registers these processes, with the children that they have from now on
  exporter --cgroup system.slice            all that systemd runs as services
  exporter --source proc --rate 4           without the module, read four times a second
  exporter --from make.mp3                  the end of a recording
  curl http://127.0.0.1:9503/metrics

In prometheus.yml:
  scrape_configs:
    - job_name: mp3
      static_configs:
        - targets: ['127.0.0.1:9503']

Exit status: 0 ended by SIGINT or SIGTERM; 1 failed; 2 wrong usage";

/// Tells Prometheus what processes do: page faults, CPU time, delays, context switches and memory, of each process, each
/// command and each cgroup, as OpenMetrics over HTTP. With CAP_PERFMON also histograms of scheduling latency and fault latency.
///
/// It listens on the loopback address alone unless it is told otherwise: a client sees the names of processes.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// Where to listen; port 0: the kernel chooses one, which is said on stderr
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9503")]
    pub listen: SocketAddr,

    /// Where samples come from. What /proc lacks has no series
    #[arg(long, value_enum, default_value_t = From::Auto)]
    pub source: From,

    /// Show the end of a recording of `monitor --record`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "rate", "name", "cgroup", "tracing"])]
    pub from: Option<PathBuf>,

    /// Register processes with this command name (15 bytes at most), and the children that they have from then on. They are
    /// looked for every 5 s. Can be repeated
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Vec<String>,

    /// Register processes in this cgroup or below it, and the children that they have from then on. Can be repeated
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<String>,

    /// What has series beside the sums over all
    #[arg(long, value_enum, value_name = "LEVEL", value_delimiter = ',', default_values_t = [Level::Process, Level::Command, Level::Cgroup])]
    pub levels: Vec<Level>,

    /// Most series of a scrape. Commands and cgroups beyond a quarter of them each are counted together, and the processes that
    /// came last are left out; how many these are has a metric
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range((FIXED + 16 * SERIES_EACH) as i64..=10_000_000))]
    pub max_series: u32,

    /// A process that has ended is shown for so many seconds, so that its last totals are scraped
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub linger: Duration,

    /// Histograms of latency, from every switch, wake-up and page fault of the machine: where CAP_PERFMON is there; or else
    /// fail; or not at all, which spares what tracing costs
    #[arg(long, value_enum, default_value_t = Tracing::Auto)]
    pub tracing: Tracing,

    /// Ticks a second of samples from /proc (the module's rate is set when it is loaded)
    #[arg(long, value_name = "HZ", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rate: u64,

    /// Connections at a time. A further one takes the place of the oldest
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub max_clients: u16,

    /// Seconds that a connection may take, from its beginning to the last byte of the answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,

    /// The module's device
    #[arg(long, value_name = "PATH", default_value = DEVICE_PATH)]
    pub device: PathBuf,
}

/// Where samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The module if it can be used, else /proc
    Auto,
    /// The module
    Module,
    /// /proc, without the module
    Proc,
}

/// What has series of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Each process, by PID and command name
    Process,
    /// All processes of a command name
    Command,
    /// All processes of a cgroup
    Cgroup,
}

/// Whether events are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tracing {
    /// Where it can be had
    Auto,
    /// It must be
    On,
    /// No
    Off,
}

impl Cli {
    /// The levels as a set.
    pub fn shown(&self) -> Shown {
        let has = |level| self.levels.contains(&level);
        Shown { processes: has(Level::Process), commands: has(Level::Command), cgroups: has(Level::Cgroup) }
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.len() {
        1..=15 => Ok(text.to_owned()),
        _ => Err("a command name has 1 to 15 bytes: what /proc/PID/comm says".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0.1 to 86400 is expected".into()),
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
    fn it_listens_on_the_loopback_address_alone_unless_told_otherwise() {
        assert!(Cli::parse_from(["exporter"]).listen.ip().is_loopback());
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for wrong in [
            ["--name", "a-name-of-sixteen"],
            ["--name", ""],
            ["--linger", "-1"],
            ["--timeout", "soon"],
            ["--max-series", "100"],
            ["--listen", "9503"],
            ["--levels", "thread"],
            ["--max-clients", "0"],
        ] {
            assert!(Cli::try_parse_from([&["exporter"], &wrong[..]].concat()).is_err(), "{wrong:?}");
        }
        let cli = Cli::parse_from(["exporter", "--levels", "command"]);
        assert_eq!(cli.shown(), Shown { processes: false, commands: true, cgroups: false });
    }
}
