// SPDX-License-Identifier: GPL-2.0

//! What a scrape costs this CPU: `cargo run --release -p exporter --example cost`.
//!
//! As many processes as fill 10,000 series, sampled 20 times a second and scraped once. Times are CPU time of this thread, so that
//! a busy machine does not change them; HTTP and reading the ring come on top.

use abi::samples::{Flags, SampleRecord, Totals};
use exporter::exposition::{About, Exposition, Shared, State, FIXED};
use exporter::store::{Bounds, Shown, Store};
use format::columns::Counted;
use nix::time::{clock_gettime, ClockId};
use std::time::Duration;

const SERIES: usize = 10_000;
const PROCESSES: u64 = 700;
const SCRAPES: u32 = 200;
const TICKS: u64 = 100;
const RATE_HZ: u64 = 20;

fn record(registration: u64, tick: u64) -> SampleRecord {
    let mut comm = [0; 16];
    let name = format!("program-{}", registration % 100);
    comm[..name.len()].copy_from_slice(name.as_bytes());
    SampleRecord {
        registration,
        pid: registration as i32 + 1_000,
        tick,
        time_ns: tick * 1_000_000_000 / RATE_HZ,
        flags: if tick == 0 { Flags::FIRST | Flags::DELAYS } else { Flags::DELAYS },
        comm,
        totals: Totals::from_array(std::array::from_fn(|index| tick * (registration * 1_234_567 + index as u64))),
        ..SampleRecord::default()
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn main() {
    let shown = Shown { processes: true, commands: true, cgroups: true };
    let bounds = Bounds { series: SERIES - FIXED, linger_ns: 0 };
    let lookup = Box::new(|pid| Some(format!("/system.slice/unit-{}.service", pid % 50)));
    let mut store = Store::new(shown, bounds, Counted::ALL, Some(lookup));
    (1..=PROCESSES).for_each(|registration| store.take(&record(registration, 0)));
    let begun = cpu();
    for tick in 1..=TICKS {
        (1..=PROCESSES).for_each(|registration| store.hold(&record(registration, tick)));
        if tick % RATE_HZ == 0 {
            store.settle();
        }
    }
    let sample = (cpu() - begun).as_nanos() as f64 / (TICKS * PROCESSES) as f64;

    let shared = Shared::new(State { store, latencies: None, about: About::default() });
    let exposition = Exposition::new(&shared);
    let text = exposition.text();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let begun = cpu();
    for _ in 0..SCRAPES {
        std::hint::black_box(exposition.text());
    }
    let scrape = (cpu() - begun).as_nanos() as f64 / f64::from(SCRAPES);
    println!(
        "{series} series, {} bytes: {:.2} ms a scrape, {:.0} ns a series",
        text.len(),
        scrape / 1e6,
        scrape / series as f64
    );
    println!("{sample:.0} ns a sample, {} samples a second", PROCESSES * RATE_HZ);
    let share = (scrape + sample * (PROCESSES * RATE_HZ) as f64) / 1e9 * 100.0;
    println!("{share:.2} % of a CPU for one scrape a second");
}
