// SPDX-License-Identifier: GPL-2.0

//! A workload from a command line, for every program that runs one.

use crate::cpus::CpuList;
use crate::workload::{Locality, Workload, CLASSIC_ITERATIONS, MAX_MEGABYTES};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Arguments and options that describe a workload.
#[derive(Args, Clone, Debug)]
pub struct WorkloadArgs {
    /// Memory to work on, in MB of 2^20 bytes (1 to 1024)
    #[arg(value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MEGABYTES)))]
    pub megabytes: u32,

    /// Where the accesses go
    #[arg(value_name = "R|L", value_enum, ignore_case = true, hide_possible_values = false)]
    pub locality: LocalityArg,

    /// One-byte stores in each iteration
    #[arg(value_name = "ACCESSES")]
    pub accesses: u64,

    /// How often to do that many accesses
    #[arg(long, value_name = "N", default_value_t = CLASSIC_ITERATIONS)]
    pub iterations: u32,

    /// Pause after each iteration, in seconds (fractions allowed)
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub pause: Duration,

    /// What the places are computed from: the same seed makes the same accesses
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// Run on these CPUs only, e.g. 0 or 0,2-3 [default: any]
    #[arg(long, value_name = "LIST")]
    pub cpu: Option<CpuList>,
}

impl WorkloadArgs {
    /// The workload that was asked for.
    pub fn workload(&self) -> Workload {
        Workload {
            megabytes: self.megabytes,
            locality: self.locality.into(),
            accesses: self.accesses,
            iterations: self.iterations,
            pause: self.pause,
            seed: self.seed,
        }
    }
}

/// [`Locality`] as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LocalityArg {
    /// Every access at a random place
    #[value(name = "R")]
    Random,
    /// A fifth of them at a random place, the others 0 to 299 bytes further on
    #[value(name = "L")]
    Local,
}

impl From<LocalityArg> for Locality {
    fn from(arg: LocalityArg) -> Self {
        match arg {
            LocalityArg::Random => Locality::Random,
            LocalityArg::Local => Locality::Local,
        }
    }
}

/// The longest pause: a year.
const LONGEST_PAUSE_S: f64 = 365.0 * 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.0..=LONGEST_PAUSE_S).contains(&seconds) {
        return Err(format!("not between 0 and {LONGEST_PAUSE_S} seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}
