// SPDX-License-Identifier: GPL-2.0

//! `monitor` as it is typed, with the real module.

use crate::programs::{comment, directory, json, lost, number, program, record, records as records_of, ticks, userapp};
use crate::test::Outcome;
use crate::tests;
use abi::header::word;
use abi::samples::{Flags, SampleRecord};
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use testkit::child::{Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::running::{run, Running};
use testkit::{kernel, status};

tests![
    monitor_waits_and_ends_with_the_last_process,
    drain_prints_what_is_there,
    follow_goes_on_until_interrupted,
    a_closed_pipe_ends_the_monitor,
    one_of_three_monitors_is_overtaken,
    overtaken_monitors_count_what_they_lost,
];

/// A monitor that has said that it waits: it has opened the device and is at the ring's end.
fn waiting_monitor(line: &str) -> Result<Running> {
    let mut monitor = Running::start(&mut program("monitor", line))?;
    let message = monitor.message()?;
    ensure!(message.contains("no process is registered; waiting"), "{message}");
    Ok(monitor)
}

fn monitor_waits_and_ends_with_the_last_process() -> Outcome {
    let module = Module::load("")?;
    let mut monitor = waiting_monitor("")?;
    module.refuses_to_unload()?;
    let mut children = [
        Child::idle()?,
        Child::spawn(|parent| {
            let pages = Pages::new(100);
            parent.wait();
            pages.touch(0..100);
            parent.done();
            parent.wait();
        })?,
    ];
    let before = {
        kernel::wait_until_asleep(children[1].pid())?;
        kernel::faults(children[1].pid())?.0
    };
    status::register(children[0].pid())?;
    status::register(children[1].pid())?;
    let mut text = String::new();
    let mut samples = 0;
    let mut until = |monitor: &mut Running, count: u32| -> Outcome {
        while samples < count {
            let line = monitor.line()?;
            samples += u32::from(!line.starts_with('#'));
            text += &line;
            text.push('\n');
        }
        Ok(())
    };
    until(&mut monitor, 3)?;
    // One of two is gone, and it goes on.
    status::unregister(children[0].pid())?;
    until(&mut monitor, 8)?;
    children[1].go()?;
    children[1].wait_done()?;
    let [_, last] = children;
    last.kill(Signal::SIGKILL)?;
    let used = last.wait()?;
    let ended = monitor.end()?;
    ensure!(ended.status.success() && lost(&ended.stderr)? == 0, "{ended:?}");
    text += &ended.stdout;
    ensure!(comment(&text, "processes")? == 2 && comment(&text, "lost")? == 0, "{text}");
    let minor: u64 = ticks(&text)?.iter().map(|tick| tick[1]).sum();
    ensure!(
        minor == comment(&text, "minor")? && minor == used.minor_faults - before,
        "{text} {used:?}, {before} before"
    );
    ensure!(!ended.stderr.contains("the last profile"), "{ended:?}");
    // One that comes too late gets the same profile, and says that it is the last one.
    let late = run(&mut program("monitor", ""))?;
    ensure!(late.status.success(), "{late:?}");
    ensure!(ticks(&late.stdout)? == ticks(&text)? && late.stderr.contains("this is the last profile"), "{late:?}");
    module.unload()
}

/// The JSON that a record is printed as, in so far as a test can say it by itself.
fn shown(record: &SampleRecord) -> Vec<(&'static str, Value)> {
    let flags = [
        (Flags::FIRST, "first"),
        (Flags::FINAL, "final"),
        (Flags::EXITED, "exited"),
        (Flags::EXECED, "execed"),
        (Flags::DELAYS, "delays"),
    ];
    let flags: Vec<_> = flags.iter().filter(|(flag, _)| record.flags.contains(*flag)).map(|(_, name)| *name).collect();
    let totals = &record.totals;
    let delay = |ns: u64| if record.flags.contains(Flags::DELAYS) { Value::from(ns) } else { Value::Null };
    vec![
        ("time_ns", record.time_ns.into()),
        ("tick", record.tick.into()),
        ("jiffies", record.jiffies.into()),
        ("pid", record.pid.into()),
        ("comm", String::from_utf8_lossy(record.comm_bytes()).into()),
        ("registration", record.registration.into()),
        ("flags", flags.join("|").into()),
        ("threads", record.threads.into()),
        ("user", record.user.into()),
        ("minor_total", totals.minor_faults.into()),
        ("major_total", totals.major_faults.into()),
        ("user_ns_total", totals.user_ns.into()),
        ("system_ns_total", totals.system_ns.into()),
        ("voluntary_switches_total", totals.voluntary_switches.into()),
        ("involuntary_switches_total", totals.involuntary_switches.into()),
        ("run_delay_ns_total", totals.run_delay_ns.into()),
        ("blkio_delay_ns_total", delay(totals.blkio_delay_ns)),
        ("swapin_delay_ns_total", delay(totals.swapin_delay_ns)),
        ("reclaim_delay_ns_total", delay(totals.reclaim_delay_ns)),
        ("thrashing_delay_ns_total", delay(totals.thrashing_delay_ns)),
        ("compact_delay_ns_total", delay(totals.compact_delay_ns)),
        ("wpcopy_delay_ns_total", delay(totals.wpcopy_delay_ns)),
        ("resident_pages", record.levels.resident_pages.into()),
        ("swapped_pages", record.levels.swapped_pages.into()),
    ]
}

fn drain_prints_what_is_there() -> Outcome {
    let _module = Module::load("")?;
    // Nothing at all: a file without samples, and no waiting.
    let ended = run(&mut program("monitor", "--drain"))?;
    ensure!(ended.status.success() && comment(&ended.stdout, "samples")? == 0, "{ended:?}");
    ensure!(ticks(&ended.stdout)?.is_empty() && lost(&ended.stderr)? == 0, "{ended:?}");

    // A profile that is over.
    let mut samples = Samples::from_here()?;
    let mut records = vec![];
    let ended = userapp("4 R 1000 --iterations 3 --pause 0.1")?;
    ensure!(ended.status.success(), "{ended:?}");
    records.extend(samples.read()?);
    ensure!(records.len() >= 3 && records[records.len() - 1].flags.contains(Flags::FINAL));
    let ended = run(&mut program("monitor", "--drain --json"))?;
    ensure!(ended.status.success() && lost(&ended.stderr)? == 0, "{ended:?}");
    let lines = records_of(&ended.stdout);
    ensure!(lines.len() == records.len(), "{} lines for {} records", lines.len(), records.len());
    for (line, record) in lines.iter().zip(&records) {
        let object = json(line)?;
        let shown = shown(record);
        ensure!(object.as_object().context("an object")?.len() == shown.len(), "{line}");
        for (name, value) in shown {
            ensure!(object[name] == value, "{name} is not {value}: {line}");
        }
    }
    let csv = run(&mut program("monitor", "--drain --per-process"))?.stdout;
    let rows = csv.lines().filter(|line| !line.starts_with('#')).count();
    ensure!(rows == 1 + records.len() && comment(&csv, "samples")? == records.len() as u64, "{csv}");

    // One that is running, with the one before: only the new one, and no waiting for its end.
    let child = Child::idle()?;
    status::register(child.pid())?;
    records.extend(samples.wait()?);
    let ended = run(&mut program("monitor", "--drain --json"))?;
    ensure!(ended.status.success() && !records_of(&ended.stdout).is_empty(), "{ended:?}");
    for line in records_of(&ended.stdout) {
        ensure!(number(&json(line)?["pid"])? == child.pid() as u64, "{line}");
    }
    let ended = run(&mut program("monitor", "--drain --json --all"))?;
    let all = records_of(&ended.stdout);
    ensure!(all.len() >= records.len() && all[0] == lines[0], "{ended:?}");
    Ok(())
}

fn follow_goes_on_until_interrupted() -> Outcome {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let _module = Module::load("")?;
        let mut monitor = waiting_monitor("--follow --json")?;
        let mut lines = 0;
        for n in 0..3 {
            let child = Child::idle()?;
            status::register(child.pid())?;
            status::unregister(child.pid())?;
            loop {
                let object = json(&record(&mut monitor)?)?;
                lines += 1;
                ensure!(object["pid"] == child.pid() && object["registration"] == n + 1, "{object}");
                if object["flags"].as_str().context("flags")?.contains("final") {
                    break;
                }
            }
            // Nothing is registered: without --follow it would have ended, and not gone to sleep.
            kernel::wait_until_asleep_in(monitor.pid(), libc::SYS_poll)?;
        }
        monitor.kill(signal)?;
        let ended = monitor.end()?;
        ensure!(ended.status.success() && records_of(&ended.stdout).is_empty(), "{ended:?}");
        ensure!(lost(&ended.stderr)? == 0 && json(ended.stdout.trim())?["trailer"]["lost"] == 0, "{ended:?}");
        ensure!(ended.stderr.starts_with(&format!("samples       {lines} of 3 processes in ")), "{ended:?}");
    }

    // In the middle of a profile: whole lines, and the file's own summary.
    let _module = Module::load("")?;
    let mut monitor = waiting_monitor("--follow")?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let mut text = String::new();
    while ticks(&text)?.len() < 3 {
        text += &monitor.line()?;
        text.push('\n');
    }
    monitor.kill(Signal::SIGINT)?;
    let ended = monitor.end()?;
    text += &ended.stdout;
    ensure!(ended.status.success() && text.ends_with('\n'), "{ended:?}");
    ensure!(comment(&text, "ticks")? == ticks(&text)?.len() as u64 && comment(&text, "lost")? == 0, "{text}");
    Ok(())
}

fn a_closed_pipe_ends_the_monitor() -> Outcome {
    let _module = Module::load("")?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    for line in ["", "--follow --json"] {
        let mut monitor = Running::start(&mut program("monitor", line))?;
        monitor.line()?;
        monitor.close_stdout();
        let ended = monitor.end()?;
        ensure!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    }
    Ok(())
}

/// Records that may be read.
fn committed(samples: &Samples) -> u64 {
    samples.memory.load_acquire(word::COMMITTED)
}

/// Two records, written at once.
fn in_and_out(child: &Child) -> Outcome {
    status::register(child.pid())?;
    status::unregister(child.pid())
}

fn one_of_three_monitors_is_overtaken() -> Outcome {
    const RING: u64 = 64;
    // Records come when this test registers and unregisters, and not with the time: no host is too slow for that. (Between
    // the two a tick may strike, once a second, and adds one.)
    let _module = Module::load("rate_hz=1 ring_records=64")?;
    let samples = Samples::from_here()?;
    let mut monitors = vec![];
    for _ in 0..3 {
        monitors.push(waiting_monitor("--follow --json")?);
    }
    let mut printed = [vec![], vec![], vec![]];
    let children = [Child::idle()?, Child::idle()?, Child::idle()?];
    let mut read_all = |monitors: &mut [Running], from: usize| -> Result<u64> {
        let written = committed(&samples);
        for (monitor, printed) in monitors[from..].iter_mut().zip(&mut printed[from..]) {
            while (printed.len() as u64) < written {
                printed.push(record(monitor)?);
            }
        }
        Ok(written)
    };

    for child in &children {
        in_and_out(child)?;
    }
    let seen = read_all(&mut monitors, 0)?;
    monitors[0].stop()?;
    // Three times around the ring, never more than the others can still catch up with.
    while committed(&samples) < seen + 3 * RING {
        for child in &children {
            in_and_out(child)?;
        }
        read_all(&mut monitors, 1)?;
    }
    let written = committed(&samples);
    monitors[0].go_on()?;
    for monitor in &monitors {
        monitor.kill(Signal::SIGINT)?;
    }
    for (n, (monitor, mut printed)) in monitors.into_iter().zip(printed.clone()).enumerate() {
        let ended = monitor.end()?;
        printed.extend(records_of(&ended.stdout).into_iter().map(String::from));
        let lost = lost(&ended.stderr)?;
        ensure!(ended.status.success() && printed.len() as u64 + lost == written, "{} and {lost}", printed.len());
        let expected = if n == 0 { written - seen - RING } else { 0 };
        ensure!(lost == expected, "monitor {n} lost {lost} of {written}, not {expected}");
    }
    Ok(())
}

fn overtaken_monitors_count_what_they_lost() -> Outcome {
    // 2000 records a second through a ring of 64, while they are being read. How many each loses is a matter of luck; that
    // it knows them, and has all others whole, is not.
    let _module = Module::load("rate_hz=250 ring_records=64")?;
    let mut samples = Samples::from_here()?;
    let directory = directory("overtaken")?;
    let mut monitors = vec![];
    for name in ["slow", "fast", "other"] {
        let file = directory.join(name);
        let line = format!("--follow --json -o {}", file.display());
        monitors.push((waiting_monitor(&line)?, file));
    }
    let children = (0..8).map(|_| Child::idle()).collect::<Result<Vec<_>>>()?;
    for child in &children {
        status::register(child.pid())?;
    }
    let (slow, file) = &monitors[0];
    for _ in 0..5 {
        slow.stop()?;
        let printed = fs::metadata(file)?.len();
        let overtaken = committed(&samples) + 2 * 64;
        while committed(&samples) < overtaken {
            samples.wait()?;
        }
        slow.go_on()?;
        while fs::metadata(file)?.len() == printed {
            samples.wait()?;
        }
    }
    for child in &children {
        status::unregister(child.pid())?;
    }
    let written = committed(&samples);
    let mut lines: Vec<HashSet<String>> = vec![];
    for (n, (monitor, file)) in monitors.into_iter().enumerate() {
        monitor.kill(Signal::SIGTERM)?;
        let ended = monitor.end()?;
        let text = fs::read_to_string(file)?;
        let text = records_of(&text);
        let (count, lost) = (text.len(), lost(&ended.stderr)?);
        ensure!(ended.status.success() && count as u64 + lost == written, "{count} and {lost} of {written}");
        ensure!(n > 0 || lost > 0, "it was not overtaken");
        let mut before = 0;
        for line in &text {
            // Whole: what belongs together stands together.
            let object = json(line)?;
            let (registration, pid) = (number(&object["registration"])?, number(&object["pid"])?);
            let child = children.get(registration as usize - 1).context("a registration")?;
            ensure!(pid == child.pid() as u64 && object["comm"] == "mp3-tests", "{line}");
            let time_ns = number(&object["time_ns"])?;
            ensure!(time_ns >= before, "out of order: {line}");
            before = time_ns;
        }
        lines.push(text.into_iter().map(String::from).collect());
        ensure!(lines[n].len() == count, "monitor {n} printed a record twice");
    }
    // Where two of them have the same record, it is the same.
    let lines: HashSet<_> = lines.into_iter().flatten().collect();
    let mut records = HashSet::new();
    for line in &lines {
        let object = json(line)?;
        let record = (number(&object["registration"])?, number(&object["time_ns"])?, object["flags"].to_string());
        ensure!(records.insert(record), "printed in two ways: {line}");
    }
    Ok(())
}
