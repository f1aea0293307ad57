// SPDX-License-Identifier: GPL-2.0

//! Programs that people would start instead, at 20 samples a second where they can.

use anyhow::{bail, ensure, Context, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::files;

/// A profiler that runs, its output in a file.
pub struct Tool {
    child: Child,
}

/// A tool that has not begun by then will not: bpftrace compiles for some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where its output goes: to memory.
const OUTPUT: &str = "/tmp/peer.out";

impl Tool {
    /// Starts it, and waits until its output contains `sign`: it has begun to measure.
    pub fn start(mut command: Command, sign: &str) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(OUTPUT)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| name.clone())?;
        let mut tool = Tool { child };
        let begun = Instant::now();
        while !Self::output()?.contains(sign) {
            ensure!(begun.elapsed() < PATIENCE, "{name} does not begin: {}", Self::output()?);
            if let Some(status) = tool.child.try_wait()? {
                bail!("{name} ended with {status}: {}", Self::output()?);
            }
            // It says so in a file, which cannot be waited for.
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(tool)
    }

    /// What it has printed so far.
    pub fn output() -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(OUTPUT)?).into_owned())
    }

    /// Its process ID.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Ends it as a user would, and returns all that it printed.
    pub fn end(mut self) -> Result<String> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT)?;
        self.child.wait()?;
        Self::output()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `perf stat`, counting what mp3 counts, a line for each counter every `interval_ms`.
pub fn perf_stat(pids: &[i32], events: &str, interval_ms: u64) -> Result<Tool> {
    let pids: Vec<_> = pids.iter().map(i32::to_string).collect();
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-I", &interval_ms.to_string(), "-e", events, "-p", &pids.join(",")]);
    Tool::start(command, ",")
}

/// What of `perf stat`'s software events mp3 counts.
pub const PERF_EVENTS: &str = "minor-faults,major-faults,task-clock,context-switches";

/// bpftrace, counting the page faults of every process called `comm`, printed 20 times a second (bench/bpf/faults.bt).
pub fn bpftrace_faults(comm: &str) -> Result<Tool> {
    let mut command = Command::new("bpftrace");
    command.args(["-q", "/usr/lib/mp3/faults.bt", comm]);
    Tool::start(command, "\n")
}

/// bpftrace with a program that prints a line when it has begun.
pub fn bpftrace(program: &str) -> Result<Tool> {
    let mut command = Command::new("bpftrace");
    command.args(["-q", "-e", program]);
    Tool::start(command, "\n")
}

/// pidstat, once a second: it knows nothing shorter. `pid` is one process or `ALL`.
pub fn pidstat(pid: &str) -> Result<Tool> {
    let mut command = Command::new("pidstat");
    command.args(["-r", "-u", "-p", pid, "1"]);
    Tool::start(command, "minflt")
}

/// `monitor`, printing what mp3 samples.
pub fn monitor(options: &[&str]) -> Result<Tool> {
    let mut command = files::program("monitor");
    command.args(options);
    Tool::start(command, "\n")
}

/// A number of `/proc/PID/status`, in KiB.
pub fn status_kib(pid: i32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(Path::new(&path)).context(path)?;
    let line = text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
    Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
}
