// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, as root reads it in `/dev/kmsg`.

use judge::log::Verdict;
use judge::sign::Severity;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

/// The kernel log from some moment on.
pub struct Log {
    kmsg: File,
}

impl Log {
    /// From now on.
    pub fn here() -> Self {
        let open = || OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg");
        let mut log = Log { kmsg: open().expect("/dev/kmsg, readable by root") };
        log.lines();
        log
    }

    /// The lines since then, without their prefixes. Each is returned once.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = vec![];
        let mut record = [0; 8192];
        loop {
            match self.kmsg.read(&mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    let message = text.split_once(';').map_or("", |(_, message)| message);
                    lines.extend(message.lines().next().map(String::from));
                }
                // Overwritten before it was read: go on with the next.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("/dev/kmsg: {error}"),
            }
        }
        lines
    }

    /// What the judge finds bad in it, from the first bad line on.
    pub fn complaints(mut self) -> Option<String> {
        let lines = self.lines();
        Verdict::of(lines.iter().map(String::as_str)).excerpt(Severity::Warning, 0, usize::MAX)
    }
}
