// SPDX-License-Identifier: GPL-2.0

//! `/proc/mp3/status`: one write for each command.

use nix::errno::Errno;
use nix::unistd;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is to happen to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `R`: profile it.
    Register,
    /// `U`: stop profiling it.
    Unregister,
}

/// The file, open for commands.
#[derive(Debug)]
pub struct Status {
    file: File,
}

/// A command did not get through. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is no such file.
    #[error("{0}: not there; is mp3.ko loaded?")]
    Absent(PathBuf),
    /// The file could not be opened.
    #[error("{path}{hint}", hint = access_hint(source))]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The module refused a command.
    #[error("{}", refusal(*verb, *pid, *errno))]
    Refused {
        /// What was asked for.
        verb: Verb,
        /// For which process.
        pid: i32,
        /// How the module answered.
        errno: Errno,
    },
}

impl Status {
    /// Opens `path` for commands.
    pub fn open(path: &Path) -> Result<Self, StatusError> {
        let file = OpenOptions::new().write(true).open(path).map_err(|source| open_error(path, source))?;
        Ok(Status { file })
    }

    /// A file that takes everything and does nothing, to go through the motions with.
    pub fn rehearsal() -> Result<Self, StatusError> {
        Self::open(Path::new("/dev/null"))
    }

    /// Gives one command. Allocates nothing, so that it takes no page fault the second time.
    pub fn write(&self, verb: Verb, pid: i32) -> Result<(), StatusError> {
        self.write_errno(verb, pid).map_err(|errno| StatusError::Refused { verb, pid, errno })
    }

    /// Like [`Status::write`], for a caller that can only pass on a number.
    pub fn write_errno(&self, verb: Verb, pid: i32) -> Result<(), Errno> {
        let mut line = [0; 16];
        let mut rest = &mut line[..];
        let letter = match verb {
            Verb::Register => 'R',
            Verb::Unregister => 'U',
        };
        // At most 2 + 11 + 1 bytes.
        writeln!(rest, "{letter} {pid}").map_err(|_| Errno::EINVAL)?;
        let left = rest.len();
        let line = &line[..line.len() - left];
        loop {
            match unistd::write(&self.file, line) {
                Ok(written) if written == line.len() => return Ok(()),
                // A command is taken whole or not at all.
                Ok(_) => return Err(Errno::EIO),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// What an error of opening `path` means.
pub fn open_error(path: &Path, source: io::Error) -> StatusError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => StatusError::Absent(path),
        _ => StatusError::Open { path, source },
    }
}

fn access_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ": open to anyone as the module makes it; what confines this process?",
        _ => "",
    }
}

/// A sentence for every error that the module has.
fn refusal(verb: Verb, pid: i32, errno: Errno) -> String {
    let (done, what) = match verb {
        Verb::Register => ("registered", "register"),
        Verb::Unregister => ("unregistered", "unregister"),
    };
    match (errno, verb) {
        (Errno::ESRCH, _) => format!("PID {pid}: no such process"),
        (Errno::EPERM | Errno::EACCES, _) => format!(
            "PID {pid}: not yours to {what}; be its user, or have CAP_PERFMON or CAP_SYS_PTRACE (root has both)"
        ),
        (Errno::EEXIST, _) => format!("PID {pid}: registered already, by itself or through another of its threads"),
        (Errno::ENOENT, Verb::Unregister) => format!("PID {pid}: not registered; it may have ended meanwhile"),
        (Errno::ENOSPC, _) => format!(
            "PID {pid}: as many processes are registered as the module takes; unregister some, or load mp3.ko with a larger \
             max_processes"
        ),
        (Errno::EINVAL, _) => format!("PID {pid}: the module does not understand the command; is mp3.ko of this release?"),
        _ => format!("PID {pid}: not {done}: {}", errno.desc()),
    }
}

/// A process that stays registered as long as this value lives.
#[derive(Debug)]
pub struct Registration<'a> {
    status: &'a Status,
    pid: i32,
}

impl<'a> Registration<'a> {
    /// Registers `pid`.
    pub fn new(status: &'a Status, pid: i32) -> Result<Self, StatusError> {
        status.write(Verb::Register, pid)?;
        Ok(Registration { status, pid })
    }

    /// Unregisters it, and says if that failed.
    pub fn end(self) -> Result<(), StatusError> {
        let done = self.status.write(Verb::Unregister, self.pid);
        std::mem::forget(self);
        done
    }
}

impl Drop for Registration<'_> {
    /// For ways out that nobody planned. The module itself forgets a process that has died.
    fn drop(&mut self) {
        let _ = self.status.write(Verb::Unregister, self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let message = |verb, errno| StatusError::Refused { verb, pid: 12, errno }.to_string();
        assert_eq!(message(Verb::Register, Errno::ESRCH), "PID 12: no such process");
        assert!(message(Verb::Register, Errno::EPERM).contains("CAP_PERFMON"));
        assert!(message(Verb::Register, Errno::EEXIST).contains("registered already"));
        assert!(message(Verb::Register, Errno::ENOSPC).contains("max_processes"));
        assert!(message(Verb::Unregister, Errno::ENOENT).contains("not registered"));
        assert_eq!(message(Verb::Unregister, Errno::ENOMEM), "PID 12: not unregistered: Out of memory");
    }

    #[test]
    fn the_longest_command_has_room() {
        assert_eq!(Status::rehearsal().unwrap().write_errno(Verb::Unregister, i32::MAX), Ok(()));
        assert_eq!(Status::rehearsal().unwrap().write_errno(Verb::Unregister, i32::MIN), Ok(()));
    }

    #[test]
    fn absence_asks_for_the_module() {
        let error = Status::open(Path::new("/nowhere/mp3/status")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/mp3/status: not there; is mp3.ko loaded?");
    }
}
