// SPDX-License-Identifier: GPL-2.0

//! Waiting for records, signals and a reader that goes away, all at once.

use crate::device::Device;
use crate::signals::Signals;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
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
    device: &'a Device,
    signals: &'a Signals,
    /// A duplicate of the output: poll reports when its reader is gone.
    output: OwnedFd,
}

impl<'a> Poller<'a> {
    /// Waits for `device`, `signals` and the end of the reader of `output`.
    pub fn new(device: &'a Device, signals: &'a Signals, output: OwnedFd) -> Self {
        Poller { device, signals, output }
    }

    /// Waits until a signal arrives, the reader of the output goes away, `timeout` has passed or, if `for_device`, the
    /// device is readable.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the reader of the output is gone; what poll(2) returns; an error of the device.
    pub fn wait(&self, timeout: Duration, for_device: bool) -> io::Result<Wake> {
        let device = if for_device { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut descriptors = [
            PollFd::new(self.output.as_fd(), PollFlags::empty()),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.device.as_fd(), device),
        ];
        match poll(&mut descriptors, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [output, _, device] = descriptors.map(|descriptor| descriptor.revents().unwrap_or(PollFlags::POLLERR));
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
