// SPDX-License-Identifier: GPL-2.0

//! Writing to a reader that may have stopped reading.

use crate::signals::Signals;
use nix::errno::Errno;
use nix::libc::PIPE_BUF;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// A file, or a pipe whose reader may be slow.
///
/// While signals are blocked, a write to a full pipe could not be interrupted. So a pipe is written to only when it has
/// room, and a signal that arrives while it has none ends the recording with an error.
#[derive(Debug)]
pub struct Output<'a> {
    file: File,
    is_regular: bool,
    /// A regular file that has not been emptied yet.
    to_empty: bool,
    signals: &'a Signals,
}

impl<'a> Output<'a> {
    /// Writes to `file`.
    pub fn new(file: File, signals: &'a Signals) -> io::Result<Self> {
        let is_regular = file.metadata()?.is_file();
        Ok(Output { file, is_regular, to_empty: false, signals })
    }

    /// The same, and a regular file is emptied when it is first written to: what an earlier recording left is not lost to
    /// one that never began.
    pub fn replacing(file: File, signals: &'a Signals) -> io::Result<Self> {
        let output = Self::new(file, signals)?;
        Ok(Output { to_empty: output.is_regular, ..output })
    }

    fn wait_for_room(&self) -> io::Result<()> {
        loop {
            let mut descriptors = [
                PollFd::new(self.file.as_fd(), PollFlags::POLLOUT),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut descriptors, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [room, signal] = descriptors.map(|descriptor| descriptor.any().unwrap_or(true));
            if room {
                return Ok(());
            }
            if signal {
                return Err(io::Error::other("interrupted while the output was not being read; its end is missing"));
            }
        }
    }
}

/// Writes a line to standard error. An error is ignored: a program must not fail because it cannot report progress.
pub fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.to_empty {
            self.file.set_len(0)?;
            self.to_empty = false;
        }
        if self.is_regular {
            return self.file.write(bytes);
        }
        self.wait_for_room()?;
        // A pipe that reports room has room for so many.
        self.file.write(bytes.get(..PIPE_BUF).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AsFd for Output<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
