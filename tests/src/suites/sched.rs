// SPDX-License-Identifier: GPL-2.0

//! `sched` as it is typed, with the real module.

use crate::programs::{directory, json, number, program};
use crate::test::Outcome;
use crate::tests;
use anyhow::{ensure, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::child::Child;
use testkit::files;
use testkit::kernel;
use testkit::module::Module;
use testkit::running::{run, Running};

tests![
    switches_add_up_and_are_no_more_than_the_kernel_counts,
    events_of_a_cpu_form_a_chain,
    top_has_the_run_time_of_a_command,
    a_program_watched_by_name_is_told_from_its_start_to_the_interrupt,
    a_hundred_migrations_are_a_hundred_migrations,
    a_planted_wait_is_found_with_its_cause,
    a_classic_inversion_is_found_and_its_length_is_the_planted_one,
    a_recording_gives_what_the_views_ask_and_is_small,
    the_flight_recorder_keeps_what_led_to_a_failure,
    bad_arguments_get_an_answer_that_says_what_to_do,
];

/// `sched` with these words, and a command behind `--`.
fn sched(line: &str, command: &[&str]) -> Command {
    let mut sched = program("sched", line);
    if !command.is_empty() {
        sched.arg("--").args(command);
    }
    sched
}

/// A `sched` that has said that it traces.
fn tracing(line: &str) -> Result<Running> {
    let mut running = Running::start(&mut sched(line, &[]))?;
    let message = running.message()?;
    ensure!(message.contains("tracing"), "{message}");
    Ok(running)
}

/// The rows of one kind.
fn rows(text: &str, kind: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = text.lines().filter(|line| line.starts_with('{')).map(json).collect::<Result<_>>()?;
    Ok(all.into_iter().filter(|row| row["row"] == kind).collect())
}

fn nothing_lost(text: &str) -> Outcome {
    ensure!(text.contains("lost: 0 records"), "{text}");
    Ok(())
}

/// Ends it with SIGINT, and returns what it printed.
fn interrupted(running: Running) -> Result<String> {
    running.kill(Signal::SIGINT)?;
    let ended = running.end()?;
    ensure!(ended.status.success(), "{ended:?}");
    Ok(ended.stdout)
}

fn ctxt() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("ctxt ")).context("no ctxt")?;
    Ok(line.trim().parse()?)
}

/// Context switches by the hundred: a shell that starts programs.
const BUSY: [&str; 3] = ["sh", "-c", "i=0; while [ $i -lt 60 ]; do echo $i | cat >/dev/null; i=$((i+1)); done"];

fn switches_add_up_and_are_no_more_than_the_kernel_counts() -> Outcome {
    let module = Module::load("")?;
    let before = ctxt()?;
    let ended = run(&mut sched("switches --json", &BUSY))?;
    let counted = ctxt()? - before;
    ensure!(ended.status.success(), "{ended:?}");
    let rows = rows(&ended.stdout, "switches")?;
    let (all, cpus) = rows.split_last().context("no rows")?;
    let mut sum = 0;
    for cpu in cpus {
        let parts = number(&cpu["voluntary"])? + number(&cpu["involuntary"])? + number(&cpu["from_idle"])?;
        ensure!(parts == number(&cpu["switches"])?, "{cpu}");
        sum += parts;
    }
    ensure!(sum == number(&all["switches"])?, "{rows:?}");
    ensure!(sum > 120 && sum <= counted, "{sum} of {counted}");
    nothing_lost(&ended.stdout)?;
    module.unload()
}

fn events_of_a_cpu_form_a_chain() -> Outcome {
    let module = Module::load("")?;
    let events = tracing("events --json")?;
    ensure!(Command::new(BUSY[0]).args(&BUSY[1..]).status()?.success());
    let text = interrupted(events)?;
    let events = rows(&text, "event")?;
    ensure!(events.len() > 120, "{} events", events.len());
    let mut last: HashMap<u64, (u64, u64)> = HashMap::new();
    for event in &events {
        let (cpu, time) = (number(&event["cpu"])?, number(&event["time_ns"])?);
        if let Some((next, at)) = last.insert(cpu, (number(&event["next_tid"])?, time)) {
            ensure!(next == number(&event["prev_tid"])? && at <= time, "{event}, after {next}");
            ensure!(number(&event["ran_ns"])? == time - at, "{event}, after {at}");
        }
    }
    nothing_lost(&text)?;
    module.unload()
}

fn top_has_the_run_time_of_a_command() -> Outcome {
    let module = Module::load("")?;
    let burn = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; cat /proc/$$/schedstat; exit 0";
    let ended = run(&mut sched("top --json", &["sh", "-c", burn]))?;
    ensure!(ended.status.success(), "{ended:?}");
    // The shell sleeps while cat reads: the first number is its run time, to the ns. Then it only exits.
    let stat = ended.stdout.lines().find(|line| !line.starts_with('{')).context("no schedstat")?;
    let run_ns: u64 = stat.split(' ').next().unwrap_or_default().parse()?;
    let top = rows(&ended.stdout, "top")?;
    let shell = top.iter().find(|row| row["comm"] == "sh").context("no sh")?;
    let counted = number(&shell["run_ns"])?;
    ensure!(counted >= run_ns && counted - run_ns < 200_000_000, "{counted}, and schedstat said {run_ns}");
    nothing_lost(&ended.stdout)?;
    module.unload()
}

fn a_program_watched_by_name_is_told_from_its_start_to_the_interrupt() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("sched-watch")?;
    let stress = directory.join("stress");
    fs::copy(files::program("work").get_program(), &stress)?;
    let mut watch = tracing("watch stress")?;
    let mut child = Command::new(&stress).args(["8", "R", "2000"]).stdout(std::process::Stdio::null()).spawn()?;
    let executed = format!("PID {} executed {}", child.id(), stress.display());
    loop {
        let line = watch.line()?;
        if line.ends_with(&executed) {
            break;
        }
        ensure!(!line.contains("lost"), "{line}");
    }
    kernel::wait_until_asleep_in(child.id() as i32, nix::libc::SYS_clock_nanosleep)?;
    let text = interrupted(watch)?;
    child.kill()?;
    child.wait()?;
    let pid = child.id().to_string();
    let row = text.lines().find(|line| line.split_whitespace().nth(1) == Some(&pid)).context(text.clone())?;
    let words: Vec<&str> = row.split_whitespace().collect();
    let [_, _, run_ms, timer_ms, "stress"] = words[..] else { anyhow::bail!("{row}") };
    let (run_ms, timer_ms): (f64, f64) = (run_ms.parse()?, timer_ms.parse()?);
    ensure!(run_ms > 0.0 && timer_ms < run_ms, "{row}");
    nothing_lost(&text)?;
    module.unload()
}

fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

fn a_hundred_migrations_are_a_hundred_migrations() -> Outcome {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err(crate::test::Skip("it takes two CPUs to migrate").into());
    }
    let module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        pin(0).expect("two CPUs");
        parent.done();
        parent.wait();
        for n in 1..=100 {
            pin(n % 2).expect("two CPUs");
        }
        parent.done();
        parent.wait();
    })?;
    child.wait_done()?;
    let pid = child.pid();
    let affinity = tracing(&format!("affinity --json --pid {pid}"))?;
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(pid)?;
    let text = interrupted(affinity)?;
    let rows = rows(&text, "affinity")?;
    let row = rows.first().context(text.clone())?;
    ensure!(number(&row["migrations"])? == 100 && number(&row["forced"])? == 100, "{row}");
    ensure!(row["verdict"] == "migrates much, forced by its mask", "{row}");
    nothing_lost(&text)?;
    drop(child);
    module.unload()
}

/// Real time of the policy SCHED_FIFO for this thread.
fn real_time(priority: i32) -> Result<()> {
    let parameters = nix::libc::sched_param { sched_priority: priority };
    // SAFETY: the structure is initialised, and read only.
    let answer = unsafe { nix::libc::sched_setscheduler(0, nix::libc::SCHED_FIFO, &parameters) };
    ensure!(answer == 0, "no SCHED_FIFO: {}", std::io::Error::last_os_error());
    Ok(())
}

/// Keeps the CPU for so long.
fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn a_planted_wait_is_found_with_its_cause() -> Outcome {
    let module = Module::load("")?;
    let mut victim = Child::spawn(|parent| {
        pin(0).expect("CPU 0");
        parent.done();
        parent.wait();
        parent.done();
        parent.wait();
    })?;
    victim.wait_done()?;
    let pid = victim.pid();
    kernel::wait_until_asleep(pid)?;
    let latency = tracing(&format!("latency --json --pid {pid} --over 40ms"))?;
    // The hog takes CPU 0 and wakes the victim there, which cannot run for 80 ms.
    let spun = std::thread::scope(|scope| {
        let victim = &mut victim;
        let hog = scope.spawn(move || -> Result<Duration> {
            pin(0)?;
            real_time(50)?;
            let begun = Instant::now();
            victim.go()?;
            spin(Duration::from_millis(80));
            Ok(begun.elapsed())
        });
        hog.join().expect("the hog")
    })?;
    victim.wait_done()?;
    kernel::wait_until_asleep(pid)?;
    let text = interrupted(latency)?;
    let waits = rows(&text, "wait")?;
    let wait = waits.first().context(text.clone())?;
    let ns = number(&wait["wait_ns"])?;
    ensure!(ns >= 79_000_000, "{wait}");
    ensure!(wait["cpu"] == 0 && wait["from"] == "wake-up", "{wait}");
    ensure!(number(&wait["instead_ns"])? * 10 >= ns * 9, "after {spun:?}: {wait}");
    ensure!(rows(&text, "meanwhile")?.iter().any(|row| row["rank"] == "rt 50"), "{text}");
    nothing_lost(&text)?;
    drop(victim);
    module.unload()
}

fn a_classic_inversion_is_found_and_its_length_is_the_planted_one() -> Outcome {
    let module = Module::load("")?;
    let planted = Duration::from_millis(60);
    let inversions = tracing("inversions --json --for 20ms")?;
    // Three threads on CPU 0: low has the mutex, high wants it, middle keeps low from its CPU.
    let mutex = Arc::new(Mutex::new(()));
    let (locked, has_locked) = channel();
    let (waits, high_waits) = channel();
    let low = {
        let mutex = Arc::clone(&mutex);
        std::thread::Builder::new().name("low".into()).spawn(move || -> Result<()> {
            pin(0)?;
            real_time(10)?;
            let guard = mutex.lock().expect("a mutex");
            locked.send(())?;
            // Long enough for the others to come.
            spin(Duration::from_millis(120));
            drop(guard);
            Ok(())
        })?
    };
    has_locked.recv()?;
    let high = std::thread::Builder::new().name("high".into()).spawn(move || -> Result<()> {
        // In this order: CPU 0 is low's, and a fair thread would never get there.
        real_time(30)?;
        pin(0)?;
        waits.send(())?;
        drop(mutex.lock().expect("a mutex"));
        Ok(())
    })?;
    high_waits.recv()?;
    let middle = std::thread::Builder::new().name("middle".into()).spawn(move || -> Result<()> {
        real_time(20)?;
        pin(0)?;
        spin(planted);
        Ok(())
    })?;
    for thread in [low, high, middle] {
        thread.join().expect("a thread")?;
    }
    let text = interrupted(inversions)?;
    let found = rows(&text, "inversion")?;
    let row = found.iter().find(|row| row["kind"] == "lock").context(text.clone())?;
    for (column, name) in [("comm", "high"), ("holder_comm", "low"), ("by_comm", "middle")] {
        ensure!(row[column] == name, "{row}");
    }
    ensure!(row["certainty"] == "certain", "{row}");
    let ns = number(&row["length_ns"])?;
    ensure!(ns >= 50_000_000, "{ns} of 60 ms: {row}");
    nothing_lost(&text)?;
    module.unload()
}

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
    // The header counts from the first to the last look at it; the events are all that were recorded.
    ensure!(told >= counted && told - counted <= 8, "{told} events, {counted} switches");
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

fn bad_arguments_get_an_answer_that_says_what_to_do() -> Outcome {
    let module = Module::load("")?;
    let nothing = directory("sched-bad")?.join("nothing");
    fs::write(&nothing, "#!/bin/sh\nthis is no recording at all\n")?;
    for (line, code, message) in [
        ("latency --over soon", 2, "10ms"),
        ("top --pid 0", 2, "--pid"),
        (&format!("report {} top", nothing.display()), 1, "not a recording of sched"),
        ("report /nowhere top", 1, "/nowhere"),
        ("top --device /nowhere", 1, "is mp3.ko loaded?"),
        ("record -o /nowhere/file", 1, "/nowhere/file"),
        ("top --ring 1000 --duration 1", 1, "cannot trace"),
    ] {
        let ended = run(&mut sched(line, &[]))?;
        ensure!(ended.status.code() == Some(code) && ended.stderr.contains(message), "{line}: {ended:?}");
    }
    let ended = run(&mut sched("top", &["/nowhere/program"]))?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.contains("/nowhere/program"), "{ended:?}");
    module.unload()
}
