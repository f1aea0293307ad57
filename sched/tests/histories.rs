// SPDX-License-Identifier: GPL-2.0

//! Random histories on 1, 2 and 4 CPUs: every thread's figures are the model's own, whatever happened.

mod common;

use common::history;
use sched::view::affinity::Affinity;
use sched::view::latency::Latency;
use sched::view::top::Top;
use sched::view::{Filter, View};
use serde_json::Value as Json;
use trace::merge::Merger;
use trace::model::Model;
use trace::table::Format;

fn rows(model: &Model, view: Box<dyn View>, name: &str) -> Vec<Json> {
    let text = model.view_as(view, Format::Json);
    text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()).filter(|row| row["row"] == name).collect()
}

fn check(seed: u64, cpus: usize) -> usize {
    let model = history(seed, cpus, 400);
    let started = |tid: u32| -> (u64, u64) {
        // What the threads that were there before had counted by then.
        if tid < 1_000 {
            (1_000 + u64::from(tid), 250 + u64::from(tid))
        } else {
            (0, 0)
        }
    };
    let top = rows(&model, Box::new(Top::new(Filter::default(), usize::MAX, true)), "top_threads");
    let mut seen = 0;
    for row in &top {
        let tid = row["tid"].as_u64().unwrap() as u32;
        let truth = &model.threads[&tid];
        let (voluntary, involuntary) = started(tid);
        assert_eq!(row["run_ns"], truth.cpu_ns.iter().sum::<u64>(), "seed {seed}, {cpus} CPUs: {row}");
        assert_eq!(row["voluntary"], truth.voluntary - voluntary, "seed {seed}, {cpus} CPUs: {row}");
        assert_eq!(row["involuntary"], truth.involuntary - involuntary, "seed {seed}, {cpus} CPUs: {row}");
        assert_eq!(row["wait_ns"], truth.waits.iter().sum::<u64>(), "seed {seed}, {cpus} CPUs: {row}");
        seen += 1;
    }
    let ran = model.threads.values().filter(|truth| !truth.waits.is_empty()).count();
    assert_eq!(seen, ran, "seed {seed}, {cpus} CPUs");

    for row in rows(&model, Box::new(Affinity::new(Filter::default(), usize::MAX)), "affinity_threads") {
        let tid = row["tid"].as_u64().unwrap() as u32;
        assert_eq!(row["migrations"], model.threads[&tid].migrations, "seed {seed}, {cpus} CPUs: {row}");
    }
    let waits: usize = model.threads.values().map(|truth| truth.waits.len()).sum();
    let latency = rows(&model, Box::new(Latency::new(Filter::default(), None)), "latency");
    let counted: u64 = latency.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    let longest = latency.iter().map(|row| row["max_ns"].as_u64().unwrap()).max();
    assert_eq!(counted, waits as u64, "seed {seed}, {cpus} CPUs");
    assert_eq!(longest, model.threads.values().flat_map(|truth| truth.waits.iter().copied()).max());
    model.events.len()
}

#[test]
fn every_threads_figures_are_the_models_in_a_thousand_histories() {
    let mut events = 0;
    for seed in 1..=334 {
        for cpus in [1, 2, 4] {
            events += check(seed * 7_919, cpus);
        }
    }
    assert!(events > 300_000, "{events}");
}

#[test]
fn merging_the_streams_of_the_cpus_gives_the_history_back() {
    for seed in 1..=50 {
        let model = history(seed * 104_729, 4, 300);
        let mut merger = Merger::new();
        let mut merged = vec![];
        // Read in rounds, each CPU's ring a little further than the one before.
        let mut rest: Vec<_> =
            (0..4).map(|cpu| model.events.iter().filter(move |timed| timed.cpu == cpu).cloned().peekable()).collect();
        let end = model.now + 2_000_000;
        for until in (5_000_000_000..=end).step_by(10_000_000).chain([end + 1]) {
            for (cpu, events) in rest.iter_mut().enumerate() {
                while let Some(timed) = events.next_if(|timed| timed.ns < until + cpu as u64 * 1_000) {
                    merger.push(timed);
                }
            }
            merged.extend(std::iter::from_fn(|| merger.pop_before(until - trace::merge::SLACK_NS)));
        }
        merged.extend(std::iter::from_fn(|| merger.pop()));
        assert_eq!(merger.late(), 0);
        // The order of events of the same ns on two CPUs is the CPUs'; in a history there are such only among snapshots.
        assert_eq!(merged.len(), model.events.len());
        assert!(merged.is_sorted_by_key(|timed| timed.ns));
        for cpu in 0..4 {
            let ours: Vec<_> = merged.iter().filter(|timed| timed.cpu == cpu).collect();
            let theirs: Vec<_> = model.events.iter().filter(|timed| timed.cpu == cpu).collect();
            assert_eq!(ours, theirs);
        }
    }
}
