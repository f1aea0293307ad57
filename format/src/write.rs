// SPDX-License-Identifier: GPL-2.0

//! How a profile is printed. Nothing here allocates for a record: at 10 000 processes, 200 000 come in a second.

mod csv;
mod json;
mod text;

pub use csv::Csv;
pub use json::Json;
pub use text::Text;

use crate::preamble::Preamble;
use crate::summary::Summary;
use crate::ticks::TickLine;
use abi::record::{Flags, SampleRecord, TOTALS};

/// A format. Each method appends to `out` what belongs there, in whole lines.
pub trait Format {
    /// Before everything else.
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble);

    /// For each record.
    fn sample(&mut self, _out: &mut Vec<u8>, _sample: &SampleRecord) {}

    /// For each tick that is complete.
    fn tick(&mut self, _out: &mut Vec<u8>, _tick: &TickLine) {}

    /// After everything else.
    fn summary(&mut self, out: &mut Vec<u8>, summary: &Summary);
}

/// Names of the cumulative columns, in the order of [`abi::record::Totals::to_array`].
const TOTALS_COLUMNS: [&str; TOTALS] = [
    "minor_total",
    "major_total",
    "user_ns_total",
    "system_ns_total",
    "voluntary_switches_total",
    "involuntary_switches_total",
    "run_delay_ns_total",
    "blkio_delay_ns_total",
    "swapin_delay_ns_total",
    "reclaim_delay_ns_total",
    "thrashing_delay_ns_total",
    "compact_delay_ns_total",
    "wpcopy_delay_ns_total",
];

/// The first of those that are known only with [`Flags::DELAYS`].
const FIRST_DELAY: usize = 7;

/// Flags and their names.
const FLAGS: [(Flags, &str); 5] = [
    (Flags::FIRST, "first"),
    (Flags::FINAL, "final"),
    (Flags::EXITED, "exited"),
    (Flags::EXECED, "execed"),
    (Flags::DELAYS, "delays"),
];

fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_flags(out: &mut Vec<u8>, flags: Flags) {
    let mut separator: &[u8] = b"";
    for (flag, name) in FLAGS {
        if flags.contains(flag) {
            out.extend_from_slice(separator);
            out.extend_from_slice(name.as_bytes());
            separator = b"|";
        }
    }
}

/// Writes `summary` as `# key: value` lines.
fn push_summary(out: &mut Vec<u8>, summary: &Summary) {
    let totals = &summary.totals;
    let mut push = |key: &str, value: u64| {
        out.extend_from_slice(b"# ");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b": ");
        push_number(out, value);
        out.push(b'\n');
    };
    push("samples", summary.samples);
    push("processes", summary.processes);
    push("ticks", summary.ticks);
    push("minor", totals.minor_faults);
    push("major", totals.major_faults);
    push("cpu_ns", totals.cpu_ns());
    push("user_ns", totals.user_ns);
    push("system_ns", totals.system_ns);
    push("duration_ns", summary.duration_ns);
    push("missed_ticks", summary.missed_ticks);
    push("sampling_ns", summary.sampling_ns);
    push("sampling_records", summary.sampling_records);
    push("lost", summary.lost);
    if let Some(rate) = summary.rate_reached_hz() {
        out.extend_from_slice(format!("# rate_reached_hz: {rate:.4}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Delays, Machine};
    use abi::header::Header;
    use abi::record::Totals;

    pub(super) fn preamble() -> Preamble {
        Preamble {
            machine: Machine { host: "box".into(), kernel: "7.2".into(), cpus: 2, delays: Delays::Off },
            header: Header {
                stream: abi::stream::Stream::Samples,
                record_bytes: 192,
                capacity: 64,
                hz: 250,
                rate_hz: 20,
                start_monotonic_ns: 5_000_000_000,
                start_realtime_ns: 1_798_761_597_000_000_000,
                start_jiffies: 0,
                features: 1,
            },
            first_time_ns: Some(7_000_000_000),
        }
    }

    pub(super) fn sample(comm: &[u8], flags: Flags) -> SampleRecord {
        let mut name = [0; 16];
        name[..comm.len()].copy_from_slice(comm);
        SampleRecord {
            sequence: 0,
            time_ns: 7_000_000_000,
            tick: 40,
            jiffies: 4_294_937_296,
            pid: 123,
            flags,
            threads: 2,
            comm: name,
            registration: 3,
            totals: Totals::from_array(std::array::from_fn(|index| index as u64 + 1)),
            levels: abi::samples::Levels { resident_pages: 100, swapped_pages: 0 },
        }
    }

    #[test]
    fn the_summary_is_key_and_value() {
        let mut out = vec![];
        let mut summary = Summary::new(20);
        summary.lost = 7;
        push_summary(&mut out, &summary);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("# lost: 7\n"));
        assert!(text.lines().all(|line| line.starts_with("# ") && line.contains(": ")));
    }
}
