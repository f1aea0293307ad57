// SPDX-License-Identifier: GPL-2.0

//! Stopping early, with the registration removed.
//!
//! SIGINT, SIGTERM and SIGHUP are blocked and read from a descriptor between accesses and during pauses. No signal
//! handler is installed. After the registration has been removed, the process dies of the signal, as the shell expects.

use client::signals::Signals;
use nix::errno::Errno;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use work::Pacer;

/// The signals that end a workload early, blocked as long as this value lives.
pub struct Early(Signals);

impl Early {
    /// Blocks them. SIGHUP stays as it is where it is ignored: that is what nohup does.
    pub fn block() -> nix::Result<Self> {
        Ok(Early(Signals::block(&[Signal::SIGHUP])?))
    }

    /// Ends this process by `signal`, so that its parent sees why.
    pub fn die_of(self, signal: Signal) -> io::Error {
        self.0.die_of(signal)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.0.unblock();
    }
}

impl Pacer for Early {
    type Stop = Signal;

    fn go_on(&mut self) -> ControlFlow<Signal> {
        match self.0.arrived() {
            Some(signal) => ControlFlow::Break(signal),
            None => ControlFlow::Continue(()),
        }
    }

    fn pause(&mut self, _iteration: u32, pause: Duration) -> ControlFlow<Signal> {
        let end = Instant::now() + pause;
        loop {
            self.go_on()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut descriptors, Some(TimeSpec::from_duration(left)), None) {
                Ok(_) | Err(Errno::EINTR) => {}
                // It cannot fail otherwise with one valid descriptor; should it, the pause still has its length.
                Err(_) => std::thread::sleep(left),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn a_signal_ends_a_pause() {
        let mut signals = Early::block().unwrap();
        assert!(signals.go_on().is_continue());
        assert!(signals.pause(0, Duration::from_millis(1)).is_continue());
        raise(Signal::SIGTERM).unwrap();
        // Would otherwise last for a day.
        assert_eq!(signals.pause(0, Duration::from_secs(86_400)), ControlFlow::Break(Signal::SIGTERM));
        raise(Signal::SIGINT).unwrap();
        assert_eq!(signals.go_on(), ControlFlow::Break(Signal::SIGINT));
        assert!(signals.go_on().is_continue());
    }
}
