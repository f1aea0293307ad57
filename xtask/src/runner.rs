// SPDX-License-Identifier: GPL-2.0

//! The test runners: their commands, where they run, their limits.

use crate::results::{Results, HEADER};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::time::Duration;

/// Where tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// This machine
    Host,
    /// The virtual machine, with the stock kernel
    Vm,
    /// The virtual machine, with perf in it
    Peers,
    /// The virtual machine, with KASAN, lockdep, kmemleak and more
    Kasan,
    /// The virtual machine, with KCSAN
    Kcsan,
}

/// One runner.
#[derive(Clone, Debug)]
pub struct Runner {
    /// What it tests.
    pub title: String,
    /// The list of its tests in `xtask/expected/`.
    pub list: &'static str,
    /// Words of its command.
    pub command: Vec<String>,
    /// How long it may take, s.
    pub limit: u64,
}

impl Runner {
    /// From a command's words, separated by blanks.
    fn new(title: impl Into<String>, list: &'static str, limit: u64, command: &str) -> Self {
        Runner { title: title.into(), list, command: command.split(' ').map(String::from).collect(), limit }
    }

    /// The runners of a place, in their order.
    pub fn all(place: Place) -> Vec<Self> {
        match place {
            Place::Host => vec![
                Runner::new(
                    "host: the programs and what they share (cargo test)",
                    "host",
                    3600,
                    "vm/cargo test --workspace --features sched/full,faults/full --no-fail-fast",
                ),
                Runner::new(
                    "host: the protocols of shared memory, model-checked (loom)",
                    "loom",
                    1800,
                    "make --no-print-directory loom",
                ),
                Runner::new("host: the choice of a kernel", "choice", 600, "vm/tests/choice"),
                Runner::new("host: a bare machine, and metadata without code", "bare", 600, "vm/tests/bare"),
                Runner::new("host: make install and uninstall", "install", 120, "vm/tests/install"),
                Runner::new("host: alerting rules of Prometheus (promtool)", "rules", 120, "vm/tests/rules"),
            ],
            Place::Vm => {
                // The tests load the module themselves, each as it needs it.
                let guest = |title: &str, list, options: &str, tests: &str| {
                    let command = format!("vm/run --no-module --timeout 1800 {options}-- {tests}");
                    Runner::new(format!("virtual machine: {title}"), list, 2000, &command)
                };
                vec![
                    Runner::new("virtual machine: vm/run itself", "run", 1200, "vm/tests/run"),
                    // With a terminal for the programs that draw on one.
                    guest("the module", "module", "--add out/terminal:/ ", "mp3-tests"),
                    guest(
                        "load, random histories and random calls, in short form",
                        "load",
                        // Sessions start and stop all the time there, and each patches the kernel's code.
                        "--in-turn ",
                        "mp3-tests stress histories fuzz",
                    ),
                    guest(
                        "four CPUs",
                        "four-cpus",
                        "--cpus 4 ",
                        "mp3-tests accounting:: lives:: readers:: stress::half stress::readers",
                    ),
                    guest(
                        "a CPU without timer interrupts",
                        "nohz-full",
                        "--append nohz_full=1 ",
                        "mp3-tests nohz_full",
                    ),
                    // The guest's clock counts instructions there, so that a busy host cannot fail a test of time.
                    guest(
                        "the module's timing, and its CPU times to the jiffy",
                        "timing",
                        "--icount ",
                        "MP3_EXACT_CLOCK=1 mp3-tests timing accounting histories recordings::record_registers an_attack_costs interrupts_take",
                    ),
                ]
            }
            Place::Peers => vec![Runner::new(
                "virtual machine: page faults, as perf sees the same run",
                "peers",
                2000,
                "vm/load peers 1800 mp3-tests fault_peers",
            )],
            Place::Kasan => Self::debug("kasan", "kasan-planted"),
            Place::Kcsan => Self::debug("kcsan", "kcsan-planted"),
        }
    }

    /// Those of a debug kernel, which is slower by an order of magnitude.
    fn debug(kind: &str, planted: &'static str) -> Vec<Self> {
        let tests = format!("vm/load {kind} 7200 MP3_LIMIT_FACTOR=10 mp3-tests");
        vec![
            Runner::new(
                format!("{kind} kernel: planted bugs are detected"),
                planted,
                7200,
                &format!("vm/tests/planted {kind}"),
            ),
            Runner::new(format!("{kind} kernel: the module"), "module", 7300, &tests),
        ]
    }

    /// The command that prints the names of its tests, if there is one.
    pub fn listing(&self) -> Option<Vec<String>> {
        const GUEST_TESTS: &str = "out/vm/mp3-tests";
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        match self.list {
            "host" => Some(words("vm/cargo test --workspace --features sched/full,faults/full -- --list")),
            "module" | "load" | "four-cpus" | "timing" | "peers" => {
                let begin = self.command.iter().position(|word| word == "mp3-tests")?;
                let mut command = words(&format!("{GUEST_TESTS} --list"));
                command.extend_from_slice(&self.command[begin + 1..]);
                Some(command)
            }
            _ => None,
        }
    }
}

/// How a runner ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was ended, since its time was up.
    TimedOut,
}

/// Runs a command for at most `limit` seconds, passes its stdout on, and reads the results from it.
///
/// # Errors
///
/// It cannot be started.
pub fn run(words: &[String], limit: u64) -> Result<(Results, End)> {
    // --foreground: in the terminal's process group, so that an interrupt ends the runner too.
    let mut child = Command::new("timeout")
        .args(["--foreground", "--kill-after=60", &limit.to_string()])
        .args(words)
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{} test-binary", std::env::current_exe()?.display()),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| words.join(" "))?;
    let stdout = child.stdout.take().context("a pipe")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = vec![];
        while stdout.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    let mut results = Results::default();
    let mut ended = None;
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                std::io::stdout().write_all(&line)?;
                results.line(String::from_utf8_lossy(&line).trim_end_matches('\n'));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // What it has started may hold its stdout open, and is not waited for.
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break,
            Err(RecvTimeoutError::Timeout) => ended = child.try_wait()?,
        }
    }
    std::io::stdout().flush()?;
    let status = child.wait()?;
    // timeout(1): 124, or 137 where it had to be killed.
    let end = if matches!(status.code(), Some(124 | 137)) && words.first().is_some_and(|word| word != "vm/run") {
        End::TimedOut
    } else {
        End::Exited(status)
    };
    Ok((results, end))
}

/// Says which package's test binary `command` is, and becomes it. Returns only where that fails.
pub fn become_test_binary(command: &[OsString]) -> anyhow::Error {
    let [binary, arguments @ ..] = command else { return anyhow::anyhow!("no command") };
    let path = Path::new(binary);
    // Documentation tests are elsewhere, and have names of their own.
    if let (Ok(package), true) =
        (std::env::var("CARGO_PKG_NAME"), path.parent().is_some_and(|parent| parent.ends_with("deps")))
    {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Without the hash.
        let target = name.rsplit_once('-').map_or(&*name, |(target, _)| target);
        println!("{HEADER}{package} {target}");
    }
    anyhow::Error::new(Command::new(binary).args(arguments).exec()).context(path.display().to_string())
}
