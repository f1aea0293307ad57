// SPDX-License-Identifier: GPL-2.0

//! Waiting for the module's records, with progress for the user.

use crate::progress::Progress;
use client::poller::{Poller, Wake};
use client::Device;
use monitor::record::Wait;
use monitor::Summary;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// The ring is looked at again after so long, whatever the device says. Nothing depends on it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An image of a ring wakes no reader; it is looked at this often.
const IMAGE: Duration = Duration::from_millis(20);

/// Waits with poll(2).
pub struct Waiting<'a> {
    device: &'a Device,
    poller: Poller<'a>,
    progress: &'a mut Progress,
}

impl<'a> Waiting<'a> {
    /// Waits with `poller` for records of `device`, and shows `progress`.
    pub fn new(device: &'a Device, poller: Poller<'a>, progress: &'a mut Progress) -> Self {
        Waiting { device, poller, progress }
    }
}

impl Wait for Waiting<'_> {
    fn nothing_yet(&mut self, others: u64) {
        self.progress.nothing_yet(others);
    }

    fn progress(&mut self, summary: &Summary) {
        self.progress.show(summary);
    }

    fn wait(&mut self, position: u64, pending: bool) -> io::Result<Wake> {
        if pending {
            return self.poller.wait(Duration::ZERO, None);
        }
        if self.device.is_image() {
            return self.poller.wait(IMAGE, None);
        }
        self.device.set_position(position)?;
        self.poller.wait(LOOK_AGAIN, Some(self.device.as_fd()))
    }
}
