// SPDX-License-Identifier: GPL-2.0

//! `userapp` and `monitor` as they are typed, with the real module.

use crate::harness::Outcome;
use crate::tests;
use abi::header::word;
use abi::record::{Flags, SampleRecord};
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{id, Command};
use testkit::child::{Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::running::{run, Ended, Running};
use testkit::{files, kernel, status};

tests![
    the_commands_of_the_readme,
    run_registers_before_the_first_instruction,
    run_passes_the_exit_status_on,
    what_the_module_refuses_is_not_run,
    register_unregister_and_list,
    an_interrupted_workload_unregisters,
    a_users_own_processes_and_nobody_elses,
    monitor_waits_and_ends_with_the_last_process,
    drain_prints_what_is_there,
    follow_goes_on_until_interrupted,
    a_closed_pipe_ends_the_monitor,
    one_of_three_monitors_is_overtaken,
    overtaken_monitors_count_what_they_lost,
    without_the_module,
];

/// `program` with the words of `line`.
fn program(name: &str, line: &str) -> Command {
    let mut command = files::program(name);
    command.args(line.split_whitespace());
    command
}

fn userapp(line: &str) -> Result<Ended> {
    run(&mut program("userapp", line))
}

/// A monitor that has said that it waits: it has opened the device and is at the ring's end.
fn waiting_monitor(line: &str) -> Result<Running> {
    let mut monitor = Running::start(&mut program("monitor", line))?;
    let message = monitor.message()?;
    ensure!(message.contains("no process is registered; waiting"), "{message}");
    Ok(monitor)
}

/// An empty directory of this name.
fn directory(name: &str) -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("{value} where a number should be"))
}

/// What `# key: N` says.
fn comment(text: &str, key: &str) -> Result<u64> {
    let start = format!("# {key}: ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start)).with_context(|| format!("no '{start}'"))?;
    Ok(value.parse()?)
}

/// What `lost: N`, the last line of a summary, says.
fn lost(stderr: &str) -> Result<u64> {
    let last = stderr.lines().last().unwrap_or_default();
    Ok(last.strip_prefix("lost: ").with_context(|| format!("no summary: {stderr}"))?.parse()?)
}

/// The four columns of a profile.
fn ticks(text: &str) -> Result<Vec<[u64; 4]>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().context("a number")?;
            columns.try_into().ok().with_context(|| format!("not four columns: {line}"))
        })
        .collect()
}

fn the_commands_of_the_readme() -> Outcome {
    let _module = Module::load("")?;
    let directory = directory("readme")?;
    let programs = files::program("userapp").get_program().to_owned();
    let script = r#"
        report=$PWD/report.json profile=$PWD/profile.data summary=$PWD/summary
        cd "$(dirname "$0")"
        ./userapp 200 R 10000 --pause 0.05 --json > "$report" &
        ./monitor > "$profile" 2> "$summary" || exit
        wait $!
    "#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(&programs).current_dir(&directory);
    let ended = run(&mut shell)?;
    ensure!(ended.status.success(), "{ended:?}");

    let report = json(&fs::read_to_string(directory.join("report.json"))?)?;
    let text = fs::read_to_string(directory.join("profile.data"))?;
    let summary = fs::read_to_string(directory.join("summary"))?;
    let ticks = ticks(&text)?;
    let sum = |column: usize| ticks.iter().map(|tick| tick[column]).sum::<u64>();
    let profiled = &report["profiled"];
    let (minor, major) = (number(&profiled["minor_faults"])?, number(&profiled["major_faults"])?);
    ensure!((sum(1), sum(2)) == (minor, major), "{} and {} in the profile; {report}", sum(1), sum(2));
    ensure!(minor == number(&report["distinct_pages"])?, "{report}");

    // getrusage is asked before R and after U, and each of its four times is cut to a microsecond.
    let cpu_ns = number(&profiled["user_ns"])? + number(&profiled["system_ns"])?;
    ensure!(sum(3) <= cpu_ns + 4_000 && sum(3) >= cpu_ns / 10 * 9, "{} ns in the profile; {report}", sum(3));

    for (key, value) in [("minor", sum(1)), ("major", sum(2)), ("cpu_ns", sum(3)), ("lost", 0), ("processes", 1)] {
        ensure!(comment(&text, key)? == value, "{key} is not {value}: {text}");
    }
    ensure!(comment(&text, "ticks")? == ticks.len() as u64);
    ensure!(comment(&text, "user_ns")? + comment(&text, "system_ns")? == sum(3));
    ensure!(lost(&summary)? == 0);
    // 20 pauses of 50 ms: at least 20 ticks were due.
    ensure!(ticks.len() as u64 + comment(&text, "missed_ticks")? >= 20, "{text}");
    ensure!(ticks.windows(2).all(|pair| pair[0][0] <= pair[1][0]), "jiffies go back: {text}");
    Ok(())
}

fn run_registers_before_the_first_instruction() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let work = files::program("work");
    let line = "16 R 3000 --iterations 2 --pause 0";
    let ended = run(program("userapp", "run --json --").arg(work.get_program()).args(line.split(' ')))?;
    ensure!(ended.status.success(), "{ended:?}");
    let report = json(&ended.stderr)?;
    let records = samples.until_final(number(&report["pid"])? as i32)?;
    let (first, last) = (records[0], records[records.len() - 1]);
    ensure!(first.flags.contains(Flags::FIRST) && first.comm_bytes() == b"userapp", "{first:?}");
    ensure!(last.flags.contains(Flags::FINAL | Flags::EXITED) && last.comm_bytes() == b"work", "{last:?}");
    // To the fault, from R on: exec, the program's own start, and what it then touched.
    let profiled = &report["profiled"];
    ensure!(last.totals.minor_faults == number(&profiled["minor_faults"])?, "{last:?} {report}");
    ensure!(last.totals.major_faults == number(&profiled["major_faults"])?, "{last:?} {report}");
    let cpu_ns = number(&profiled["user_ns"])? + number(&profiled["system_ns"])?;
    ensure!(last.totals.cpu_ns() <= cpu_ns + 4_000, "{last:?} {report}");
    let (_, pages) = ended.stdout.split_once("pages   ").context("what work prints")?;
    let pages: u64 = pages.split(' ').next().context("a number")?.parse()?;
    ensure!(last.totals.minor_faults > pages, "{last:?}, {pages} pages touched");
    Ok(())
}

fn run_passes_the_exit_status_on() -> Outcome {
    let _module = Module::load("")?;
    let status_of = |command: &[&str]| run(program("userapp", "run --").args(command));
    for (command, code, message) in [
        (&["true"][..], 0, "profiled "),
        (&["false"], 1, "profiled "),
        (&["sh", "-c", "exit 77"], 77, "profiled "),
        (&["sh", "-c", "kill -9 $$"], 137, "ended by SIGKILL\n"),
        (&["sh", "-c", "kill -TERM $$"], 143, "ended by SIGTERM\n"),
        (&["/nowhere/program"], 127, "userapp: /nowhere/program: no such program\n"),
        (&["no-such-program"], 127, "userapp: no-such-program: no such program\n"),
        (&["/proc/cmdline"], 126, "userapp: /proc/cmdline: cannot be executed: Permission denied\n"),
    ] {
        let ended = status_of(command)?;
        ensure!(ended.status.code() == Some(code), "{command:?}: {ended:?}");
        ensure!(ended.stderr.contains(message), "{command:?}: {ended:?}");
        if (126..128).contains(&code) {
            let listed = status::read()?;
            ensure!(ended.stderr == message && listed.is_empty(), "{command:?}: {ended:?}, listed: {listed:?}");
        }
    }
    Ok(())
}

fn what_the_module_refuses_is_not_run() -> Outcome {
    let _module = Module::load("max_processes=1")?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let file = directory("refused")?.join("it-ran");
    let ended = run(program("userapp", "run -- touch").arg(&file))?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.contains("max_processes"), "{ended:?}");
    ensure!(!file.exists());
    Ok(())
}

fn register_unregister_and_list() -> Outcome {
    let _module = Module::load("max_processes=2")?;
    let ended = userapp("list")?;
    ensure!(ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
    ensure!(ended.stderr == "userapp: no process is registered\n", "{ended:?}");

    let children = [Child::idle()?, Child::idle()?, Child::idle()?];
    let [a, b, c] = [0, 1, 2].map(|n| children[n].pid());
    let listed = || -> Result<Vec<i32>> { Ok(status::read()?.iter().map(|&(pid, _)| pid).collect()) };
    // One bad and one that is one too many do not keep the others from their turn.
    let ended = userapp(&format!("register {a} 2147483647 {b} {a} {c}"))?;
    ensure!(ended.status.code() == Some(1), "{ended:?}");
    let messages: Vec<_> = ended.stderr.lines().collect();
    ensure!(
        messages.len() == 3
            && messages[0] == "userapp: PID 2147483647: no such process"
            && messages[1].starts_with(&format!("userapp: PID {a}: registered already"))
            && messages[2].starts_with(&format!("userapp: PID {c}: as many processes are registered")),
        "{ended:?}"
    );
    ensure!(listed()? == [a, b]);

    let ended = userapp("list")?;
    let rows: Vec<Vec<_>> = ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    ensure!(ended.status.success() && rows.len() == 3 && rows[0] == ["PID", "USER_S", "COMMAND"], "{ended:?}");
    for (row, pid) in rows[1..].iter().zip([a, b]) {
        let times = status::read()?;
        let user_ns = times.iter().find(|&&(listed, _)| listed == pid).context("a line for it")?.1;
        // They sleep, so their time stands still.
        ensure!(row[..] == [&*pid.to_string(), &*format!("{:.6}", user_ns as f64 / 1e9), "mp3-tests"], "{ended:?}");
    }

    let ended = userapp(&format!("unregister {a}"))?;
    ensure!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    ensure!(listed()? == [b]);
    let ended = userapp(&format!("unregister {a} {b}"))?;
    ensure!(ended.status.code() == Some(1), "{ended:?}");
    ensure!(ended.stderr == format!("userapp: PID {a}: not registered; it may have ended meanwhile\n"), "{ended:?}");
    ensure!(listed()?.is_empty());
    Ok(())
}

fn an_interrupted_workload_unregisters() -> Outcome {
    let _module = Module::load("")?;
    for (signal, last_words) in [
        (Signal::SIGINT, Flags::FINAL),
        (Signal::SIGTERM, Flags::FINAL),
        // It can do nothing then; the module itself notices.
        (Signal::SIGKILL, Flags::FINAL | Flags::EXITED),
    ] {
        let mut samples = Samples::from_here()?;
        let running = Running::start(&mut program("userapp", "4 R 500 --pause 3600 --json"))?;
        let first = samples.wait()?[0];
        ensure!(first.pid == running.pid() && first.flags.contains(Flags::FIRST), "{first:?}");
        let pid = running.pid();
        running.kill(signal)?;
        let ended = running.end()?;
        ensure!(ended.status.signal() == Some(signal as i32), "{ended:?}");
        let last = *samples.until_final(pid)?.last().context("a final record")?;
        ensure!(Flags(last.flags.0 & (Flags::FINAL | Flags::EXITED).0) == last_words, "{signal}: {last:?}");
        ensure!(status::read()?.is_empty());
        if signal != Signal::SIGKILL {
            let report = json(&ended.stdout)?;
            ensure!(report["stopped_by"] == signal.as_str(), "{report}");
            ensure!(last.totals.minor_faults == number(&report["profiled"]["minor_faults"])?, "{report} {last:?}");
        }
    }
    Ok(())
}

fn a_users_own_processes_and_nobody_elses() -> Outcome {
    let _module = Module::load("")?;
    let as_user = |name: &str, line: &str| run(program(name, line).uid(1000).gid(1000));
    for line in ["1 R 100 --pause 0", "run -- true"] {
        let ended = as_user("userapp", line)?;
        ensure!(ended.status.success(), "{line}: {ended:?}");
    }

    let foreign = Child::idle()?;
    let pid = foreign.pid();
    let ended = as_user("userapp", &format!("register {pid}"))?;
    let message = |what: &str| {
        format!("userapp: PID {pid}: not yours to {what}; be its user, or have CAP_PERFMON or CAP_SYS_PTRACE (root has both)\n")
    };
    ensure!(ended.status.code() == Some(1) && ended.stderr == message("register"), "{ended:?}");
    ensure!(status::read()?.is_empty());

    status::register(pid)?;
    let ended = as_user("userapp", &format!("unregister {pid}"))?;
    ensure!(ended.status.code() == Some(1) && ended.stderr == message("unregister"), "{ended:?}");
    ensure!(status::read()?.len() == 1);
    // What is registered is no secret; what was counted is root's.
    let ended = as_user("userapp", "list")?;
    ensure!(ended.status.success() && ended.stdout.contains(&pid.to_string()), "{ended:?}");
    let ended = as_user("monitor", "--drain")?;
    ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{ended:?}");
    ensure!(ended.stderr.starts_with("monitor: /dev/mp3: permission denied; the device is root's alone"), "{ended:?}");
    Ok(())
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
        ("resident_pages", record.resident_pages.into()),
        ("swapped_pages", record.swapped_pages.into()),
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
    let lines: Vec<_> = ended.stdout.lines().collect();
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
    ensure!(ended.status.success() && !ended.stdout.is_empty(), "{ended:?}");
    for line in ended.stdout.lines() {
        ensure!(number(&json(line)?["pid"])? == child.pid() as u64, "{line}");
    }
    let ended = run(&mut program("monitor", "--drain --json --all"))?;
    ensure!(ended.stdout.lines().count() >= records.len(), "{ended:?}");
    ensure!(ended.stdout.starts_with(lines[0]), "{ended:?}");
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
                let object = json(&monitor.line()?)?;
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
        ensure!(ended.status.success() && ended.stdout.is_empty() && lost(&ended.stderr)? == 0, "{ended:?}");
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
                printed.push(monitor.line()?);
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
        printed.extend(ended.stdout.lines().map(String::from));
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
        let (count, lost) = (text.lines().count(), lost(&ended.stderr)?);
        ensure!(ended.status.success() && count as u64 + lost == written, "{count} and {lost} of {written}");
        ensure!(n > 0 || lost > 0, "it was not overtaken");
        let mut before = 0;
        for line in text.lines() {
            // Whole: what belongs together stands together.
            let object = json(line)?;
            let (registration, pid) = (number(&object["registration"])?, number(&object["pid"])?);
            let child = children.get(registration as usize - 1).context("a registration")?;
            ensure!(pid == child.pid() as u64 && object["comm"] == "mp3-tests", "{line}");
            let time_ns = number(&object["time_ns"])?;
            ensure!(time_ns >= before, "out of order: {line}");
            before = time_ns;
        }
        lines.push(text.lines().map(String::from).collect());
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

fn without_the_module() -> Outcome {
    let module = Module::load("")?;
    ensure!(Path::new(abi::device::DEVICE_PATH).exists());
    module.unload()?;
    for line in
        ["1 R 1 --pause 0", &format!("register {}", id()), &format!("unregister {}", id()), "list", "run -- true"]
    {
        let ended = userapp(line)?;
        ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{line}: {ended:?}");
        ensure!(ended.stderr == "userapp: /proc/mp3/status: not there; is mp3.ko loaded?\n", "{line}: {ended:?}");
    }
    for line in ["", "--drain", "--follow --json"] {
        let ended = run(&mut program("monitor", line))?;
        ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{line}: {ended:?}");
        ensure!(ended.stderr == "monitor: /dev/mp3: not there; is mp3.ko loaded?\n", "{line}: {ended:?}");
    }
    Ok(())
}
