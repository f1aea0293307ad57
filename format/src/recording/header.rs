// SPDX-License-Identifier: GPL-2.0

//! What a recording says about itself: the JSON at its beginning.

use crate::columns::Counted;
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
    /// The users (IDs of the initial user namespace) whose registrations the recording was made for; all if there are none. The
    /// records of other users' registrations are in it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<u32>>,
    /// The program that was run for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

impl Header {
    /// The counters that there are.
    pub fn counted(&self) -> Counted {
        Counted::all_but(self.absent.iter().map(String::as_str))
    }
}
