// SPDX-License-Identifier: GPL-2.0

//! A week in simulated time: processes, names and cgroups that come and go take no more memory, and no more series than were
//! allowed.

use abi::samples::{Flags, SampleRecord, Totals};
use exporter::exposition::{About, Exposition, Shared, State, FIXED};
use exporter::scraped::Scraped;
use exporter::store::{Bounds, Shown, Store};
use format::columns::Counted;

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;

/// Processes at a time. Each lives for ten minutes, and another takes its place.
const PROCESSES: u64 = 20;
const LIFE: u64 = 60;

/// Seconds from one tick to the next.
const STEP: u64 = 10;
const SERIES: usize = 1_000;

fn record(tick: u64, place: u64) -> SampleRecord {
    let age = (tick + place) % LIFE;
    let flags = match age {
        0 => Flags::FIRST | Flags::DELAYS,
        59 => Flags::FINAL | Flags::EXITED | Flags::DELAYS,
        _ => Flags::DELAYS,
    };
    let registration = (tick + place) / LIFE * PROCESSES + place + 1;
    let mut comm = [0; 16];
    // A name of its own for most of them.
    let name = format!("job-{}", registration % 100_000);
    comm[..name.len()].copy_from_slice(name.as_bytes());
    let totals = Totals { minor_faults: age * registration % 977, ..Totals::default() };
    SampleRecord {
        tick,
        time_ns: tick * STEP * 1_000_000_000 + place,
        registration,
        pid: (registration % 30_000) as i32,
        comm,
        flags,
        totals,
        ..SampleRecord::default()
    }
}

#[test]
fn a_week_takes_no_more_memory_than_an_hour_no_more_series_than_allowed_and_no_total_falls() {
    let shown = Shown { processes: true, commands: true, cgroups: true };
    let bounds = Bounds { series: SERIES - FIXED, linger_ns: 120_000_000_000 };
    let store = Store::new(shown, bounds, Counted::ALL, Some(Box::new(|pid| Some(format!("/jobs/{}", pid % 5_000)))));
    let shared = Shared::new(State { store, latencies: None, about: About::default() });
    let exposition = Exposition::new(&shared);
    let (mut before, mut merged) = (0.0, 0.0);
    let mut live_after = |ticks: std::ops::Range<u64>| {
        for tick in ticks {
            for place in 0..PROCESSES {
                shared.lock().store.take(&record(tick, place));
            }
            if tick % 360 == 0 {
                let scraped = Scraped::read(&exposition.text()).unwrap();
                assert!(scraped.len() <= SERIES, "{} series", scraped.len());
                let total = scraped.get("mp3_minor_faults_total", &[]).unwrap();
                assert!(total >= before);
                before = total;
                // What lost its place is not lost.
                for level in ["command", "cgroup"] {
                    assert_eq!(scraped.sum(&format!("mp3_{level}_minor_faults_total"), &[]), total, "{level}");
                }
                merged = scraped.get("mp3_exporter_merged_groups_total", &[]).unwrap();
            }
        }
        heap::live()
    };
    let hour = live_after(0..360);
    let week = live_after(360..7 * 86_400 / STEP);
    assert!(merged > 1_000.0, "groups have changed places: {merged}");
    // Tables may stand at another size of theirs at the one moment than at the other.
    assert!(week < 2 * hour + 65_536, "{hour} bytes after an hour, {week} after a week");
}
