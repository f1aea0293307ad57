// SPDX-License-Identifier: GPL-2.0

//! `out/bench.json`: every figure of a run, with its spread and what it was measured on.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first value in the file.
pub const FORMAT: &str = "mp3-bench 1";

/// A file of figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// What was compared: program or part to its version.
    pub versions: BTreeMap<String, String>,
    /// Single figures.
    pub rows: Vec<Row>,
    /// Figures of which the spread is the point.
    pub distributions: Vec<Distribution>,
}

/// What a measurement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Cost of one tick for each registered process; the parameter is the number of processes.
    Sampling,
    /// What the profiled program pays; the parameter is the sampling rate in Hz.
    Profiled,
    /// What the machine pays for a whole profiler; the parameter is the number of processes.
    Machine,
    /// What a loaded module without work does.
    Idle,
    /// From the mapped ring into a file.
    Reading,
    /// Memory of a reader over time; the parameter is minutes.
    Memory,
    /// How late samples are.
    Lateness,
    /// Drawing; the parameter is the number of samples.
    Plot,
    /// The writer's cost against busy CPUs; the parameter is the number of virtual CPUs.
    Scaling,
}

/// How time was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The guest's clock counts instructions, 1 ns each: the same on every machine.
    Instructions,
    /// Time that passed, on the machine that the file was made on.
    Wall,
    /// No time at all: bytes, events.
    None,
}

/// One figure: the median of `runs` runs, and what they lay between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it belongs to.
    pub section: Section,
    /// Who was measured: `mp3`, `perf stat`, ...
    pub subject: String,
    /// What was varied, where something was.
    pub parameter: Option<f64>,
    /// What the figure is of, for example `per process and tick`.
    pub quantity: String,
    /// Its unit: `instructions`, `ns`, `records/s`, `KiB`, ...
    pub unit: String,
    /// How time was measured.
    pub clock: Clock,
    /// The median.
    pub value: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// Of so many runs.
    pub runs: u32,
    /// `value` divided by that of `mp3` for the same section, parameter, quantity and clock; `None` where there is none.
    pub ratio: Option<f64>,
}

/// The spread of something that was measured often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// What it belongs to.
    pub section: Section,
    /// Who was measured.
    pub subject: String,
    /// Under which circumstances: `20 Hz, idle`, ...
    pub condition: String,
    /// Unit of the values.
    pub unit: String,
    /// How time was measured.
    pub clock: Clock,
    /// How many values.
    pub count: u64,
    /// Pairs of a fraction (0 to 1, rising) and the value that so many values do not exceed.
    pub quantiles: Vec<(f64, f64)>,
}
