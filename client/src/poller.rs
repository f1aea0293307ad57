// SPDX-License-Identifier: GPL-2.0

//! Waiting for records, signals and a reader that goes away, all at once.

use crate::device::Device;
use crate::record::{Wait, Wake};
use crate::signals::Signals;
use crate::summary::Summary;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Looks again after so many ms, whatever the device says. Nothing depends on it.
const LOOK_AGAIN_MS: u16 = 1_000;

/// An image of a ring wakes nobody; look at it this often, in ms.
const IMAGE_MS: u16 = 20;

/// What is said while recording.
pub trait Tell {
    /// Nothing is registered, and there is nothing to print.
    fn nothing_yet(&mut self) {}
    /// So much was recorded.
    fn progress(&mut self, _summary: &Summary) {}
}

/// Waits with poll(2).
pub struct Poller<'a> {
    device: &'a Device,
    signals: &'a Signals,
    /// The same file that is written to: it reports when nobody will read that any more.
    output: OwnedFd,
    tell: &'a mut dyn Tell,
}

impl<'a> Poller<'a> {
    /// Waits for `device`, `signals` and the end of whoever reads `output`.
    pub fn new(device: &'a Device, signals: &'a Signals, output: OwnedFd, tell: &'a mut dyn Tell) -> Self {
        Poller { device, signals, output, tell }
    }

    fn poll_all(&self, timeout: PollTimeout, for_device: bool) -> io::Result<()> {
        let device = if for_device { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut descriptors = [
            PollFd::new(self.output.as_fd(), PollFlags::empty()),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.device.as_fd(), device),
        ];
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [output, _, device] = descriptors.map(|descriptor| descriptor.revents().unwrap_or(PollFlags::POLLERR));
        if output.contains(PollFlags::POLLERR) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if device.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL) {
            return Err(io::Error::other("the device reports an error"));
        }
        Ok(())
    }
}

impl Wait for Poller<'_> {
    fn nothing_yet(&mut self) {
        self.tell.nothing_yet();
    }

    fn progress(&mut self, summary: &Summary) {
        self.tell.progress(summary);
    }

    fn wait(&mut self, position: u64, pending: bool) -> io::Result<Wake> {
        if pending {
            self.poll_all(PollTimeout::ZERO, false)?;
        } else if self.device.is_image() {
            self.poll_all(PollTimeout::from(IMAGE_MS), false)?;
        } else {
            self.device.set_position(position)?;
            self.poll_all(PollTimeout::from(LOOK_AGAIN_MS), true)?;
        }
        Ok(if self.signals.arrived() { Wake::Stop } else { Wake::GoOn })
    }
}
