// SPDX-License-Identifier: GPL-2.0

//! What a recording says about itself: the JSON at its beginning.

use crate::columns::Counted;
use crate::comments::Preamble;
use crate::utc::Utc;
use serde::{Deserialize, Serialize};

/// The machine, its clocks, and what was recorded. Fields that a reader does not know are left alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The machine's name.
    pub host: String,
    /// `uname -r`.
    pub kernel: String,
    /// CPUs online.
    pub cpus: u64,
    /// The version of the records ([`abi::header::ABI_VERSION`]).
    pub abi: u64,
    /// Jiffies a second.
    pub hz: u64,
    /// Ticks a second that were asked for.
    pub rate_hz: u64,
    /// Tick 0 on `CLOCK_MONOTONIC`, ns: the clock of the records.
    pub start_monotonic_ns: u64,
    /// Tick 0 on `CLOCK_REALTIME`, ns.
    pub start_realtime_ns: u64,
    /// Tick 0 in jiffies.
    pub start_jiffies: u64,
    /// `CLOCK_REALTIME` minus `CLOCK_MONOTONIC` when the recording began, ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_clock_offset_ns: Option<i64>,
    /// Whether delays are counted, as the text formats have it.
    pub delays: String,
    /// Where the samples are from and what they lack, if not from the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Counters that are n/a in all records, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// The users (IDs of the initial user namespace) whose registrations are in the recording; `None` for those of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<u32>>,
    /// The program that was run for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

impl Header {
    /// The top of a text of these samples. `first_time_ns` is the `CLOCK_MONOTONIC` of the first record, if there is one.
    pub fn preamble(&self, first_time_ns: Option<u64>) -> Preamble {
        let then = i128::from(self.start_realtime_ns) - i128::from(self.start_monotonic_ns);
        let offset = self.wall_clock_offset_ns.map_or(then, i128::from);
        Preamble {
            host: Some(self.host.clone()),
            kernel: Some(self.kernel.clone()),
            cpus: Some(self.cpus),
            hz: Some(self.hz as f64),
            rate_hz: Some(self.rate_hz as f64),
            start: first_time_ns.map(|first| Utc::from_monotonic_ns(first, offset).to_string()),
            delays: Some(self.delays.clone()),
            users: None,
            source: self.source.clone(),
        }
    }

    /// The counters that there are.
    pub fn counted(&self) -> Counted {
        Counted::all_but(self.absent.iter().map(String::as_str))
    }
}
