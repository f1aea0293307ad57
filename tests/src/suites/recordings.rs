// SPDX-License-Identifier: GPL-2.0

//! `monitor --record` and `--from`, and `/proc` beside the module, as they are typed.

use super::commands::as_user;
use crate::programs::{comment, directory, json, lost, number, program, record, records};
use crate::test::Outcome;
use crate::tests;
use anyhow::{ensure, Context, Result};
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::Signal;
use nix::unistd::{setresgid, setresuid, Gid, Uid};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use testkit::child::{exit, Child, Pages};
use testkit::kernel;
use testkit::module::Module;
use testkit::running::{run, Ended, Running};
use testkit::status;

tests![
    record_registers_runs_and_follows_a_command_and_its_totals_are_those_of_wait4,
    a_recording_reads_back_as_what_was_printed_live,
    a_recorder_that_was_killed_leaves_whole_records_up_to_there,
    a_recording_holds_ones_own_registrations_unless_others_are_asked_for,
    proc_has_what_the_module_has_and_says_what_it_lacks,
    auto_takes_the_module_where_it_is_and_proc_where_it_is_not,
];

/// What `monitor --from` prints of a recording.
fn from(file: &Path, options: &str) -> Result<Ended> {
    let ended = run(program("monitor", options).arg("--from").arg(file))?;
    ensure!(ended.status.success(), "{ended:?}");
    Ok(ended)
}

/// The records of a recording.
fn recorded(file: &Path, options: &str) -> Result<Vec<Value>> {
    let text = from(file, &format!("--json {options}"))?.stdout;
    records(&text).into_iter().map(json).collect()
}

/// The last record of each registration.
fn last(objects: &[Value]) -> Result<BTreeMap<u64, &Value>> {
    objects.iter().map(|object| Ok((number(&object["registration"])?, object))).collect()
}

/// The number on the line of `time -v` that begins so.
fn times(text: &str, start: &str) -> Result<f64> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(start)?.strip_prefix(": "));
    Ok(value.with_context(|| format!("no '{start}': {text}"))?.parse()?)
}

fn record_registers_runs_and_follows_a_command_and_its_totals_are_those_of_wait4() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("recorded")?;
    let (file, usage) = (directory.join("run.mp3"), directory.join("usage"));
    // `time` reports what wait4 says of the shell and of the children that the shell has waited for.
    let script =
        "i=0; while [ $i -lt 20 ]; do busybox true; busybox ls -R /proc/sys/kernel >/dev/null; i=$((i+1)); done; exit 3";
    let mut monitor = program("monitor", "--record");
    monitor.arg(&file).args(["--", "busybox", "time", "-v", "-o"]).arg(&usage).args(["sh", "-c", script]);
    let ended = run(&mut monitor)?;
    ensure!(ended.status.code() == Some(3) && lost(&ended.stderr)? == 0, "{ended:?}");
    ensure!(status::read()?.is_empty());

    let objects = recorded(&file, "")?;
    ensure!(ended.stderr.starts_with(&format!("samples       {} in ", objects.len())), "{ended:?}");
    let last = last(&objects)?;
    // `time` itself, the shell, and 40 children of it.
    ensure!(last.len() == 42, "{} processes", last.len());
    ensure!(last.values().all(|object| object["flags"].as_str().is_some_and(|flags| flags.contains("final|exited"))));
    let (_, first) = last.first_key_value().context("a process")?;
    ensure!(first["comm"] == "busybox" || first["comm"] == "time", "{first}");
    let sum = |key: &str| last.values().skip(1).map(|object| number(&object[key])).sum::<Result<u64>>();
    let usage = fs::read_to_string(usage)?;
    let minor = times(&usage, "Minor (reclaiming a frame) page faults")? as u64;
    let major = times(&usage, "Major (requiring I/O) page faults")? as u64;
    ensure!((sum("minor_total")?, sum("major_total")?) == (minor, major), "{} recorded\n{usage}", sum("minor_total")?);
    ensure!(minor > 1_000, "{usage}");
    // In hundredths of a second. CPU time is exact to a jiffy at the end of each process (docs/reliability.md).
    let hz = comment(&from(&file, "")?.stdout, "hz")?;
    let exact_s = 0.02 + last.len() as f64 / hz as f64;
    let cpu_s = (sum("user_ns_total")? + sum("system_ns_total")?) as f64 / 1e9;
    let reported_s = times(&usage, "User time (seconds)")? + times(&usage, "System time (seconds)")?;
    // On a clock that does not count instructions, a jiffy lasts as long as the host takes.
    let is_exact = std::env::var_os("MP3_EXACT_CLOCK").is_some();
    ensure!(!is_exact || (cpu_s - reported_s).abs() <= exact_s, "{cpu_s} s recorded, {reported_s} s by wait4");
    module.unload()
}

/// A monitor that has said that it waits.
fn waiting(line: &str, file: &Path) -> Result<Running> {
    let mut monitor = Running::start(program("monitor", line).arg(file))?;
    let message = monitor.message()?;
    ensure!(message.contains("no process is registered; waiting"), "{message}");
    Ok(monitor)
}

fn a_recording_reads_back_as_what_was_printed_live() -> Outcome {
    let _module = Module::load("rate_hz=100")?;
    let directory = directory("live")?;
    let (live, file) = (directory.join("live.json"), directory.join("kept.mp3"));
    // Both have the ring from the first registration to the last one's end.
    let printer = waiting("--json -o", &live)?;
    let recorder = waiting("--record", &file)?;
    let ended = run(program("userapp", "run --follow -- sh -c")
        .arg("for i in 1 2 3 4 5; do busybox ls -R /proc/sys/kernel >/dev/null & busybox usleep 100000; done; wait"))?;
    ensure!(ended.status.success(), "{ended:?}");
    for monitor in [printer, recorder] {
        let ended = monitor.end()?;
        ensure!(ended.status.success() && lost(&ended.stderr)? == 0, "{ended:?}");
    }
    let (printed, kept) = (fs::read_to_string(&live)?, from(&file, "--json")?.stdout);
    ensure!(records(&printed).len() > 50, "{} records", records(&printed).len());
    ensure!(records(&printed) == records(&kept), "printed live:\n{printed}\nread back:\n{kept}");
    let trailer = |text: &str| json(text.lines().last().unwrap_or_default());
    let (mut one, mut other) = (trailer(&printed)?, trailer(&kept)?);
    for object in [&mut one, &mut other] {
        // What the sampler has done while each of the two was reading.
        let trailer = object["trailer"].as_object_mut().context("a trailer")?;
        ensure!(trailer.remove("sampling_ns").is_some() && trailer.remove("sampling_records").is_some());
    }
    ensure!(one == other, "{one} live, {other} read back");
    // The other formats, from the ring as it stands.
    for format in ["", "--per-process"] {
        let ring = run(&mut program("monitor", &format!("--drain {format}")))?;
        let (ring, kept) = (ring.stdout, from(&file, format)?.stdout);
        let rows =
            |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        ensure!(rows(&ring) == rows(&kept) && rows(&kept).len() > 5, "from the ring:\n{ring}\nread back:\n{kept}");
        for key in ["samples", "processes", "ticks", "minor", "major", "cpu_ns", "duration_ns", "lost"] {
            ensure!(comment(&ring, key)? == comment(&kept, key)?, "{key}");
        }
    }
    Ok(())
}

fn a_recorder_that_was_killed_leaves_whole_records_up_to_there() -> Outcome {
    let _module = Module::load("rate_hz=250")?;
    let file = directory("killed")?.join("killed.mp3");
    let children = [Child::idle()?, Child::idle()?, Child::idle()?];
    for child in &children {
        status::register(child.pid())?;
    }
    let monitor = Running::start(program("monitor", "--record").arg(&file))?;
    // It has grown by its header, and then by chunks.
    let mut length = 0;
    for _ in 0..4 {
        while fs::metadata(&file).map_or(0, |file| file.len()) <= length {
            std::thread::yield_now();
        }
        length = fs::metadata(&file)?.len();
    }
    monitor.kill(Signal::SIGKILL)?;
    drop(monitor);
    for child in &children {
        status::unregister(child.pid())?;
    }
    let ring = run(&mut program("monitor", "--drain --json"))?.stdout;
    let ring = records(&ring);
    let ended = from(&file, "--json")?;
    ensure!(ended.stderr.contains("has no end: its recorder was killed"), "{ended:?}");
    let kept = records(&ended.stdout);
    // How many that are depends on how many ticks the machine is in time for.
    ensure!(!kept.is_empty() && ring.starts_with(&kept), "{} of {}", kept.len(), ring.len());

    // And cut off anywhere behind its header, which is 16 bytes and the JSON whose length stands there.
    let bytes = fs::read(&file)?;
    let header = 16 + u32::from_le_bytes(bytes[12..16].try_into()?) as usize;
    let mut lengths = vec![];
    for part in 0..20 {
        let cut = file.with_extension(part.to_string());
        fs::write(&cut, &bytes[..header + (bytes.len() - header) * part / 20])?;
        let ended = from(&cut, "--json")?;
        let left = records(&ended.stdout);
        ensure!(kept.starts_with(&left), "{part}: {} records", left.len());
        lengths.push(left.len());
    }
    ensure!(lengths.is_sorted() && lengths[0] == 0 && lengths[19] > 0, "{lengths:?}");
    Ok(())
}

/// A child of user 1000, which may be profiled by that user.
fn child_of_user() -> Result<Child> {
    let mut child = Child::spawn(|parent| {
        let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
        if setresgid(group, group, group).and(setresuid(user, user, user)).and(set_dumpable(true)).is_err() {
            exit(7);
        }
        parent.done();
        parent.wait();
    })?;
    child.wait_done()?;
    Ok(child)
}

fn a_recording_holds_ones_own_registrations_unless_others_are_asked_for() -> Outcome {
    let _module = Module::load("")?;
    let directory = directory("users")?;
    let files = ["own.mp3", "all.mp3"].map(|name| directory.join(name));
    let own = waiting("--record", &files[0])?;
    let all = waiting("--all-users --record", &files[1])?;
    let (mine, other) = (Child::idle()?, child_of_user()?);
    let (my_pid, other_pid) = (mine.pid(), other.pid());
    as_user(|| status::write(format!("R {other_pid}").as_bytes()).map(drop))?.context("R by user 1000")?;
    status::register(my_pid)?;
    // Both have had a record of each tick for a while.
    let mut samples = testkit::device::Samples::from_here()?;
    for _ in 0..5 {
        samples.wait()?;
    }
    status::unregister(my_pid)?;
    // The recording of one's own ends, although the other user's process is still registered.
    let ended = own.end()?;
    ensure!(ended.status.success(), "{ended:?}");
    status::unregister(other_pid)?;
    ensure!(all.end()?.status.success());
    let pids = |file: &Path, options: &str| -> Result<Vec<u64>> {
        let mut pids =
            recorded(file, options)?.iter().map(|object| number(&object["pid"])).collect::<Result<Vec<_>>>()?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    };
    let mut both = [my_pid as u64, other_pid as u64];
    both.sort_unstable();
    ensure!(pids(&files[0], "--all-users")? == [my_pid as u64], "{:?}", pids(&files[0], "--all-users")?);
    ensure!(pids(&files[1], "")? == both, "{:?}", pids(&files[1], "")?);
    ensure!(pids(&files[1], "--user 1000")? == [other_pid as u64]);
    Ok(())
}

/// The records of `monitor` until one shows at least so many minor faults, and the next after it.
fn until(monitor: &mut Running, minor: u64) -> Result<Value> {
    loop {
        let object = json(&record(monitor)?)?;
        if number(&object["minor_total"])? >= minor {
            return json(&record(monitor)?);
        }
    }
}

fn proc_has_what_the_module_has_and_says_what_it_lacks() -> Outcome {
    const PAGES: usize = 500;
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(PAGES);
        for round in 0..2 {
            parent.wait();
            // Pages of its own in each round, and some time on a CPU.
            pages.touch(round * PAGES / 2..(round + 1) * PAGES / 2);
            (0..50).for_each(|_| std::thread::yield_now());
            parent.done();
        }
        parent.wait();
    })?;
    let pid = child.pid();
    kernel::wait_until_asleep(pid)?;
    let before = kernel::faults(pid)?;
    let mut module = Running::start(&mut program("monitor", &format!("--json --pid {pid}")))?;
    let mut proc = Running::start(&mut program("monitor", &format!("--json --source proc --pid {pid}")))?;
    let message = proc.message()?;
    ensure!(message.contains("what a process counts between its last tick and its end is not seen"), "{message}");
    ensure!(message.contains("delays but that for a CPU are n/a"), "{message}");
    // Both count from now on, while it sleeps.
    for monitor in [&mut module, &mut proc] {
        ensure!(json(&record(monitor)?)?["flags"].as_str().context("flags")?.contains("first"));
        record(monitor)?;
    }
    for round in 1..=2 {
        child.go()?;
        child.wait_done()?;
        kernel::wait_until_asleep(pid)?;
        let minor = kernel::faults(pid)?.0 - before.0;
        ensure!(minor >= (round * PAGES / 2) as u64, "{minor}");
        let (one, other) = (until(&mut module, minor)?, until(&mut proc, minor)?);
        for key in [
            "pid",
            "comm",
            "threads",
            "minor_total",
            "major_total",
            "voluntary_switches_total",
            "involuntary_switches_total",
            "run_delay_ns_total",
            "swapped_pages",
        ] {
            ensure!(one[key] == other[key] && !one[key].is_null(), "{key}: {one} by the module, {other} by /proc");
        }
        ensure!(one["minor_total"] == minor, "{minor}: {one}");
        // How the exact time is split differs: /proc has it in clock ticks.
        let cpu_ns = |object: &Value| {
            Ok::<_, anyhow::Error>(number(&object["user_ns_total"])? + number(&object["system_ns_total"])?)
        };
        ensure!(cpu_ns(&one)? == cpu_ns(&other)? && cpu_ns(&one)? > 0, "{one} by the module, {other} by /proc");
        for key in ["blkio", "swapin", "reclaim", "thrashing", "compact", "wpcopy"] {
            let key = format!("{key}_delay_ns_total");
            ensure!(other.get(&key).is_some_and(Value::is_null), "{key}: {other}");
        }
    }
    // Dead and not waited for: both have what wait4 will say.
    child.kill(Signal::SIGKILL)?;
    child.wait_dead()?;
    for monitor in [module, proc] {
        let ended = monitor.end()?;
        ensure!(ended.status.success() && lost(&ended.stderr)? == 0, "{ended:?}");
        let last = json(records(&ended.stdout).last().context("a record")?)?;
        ensure!(last["flags"].as_str().context("flags")?.contains("final|exited"), "{last}");
        let faults = kernel::faults(pid)?;
        ensure!(
            last["minor_total"] == faults.0 - before.0 && last["major_total"] == faults.1 - before.1,
            "{last} {faults:?}"
        );
        if ended.stdout.contains("\"source\":\"/proc") {
            ensure!(ended.stdout.contains("\"delays\":\"off (/proc does not have them)\""), "{ended:?}");
        }
    }
    let usage = child.wait()?;
    ensure!(usage.minor_faults - before.0 >= PAGES as u64);
    Ok(())
}

fn auto_takes_the_module_where_it_is_and_proc_where_it_is_not() -> Outcome {
    let auto = |line: &str| run(&mut program("monitor", &format!("--source auto --per-process {line}")));
    let ended = auto("-- busybox true")?;
    ensure!(ended.status.success(), "{ended:?}");
    ensure!(ended.stderr.contains("is mp3.ko loaded?; reading /proc instead"), "{ended:?}");
    ensure!(ended.stdout.contains("\n# source: /proc: what a process counts"), "{ended:?}");
    let missing = run(&mut program("monitor", ""))?;
    ensure!(
        missing.status.code() == Some(1) && missing.stderr.contains("Without the module: --source proc"),
        "{missing:?}"
    );

    let module = Module::load("")?;
    let ended = auto("-- busybox true")?;
    ensure!(ended.status.success() && !ended.stderr.contains("/proc"), "{ended:?}");
    ensure!(!ended.stdout.contains("# source:") && ended.stdout.contains("final|exited"), "{ended:?}");
    module.unload()
}
