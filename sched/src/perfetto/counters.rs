// SPDX-License-Identifier: GPL-2.0

//! The sampler's records as counters of their processes.

use super::{proto, BOOTTIME};
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use rustc_hash::FxHashSet;

/// `TrackEvent.Type.TYPE_COUNTER`.
const COUNTER: i32 = 4;
/// `CounterDescriptor.Unit`.
const UNIT_TIME_NS: i32 = 1;
const UNIT_COUNT: i32 = 2;

/// The tracks that have been told of.
#[derive(Default)]
pub(super) struct Counters {
    tracks: FxHashSet<u64>,
}

impl Counters {
    /// The packets of a sample, whose clock is `behind_ns` behind the trace's.
    pub(super) fn packets(&mut self, words: &[u64; SAMPLE_WORDS], behind_ns: u64) -> Vec<proto::Packet> {
        let sample = SampleRecord::from_words(words);
        let process = 1 << 40 | (sample.pid as u64) << 8;
        let mut packets = vec![];
        if self.tracks.insert(process) {
            packets.push(proto::Packet {
                track_descriptor: Some(proto::TrackDescriptor {
                    uuid: Some(process),
                    process: Some(proto::ProcessDescriptor { pid: Some(sample.pid) }),
                    ..proto::TrackDescriptor::default()
                }),
                ..proto::Packet::default()
            });
        }
        let totals = sample.totals;
        let cpu_ns = totals.user_ns.saturating_add(totals.system_ns);
        let counters = [
            ("minor faults", UNIT_COUNT, totals.minor_faults),
            ("major faults", UNIT_COUNT, totals.major_faults),
            ("CPU time", UNIT_TIME_NS, cpu_ns),
        ];
        for (n, (name, unit, value)) in counters.into_iter().enumerate() {
            let track = process | (n as u64 + 1);
            if self.tracks.insert(track) {
                packets.push(proto::Packet {
                    track_descriptor: Some(proto::TrackDescriptor {
                        uuid: Some(track),
                        name: Some(name.into()),
                        parent_uuid: Some(process),
                        counter: Some(proto::CounterDescriptor { unit: Some(unit) }),
                        ..proto::TrackDescriptor::default()
                    }),
                    ..proto::Packet::default()
                });
            }
            packets.push(proto::Packet {
                timestamp: Some(sample.time_ns.saturating_add(behind_ns)),
                timestamp_clock_id: Some(BOOTTIME),
                track_event: Some(proto::TrackEvent {
                    kind: Some(COUNTER),
                    track_uuid: Some(track),
                    counter_value: Some(i64::try_from(value).unwrap_or(i64::MAX)),
                    ..proto::TrackEvent::default()
                }),
                ..proto::Packet::default()
            });
        }
        packets
    }
}
