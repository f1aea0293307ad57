// SPDX-License-Identifier: GPL-2.0

//! `mp3-top` in a real terminal, with the real module.

use crate::programs::program;
use crate::test::{Outcome, Skip};
use crate::tests;
use anyhow::{ensure, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use terminal::Terminal;
use testkit::child::{Child, Pages};
use testkit::module::Module;
use testkit::running::run;
use testkit::{files, kernel, status};

tests![
    processes_are_registered_and_unregistered_from_the_screen,
    what_the_screen_counts_is_what_the_kernel_has,
    switches_and_wake_ups_are_shown_where_the_scheduler_is_traced,
    a_stranger_is_told_what_tracing_takes,
];

/// A terminal of 100 x 30 with `mp3-top` in it.
fn top(options: &str) -> Result<Terminal> {
    if !terminal::is_there() {
        return Err(Skip("no tmux was put into this guest (vm/run --add out/terminal:/)").into());
    }
    let terminal = Terminal::start(100, 30, &[])?;
    terminal.line(&format!(
        "{} --source module --delay 0.2 {options}",
        files::program("mp3-top").get_program().to_string_lossy()
    ))?;
    terminal.shows("mp3-top  mp3  module  ")?;
    Ok(terminal)
}

fn processes_are_registered_and_unregistered_from_the_screen() -> Outcome {
    let module = Module::load("")?;
    let terminal = top("")?;
    terminal.shows("No process is registered. a: register one by its PID")?;
    let children = [Child::idle()?, Child::idle()?];
    for child in &children {
        terminal.text(&format!("a{}", child.pid()))?;
        terminal.shows(&format!("register PID: {}_", child.pid()))?;
        terminal.key("Enter")?;
        terminal.shows(&format!("{} mp3-tests", child.pid()))?;
    }
    terminal.shows("module  2 processes")?;
    let pids = |lines: Vec<(i32, u64)>| lines.into_iter().map(|(pid, _)| pid).collect::<Vec<_>>();
    ensure!(pids(status::read()?) == [children[0].pid(), children[1].pid()], "{:?}", status::read()?);
    // What the module refuses is said, and why.
    for (pid, why) in [(children[0].pid(), "registered already"), (4_000_000, "no such process")] {
        terminal.text(&format!("a{pid}"))?;
        terminal.key("Enter")?;
        terminal.shows(&format!("PID {pid}: {why}"))?;
    }
    // By PID, the second is in the second row.
    terminal.key("Left")?;
    terminal.key("Left")?;
    terminal.key("Left")?;
    terminal.key("Down")?;
    terminal.text("d")?;
    terminal.shows(&format!("U {}: done", children[1].pid()))?;
    terminal.shows("module  1 processes")?;
    ensure!(pids(status::read()?) == [children[0].pid()], "{:?}", status::read()?);
    // It gives the device back.
    module.refuses_to_unload()?;
    terminal.text("q")?;
    terminal.wait("the shell", |screen| screen.iter().all(|line| !line.contains("mp3  module")))?;
    module.unload()
}

fn what_the_screen_counts_is_what_the_kernel_has() -> Outcome {
    let _module = Module::load("")?;
    let terminal = top("")?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        Pages::new(300).touch(0..300);
        parent.done();
        parent.wait();
    })?;
    let pid = child.pid();
    kernel::wait_until_asleep(pid)?;
    let before = kernel::faults(pid)?;
    status::register(pid)?;
    terminal.shows(&format!("{pid} mp3-tests"))?;
    terminal.key("Enter")?;
    terminal.shows(&format!("PID {pid}  mp3-tests"))?;
    terminal.shows("faults      0 minor, 0 major")?;
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(pid)?;
    let faults = kernel::faults(pid)?;
    ensure!(faults.0 - before.0 >= 300);
    terminal.shows(&format!("faults      {} minor, {} major", faults.0 - before.0, faults.1 - before.1))?;
    // Of the thread, /proc has what it counted before as well.
    let threads = terminal.shows(&format!("{pid} S mp3-tests"))?;
    ensure!(threads.iter().any(|line| line.contains(&format!(" {} ", faults.0))), "{threads:?}");
    drop(child);
    terminal.shows("The process is gone")?;
    terminal.key("Escape")?;
    terminal.shows("No process is registered")?;
    Ok(())
}

/// The number on the line of details that says what was traced, behind `before`.
fn traced(screen: &[String], before: &str) -> Option<f64> {
    let line = screen.iter().find(|line| line.starts_with("traced "))?;
    line.split_once(before)?.1.split_whitespace().next()?.parse().ok()
}

fn switches_and_wake_ups_are_shown_where_the_scheduler_is_traced() -> Outcome {
    let module = Module::load("")?;
    let terminal = top("--sched")?;
    let mut child = Child::spawn(|parent| {
        // It sleeps and is woken, again and again, until it is told to stop; then it sleeps.
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&flag);
        let sleeper = std::thread::spawn(move || {
            while !seen.load(std::sync::atomic::Ordering::Relaxed) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        parent.wait();
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
        let _ = sleeper.join();
        parent.done();
        parent.wait();
    })?;
    status::register(child.pid())?;
    let screen = terminal.shows("SWITCH/s WAKE us  MAX us")?;
    ensure!(screen.iter().all(|line| !line.contains("lost")), "{screen:?}");
    terminal.shows(&format!("{} mp3-tests", child.pid()))?;
    terminal.key("Enter")?;
    terminal.wait("switches and wake-ups", |screen| {
        let (mean, longest) = (traced(screen, "CPU "), traced(screen, "at most "));
        traced(screen, "traced ").is_some_and(|switches| switches > 0.0)
            && mean.zip(longest).is_some_and(|(mean, longest)| mean > 0.0 && mean <= longest)
    })?;
    child.go()?;
    child.wait_done()?;
    terminal.shows("traced      0 switches/s, waited for a CPU 0.0 %, from wake-up to CPU 0 us, at most 0 us")?;
    terminal.text("q")?;
    terminal.wait("the shell", |screen| screen.iter().all(|line| !line.contains("mp3  module")))?;
    drop(child);
    module.unload()
}

fn a_stranger_is_told_what_tracing_takes() -> Outcome {
    let _module = Module::load("")?;
    let refused = || run(program("mp3-top", "--source module --sched").uid(1000).gid(1000));
    let ended = refused()?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.starts_with("mp3-top: /dev/mp3"), "{ended:?}");
    fs::set_permissions("/dev/mp3", Permissions::from_mode(0o666))?;
    let ended = refused()?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.contains("tracing needs CAP_PERFMON"), "{ended:?}");
    Ok(())
}
