// SPDX-License-Identifier: GPL-2.0

//! Every view on histories whose truth is known.

use abi::events::{Context, Prio, State, SwitchFlags};
use sched::view::affinity::Affinity;
use sched::view::blocked::BlockedView;
use sched::view::events::Events;
use sched::view::inversions::Inversions;
use sched::view::latency::Latency;
use sched::view::switches::Switches;
use sched::view::top::Top;
use sched::view::watch::Watch;
use sched::view::{Filter, Session, View};
use serde_json::Value as Json;
use trace::event::{Lost, Timed, What};
use trace::model::{Leave, Model};
use trace::table::{Format, Writer};

const MS: u64 = 1_000_000;
const SLEEP: Leave = Leave::Sleep(State::Sleeping);

/// The rows of one kind that a view writes.
fn rows(model: &Model, view: Box<dyn View>, name: &str) -> Vec<Json> {
    model
        .view_as(view, Format::Json)
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap())
        .filter(|row| row["row"] == name)
        .collect()
}

fn all() -> Filter {
    Filter::default()
}

/// Two threads share CPU 0 and one sleeps and is woken on CPU 1.
fn three_threads() -> Model {
    let mut model = Model::new(2, 1_000 * MS);
    model.existing(100, 100, "hog").existing(200, 200, "rival").existing(300, 300, "sleeper");
    model.set(300, |truth| truth.cpu = 1);
    model.snapshot().count();
    model.wake(0, Context::HardIrq, 100).pass(MS).switch(0, SLEEP, 100);
    for _ in 0..10 {
        model.pass(MS).wake(1, Context::HardIrq, 300).pass(MS / 2).switch(1, SLEEP, 300);
        model.wake(0, Context::Task, 200).pass(2 * MS).switch(0, Leave::Preempted, 200);
        model.pass(MS).switch(1, SLEEP, 0);
        model.pass(MS).switch(0, SLEEP, 100);
    }
    model.pass(3 * MS).switch(0, SLEEP, 0).count();
    model
}

#[test]
fn switches_are_the_headers_counts_and_their_sum() {
    let model = three_threads();
    let rows = rows(&model, Box::new(Switches::new(all())), "switches");
    assert_eq!(rows.len(), 3);
    for (cpu, row) in rows.iter().take(2).enumerate() {
        let counts = &model.counts[cpu];
        assert_eq!(row["switches"], counts.switches);
        assert_eq!(row["voluntary"], counts.voluntary);
        assert_eq!(row["involuntary"], counts.involuntary());
        assert_eq!(row["from_idle"], counts.from_idle);
    }
    assert_eq!(rows[2]["cpu"], "all");
    assert_eq!(rows[2]["switches"], model.counts[0].switches + model.counts[1].switches);
    // CPU 0 was idle for the first of 59 ms; CPU 1 ran ten times 3 ms, from its first switch on.
    let idle: Vec<f64> = rows.iter().map(|row| row["idle_share"].as_f64().unwrap()).collect();
    assert!(idle[0] < 0.03, "{idle:?}");
    assert!(idle[1] > 0.2 && idle[1] < 0.6, "{idle:?}");
}

#[test]
fn intervals_of_switches_add_up_wherever_the_headers_were_read() {
    let mut model = three_threads();
    // The headers are read at other times than the tables are printed, and not in every interval.
    model.wake(0, Context::HardIrq, 100).pass(MS).switch(0, SLEEP, 100).pass(MS).count();
    model.pass(MS).switch(0, SLEEP, 0).count();
    for every in [3, 10, 25] {
        let mut session = Session::new(Box::new(Switches::new(all())));
        let mut out = Writer::new(vec![], Format::Json);
        for (n, timed) in model.events.iter().enumerate() {
            session.take(timed, &mut out);
            session.tick(timed.ns, &mut out);
            if n % every == every - 1 {
                session.report(&mut out);
                session.restart();
            }
        }
        session.report(&mut out);
        let text = String::from_utf8(out.into_inner()).unwrap();
        let told: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sum: u64 = told.iter().filter(|row| row["cpu"] == "0").filter_map(|row| row["switches"].as_u64()).sum();
        assert_eq!(sum, model.counts[0].switches, "a table every {every} events");
    }
}

#[test]
fn counts_stay_exact_where_every_record_is_lost() {
    let mut model = three_threads();
    let truth = model.counts.iter().map(|counts| counts.switches).sum::<u64>();
    model.events.retain(|timed| matches!(timed.what, What::Counts(_)));
    let rows = rows(&model, Box::new(Switches::new(all())), "switches");
    assert_eq!(rows.last().unwrap()["switches"], truth);
}

#[test]
fn top_has_every_threads_run_time_and_switches() {
    let model = three_threads();
    let rows = rows(&model, Box::new(Top::new(all(), 20, false)), "top");
    let start = Model::new(1, 0).existing(100, 100, "").threads[&100].run_ns;
    assert_eq!(rows[0]["comm"], "hog");
    for row in &rows {
        let pid = row["pid"].as_u64().unwrap() as u32;
        let truth = &model.threads[&pid];
        assert_eq!(row["run_ns"].as_u64().unwrap(), truth.cpu_ns.iter().sum::<u64>(), "{row}");
        assert_eq!(row["voluntary"].as_u64().unwrap(), truth.voluntary - 1_000 - u64::from(pid), "{row}");
        assert_eq!(row["involuntary"].as_u64().unwrap(), truth.involuntary - 250 - u64::from(pid), "{row}");
        // What was waited since the last switch is known at the next.
        assert!(row["wait_ns"].as_u64().unwrap() <= truth.waits.iter().sum::<u64>(), "{row}");
    }
    assert_eq!(start, 100 * MS);
    assert_eq!(rows.len(), 3);
}

#[test]
fn totals_survive_the_loss_of_records() {
    let mut model = three_threads();
    let lost_from = 40;
    let gone: Vec<Timed> = model.events.splice(lost_from..lost_from + 30, []).collect();
    for cpu in 0..2 {
        let records = gone.iter().filter(|timed| timed.cpu == cpu).count() as u64;
        let until_ns = model.events[lost_from..].iter().find(|timed| timed.cpu == cpu).unwrap().ns;
        let what = What::Lost(Lost { records, until_ns, dropped: false });
        model.events.insert(lost_from, Timed { ns: gone[0].ns, cpu, what });
    }
    let rows = rows(&model, Box::new(Top::new(all(), 20, false)), "top");
    for row in &rows {
        let pid = row["pid"].as_u64().unwrap() as u32;
        let truth = &model.threads[&pid];
        assert_eq!(row["run_ns"].as_u64().unwrap(), truth.cpu_ns.iter().sum::<u64>(), "{row}");
        assert_eq!(row["voluntary"].as_u64().unwrap(), truth.voluntary - 1_000 - u64::from(pid), "{row}");
    }
    let text = model.view(Box::new(Top::new(all(), 20, false)));
    assert!(text.contains("lost: 30 records in 2 gaps"), "{text}");
}

#[test]
fn no_interval_across_a_gap_is_told() {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "a").existing(2, 2, "b").snapshot();
    model.pass(MS).wake(0, Context::HardIrq, 1);
    let at = model.events.len();
    model.pass(500 * MS).switch(0, SLEEP, 1).pass(MS).switch(0, SLEEP, 0);
    model.pass(MS).wake(0, Context::HardIrq, 1).pass(2 * MS).switch(0, SLEEP, 1).pass(MS).switch(0, SLEEP, 0);
    let lost = Lost { records: 5, until_ns: 2 * MS, dropped: false };
    model.events.insert(at, Timed { ns: MS, cpu: 0, what: What::Lost(lost) });
    let rows = rows(&model, Box::new(Latency::new(all(), None)), "latency");
    assert_eq!(rows.len(), 1);
    // Not the 500 ms in which anything may have happened.
    assert_eq!((rows[0]["count"].as_u64(), rows[0]["max_ns"].as_u64()), (Some(1), Some(2 * MS)));
}

#[test]
fn a_thread_that_never_switches_is_seen_through_the_snapshot() {
    let mut model = Model::new(1, 0);
    model.existing(7, 7, "spinner").set(7, |truth| truth.now = trace::model::Doing::Runs);
    model.cpus[0] = (7, 0);
    model.snapshot().existing(8, 8, "other");
    model.pass(MS).wake(0, Context::HardIrq, 8).pass(99 * MS);
    let rows = rows(&model, Box::new(Top::new(all(), 20, false)), "top");
    assert_eq!((rows[0]["comm"].as_str(), rows[0]["running"].as_str()), (Some("spinner"), Some("+")));
    let run = rows[0]["run_ns"].as_u64().unwrap();
    assert!((98 * MS..=100 * MS).contains(&run), "{run}");
}

#[test]
fn the_first_slice_without_a_snapshot_is_unknown_and_not_invented() {
    let mut model = Model::new(1, 0);
    model.existing(7, 7, "a").existing(8, 8, "b");
    model.cpus[0] = (7, 0);
    model.wake(0, Context::HardIrq, 8);
    model.pass(50 * MS).switch(0, Leave::Preempted, 8).pass(MS).switch(0, SLEEP, 7).pass(MS).switch(0, SLEEP, 0);
    let rows = rows(&model, Box::new(Events::new(all())), "event");
    assert!(rows[0]["ran_ns"].is_null(), "{}", rows[0]);
    assert_eq!((rows[1]["ran_ns"].as_u64(), rows[2]["ran_ns"].as_u64()), (Some(MS), Some(MS)));
    assert_eq!(rows[0]["prev_state"], "R");
}

#[test]
fn a_wait_begins_at_the_later_of_wake_up_and_switch() {
    let mut model = Model::new(2, 0);
    model.existing(1, 1, "early").existing(2, 2, "waker").snapshot();
    model.wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1);
    model.wake(1, Context::HardIrq, 2).switch(1, SLEEP, 2);
    // Off the run queue already, its switch not recorded yet: CPU 1 wakes it first.
    model.pass(10 * MS).wake(1, Context::Task, 1);
    model.pass(MS).switch(0, SLEEP, 0);
    model.pass(3 * MS).set(1, |truth| truth.now = trace::model::Doing::Waits(11 * MS)).switch(0, SLEEP, 1);
    let rows = rows(&model, Box::new(Latency::new(all(), None)), "wait");
    let longest = rows.iter().find(|row| row["from"] == "wake-up").unwrap();
    assert_eq!(longest["wait_ns"], 3 * MS);
    assert_eq!(longest["woken_by"], "2 waker");
}

#[test]
fn a_wake_up_that_found_its_thread_running_ends_no_later_sleep() {
    let mut model = Model::new(2, 0);
    model.existing(1, 1, "worker").existing(2, 2, "waker").snapshot();
    model.wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1);
    model.wake(1, Context::HardIrq, 2).switch(1, SLEEP, 2);
    model.pass(MS).wake(1, Context::Task, 1);
    // It was on the run queue and went on; later it sleeps in earnest, for 20 ms, and is woken by an interrupt.
    model.pass(5 * MS).switch(0, SLEEP, 0).pass(20 * MS).wake(1, Context::HardIrq, 1).pass(MS).switch(0, SLEEP, 1);
    let rows = rows(&model, Box::new(BlockedView::new(all(), 20)), "blocked");
    let worker = rows.iter().find(|row| row["comm"] == "worker" && row["max_ns"] == 20 * MS);
    assert!(worker.is_some(), "{rows:?}");
}

#[test]
fn latency_knows_the_worst_wait_who_ran_instead_and_who_woke() {
    let mut model = Model::new(1, 0);
    model.existing(10, 10, "victim").existing(20, 20, "hog").existing(30, 30, "small").snapshot();
    model.wake(0, Context::HardIrq, 20).pass(MS).switch(0, SLEEP, 20);
    model.pass(MS).wake(0, Context::Task, 10).wake(0, Context::SoftIrq, 30);
    model.pass(30 * MS).switch(0, Leave::Preempted, 30).pass(2 * MS).switch(0, SLEEP, 10).pass(MS).switch(0, SLEEP, 20);
    let view = || Box::new(Latency::new(all(), Some(10 * MS)));
    let waits = rows(&model, view(), "wait");
    let worst = waits.iter().find(|row| row["comm"] == "victim").unwrap();
    assert_eq!((worst["wait_ns"].as_u64(), worst["cpu"].as_u64()), (Some(32 * MS), Some(0)));
    assert_eq!((worst["instead_comm"].as_str(), worst["instead_ns"].as_u64()), (Some("hog"), Some(30 * MS)));
    assert_eq!(worst["woken_by"], "20 hog");
    let meanwhile = rows(&model, view(), "meanwhile");
    let told: Vec<_> = meanwhile.iter().map(|row| row["comm"].as_str().unwrap()).collect();
    assert!(told.windows(2).any(|pair| pair == ["hog", "small"]), "{told:?}");
    let octaves = rows(&model, view(), "latency_histogram");
    let woken: u64 =
        octaves.iter().filter(|row| row["from"] == "wake-up").map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(woken, 3);
}

#[test]
fn throttling_is_a_cause_of_its_own() {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "limited").snapshot();
    model.wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1);
    model.pass(5 * MS).switch_flags(0, Leave::Preempted, 0, SwitchFlags::THROTTLED);
    model.pass(95 * MS).switch(0, SLEEP, 1);
    let rows = rows(&model, Box::new(Latency::new(all(), None)), "latency");
    let throttled = rows.iter().find(|row| row["from"] == "throttling").unwrap();
    assert_eq!((throttled["count"].as_u64(), throttled["max_ns"].as_u64()), (Some(1), Some(95 * MS)));
    assert!(!rows.iter().any(|row| row["from"] == "preemption"));
}

#[test]
fn blocked_names_the_futex_the_disk_and_the_waker() {
    let futex = syscalls::Sysno::futex as u16;
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "locker").existing(2, 2, "holder").existing(3, 3, "reader").snapshot();
    for _ in 0..4 {
        model.wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1);
        model.set(1, |truth| truth.call = Some((futex, 0xbeef))).pass(MS).switch(0, SLEEP, 0);
        model.wake(0, Context::HardIrq, 2).switch(0, SLEEP, 2).pass(5 * MS).wake(0, Context::Task, 1);
        model.switch(0, SLEEP, 1).pass(MS).switch(0, SLEEP, 0);
        model.wake(0, Context::HardIrq, 3).switch(0, SLEEP, 3).pass(MS).switch(0, Leave::BlockIo, 0).pass(8 * MS);
    }
    model.wake(0, Context::SoftIrq, 3).switch(0, SLEEP, 3).pass(MS);
    let rows = rows(&model, Box::new(BlockedView::new(all(), 20)), "blocked");
    let lock = rows.iter().find(|row| row["reason"] == "futex" && row["woken_by"] == "2 holder").unwrap();
    assert_eq!((lock["address"].as_str(), lock["max_ns"].as_u64()), (Some("0xbeef"), Some(9 * MS)));
    let disk = rows.iter().find(|row| row["reason"] == "block I/O").unwrap();
    assert_eq!(
        (disk["comm"].as_str(), disk["state"].as_str(), disk["count"].as_u64()),
        (Some("reader"), Some("D"), Some(4))
    );
}

#[test]
fn affinity_tells_a_wanderer_from_one_that_stays() {
    let mut model = Model::new(2, 0);
    model.existing(1, 1, "wanderer").existing(2, 2, "homely").existing(3, 3, "pushed").snapshot();
    model.set(2, |truth| truth.cpu = 0);
    for round in 0..100_u32 {
        let to = round % 2;
        model.wake(0, Context::Task, 1);
        if model.threads[&1].cpu != to {
            model.migrate(0, 1, to, false);
        }
        model.switch(to, SLEEP, 1).pass(MS).switch(to, SLEEP, 0);
        model.wake(0, Context::HardIrq, 2).switch(0, SLEEP, 2).pass(MS).switch(0, SLEEP, 0);
        if round % 5 == 0 {
            let to = 1 - model.threads[&3].cpu;
            model.wake(0, Context::HardIrq, 3).set(3, |truth| truth.allowed = 1).migrate(0, 3, to, true);
            model.switch(to, SLEEP, 3).pass(MS).switch(to, SLEEP, 0);
        }
    }
    let rows = rows(&model, Box::new(Affinity::new(all(), 20)), "affinity");
    let of = |name: &str| rows.iter().find(|row| row["comm"] == name).unwrap();
    let wanderer = of("wanderer");
    assert_eq!(wanderer["migrations"], u64::from(model.threads[&1].migrations));
    assert_eq!(wanderer["score"], 0.0);
    assert_eq!(wanderer["at_wake_up"], wanderer["migrations"]);
    assert_eq!(wanderer["verdict"], "migrates too much");
    assert_eq!(wanderer["shares"], "0:50.0% 1:50.0%");
    assert_eq!((of("homely")["score"].as_f64(), of("homely")["migrations"].as_u64()), (Some(1.0), Some(0)));
    assert_eq!(
        (of("pushed")["forced"].as_u64(), of("pushed")["verdict"].as_str()),
        (Some(20), Some("migrates much, forced by its mask"))
    );
}

#[test]
fn a_migration_to_the_same_cpu_is_none() {
    let mut model = Model::new(2, 0);
    model.existing(1, 1, "a").snapshot().wake(0, Context::Task, 1).migrate(0, 1, 0, false).switch(0, SLEEP, 1).pass(MS);
    model.switch(0, SLEEP, 0);
    let rows = rows(&model, Box::new(Affinity::new(all(), 20)), "affinity");
    assert_eq!(rows[0]["migrations"], 0);
}

#[test]
fn watch_follows_a_name_its_children_and_what_they_execute() {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "bash").snapshot();
    model.wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1).pass(MS);
    model.spawn(0, 50, 50).pass(MS).switch(0, SLEEP, 50).pass(MS).exec(0, "/usr/bin/stress").pass(MS);
    model.spawn(0, 51, 51).spawn(0, 52, 50).pass(10 * MS).switch(0, Leave::Preempted, 51);
    model.pass(5 * MS).exec(0, "/bin/true").pass(MS).exit(0, 3 << 8).pass(MS).switch(0, Leave::Dead, 50);
    model.pass(2 * MS).wake(0, Context::Task, 1).switch(0, Leave::Preempted, 1).pass(7 * MS);
    let life = rows(&model, Box::new(Watch::new("stress")), "life");
    let told: Vec<(&str, u64)> =
        life.iter().map(|row| (row["what"].as_str().unwrap(), row["pid"].as_u64().unwrap())).collect();
    assert_eq!(told, [("exec", 50), ("forked", 50), ("cloned thread", 50), ("exec", 51), ("exit", 51)]);
    assert_eq!(life[0]["detail"], "/usr/bin/stress");
    assert_eq!(life[4]["detail"], "exited with status 3");
    // One table at the end of 51, one at the end of all.
    let times = rows(&model, Box::new(Watch::new("stress")), "watch");
    let of = |pid: u64| times.iter().rev().find(|row| row["pid"] == pid).unwrap()["run_ns"].as_u64().unwrap();
    assert_eq!((times.len(), of(50), of(51)), (4, model.threads[&50].run_ns, model.threads[&51].run_ns));
    let text = model.view(Box::new(Watch::new("stress")));
    assert!(text.contains("PID 50 executed /usr/bin/stress\n"), "{text}");
}

#[test]
fn a_program_that_renames_itself_is_told_with_what_it_executed() {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "sh").snapshot().wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1).pass(MS);
    model.spawn(0, 9, 9).switch(0, SLEEP, 9).pass(MS).exec(0, "/bin/busybox").pass(MS);
    let mut comm = [0; 16];
    comm[..5].copy_from_slice(b"sleep");
    let name = abi::events::Name { tid: 9, tgid: 9, kernel: false, comm };
    model.events.push(Timed { ns: model.now, cpu: 0, what: What::Event(abi::events::Event::Name(name)) });
    model.pass(MS).exit(0, 0).switch(0, Leave::Dead, 0);
    let life = rows(&model, Box::new(Watch::new("sleep")), "life");
    let told: Vec<&str> = life.iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(told, ["exec", "exit"]);
    assert_eq!(life[0]["detail"], "/bin/busybox");
}

#[test]
fn exec_by_a_second_thread_keeps_the_thread_and_takes_the_leaders_pid() {
    let mut model = Model::new(1, 0);
    model.existing(5, 5, "multi").snapshot();
    model.wake(0, Context::HardIrq, 5).switch(0, SLEEP, 5).pass(MS).spawn(0, 6, 5);
    model.pass(MS).exit(0, 0).switch(0, Leave::Dead, 6).pass(4 * MS);
    // The leader is dead; thread 6 executes and is 5 from now on.
    model.exec(0, "/bin/other").pass(3 * MS).switch(0, SLEEP, 0).pass(MS);
    model.wake(0, Context::HardIrq, 5).pass(MS).switch(0, SLEEP, 5).pass(MS).switch(0, SLEEP, 0);
    let rows = rows(&model, Box::new(Top::new(all(), 20, true)), "top_threads");
    let other: Vec<_> = rows.iter().filter(|row| row["comm"] == "other").collect();
    assert_eq!(other.len(), 1, "{rows:?}");
    assert_eq!(other[0]["tid"], 5);
    assert_eq!(other[0]["run_ns"], model.threads[&5].run_ns);
    assert_eq!(other[0]["voluntary"], 2);
}

#[test]
fn a_pid_that_is_used_again_is_another_thread() {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "init").snapshot().wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1);
    for _ in 0..3 {
        model.pass(MS).spawn(0, 9, 9).switch(0, SLEEP, 9).pass(4 * MS).exit(0, 0).switch(0, Leave::Dead, 0);
        model.pass(MS).wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1);
    }
    let rows = rows(&model, Box::new(Top::new(all(), 20, true)), "top_threads");
    let reused: Vec<_> = rows.iter().filter(|row| row["tid"] == 9).collect();
    assert_eq!(reused.len(), 3);
    assert!(reused.iter().all(|row| row["run_ns"] == 4 * MS && row["voluntary"] == 1), "{reused:?}");
}

#[test]
fn filters_by_pid_name_and_ancestor() {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "shell").existing(2, 2, "unrelated").set(2, |truth| truth.parent = 0).snapshot();
    model.wake(0, Context::HardIrq, 1).switch(0, SLEEP, 1).pass(MS).spawn(0, 9, 9).switch(0, SLEEP, 9).pass(MS);
    model.exec(0, "/bin/child").wake(0, Context::HardIrq, 2).pass(MS).switch(0, SLEEP, 2).pass(MS).switch(0, SLEEP, 0);
    let names = |filter: Filter| -> Vec<String> {
        let rows = rows(&model, Box::new(Top::new(filter, 20, false)), "top");
        let mut names: Vec<_> = rows.iter().map(|row| row["comm"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(Filter { pids: vec![1], ..all() }), ["shell"]);
    assert_eq!(names(Filter { pids: vec![1], follow: true, ..all() }), ["child", "shell"]);
    assert_eq!(names(Filter { names: vec!["relat".into()], ..all() }), ["unrelated"]);
    assert_eq!(names(Filter { cpus: vec![3], ..all() }), [""; 0]);
}

/// Three real-time priorities and a mutex on one CPU, with the middle one in the way for 40 ms.
fn classic_inversion(inherits: bool) -> Model {
    let futex = syscalls::Sysno::futex as u16;
    let (low, middle, high) = (1, 2, 3);
    let mut model = Model::new(1, 0);
    for (tid, name, prio) in [(low, "low", 89), (middle, "middle", 79), (high, "high", 69)] {
        model.existing(tid, tid, name).set(tid, |truth| truth.prio = Prio(prio));
    }
    model.snapshot();
    model.wake(0, Context::HardIrq, low).switch(0, SLEEP, low).pass(MS);
    model.wake(0, Context::HardIrq, high).switch(0, Leave::Preempted, high).pass(MS);
    // High wants the mutex that low holds.
    model.set(high, |truth| truth.call = Some((futex, 0x1000)));
    if inherits {
        model.boost(0, low, Prio(69), high);
    }
    model.switch(0, SLEEP, low).pass(MS);
    model.wake(0, Context::HardIrq, middle);
    if !inherits {
        model.switch(0, Leave::Preempted, middle).pass(40 * MS).switch(0, SLEEP, low);
    }
    model.pass(5 * MS).set(low, |truth| truth.call = Some((futex, 0x1000)));
    if inherits {
        model.boost(0, low, Prio(89), 0);
    }
    model.wake(0, Context::Task, high).switch(0, Leave::Preempted, high).pass(MS);
    model.switch(0, SLEEP, if inherits { middle } else { low }).pass(MS).switch(0, SLEEP, 0);
    model
}

#[test]
fn a_classic_inversion_is_found_with_its_length_and_certainty() {
    let found = rows(&classic_inversion(false), Box::new(Inversions::new(all(), 10 * MS)), "inversion");
    // Once as it ends, once in the table at the end.
    assert_eq!(found.len(), 2);
    let row = &found[0];
    assert_eq!((row["kind"].as_str(), row["certainty"].as_str()), (Some("lock"), Some("certain")));
    assert_eq!(row["length_ns"], 40 * MS);
    for (column, name) in [("comm", "high"), ("holder_comm", "low"), ("by_comm", "middle")] {
        assert_eq!(row[column], name);
    }
}

#[test]
fn with_priority_inheritance_there_is_no_inversion_and_the_boost_is_told() {
    let model = classic_inversion(true);
    assert!(rows(&model, Box::new(Inversions::new(all(), 10 * MS)), "inversion").is_empty());
    let boosts = rows(&model, Box::new(Inversions::new(all(), 10 * MS)), "boost");
    assert_eq!(boosts.len(), 2);
    assert_eq!((boosts[0]["comm"].as_str(), boosts[0]["donor_comm"].as_str()), (Some("low"), Some("high")));
    assert_eq!((boosts[0]["old_rank"].as_str(), boosts[0]["new_rank"].as_str()), (Some("rt 10"), Some("rt 30")));
}

/// A real-time thread waits for 30 ms for a CPU that a fair one has.
fn direct_inversion(flags: SwitchFlags) -> Model {
    let mut model = Model::new(1, 0);
    model.existing(1, 1, "urgent").set(1, |truth| truth.prio = Prio(49)).existing(2, 2, "fair").snapshot();
    model.wake(0, Context::HardIrq, 2).switch_flags(0, SLEEP, 2, flags).pass(MS).wake(0, Context::HardIrq, 1);
    // Time passes as others see it: an event every 5 ms that changes nothing here.
    for _ in 0..6 {
        model.pass(5 * MS).count();
    }
    model.switch(0, Leave::Preempted, 1).pass(MS).switch(0, SLEEP, 2);
    model
}

#[test]
fn a_direct_inversion_alerts_while_it_lasts() {
    let model = direct_inversion(SwitchFlags::NONE);
    let alerts = rows(&model, Box::new(Inversions::new(all(), 10 * MS)), "inversion_alert");
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0]["so_far_ns"].as_u64(), alerts[0]["comm"].as_str()), (Some(10 * MS), Some("urgent")));
    let found = rows(&model, Box::new(Inversions::new(all(), 10 * MS)), "inversion");
    assert_eq!((found[0]["kind"].as_str(), found[0]["length_ns"].as_u64()), (Some("direct"), Some(30 * MS)));
    assert_eq!(found[0]["by_comm"], "fair");
    assert!(rows(&model, Box::new(Inversions::new(all(), 40 * MS)), "inversion").is_empty());
}

#[test]
fn the_fair_server_is_exempt_and_so_are_nice_levels() {
    let model = direct_inversion(SwitchFlags::FAIR_SERVER);
    assert!(rows(&model, Box::new(Inversions::new(all(), MS)), "inversion").is_empty());
    let mut model = direct_inversion(SwitchFlags::NONE);
    for timed in &mut model.events {
        if let What::Event(abi::events::Event::Waking(waking)) = &mut timed.what {
            waking.wakee_prio = Prio(100);
        }
    }
    assert!(rows(&model, Box::new(Inversions::new(all(), MS)), "inversion").is_empty());
}

#[test]
fn a_wake_up_from_an_interrupt_is_no_ones_lock() {
    let mut model = classic_inversion(false);
    for timed in &mut model.events {
        if let What::Event(abi::events::Event::Waking(waking)) = &mut timed.what {
            waking.context = Context::SoftIrq;
        }
    }
    assert!(rows(&model, Box::new(Inversions::new(all(), MS)), "inversion").is_empty());
}

#[test]
fn every_report_says_what_was_lost_even_if_nothing_was() {
    let model = three_threads();
    let views: Vec<Box<dyn View>> = vec![
        Box::new(Switches::new(all())),
        Box::new(Top::new(all(), 1, false)),
        Box::new(Events::new(all())),
        Box::new(Watch::new("hog")),
        Box::new(Latency::new(all(), None)),
        Box::new(BlockedView::new(all(), 10)),
        Box::new(Affinity::new(all(), 10)),
        Box::new(Inversions::new(all(), MS)),
    ];
    for view in views {
        let text = model.view(view);
        assert!(text.trim_end().ends_with("lost: 0 records"), "{text}");
    }
}
