// SPDX-License-Identifier: GPL-2.0

//! COMMAND, recorded from its first instruction: it waits until the recording has begun, in a process that already has its
//! PID, and is executed then.

use anyhow::{bail, Context};
use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use nix::unistd;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus};

/// COMMAND was found and cannot be executed: the status that env(1) and shells use.
const CANNOT_EXECUTE: u8 = 126;
/// COMMAND was not found: likewise.
const NOT_FOUND: u8 = 127;

/// A command that waits.
#[derive(Debug)]
pub struct Gate {
    child: Child,
    word: Option<OwnedFd>,
}

impl Gate {
    /// Starts a process that will execute `command`.
    ///
    /// # Errors
    ///
    /// This program cannot be run again.
    pub fn start(command: &[OsString]) -> anyhow::Result<Self> {
        let (listen, word) = unistd::pipe().context("cannot make a pipe")?;
        fcntl(&word, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("cannot make a pipe")?;
        let child = Command::new("/proc/self/exe")
            .args(["gate", &listen.as_raw_fd().to_string(), "--"])
            .args(command)
            .spawn()
            .context("cannot run /proc/self/exe")?;
        Ok(Gate { child, word: Some(word) })
    }

    /// The process.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Gives the word.
    ///
    /// # Errors
    ///
    /// The process has ended meanwhile.
    pub fn open(&mut self) -> anyhow::Result<()> {
        match self.word.take() {
            Some(word) => File::from(word).write_all(b"!").context("COMMAND was not started"),
            None => Ok(()),
        }
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// What wait4(2) returns.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // One that was never let through ends by itself, with its pipe.
        if self.word.take().is_some() {
            let _ = self.child.wait();
        }
    }
}

/// The process itself: waits for the word, and becomes `command`.
///
/// # Errors
///
/// There is nothing to wait for. What concerns `command` is told as a shell tells it, and is the exit status.
pub fn pass(descriptor: i32, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut word = [0; 1];
    let read = File::open(format!("/proc/self/fd/{descriptor}")).and_then(|mut listen| listen.read(&mut word));
    match read {
        Ok(1) => {}
        // There is no recording, and `faults` has said why.
        Ok(_) => return Ok(ExitCode::FAILURE),
        Err(_) => bail!("'faults gate' is what faults runs COMMAND by; it is of no use by itself"),
    }
    // COMMAND is not to have it.
    unistd::close(descriptor).context("cannot close a pipe")?;
    let Some((program, arguments)) = command.split_first() else { bail!("no COMMAND") };
    let error = Command::new(program).args(arguments).exec();
    eprintln!("faults: cannot run {}: {error}", program.to_string_lossy());
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE };
    Ok(ExitCode::from(code))
}
