// SPDX-License-Identifier: GPL-2.0

//! Recordings, and what can be asked of them.

use super::{interrupted, nothing_lost, planted_wait, rows, sched, tracing, BUSY};
use crate::programs::{directory, number};
use crate::test::Outcome;
use crate::tests;
use anyhow::{ensure, Context};
use nix::sys::signal::Signal;
use std::fs;
use std::process::Command;
use testkit::module::Module;
use testkit::running::run;

tests![
    a_recording_gives_what_the_views_ask_and_is_small,
    the_flight_recorder_keeps_what_led_to_a_failure,
    the_flight_recorder_sees_a_long_wait_a_signal_and_sigusr1,
    the_flight_recorder_writes_nothing_where_nothing_happens,
    what_has_no_room_in_discard_mode_is_counted_and_the_tracer_is_not_shared,
];

fn a_recording_gives_what_the_views_ask_and_is_small() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("sched-record")?;
    let file = directory.join("events");
    let path = file.display();
    let ended = run(&mut sched(&format!("record -o {path}"), &BUSY))?;
    ensure!(ended.status.success(), "{ended:?}");
    nothing_lost(&ended.stderr)?;
    let each = ended.stderr.split(" an event").next().and_then(|text| text.split(' ').next_back());
    let each: f64 = each.context(ended.stderr.clone())?.parse()?;
    ensure!(each <= 10.0, "{each} bytes an event: {}", ended.stderr);
    for view in ["switches", "top", "events", "watch cat", "latency", "blocked", "affinity", "inversions"] {
        let ended = run(&mut sched(&format!("report {path} {view} --json"), &[]))?;
        ensure!(ended.status.success(), "{view}: {ended:?}");
        ensure!(!rows(&ended.stdout, "note")?.is_empty(), "{view}");
        nothing_lost(&ended.stdout)?;
    }
    let events = run(&mut sched(&format!("report {path} events --json"), &[]))?;
    let switches = run(&mut sched(&format!("report {path} switches --json"), &[]))?;
    let counted = rows(&switches.stdout, "switches")?;
    let counted = number(&counted.last().context("no rows")?["switches"])?;
    let told = rows(&events.stdout, "event")?.len() as u64;
    // An event is counted before it is recorded: at the first look at a CPU's counts, one of its own may be in between.
    let cpus = std::thread::available_parallelism()?.get() as u64;
    ensure!(told >= counted && told - counted <= cpus, "{told} events, {counted} switches, {cpus} CPUs");
    // A file that was cut off is read up to there.
    let bytes = fs::read(&file)?;
    fs::write(&file, &bytes[..bytes.len() - 10])?;
    let cut = run(&mut sched(&format!("report {path} switches"), &[]))?;
    ensure!(cut.status.success() && cut.stdout.contains("cut off"), "{cut:?}");
    fs::write(&file, &bytes)?;
    let trace = directory.join("trace");
    let export = run(&mut sched(&format!("export {path} --perfetto {}", trace.display()), &[]))?;
    ensure!(export.status.success() && fs::metadata(&trace)?.len() > 100, "{export:?}");
    module.unload()
}

fn the_flight_recorder_keeps_what_led_to_a_failure() -> Outcome {
    let module = Module::load("")?;
    let file = directory("sched-flight")?.join("flight");
    let path = file.display();
    let mut flight = tracing(&format!("record -o {path} --before 30 --after 0.2 --when exit"))?;
    let fine = Command::new("true").status()?;
    let failed = Command::new("sh").args(["-c", "exit 7"]).status()?;
    ensure!(fine.success() && failed.code() == Some(7));
    let message = flight.message()?;
    ensure!(message.contains("exited with status 7"), "{message}");
    let ended = flight.end()?;
    ensure!(ended.status.success(), "{ended:?}");
    let report = run(&mut sched(&format!("report {path} watch true"), &[]))?;
    ensure!(report.stdout.contains("exited with status 0"), "{report:?}");
    module.unload()
}

fn the_flight_recorder_sees_a_long_wait_a_signal_and_sigusr1() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("sched-conditions")?;
    for (condition, message) in
        [("--when latency>40ms", "waited for "), ("--when signal", "was ended by signal 11"), ("", "SIGUSR1 arrived")]
    {
        let file = directory.join("flight");
        let path = file.display();
        let mut flight = tracing(&format!("record -o {path} --before 30 --after 0.2 {condition}"))?;
        // What it is not to fire on.
        ensure!(Command::new("sh").args(["-c", "exit 7"]).status()?.code() == Some(7));
        match message {
            "waited for " => drop(planted_wait(|_| Ok(()))?),
            "SIGUSR1 arrived" => flight.kill(Signal::SIGUSR1)?,
            _ => ensure!(Command::new("sh").args(["-c", "kill -SEGV $$"]).status()?.code().is_none()),
        }
        let told = flight.message()?;
        ensure!(told.contains(message), "{condition}: {told}");
        let ended = flight.end()?;
        ensure!(ended.status.success(), "{condition}: {ended:?}");
        // It has what came before.
        let report = run(&mut sched(&format!("report {path} watch sh"), &[]))?;
        ensure!(report.stdout.contains("exited with status 7"), "{condition}: {report:?}");
        nothing_lost(&report.stdout)?;
        fs::remove_file(&file)?;
    }
    module.unload()
}

fn the_flight_recorder_writes_nothing_where_nothing_happens() -> Outcome {
    let module = Module::load("")?;
    let file = directory("sched-nothing")?.join("flight");
    let flight = tracing(&format!("record -o {} --before 30 --after 0.2 --when signal", file.display()))?;
    ensure!(Command::new("false").status()?.code() == Some(1));
    flight.kill(Signal::SIGINT)?;
    let ended = flight.end()?;
    ensure!(ended.status.success() && ended.stderr.contains("no file was written"), "{ended:?}");
    ensure!(!file.exists());
    module.unload()
}

fn what_has_no_room_in_discard_mode_is_counted_and_the_tracer_is_not_shared() -> Outcome {
    let module = Module::load("")?;
    let file = directory("sched-discard")?.join("events");
    let path = file.display();
    let record = tracing(&format!("record -o {path} --discard --ring 256"))?;
    let second = run(&mut sched("top --duration 1", &[]))?;
    ensure!(second.status.code() == Some(1) && second.stderr.contains("discard mode"), "{second:?}");
    // A recorder that does not read: its rings fill up, and what comes then is dropped.
    record.stop()?;
    ensure!(Command::new(BUSY[0]).args(&BUSY[1..]).status()?.success());
    record.go_on()?;
    interrupted(record)?;
    let switches = run(&mut sched(&format!("report {path} switches --json"), &[]))?;
    let counted = rows(&switches.stdout, "switches")?;
    let counted = number(&counted.last().context("no rows")?["switches"])?;
    let events = run(&mut sched(&format!("report {path} events --json"), &[]))?;
    let told = rows(&events.stdout, "event")?.len() as u64;
    let note = rows(&events.stdout, "note")?.into_iter().find(|note| note.to_string().contains("lost: "));
    let note = note.context("no losses")?.to_string();
    let lost = note.split("lost: ").nth(1).and_then(|text| text.split(' ').next()).context("a number")?;
    let lost: u64 = lost.parse()?;
    // The headers count every switch; what is in no record was dropped, with other kinds of events.
    ensure!(counted > told && lost >= counted - told, "{counted} switches, {told} recorded, {lost} records lost");
    module.unload()
}
