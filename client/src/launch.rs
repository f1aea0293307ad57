// SPDX-License-Identifier: GPL-2.0

//! A program that is registered before its first instruction.

use crate::commands::{reason, Status};
use abi::command::Command as ModuleCommand;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{kill, SigSet, Signal};
use nix::sys::wait::{waitid, Id, WaitPidFlag, WaitStatus};
use nix::unistd::{self, pipe2, Pid};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

/// What the child says before it executes the program.
const ACCEPTED: u8 = 1;
const REFUSED: u8 = 2;

/// A program that was started. It stays a zombie until [`Launched::wait`]: so its counters stay readable.
#[derive(Debug)]
pub struct Launched {
    child: Child,
}

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is none.
    #[error("no program is named")]
    Nothing,
    /// It could not be executed.
    #[error("{program}: cannot be executed")]
    Program {
        /// What was to be executed.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The module does not register it.
    #[error("{program}: {}", reason(ModuleCommand::Follow(0), *errno))]
    Refused {
        /// What was to be executed.
        program: String,
        /// How the module answered.
        errno: Errno,
    },
    /// The system has no room for another process.
    #[error("cannot start a process")]
    Process(#[source] io::Error),
}

impl Launched {
    /// Starts `command`. With `status`, the module follows it from before its first instruction on, and all its descendants.
    ///
    /// # Errors
    ///
    /// [`LaunchError`]; nothing runs then.
    pub fn start(command: &[OsString], status: Option<Status>) -> Result<Self, LaunchError> {
        let (program, arguments) = command.split_first().ok_or(LaunchError::Nothing)?;
        // exec closes it. A byte in it says how the registration was answered.
        let (told, tell) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| LaunchError::Process(errno.into()))?;
        let mut child = Command::new(program);
        child.args(arguments);
        let register = move || {
            // The signals that this program blocks are its own matter.
            SigSet::empty().thread_set_mask()?;
            if let Some(status) = &status {
                if let Err(errno) = status.write_errno(ModuleCommand::Follow(unistd::getpid().as_raw())) {
                    unistd::write(tell.as_fd(), &[REFUSED])?;
                    return Err(errno.into());
                }
            }
            unistd::write(tell.as_fd(), &[ACCEPTED])?;
            Ok(())
        };
        // SAFETY: between fork and exec only system calls are made (sigprocmask, getpid, write), without a lock or an
        // allocation: `write_errno` says that it makes none.
        unsafe { child.pre_exec(register) };
        let started = child.spawn();
        // Its copy of the pipe's end goes with it.
        drop(child);
        let mut answer = [0];
        let answer = File::from(told).read(&mut answer).ok().and_then(|count| answer.get(..count)?.first().copied());
        let program = || program.to_string_lossy().into_owned();
        started.map(|child| Launched { child }).map_err(|source| match (answer, source.raw_os_error()) {
            (Some(ACCEPTED), _) => LaunchError::Program { program: program(), source },
            (Some(REFUSED), Some(errno)) => LaunchError::Refused { program: program(), errno: Errno::from_raw(errno) },
            _ => LaunchError::Process(source),
        })
    }

    /// Its PID, here.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Whether it has ended. It stays a zombie.
    pub fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        !matches!(waitid(Id::Pid(Pid::from_raw(self.pid())), flags), Ok(WaitStatus::StillAlive))
    }

    /// Passes a signal on to it.
    pub fn signal(&self, signal: Signal) {
        // It may have ended meanwhile, and is a zombie then: its PID is not given to another.
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Waits for its end. Its exit status as a shell has it: 128 + N after signal N.
    ///
    /// # Errors
    ///
    /// What wait4(2) returns.
    pub fn wait(mut self) -> io::Result<u8> {
        let status: ExitStatus = self.child.wait()?;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ok(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_program_runs_and_its_exit_status_is_known() {
        assert_eq!(Launched::start(&words("true"), None).unwrap().wait().unwrap(), 0);
        let command = ["sh", "-c", "exit 7"].map(OsString::from);
        let launched = Launched::start(&command, Some(Status::rehearsal().unwrap())).unwrap();
        while !launched.has_ended() {
            std::thread::yield_now();
        }
        assert_eq!(launched.wait().unwrap(), 7);
        let command = ["sh", "-c", "kill -9 $$"].map(OsString::from);
        assert_eq!(Launched::start(&command, None).unwrap().wait().unwrap(), 137);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Launched::start(&words("/nowhere/at-all"), None).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at-all: cannot be executed");
        assert!(matches!(Launched::start(&[], None), Err(LaunchError::Nothing)));
    }

    #[test]
    fn a_refusal_is_the_modules() {
        let full = Status::open(std::path::Path::new("/dev/full")).unwrap();
        let error = Launched::start(&words("true"), Some(full)).unwrap_err();
        assert!(error.to_string().starts_with("true: as many processes are registered as the module takes"), "{error}");
    }
}
