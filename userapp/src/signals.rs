// SPDX-License-Identifier: GPL-2.0

//! Stopping early, with everything put back.
//!
//! SIGINT, SIGTERM and SIGHUP are blocked and read from a descriptor where it suits: between accesses and instead of
//! sleeping. No handler runs in the middle of anything. After the registration has been taken back, the process dies of
//! the signal, as the shell expects.

use nix::errno::Errno;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::signal::{raise, signal, SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use work::Pacer;

/// The signals that end a workload early, blocked as long as this value lives.
pub struct Signals {
    set: SigSet,
    descriptor: SignalFd,
}

impl Signals {
    /// Blocks them. SIGHUP stays as it is where it is ignored: that is what nohup does.
    pub fn block() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        if !is_ignored(Signal::SIGHUP) {
            set.add(Signal::SIGHUP);
        }
        set.thread_block()?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals { set, descriptor })
    }

    /// One that has arrived, if any has.
    fn arrived(&self) -> Option<Signal> {
        let info = self.descriptor.read_signal().ok().flatten()?;
        Signal::try_from(info.ssi_signo as i32).ok()
    }

    /// Ends this process by `signal`, so that whoever started it sees why.
    pub fn die_of(self, last: Signal) -> io::Error {
        // SAFETY: the default action is no function of this program.
        let _ = unsafe { signal(last, SigHandler::SigDfl) };
        let _ = raise(last);
        // Pending, and delivered here.
        let _ = self.set.thread_unblock();
        io::Error::other(format!("{last} did not end this process"))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.set.thread_unblock();
    }
}

impl Pacer for Signals {
    type Stop = Signal;

    fn go_on(&mut self) -> ControlFlow<Signal> {
        match self.arrived() {
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
            let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut descriptors, Some(TimeSpec::from_duration(left)), None) {
                Ok(_) | Err(Errno::EINTR) => {}
                // It cannot fail otherwise with one valid descriptor; should it, the pause still has its length.
                Err(_) => std::thread::sleep(left),
            }
        }
    }
}

/// Whether this process was started with `signal` ignored.
fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action, sigaction changes nothing and fills in the old one, for which there is room.
    let answer = unsafe { libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: sigaction succeeded, so that it has written the whole structure.
    answer == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_a_pause() {
        let mut signals = Signals::block().unwrap();
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
