// SPDX-License-Identifier: GPL-2.0

//! A week in simulated time: what is watched for long takes no more memory.

use abi::record::{Flags, SampleRecord, Totals};
use top::model::Model;

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;

/// Processes at a time. Each lives for a minute, and another takes its place.
const PROCESSES: u64 = 10;
const MINUTE: u64 = 60;

#[test]
fn a_week_of_processes_that_come_and_go_takes_no_more_memory_than_an_hour() {
    let mut model = Model::default();
    let mut live_after = |seconds: std::ops::Range<u64>| {
        for second in seconds {
            for place in 0..PROCESSES {
                let age = (second + place) % MINUTE;
                let flags = match age {
                    0 => Flags::FIRST,
                    59 => Flags::FINAL | Flags::EXITED,
                    _ => Flags::default(),
                };
                let registration = (second + place) / MINUTE * PROCESSES + place;
                let record = SampleRecord {
                    time_ns: second * 1_000_000_000 + place,
                    registration,
                    pid: (registration % 30_000) as i32,
                    flags,
                    totals: Totals { minor_faults: age, ..Totals::default() },
                    ..SampleRecord::default()
                };
                model.take(&record.to_words());
            }
            model.picture();
        }
        assert!(model.processes().count() as u64 <= 2 * PROCESSES);
        heap::live()
    };
    let hour = live_after(0..3_600);
    let week = live_after(3_600..7 * 86_400);
    // Tables may stand at another size of theirs at the one moment than at the other.
    assert!(week < 2 * hour + 65_536, "{hour} bytes after an hour, {week} after a week");
}
