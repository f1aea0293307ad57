// SPDX-License-Identifier: GPL-2.0

//! Any program, registered before its first instruction.
//!
//! The child registers itself between fork and exec: the module keeps to the process, whatever it executes. The
//! child reports how far it came through a pipe that exec closes.

use crate::ended::Ended;
use crate::report::{write_json, write_profiled, ProcessTimes};
use abi::command::Command;
use anyhow::{bail, Context};
use client::commands::{Status, StatusError};
use client::output::say;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{signal, SigHandler, Signal};
use nix::unistd::{self, fork, ForkResult};
use serde::Serialize;
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use userapp::cli::RunArgs;
use work::{resident, Usage};

/// COMMAND was found and cannot be executed: the status that env(1) and shells use.
const CANNOT_EXECUTE: u8 = 126;
/// COMMAND was not found: likewise.
const NOT_FOUND: u8 = 127;

#[derive(Serialize)]
struct Report {
    pid: i32,
    #[serde(flatten)]
    process: ProcessTimes,
    /// The registered process while it was registered; if descendants are followed, with those that were waited for.
    profiled: Usage,
    /// Processes that it started and waited for. None if there were none.
    children: Option<Usage>,
    /// Its descendants were profiled, too.
    followed: bool,
    exit_status: u8,
    /// The signal that ended it.
    signal: Option<String>,
}

/// How far the child came.
enum Progress {
    /// It is registered; what it had used before that.
    Registered(Usage),
    /// The module refused it.
    Refused(Errno),
    /// COMMAND could not be executed.
    NotExecuted(Errno),
}

impl Progress {
    const WORDS: usize = 5;
    const BYTES: usize = Self::WORDS * 8;

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let words = match self {
            Progress::Registered(usage) => [0, usage.minor_faults, usage.major_faults, usage.user_ns, usage.system_ns],
            Progress::Refused(errno) => [1, *errno as u64, 0, 0, 0],
            Progress::NotExecuted(errno) => [2, *errno as u64, 0, 0, 0],
        };
        let mut bytes = [0; Self::BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[index * 8..][..8]);
            u64::from_ne_bytes(word)
        };
        match word(0) {
            0 => Progress::Registered(Usage {
                minor_faults: word(1),
                major_faults: word(2),
                user_ns: word(3),
                system_ns: word(4),
            }),
            1 => Progress::Refused(Errno::from_raw(word(1) as i32)),
            _ => Progress::NotExecuted(Errno::from_raw(word(1) as i32)),
        }
    }
}

/// Runs the command, waits for it, prints its process times on stderr and passes its exit status on.
pub fn run(path: &Path, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let status = Status::open(path)?;
    let rehearsal = Status::rehearsal()?;
    let command: Vec<CString> = args
        .command
        .iter()
        .map(|word| CString::new(word.as_bytes()).context("COMMAND: an argument with a NUL in it"))
        .collect::<Result<_, _>>()?;
    let (progress, tell) = unistd::pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    // The terminal's signals reach the child as well. Its end is what this process waits for.
    let quiet = Quiet::new().context("cannot ignore signals")?;
    let start = Instant::now();

    // SAFETY: this process has one thread, so that the child may do whatever its parent may.
    let child = match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => {
            drop(progress);
            quiet.restore();
            let code = match become_command(&status, &rehearsal, args.follow, &command, &tell) {
                Err(code) => code,
                Ok(never) => match never {},
            };
            // SAFETY: _exit only ends the process. The exit handlers are left to the parent.
            unsafe { libc::_exit(i32::from(code)) }
        }
        ForkResult::Parent { child } => child,
    };
    drop(tell);
    let mut before = None;
    let mut failure = None;
    let mut reports = File::from(progress);
    let mut bytes = [0; Progress::BYTES];
    while reports.read_exact(&mut bytes).is_ok() {
        match Progress::from_bytes(&bytes) {
            Progress::Registered(usage) => before = Some(usage),
            other => failure = Some(other),
        }
    }
    let ended = Ended::wait(child).with_context(|| format!("cannot wait for PID {child}"))?;
    let real = start.elapsed();

    let name = args.command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    match failure {
        Some(Progress::Refused(errno)) => {
            return Err(StatusError::Refused { command: Command::Register(child.as_raw()), errno }.into());
        }
        Some(Progress::NotExecuted(Errno::ENOENT)) => {
            say(format_args!("userapp: {name}: no such program"));
            return Ok(ExitCode::from(NOT_FOUND));
        }
        Some(Progress::NotExecuted(errno)) => {
            say(format_args!("userapp: {name}: cannot be executed: {}", errno.desc()));
            return Ok(ExitCode::from(CANNOT_EXECUTE));
        }
        Some(Progress::Registered(_)) | None => {}
    }
    let Some(before) = before else { bail!("{name}: the child ended before it was registered") };
    let report = Report {
        pid: child.as_raw(),
        process: ProcessTimes::new(real, &ended.all),
        profiled: if args.follow { ended.all.since(&before) } else { ended.own().since(&before) },
        children: ended.has_children().then_some(ended.children),
        followed: args.follow,
        exit_status: ended.exit_status(),
        signal: ended.signal_name(),
    };
    // Where stderr is gone, the exit status still counts.
    let _ = write(&report, args.json);
    Ok(ExitCode::from(ended.exit_status()))
}

/// The child: registers itself and becomes the command. Comes back only with the exit status of a failure.
fn become_command(
    status: &Status,
    rehearsal: &Status,
    follow: bool,
    command: &[CString],
    tell: &OwnedFd,
) -> Result<Infallible, u8> {
    let pid = unistd::getpid().as_raw();
    let register = if follow { Command::Follow(pid) } else { Command::Register(pid) };
    let say = |progress: Progress| {
        // Without a parent there is no reader, and nothing depends on it.
        let _ = unistd::write(tell, &progress.to_bytes());
    };
    // After a fork, pages are faulted in again. That must not happen between getrusage and the registration.
    resident::make_resident();
    for status in [rehearsal, status] {
        let before = Usage::own().unwrap_or_default();
        if let Err(errno) = status.write_errno(register) {
            say(Progress::Refused(errno));
            return Err(1);
        }
        // The rehearsal is not reported.
        if std::ptr::eq(status, rehearsal) {
            continue;
        }
        say(Progress::Registered(before));
    }
    let Some(program) = command.first() else { return Err(NOT_FOUND) };
    let errno = match unistd::execvp(program, command) {
        Err(errno) => errno,
        Ok(never) => match never {},
    };
    let _ = status.write_errno(Command::Unregister(pid));
    say(Progress::NotExecuted(errno));
    Err(NOT_FOUND)
}

/// SIGINT and SIGQUIT ignored, and how they were before.
struct Quiet {
    before: [(Signal, SigHandler); 2],
}

impl Quiet {
    fn new() -> nix::Result<Self> {
        // SAFETY: to ignore a signal runs no function of this program.
        let ignore = |number| unsafe { signal(number, SigHandler::SigIgn) }.map(|before| (number, before));
        Ok(Quiet { before: [ignore(Signal::SIGINT)?, ignore(Signal::SIGQUIT)?] })
    }

    fn restore(&self) {
        for (number, before) in self.before {
            // SAFETY: what is put back was in force before; this program has no handlers.
            let _ = unsafe { signal(number, before) };
        }
        // Rust's start-up code ignores it in every program, and a program that is executed would inherit that.
        // SAFETY: the default action is no function of this program.
        let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    }
}

fn write(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stderr().lock();
    if json {
        return write_json(&mut out, report);
    }
    report.process.write(&mut out)?;
    write_profiled(&mut out, &report.profiled)?;
    match &report.signal {
        None => writeln!(out)?,
        Some(signal) => writeln!(out, "; ended by {signal}")?,
    }
    let Some(children) = &report.children else { return Ok(()) };
    let Usage { minor_faults, major_faults, .. } = children;
    writeln!(
        out,
        "children  {minor_faults} minor, {major_faults} major, {:.2} s CPU time: processes that PID {} started and waited \
         for; {}",
        (children.user_ns + children.system_ns) as f64 / 1e9,
        report.pid,
        if report.followed { "they were profiled, too" } else { "they were not profiled (run --follow does)" }
    )
}
