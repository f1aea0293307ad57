// SPDX-License-Identifier: GPL-2.0

//! `userapp` as it is typed, with the real module.

use crate::programs::{directory, json, number, program, userapp};
use crate::test::Outcome;
use crate::tests;
use abi::record::Flags;
use anyhow::{ensure, Context, Result};
use nix::sys::signal::Signal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use testkit::child::Child;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::running::{run, Running};
use testkit::{files, status};

tests![
    run_registers_before_the_first_instruction,
    run_passes_the_exit_status_on,
    what_the_module_refuses_is_not_run,
    register_unregister_and_list,
    an_interrupted_workload_unregisters,
    a_user_registers_only_processes_of_his_own,
];

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
    // A PID that does not exist and one too many do not keep the others from being registered.
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
        // They sleep, so their time does not change.
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
        // It cannot unregister itself then; the module notices its death.
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

fn a_user_registers_only_processes_of_his_own() -> Outcome {
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
    // Every user may see which processes are registered; only root may see their counters.
    let ended = as_user("userapp", "list")?;
    ensure!(ended.status.success() && ended.stdout.contains(&pid.to_string()), "{ended:?}");
    let ended = as_user("monitor", "--drain")?;
    ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{ended:?}");
    ensure!(ended.stderr.starts_with("monitor: /dev/mp3: permission denied; the device is root's alone"), "{ended:?}");
    Ok(())
}
