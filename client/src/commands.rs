// SPDX-License-Identifier: GPL-2.0

//! `/proc/mp3/status`: register, unregister, list, and what the errors mean.

use abi::command::{Command, StatusLine};
use abi::device::STATUS_PATH;
use nix::errno::Errno;
use nix::unistd;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the file is. Tests name a plain one in `MP3_STATUS`.
pub fn status_path() -> PathBuf {
    std::env::var_os("MP3_STATUS").map_or_else(|| STATUS_PATH.into(), PathBuf::from)
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
    /// A line of the list is not one.
    #[error("{path}: line {number}: not 'PID: ns': {line}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Number of the line, from 1.
        number: usize,
        /// The line.
        line: String,
    },
    /// The module refused a command.
    #[error("PID {}: {}", pid(*command), reason(*command, *errno))]
    Refused {
        /// What was asked for.
        command: Command,
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

    /// A file that accepts every command and does nothing: for a rehearsal.
    pub fn rehearsal() -> Result<Self, StatusError> {
        Self::open(Path::new("/dev/null"))
    }

    /// Writes one command. Allocates nothing, so that the second call takes no page fault.
    pub fn write(&self, command: Command) -> Result<(), StatusError> {
        self.write_errno(command).map_err(|errno| StatusError::Refused { command, errno })
    }

    /// Like [`Status::write`], for a caller that can only pass on a number.
    pub fn write_errno(&self, command: Command) -> Result<(), Errno> {
        let mut line = [0; 16];
        let mut rest = &mut line[..];
        // At most 2 + 11 + 1 bytes.
        writeln!(rest, "{command}").map_err(|_| Errno::EINVAL)?;
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

/// The registered processes that have a PID in this namespace, in the order of the file at `path`.
///
/// # Errors
///
/// The file cannot be opened or read, or does not hold such lines.
pub fn list(path: &Path) -> Result<Vec<StatusLine>, StatusError> {
    let text = fs::read_to_string(path).map_err(|source| open_error(path, source))?;
    let lines = text.lines().enumerate().map(|(index, line)| {
        let wrong = || StatusError::Line { path: path.to_owned(), number: index + 1, line: line.to_owned() };
        StatusLine::parse(line).ok_or_else(wrong)
    });
    lines.collect()
}

/// What an error of opening `path` means.
fn open_error(path: &Path, source: io::Error) -> StatusError {
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

fn pid(command: Command) -> i32 {
    let (Command::Register(pid) | Command::Follow(pid) | Command::Unregister(pid)) = command;
    pid
}

/// What every error means that the module returns. The PID in `command` does not matter.
pub(crate) fn reason(command: Command, errno: Errno) -> String {
    let (done, what) = match command {
        Command::Register(_) | Command::Follow(_) => ("registered", "register"),
        Command::Unregister(_) => ("unregistered", "unregister"),
    };
    let text = match (errno, command) {
        (Errno::ESRCH, _) => "no such process",
        (Errno::EPERM | Errno::EACCES, _) => {
            return format!("not yours to {what}; be its user, or have CAP_PERFMON or CAP_SYS_PTRACE (root has both)")
        }
        (Errno::EEXIST, _) => "registered already, by itself or through another of its threads",
        (Errno::ENOENT, Command::Unregister(_)) => "not registered; it may have ended meanwhile",
        (Errno::ENOSPC, _) => {
            "as many processes are registered as the module takes; unregister some, or load mp3.ko with a larger max_processes"
        }
        (Errno::EDQUOT, _) => {
            "you have as many processes registered as one user may (an eighth of max_processes); unregister some, or have \
             CAP_PERFMON"
        }
        (Errno::EINVAL, _) => "the module does not understand the command; is mp3.ko of this release?",
        _ => return format!("not {done}: {}", errno.desc()),
    };
    text.to_owned()
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
        status.write(Command::Register(pid))?;
        Ok(Registration { status, pid })
    }

    /// Takes over a registration that the caller has made.
    pub fn adopt(status: &'a Status, pid: i32) -> Self {
        Registration { status, pid }
    }

    /// Unregisters it, and says if that failed.
    pub fn end(self) -> Result<(), StatusError> {
        let done = self.status.write(Command::Unregister(self.pid));
        std::mem::forget(self);
        done
    }
}

impl Drop for Registration<'_> {
    /// For ways out by an error. The module itself drops the registration of a process that has died.
    fn drop(&mut self) {
        let _ = self.status.write(Command::Unregister(self.pid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let message =
            |command: fn(i32) -> Command, errno| StatusError::Refused { command: command(12), errno }.to_string();
        assert_eq!(message(Command::Register, Errno::ESRCH), "PID 12: no such process");
        assert!(message(Command::Register, Errno::EPERM).contains("CAP_PERFMON"));
        assert!(message(Command::Register, Errno::EEXIST).contains("registered already"));
        assert!(message(Command::Register, Errno::ENOSPC).contains("max_processes"));
        assert!(message(Command::Unregister, Errno::ENOENT).contains("not registered"));
        assert_eq!(message(Command::Unregister, Errno::ENOMEM), "PID 12: not unregistered: Out of memory");
    }

    #[test]
    fn every_refusal_has_words_of_its_own() {
        for command in [Command::Register(1), Command::Follow(1), Command::Unregister(1)] {
            let verb = if matches!(command, Command::Unregister(_)) { "unregister" } else { "register" };
            for errno in [Errno::EPERM, Errno::EACCES] {
                assert!(reason(command, errno).starts_with(&format!("not yours to {verb};")));
            }
            assert_eq!(reason(command, Errno::ENOMEM), format!("not {verb}ed: Out of memory"));
            assert!(reason(command, Errno::EDQUOT).contains("an eighth of max_processes"));
            assert!(reason(command, Errno::EINVAL).contains("of this release?"));
            let is_absent = reason(command, Errno::ENOENT).contains("it may have ended");
            assert_eq!(is_absent, verb == "unregister");
        }
    }

    /// A plain file in place of the module's, removed with its owner.
    struct Plain(PathBuf);

    impl Plain {
        fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mp3-client-{}-{name}", std::process::id()));
            fs::write(&path, text).unwrap();
            Plain(path)
        }
    }

    impl Drop for Plain {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn commands_are_lines_and_a_registration_ends_with_its_owner() {
        let plain = Plain::new("commands", "");
        let status = Status::open(&plain.0).unwrap();
        status.write(Command::Follow(7)).unwrap();
        drop(Registration::new(&status, 12).unwrap());
        Registration::adopt(&status, 13).end().unwrap();
        assert_eq!(fs::read_to_string(&plain.0).unwrap(), "F 7\nR 12\nU 12\nU 13\n");
        // A write that is refused is told to the caller.
        let full = Status::open(Path::new("/dev/full")).unwrap();
        assert_eq!(full.write_errno(Command::Register(1)), Err(Errno::ENOSPC));
        assert!(Registration::new(&full, 12).unwrap_err().to_string().starts_with("PID 12: as many processes"));
        assert!(Registration::adopt(&full, 13).end().unwrap_err().to_string().starts_with("PID 13: as many"));
    }

    #[test]
    fn a_list_is_read_or_its_first_wrong_line_is_named() {
        let plain = Plain::new("list", "12: 345\n13: 0\n");
        let listed: Vec<_> = list(&plain.0).unwrap().into_iter().map(|line| line.pid).collect();
        assert_eq!(listed, [12, 13]);
        let plain = Plain::new("wrong", "12: 345\nnothing\n");
        let message = list(&plain.0).unwrap_err().to_string();
        assert!(message.ends_with(": line 2: not 'PID: ns': nothing"), "{message}");
        assert!(list(Path::new("/nowhere/mp3/status")).unwrap_err().to_string().contains("is mp3.ko loaded?"));
    }

    #[test]
    fn a_file_that_may_not_be_opened_is_told_from_others() {
        let message = |kind: io::ErrorKind| open_error(Path::new("/x"), kind.into()).to_string();
        assert!(message(io::ErrorKind::PermissionDenied).starts_with("/x: open to anyone as the module makes it"));
        assert_eq!(message(io::ErrorKind::IsADirectory), "/x");
        if std::env::var_os("MP3_STATUS").is_none() {
            assert_eq!(status_path(), Path::new("/proc/mp3/status"));
        }
    }

    #[test]
    fn the_longest_command_has_room() {
        assert_eq!(Status::rehearsal().unwrap().write_errno(Command::Unregister(i32::MAX)), Ok(()));
        assert_eq!(Status::rehearsal().unwrap().write_errno(Command::Unregister(i32::MIN)), Ok(()));
    }

    #[test]
    fn a_missing_status_file_asks_for_the_module() {
        let error = Status::open(Path::new("/nowhere/mp3/status")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/mp3/status: not there; is mp3.ko loaded?");
    }
}
