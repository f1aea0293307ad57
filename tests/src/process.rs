// SPDX-License-Identifier: GPL-2.0

//! A test in a process of its own, so that one which hangs or dies costs only itself.

use crate::test::{Skip, Test};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::memfd::{memfd_create, MFdFlags};
use nix::sys::prctl;
use nix::sys::signal::{kill, killpg, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, setpgid, ForkResult, Pid};
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};
use testkit::child::exit;
use testkit::log::Log;
use testkit::module::Module;

/// How a test ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It passed.
    Passed,
    /// It could not be made, for this reason.
    Skipped(String),
    /// It failed, for this reason.
    Failed(String),
}

/// How long the processes of a test that is over may take to die.
const DEATH: Duration = Duration::from_secs(20);

/// Runs tests, one at a time, and is the parent of all that they leave behind.
pub struct Runner {
    children: SignalFd,
    unblocked: SigSet,
}

impl Runner {
    /// Makes this process, which must have one thread, the one that inherits orphans.
    pub fn new() -> Result<Self> {
        prctl::set_child_subreaper(true)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        let unblocked = SigSet::thread_get_mask()?;
        mask.thread_block()?;
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Runner { children, unblocked })
    }

    /// Runs `test` for at most `limit`, and ends every process that it leaves.
    ///
    /// # Errors
    ///
    /// The test could not be started.
    pub fn run(&self, test: &Test, limit: Duration) -> Result<End> {
        let mut result = File::from(memfd_create(c"result", MFdFlags::MFD_CLOEXEC)?);
        std::io::stdout().flush()?;
        // SAFETY: This process has one thread.
        let child = match unsafe { fork()? } {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                // So that one signal reaches all that it starts.
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                let _ = self.unblocked.thread_set_mask();
                let written = live(test).and_then(|text| Ok(result.write_all(text.as_bytes())?));
                let _ = std::io::stdout().flush();
                exit(i32::from(written.is_err()));
            }
        };
        // Whichever of the two comes first.
        let _ = setpgid(child, child);
        let status = self.wait(child, limit)?;
        let end = match status {
            None => End::Failed(format!("did not end within {} s\n{}", limit.as_secs(), stuck(child))),
            Some(WaitStatus::Exited(_, 0)) => {
                let mut text = String::new();
                result.rewind()?;
                result.read_to_string(&mut text)?;
                parse(&text)
            }
            Some(WaitStatus::Signaled(_, signal, _)) => End::Failed(format!("its process was ended by {signal}")),
            Some(status) => End::Failed(format!("its process ended without a result: {status:?}")),
        };
        let _ = killpg(child, Signal::SIGKILL);
        let end = match (end, self.bury_all()) {
            (end, Ok(())) => end,
            (End::Failed(why), Err(error)) => End::Failed(format!("{why}\n{error:#}")),
            (_, Err(error)) => End::Failed(format!("{error:#}")),
        };
        if matches!(end, End::Failed(_)) && fs::exists("/sys/module/mp3")? {
            // Else every test that follows would fail of it. Dropping it says where it cannot be unloaded.
            drop(Module::adopt());
        }
        Ok(end)
    }

    /// Waits for the end of `child`, and buries whatever else ends; `None` where the time is up.
    fn wait(&self, child: Pid, limit: Duration) -> Result<Option<WaitStatus>> {
        let begun = Instant::now();
        loop {
            while let Some(status) = buried()? {
                if status.pid() == Some(child) {
                    return Ok(Some(status));
                }
            }
            let Some(left) = limit.checked_sub(begun.elapsed()) else { return Ok(None) };
            self.wait_for_a_death(left)?;
        }
    }

    /// Returns when a child has died, or after `limit`.
    fn wait_for_a_death(&self, limit: Duration) -> Result<()> {
        // Rounded up: with 0 ms left, poll would spin.
        let timeout = PollTimeout::try_from(limit.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.children.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        while self.children.read_signal()?.is_some() {}
        Ok(())
    }

    /// Kills and buries all children, and those that become ours by it.
    fn bury_all(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            while buried()?.is_some() {}
            let left = descendants(Pid::this());
            if left.is_empty() {
                return Ok(());
            }
            for pid in &left {
                let _ = kill(*pid, Signal::SIGKILL);
            }
            let patience = DEATH.checked_sub(begun.elapsed());
            let patience = patience.with_context(|| {
                let list: String = left.iter().map(|pid| describe(*pid)).collect();
                format!("what the test started cannot be killed:\n{list}")
            })?;
            // A grandchild's death is not announced to us, only what it leaves.
            self.wait_for_a_death(patience.min(Duration::from_millis(100)))?;
        }
    }
}

/// A child that has died, buried now.
fn buried() -> Result<Option<WaitStatus>> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => Ok(None),
        Ok(status) => Ok(Some(status)),
        Err(error) => Err(error).context("waitpid"),
    }
}

/// The test's life, in its own process. Returns what [`parse`] reads.
fn live(test: &Test) -> Result<String> {
    Ok(match catch_unwind(AssertUnwindSafe(test.run)) {
        Ok(Ok(())) => "passed\n".into(),
        Ok(Err(error)) => match error.downcast_ref::<Skip>() {
            Some(why) => format!("skipped\n{why}"),
            None => format!("failed\n{error:?}"),
        },
        // The panic has printed itself.
        Err(_) => "failed\npanicked".into(),
    })
}

fn parse(text: &str) -> End {
    match text.split_once('\n') {
        Some(("passed", "")) => End::Passed,
        Some(("skipped", why)) => End::Skipped(why.into()),
        Some(("failed", why)) => End::Failed(why.into()),
        _ => End::Failed(format!("its process ended before the test did, with {text:?}")),
    }
}

/// What the processes of a test are stuck in: their own stacks, and all tasks that the kernel says are blocked.
fn stuck(child: Pid) -> String {
    let processes: String = std::iter::once(child).chain(descendants(child)).map(describe).collect();
    let mut log = Log::here();
    let blocked = match fs::write("/proc/sysrq-trigger", "w") {
        Ok(()) => log.lines().join("\n"),
        Err(error) => format!("/proc/sysrq-trigger: {error}"),
    };
    format!("its processes:\n{processes}blocked tasks, as the kernel shows them (SysRq w):\n{blocked}")
}

/// Name, state, system call and kernel stacks of a process' threads, as far as they can be read.
fn describe(pid: Pid) -> String {
    let mut text = String::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let state = read("stat");
        let state = state.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("?");
        let call = read("syscall");
        let (name, call) = (read("comm"), call.split(' ').next().unwrap_or_default().trim());
        text += &format!(
            "    {pid}/{} {} {state}, system call {call}\n",
            thread.file_name().to_string_lossy(),
            name.trim()
        );
        for line in read("stack").lines() {
            text += &format!("        {line}\n");
        }
    }
    text
}

/// The living processes below `ancestor`.
fn descendants(ancestor: Pid) -> Vec<Pid> {
    let mut parents = vec![];
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let (state, parent) = (fields.next(), fields.next().and_then(|parent| parent.parse::<i32>().ok()));
        if let (Some(state), Some(parent)) = (state, parent) {
            parents.push((pid, parent, state != "Z"));
        }
    }
    let mut family = vec![ancestor.as_raw()];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family
            .extend(parents.iter().filter(|(pid, found, _)| *found == parent && *pid != parent).map(|(pid, ..)| *pid));
        at += 1;
    }
    let alive = |pid: &i32| parents.iter().any(|(found, _, alive)| found == pid && *alive);
    family.into_iter().skip(1).filter(alive).map(Pid::from_raw).collect()
}
