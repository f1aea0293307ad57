// SPDX-License-Identifier: GPL-2.0

//! Programs that are used instead of mp3, at 20 samples a second where they can.

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

/// How long a tool may take to start. bpftrace compiles for some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a tool's output goes: a file in memory.
pub const OUTPUT: &str = "/tmp/peer.out";

impl Tool {
    /// Starts it, and waits until its output contains `sign`, which says that it has begun to measure.
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
            ensure!(begun.elapsed() < PATIENCE, "{name} has not started: {}", Self::output()?);
            if let Some(status) = tool.child.try_wait()? {
                bail!("{name} ended with {status}: {}", Self::output()?);
            }
            // There is no event to wait for when a file grows.
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

/// `perf stat` of one event on all CPUs.
pub fn perf_stat_all(event: &str) -> Result<Tool> {
    let mut command = Command::new("perf");
    command.args(["stat", "-a", "-x", ",", "-I", "1000", "-e", event]);
    Tool::start(command, ",")
}

/// `perf sched record` into memory.
pub fn perf_sched_record() -> Result<Tool> {
    let mut command = Command::new("perf");
    command.args(["sched", "record", "-o", "/tmp/perf.data"]);
    // It prints nothing before its end, so there is nothing to wait for but time.
    let tool = Tool::start(command, "")?;
    std::thread::sleep(Duration::from_secs(5));
    Ok(tool)
}

/// `perf record` of each page fault of a process, with its address, into memory.
pub fn perf_record_faults(pid: i32) -> Result<Tool> {
    let mut command = Command::new("perf");
    command.args(["record", "-e", "page-faults", "-c", "1", "-d", "-o", "/tmp/perf.data", "-p", &pid.to_string()]);
    // As above.
    let tool = Tool::start(command, "")?;
    std::thread::sleep(Duration::from_secs(5));
    Ok(tool)
}

/// `sched record` of everything, into `path`.
pub fn sched_record(path: &str) -> Result<Tool> {
    let mut command = files::program("sched");
    command.args(["record", "-o", path]);
    Tool::start(command, "tracing")
}

/// Run time of all threads of a process so far, ns.
pub fn cpu_ns(pid: i32) -> Result<u64> {
    let mut ns = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        ns += text.split(' ').next().context("a run time")?.parse::<u64>()?;
    }
    Ok(ns)
}

/// The software events of `perf stat` that mp3 counts, too.
pub const PERF_EVENTS: &str = "minor-faults,major-faults,task-clock,context-switches";

/// bpftrace, counting the page faults of the process `pid` or of all, printed 20 times a second (bench/bpf/faults.bt).
pub fn bpftrace_faults(pid: Option<i32>) -> Result<Tool> {
    let mut command = Command::new("bpftrace");
    command.args(["-q", "/usr/lib/mp3/faults.bt"]).args(pid.map(|pid| pid.to_string()));
    Tool::start(command, "\n")
}

/// bpftrace with a program that prints a line when it has begun.
pub fn bpftrace(program: &str) -> Result<Tool> {
    let mut command = Command::new("bpftrace");
    command.args(["-q", "-e", program]);
    Tool::start(command, "\n")
}

/// pidstat, once a second, which is its shortest interval. `pid` is one process or `ALL`.
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

/// `monitor --record`, into `path`.
pub fn monitor_record(path: &str) -> Result<Tool> {
    let mut command = files::program("monitor");
    command.args(["--follow", "--record", path]);
    let tool = Tool::start(command, "")?;
    // It prints nothing before its end: it has begun when its file has.
    let begun = Instant::now();
    while fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        ensure!(begun.elapsed() < PATIENCE, "monitor writes nothing: {}", Tool::output()?);
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(tool)
}

/// A number of `/proc/PID/status`, in KiB.
pub fn status_kib(pid: i32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(Path::new(&path)).context(path)?;
    let line = text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
    Ok(line.split_whitespace().nth(1).context("a value")?.parse()?)
}
