// SPDX-License-Identifier: GPL-2.0

//! A week in simulated time: what is watched for long takes no more memory.

use abi::record::{Flags, SampleRecord, Totals};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use top::model::Model;

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
        LIVE.load(Ordering::Relaxed)
    };
    let hour = live_after(0..3_600);
    let week = live_after(3_600..7 * 86_400);
    // Tables may stand at another size of theirs at the one moment than at the other.
    assert!(week < 2 * hour + 65_536, "{hour} bytes after an hour, {week} after a week");
}
