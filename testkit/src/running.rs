// SPDX-License-Identifier: GPL-2.0

//! Programs under test: what they print is read as it comes, and none outlives its test.

use anyhow::{bail, ensure, Context, Result};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitid, Id, WaitPidFlag};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};

/// How long a program may print nothing before the test gives up, ms.
const SILENCE_LIMIT_MS: u16 = 60_000;

/// A running program, with its two output streams.
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed that was not read before.
    pub stdout: String,
    /// Likewise.
    pub stderr: String,
}

impl Running {
    /// Starts it, without input.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| name.clone())?;
        let stdout = Stream::new(child.stdout.take().map(OwnedFd::from));
        let stderr = Stream::new(child.stderr.take().map(OwnedFd::from));
        Ok(Running { child, stdout, stderr })
    }

    /// Its process ID.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for a line on its stdout.
    pub fn line(&mut self) -> Result<String> {
        self.stdout.line().with_context(|| format!("stdout; on stderr: {:?}", self.stderr.text()))
    }

    /// A line on its stdout, if one has come.
    pub fn line_that_is_there(&mut self) -> Result<Option<String>> {
        self.stdout.take_what_is_there()?;
        if self.stdout.bytes.contains(&b'\n') {
            return self.line().map(Some);
        }
        ensure!(self.stdout.pipe.is_some(), "it has ended; on stderr: {:?}", self.stderr.text());
        Ok(None)
    }

    /// Waits for a line on its stderr.
    pub fn message(&mut self) -> Result<String> {
        self.stderr.line().context("stderr")
    }

    /// Closes our end of its stdout.
    pub fn close_stdout(&mut self) {
        self.stdout.pipe = None;
    }

    /// Sends it a signal.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid()), signal)?)
    }

    /// Stops it with SIGSTOP, and waits until it has stopped.
    pub fn stop(&self) -> Result<()> {
        self.kill(Signal::SIGSTOP)?;
        waitid(Id::Pid(Pid::from_raw(self.pid())), WaitPidFlag::WSTOPPED)?;
        Ok(())
    }

    /// Lets it go on.
    pub fn go_on(&self) -> Result<()> {
        self.kill(Signal::SIGCONT)
    }

    /// Reads the rest of what it prints, and waits for its end.
    pub fn end(mut self) -> Result<Ended> {
        while self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            let streams = [&self.stdout, &self.stderr];
            let mut fds: Vec<_> = streams.iter().filter_map(|stream| stream.poll_fd()).collect();
            ensure!(poll(&mut fds, PollTimeout::from(SILENCE_LIMIT_MS))? > 0, "it neither prints anything nor ends");
            self.stdout.take_what_is_there()?;
            self.stderr.take_what_is_there()?;
        }
        let status = self.child.wait()?;
        Ok(Ended { status, stdout: self.stdout.text(), stderr: self.stderr.text() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Result<Ended> {
    Running::start(command)?.end()
}

/// One stream of a program's output.
struct Stream {
    /// None behind its end.
    pipe: Option<File>,
    /// Read from the pipe, and not asked for yet.
    bytes: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Stream { pipe: pipe.map(File::from), bytes: vec![] }
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        self.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
    }

    /// Reads once, if that does not have to wait.
    fn take_what_is_there(&mut self) -> Result<()> {
        let Some(fd) = self.poll_fd() else { return Ok(()) };
        if poll(&mut [fd], PollTimeout::ZERO)? > 0 {
            self.read()?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut piece = [0; 65_536];
        let length = pipe.read(&mut piece)?;
        if length == 0 {
            self.pipe = None;
        }
        self.bytes.extend_from_slice(&piece[..length]);
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
                line.pop();
                return Ok(String::from_utf8(line)?);
            }
            let Some(fd) = self.poll_fd() else { bail!("no more lines, but {:?}", self.text()) };
            ensure!(poll(&mut [fd], PollTimeout::from(SILENCE_LIMIT_MS))? > 0, "no line comes");
            self.read()?;
        }
    }

    /// What is left, once.
    fn text(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned()
    }
}
