// SPDX-License-Identifier: GPL-2.0

//! Views of made-up histories whose answers are known.

use abi::events::fault::class::{Backing, MappingClass};
use abi::events::{Context, State};
use faults::fault::FaultKind;
use faults::model::{Model, Planted};
use faults::view::latency::Latency;
use faults::view::map::Map;
use faults::view::top::{By, Top};
use faults::view::wss::Wss;
use faults::view::View;
use format::mappings::{Change, Mapping, Protection, What};
use serde_json::Value;
use std::sync::Arc;
use trace::model::Leave;
use trace::table::Format;

const SLEEP: Leave = Leave::Sleep(State::Sleeping);
const ANONYMOUS: MappingClass = MappingClass::of(Backing::Anonymous);

/// The rows of one table, as JSON has them.
fn rows(model: &Model, view: impl View, table: &str) -> Vec<Value> {
    let text = model.view(view, Format::Json).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|row| row["row"] == table).collect()
}

fn notes(model: &Model, view: impl View) -> String {
    let texts = rows(model, view, "note").into_iter().map(|row| row["text"].as_str().unwrap().to_owned());
    texts.collect::<Vec<_>>().join("\n")
}

/// Process 100 with two threads, a file and two pieces of memory of its own.
fn model() -> Model {
    let mut model = Model::new(2);
    model.sched.existing(100, 100, "main").existing(101, 100, "worker").existing(7, 7, "hog").snapshot();
    model.map(100, 1, 0x10_0000, 256, "", ANONYMOUS);
    model.map(100, 2, 0x80_0000, 64, "", ANONYMOUS.with(MappingClass::HEAP));
    model.map(
        100,
        3,
        0x7f00_0000,
        32,
        "/usr/lib/a/very/long/path/of/a/library/libsome.so.6",
        MappingClass::of(Backing::File),
    );
    model
}

fn fault(model: &mut Model, tid: u32, address: u64, kind: FaultKind, took: u64, mapping: u32) {
    model.sched.pass(took + 1_000);
    let writes = !matches!(kind, FaultKind::FileMinor | FaultKind::FileMajor | FaultKind::ZeroPage);
    model.fault(0, &Planted { tid, tgid: 100, address, kind, took, mapping, writes, ..Planted::default() });
}

fn planted() -> Model {
    let mut model = model();
    for page in 0..10 {
        fault(&mut model, 100, 0x10_0000 + page * 4096 + 8, FaultKind::FirstTouch, 1_000, 1);
    }
    for page in 0..4 {
        fault(&mut model, 101, 0x80_0000 + page * 4096, FaultKind::FirstTouch, 2_000, 2);
    }
    fault(&mut model, 101, 0x7f00_0000, FaultKind::FileMajor, 5_000_000, 3);
    fault(&mut model, 101, 0x7f01_0000, FaultKind::FileMinor, 3_000, 3);
    model
}

#[test]
fn top_counts_each_mapping_with_its_faults_and_their_time() {
    let rows = rows(&planted(), Top::new(By::Mapping, 20), "top_mapping");
    let found: Vec<_> =
        rows.iter().map(|row| (row["mapping"].as_str().unwrap(), row["faults"].as_u64().unwrap())).collect();
    assert_eq!(found, [("[anon]", 10), ("[heap]", 4), ("/usr/lib/a/very/long/path/of/a/library/libsome.so.6", 2)]);
    assert_eq!((rows[0]["start"].as_str(), rows[0]["end"].as_str()), (Some("0x100000"), Some("0x200000")));
    assert_eq!((rows[0]["time_ns"].as_u64(), rows[0]["mean_ns"].as_u64()), (Some(10_000), Some(1_000)));
    assert_eq!((rows[2]["major"].as_u64(), rows[2]["max_ns"].as_u64()), (Some(1), Some(5_000_000)));
    assert_eq!(rows[1]["comm"], "main");
    let shares: f64 = rows.iter().map(|row| row["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
}

#[test]
fn top_by_thread_and_by_kind_add_up_to_all_faults() {
    let threads = rows(&planted(), Top::new(By::Thread, 20), "top_thread");
    let found: Vec<_> =
        threads.iter().map(|row| (row["tid"].as_u64().unwrap(), row["faults"].as_u64().unwrap())).collect();
    assert_eq!(found, [(100, 10), (101, 6)]);
    let kinds = rows(&planted(), Top::new(By::Kind, 20), "top_kind");
    let found: Vec<_> = kinds
        .iter()
        .map(|row| (row["kind"].as_str().unwrap(), row["access"].as_str().unwrap(), row["faults"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("first-touch", "write", 14), ("file-minor", "read", 1), ("file-major", "read", 1)]);
    assert!(notes(&planted(), Top::new(By::Kind, 20)).contains("16 faults, 1 of them major, 5.021 ms"));
}

#[test]
fn rows_beyond_those_that_are_asked_for_are_counted() {
    assert!(notes(&planted(), Top::new(By::Mapping, 1)).contains("2 more mappings not shown (-n)"));
}

#[test]
fn a_mapping_that_grows_is_one() {
    let mut model = model();
    model.map(100, 4, 0x10_0000 - 0x4000, 260, "", ANONYMOUS);
    fault(&mut model, 100, 0x10_0000, FaultKind::FirstTouch, 1_000, 1);
    fault(&mut model, 100, 0x10_0000 - 0x1000, FaultKind::FirstTouch, 1_000, 4);
    let rows = rows(&model, Top::new(By::Mapping, 20), "top_mapping");
    assert_eq!((rows.len(), rows[0]["faults"].as_u64(), rows[0]["start"].as_str()), (1, Some(2), Some("0xfc000")));
}

#[test]
fn code_is_named_by_the_mapping_that_was_there_at_the_time() {
    let mut model = model();
    let code = |name: &str| {
        let protection = Protection { read: true, write: false, execute: true };
        What::Mapped(Arc::new(Mapping {
            start: 0x40_0000,
            end: 0x50_0000,
            protection,
            name: name.into(),
            ..Mapping::default()
        }))
    };
    model.changes.push(Change { ns: model.sched.now, pid: 100, what: code("/nowhere/before") });
    fault(&mut model, 100, 0x10_0000, FaultKind::FirstTouch, 1_000, 1);
    model.sched.pass(10);
    model.changes.push(Change { ns: model.sched.now, pid: 100, what: code("/nowhere/after") });
    fault(&mut model, 100, 0x10_1000, FaultKind::FirstTouch, 1_000, 1);
    let rows = rows(&model, Top::new(By::Function, 20), "top_function");
    let mut found: Vec<_> = rows.iter().map(|row| row["function"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, ["after+0x1000 (file gone)", "before+0x1000 (file gone)"]);
}

/// A fault of thread 100 on CPU 0 that waits 3 ms for a disk and then 2 ms for a CPU, which thread 7 has.
fn waited() -> Model {
    let mut model = model();
    let sched = &mut model.sched;
    sched.wake(0, Context::HardIrq, 100).switch(0, SLEEP, 100).pass(100_000);
    // The fault begins here: 40 us on the CPU, 3 ms of disk, 2 ms without a CPU, 60 us on the CPU.
    sched.pass(40_000).wake(0, Context::Task, 7).switch(0, Leave::BlockIo, 7);
    sched.pass(3_000_000).wake(0, Context::HardIrq, 100).pass(2_000_000).switch(0, SLEEP, 100).pass(60_000);
    model.fault(
        0,
        &Planted {
            tid: 100,
            tgid: 100,
            address: 0x10_0abc,
            kind: FaultKind::SwapDisk,
            took: 5_100_000,
            mapping: 1,
            ..Planted::default()
        },
    );
    model
}

#[test]
fn the_time_of_a_slow_fault_is_divided_and_the_one_who_ran_is_named() {
    let model = waited();
    let slow = rows(&model, Latency::new(10, None), "slow_fault");
    assert_eq!(slow.len(), 1);
    let ns = |name: &str| slow[0][name].as_u64().unwrap();
    assert_eq!((ns("took_ns"), ns("cpu_ns")), (5_100_000, 100_000));
    assert_eq!((ns("block_io_ns"), ns("asleep_ns"), ns("runnable_ns")), (3_000_000, 0, 2_000_000));
    assert_eq!((slow[0]["address"].as_str(), slow[0]["mapping"].as_str()), (Some("0x100abc"), Some("[anon]")));
    let why = slow[0]["why"].as_str().unwrap();
    assert_eq!(why, "block I/O, ended by interrupt on CPU 0; 7 hog had the CPU for 2.000 ms");
    let time = rows(&model, Latency::new(10, None), "fault_time");
    assert_eq!((time[0]["kind"].as_str(), time[0]["cpu_ns"].as_u64()), (Some("swap-disk"), Some(100_000)));
}

#[test]
fn percentiles_and_histogram_are_those_of_the_faults() {
    let mut model = model();
    for n in 1..=1_000_u64 {
        fault(&mut model, 100, 0x10_0000 + n % 256 * 4096, FaultKind::FirstTouch, n * 1_000, 1);
    }
    let row = &rows(&model, Latency::new(3, None), "fault_latency")[0];
    let ns = |name: &str| row[name].as_u64().unwrap() as f64;
    assert_eq!((row["faults"].as_u64(), ns("max_ns"), ns("mean_ns")), (Some(1_000), 1e6, 500_500.0));
    for (name, exact) in [("p50_ns", 500e3), ("p90_ns", 900e3), ("p99_ns", 990e3), ("p999_ns", 999e3)] {
        assert!(ns(name) >= exact && ns(name) <= exact * 1.016, "{name}: {}", ns(name));
    }
    let octaves = rows(&model, Latency::new(3, None), "fault_histogram");
    assert_eq!(octaves.iter().map(|row| row["faults"].as_u64().unwrap()).sum::<u64>(), 1_000);
    let slow = rows(&model, Latency::new(3, None), "slow_fault");
    let took: Vec<_> = slow.iter().map(|row| row["took_ns"].as_u64().unwrap()).collect();
    assert_eq!(took, [1_000_000, 999_000, 998_000]);
}

#[test]
fn pages_that_come_back_are_told_from_pages_that_are_new() {
    let mut model = model();
    // 20 pages once, then again in the same order: between the two faults of each, 19 others fault.
    for page in 0..20 {
        fault(&mut model, 100, 0x10_0000 + page * 4096, FaultKind::FirstTouch, 1_000, 1);
    }
    for page in 0..20 {
        fault(&mut model, 100, 0x10_0000 + page * 4096 + 64, FaultKind::SwapDisk, 1_000_000, 1);
    }
    // A copy is no return, and what failed is no use.
    fault(&mut model, 100, 0x10_0000, FaultKind::CopyOnWrite, 1_000, 1);
    fault(&mut model, 100, 0x10_1000, FaultKind::Spurious, 1_000, 1);
    let row = &rows(&model, Wss::new(20), "wss_mapping")[0];
    let count = |name: &str| row[name].as_u64().unwrap();
    assert_eq!((count("touched_pages"), count("again_pages"), count("again_faults")), (20, 20, 20));
    assert_eq!((count("again_disk"), count("again_ns"), count("again_mean_ns")), (20, 20_000_000, 1_000_000));
    assert_eq!((count("distance_p50"), count("distance_max")), (19, 19));
    let distance = rows(&model, Wss::new(20), "wss_distance");
    assert_eq!(
        (distance.len(), distance[0]["at_least_pages"].as_u64(), distance[0]["again_faults"].as_u64()),
        (1, Some(16), Some(20))
    );
    let time = rows(&model, Wss::new(20), "wss_time");
    assert_eq!(time.iter().map(|row| row["touched_pages"].as_u64().unwrap()).sum::<u64>(), 20);
    assert_eq!(time.iter().map(|row| row["again_faults"].as_u64().unwrap()).sum::<u64>(), 20);
    let said = notes(&model, Wss::new(20));
    assert!(said.contains("20 pages (0.1 MiB) touched; 20 times a page came back, which took 20.000 ms"), "{said}");
    assert!(said.contains("uses without a fault are not seen"), "{said}");
}

#[test]
fn a_program_that_is_executed_has_an_address_space_of_its_own() {
    let mut model = model();
    fault(&mut model, 100, 0x10_0000, FaultKind::SharedMemory, 1_000, 1);
    model.sched.pass(10);
    model.changes.push(Change { ns: model.sched.now, pid: 100, what: What::Executed });
    fault(&mut model, 100, 0x10_0000, FaultKind::SharedMemory, 1_000, 1);
    let rows = rows(&model, Wss::new(20), "wss_mapping");
    assert!(rows.iter().all(|row| row["touched_pages"] == 1 && row["again_faults"] == 0), "{rows:?}");
    assert_eq!(rows.len(), 2);
}

#[test]
fn the_map_has_a_row_for_each_touched_part_of_the_address_space() {
    let bands = rows(&planted(), Map::new(), "map_band");
    let found: Vec<_> = bands
        .iter()
        .map(|row| {
            (row["start"].as_str().unwrap(), row["touched_pages"].as_u64().unwrap(), row["faults"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, [("0x100000", 10, 10), ("0x800000", 4, 4), ("0x7f000000", 2, 2)]);
    assert_eq!(bands[2]["pages"].as_u64(), Some(17));
}

#[test]
fn faults_without_a_record_are_counted_by_the_threads_own_counts() {
    let mut model = planted();
    assert!(!notes(&model, Top::new(By::Kind, 5)).contains("have no record"));
    model.miss(100).miss(100).miss(101);
    fault(&mut model, 100, 0x10_0000, FaultKind::FirstTouch, 1_000, 1);
    fault(&mut model, 101, 0x10_1000, FaultKind::FirstTouch, 1_000, 1);
    let said = notes(&model, Top::new(By::Kind, 5));
    assert!(said.contains("3 faults that the kernel counted and that have no record"), "{said}");
}

#[test]
fn a_gap_that_is_longer_than_a_records_counts_is_known_when_the_thread_ends() {
    let mut model = planted();
    model.sched.spawn(0, 200, 200);
    fault(&mut model, 200, 0x10_0000, FaultKind::FirstTouch, 1_000, 1);
    for _ in 0..10_000 {
        model.miss(200);
    }
    fault(&mut model, 200, 0x10_1000, FaultKind::FirstTouch, 1_000, 1);
    // A record has 12 bits of each count.
    assert!(notes(&model, Top::new(By::Kind, 5)).contains(&format!("{} faults that the kernel", 10_000 % 4_096)));
    model.totals(200, 200);
    assert!(
        notes(&model, Top::new(By::Kind, 5)).contains("10000 faults that the kernel counted and that have no record")
    );
    // Of a thread that was there before, its faults before are not known, and so no more than the low bits.
    model.totals(100, 100);
    assert!(notes(&model, Top::new(By::Kind, 5)).contains("10000 faults"));
}

#[test]
fn every_view_says_what_was_lost_and_that_there_was_nothing() {
    let views: [fn() -> Box<dyn View>; 4] = [
        || Box::new(Top::new(By::Mapping, 5)),
        || Box::new(Latency::new(5, None)),
        || Box::new(Map::new()),
        || Box::new(Wss::new(5)),
    ];
    for view in views {
        for format in [Format::Text, Format::Csv, Format::Json] {
            let text = Model::new(1).view(view(), format).unwrap();
            assert!(text.contains("lost: 0 records"), "{text}");
            let text = planted().view(view(), format).unwrap();
            assert!(text.contains("lost: 0 records") && text.lines().count() > 3, "{text}");
        }
    }
}

#[test]
fn whatever_the_history_no_fault_is_counted_twice_or_left_out() {
    let mut seed = 3_u64;
    let mut random = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % end
    };
    let kinds = [
        FaultKind::FirstTouch,
        FaultKind::ZeroPage,
        FaultKind::CopyOnWrite,
        FaultKind::FileMinor,
        FaultKind::FileMajor,
        FaultKind::SwapCache,
        FaultKind::SwapDisk,
        FaultKind::SharedMemory,
        FaultKind::Spurious,
    ];
    for _ in 0..20 {
        let mut model = model();
        for _ in 0..random(400) {
            let kind = kinds[random(9) as usize];
            let mapping = random(5) as u32;
            fault(&mut model, 100 + random(2) as u32, random(1 << 34), kind, random(1 << 22), mapping);
        }
        let sum = |view: Box<dyn View>, table: &str, column: &str| -> u64 {
            rows(&model, view, table).iter().map(|row| row[column].as_u64().unwrap()).sum()
        };
        for (by, table) in [
            (By::Mapping, "top_mapping"),
            (By::Function, "top_function"),
            (By::Line, "top_line"),
            (By::Thread, "top_thread"),
            (By::Kind, "top_kind"),
        ] {
            assert_eq!(sum(Box::new(Top::new(by, usize::MAX)), table, "faults"), model.faults);
        }
        assert_eq!(sum(Box::new(Map::new()), "map_band", "faults"), model.faults);
        assert_eq!(sum(Box::new(Latency::new(1, None)), "fault_histogram", "faults"), model.faults);
    }
}
