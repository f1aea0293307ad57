// SPDX-License-Identifier: GPL-2.0

//! What a recording says about itself.

use super::FAMILY;
use crate::live::{clock, now};
use abi::events::ioctl::TraceStart;
use client::trace::TraceOptions;
use format::utc::Utc;
use nix::sys::utsname::uname;
use nix::time::ClockId;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// What a recording says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The machine's name.
    pub host: String,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub machine: String,
    /// CPUs whose rings were recorded.
    pub cpus: u32,
    /// When the rings began, CLOCK_BOOTTIME, ns.
    pub start_boottime_ns: u64,
    /// The same instant on CLOCK_REALTIME, ns.
    pub start_realtime_ns: u64,
    /// The version of the records' words ([`abi::header::ABI_VERSION`]).
    #[serde(default)]
    pub abi: u64,
    /// The kinds that were asked for ([`abi::events::Kinds`]).
    pub kinds: u64,
    /// How far CLOCK_MONOTONIC, which samples have, is behind CLOCK_BOOTTIME, ns.
    #[serde(default)]
    pub monotonic_behind_ns: u64,
    /// Only some processes were recorded: which, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

impl Header {
    /// Of what is recorded here and now, by the session that was `started`.
    pub fn here(started: &TraceStart, options: &TraceOptions) -> Self {
        let names = uname().ok();
        let text = |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str()).unwrap_or("unknown").to_owned();
        let boottime = now();
        let realtime = clock(ClockId::CLOCK_REALTIME);
        let since = boottime.saturating_sub(started.start_boottime_ns);
        let filter = match (&options.name, options.pids.is_empty()) {
            (Some(name), _) => Some(format!("processes named *{name}*")),
            (None, false) => Some(format!("processes {:?}", options.pids)),
            _ => None,
        };
        Header {
            host: text(names.as_ref().map(|names| names.nodename())),
            kernel: text(names.as_ref().map(|names| names.release())),
            machine: text(names.as_ref().map(|names| names.machine())),
            cpus: started.cpus,
            start_boottime_ns: started.start_boottime_ns,
            start_realtime_ns: realtime.saturating_sub(since),
            monotonic_behind_ns: boottime.saturating_sub(clock(ClockId::CLOCK_MONOTONIC)),
            abi: abi::header::ABI_VERSION,
            kinds: options.kinds.0,
            filter,
        }
    }

    /// The lines that every report of the recording ends with; `length_ns` is from its beginning to its last event.
    pub fn words(&self, length_ns: u64) -> Vec<String> {
        let start = Utc::from_unix_ns(self.start_realtime_ns);
        let mut words = vec![format!(
            "recorded on {}, Linux {}, {} CPUs, from {start}: {:.3} s",
            self.host,
            self.kernel,
            self.cpus,
            length_ns as f64 / 1e9
        )];
        words.extend(self.filter.as_ref().map(|which| format!("only {which} were recorded")));
        words
    }

    /// Writes the beginning of a file.
    ///
    /// # Errors
    ///
    /// `to` cannot be written.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        FAMILY.write_header(self, to)
    }
}
