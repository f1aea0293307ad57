// SPDX-License-Identifier: GPL-2.0

//! Whether the terminal is still there.

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

/// The terminal that keys come from, as crossterm finds it: standard input, or this process's own terminal.
pub struct Tty(OwnedFd);

impl Tty {
    /// Opens it.
    pub fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        Ok(Tty(if stdin.is_terminal() {
            stdin.as_fd().try_clone_to_owned()?
        } else {
            File::options().read(true).write(true).open("/dev/tty")?.into()
        }))
    }

    /// Whether it has gone away. crossterm does not tell: it takes that for a key that has not come yet.
    pub fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        poll(&mut fds, PollTimeout::ZERO).is_ok()
            && fds.iter().filter_map(PollFd::revents).any(|events| events.intersects(gone))
    }
}
