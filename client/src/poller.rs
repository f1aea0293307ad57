// SPDX-License-Identifier: GPL-2.0

//! Waiting for records, signals and a reader that goes away, all at once.

use crate::signals::Signals;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There may be something new.
    GoOn,
    /// The end was asked for.
    Stop,
}

/// Waits with poll(2).
#[derive(Debug)]
pub struct Poller<'a> {
    signals: &'a Signals,
    /// A duplicate of the output: poll reports when its reader is gone.
    output: OwnedFd,
}

impl<'a> Poller<'a> {
    /// Waits for `signals` and the end of the reader of `output`.
    pub fn new(signals: &'a Signals, output: OwnedFd) -> Self {
        Poller { signals, output }
    }

    /// Waits until a signal arrives, the reader of the output goes away, `timeout` has passed or `device` is readable.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the reader of the output is gone; what poll(2) returns; an error of the device.
    pub fn wait(&self, timeout: Duration, device: Option<BorrowedFd>) -> io::Result<Wake> {
        let mut descriptors = vec![
            PollFd::new(self.output.as_fd(), PollFlags::empty()),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        descriptors.extend(device.map(|device| PollFd::new(device, PollFlags::POLLIN)));
        match poll(&mut descriptors, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let events = |index: usize| {
            let descriptor: Option<&PollFd> = descriptors.get(index);
            descriptor.map_or(PollFlags::empty(), |descriptor| descriptor.revents().unwrap_or(PollFlags::POLLERR))
        };
        let (output, device) = (events(0), events(2));
        // A pipe reports POLLERR, a socket POLLHUP.
        if output.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if device.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL) {
            return Err(io::Error::other("the device reports an error"));
        }
        Ok(if self.signals.arrived().is_some() { Wake::Stop } else { Wake::GoOn })
    }
}
