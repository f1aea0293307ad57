// SPDX-License-Identifier: GPL-2.0

//! Signals that end a program, as a descriptor: no handler runs in the middle of a line.

use nix::libc;
use nix::sys::signal::{raise, signal, SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// SIGINT, SIGTERM and further ones, blocked and read here.
///
/// The first two also where they are ignored, as a shell has it for what it starts in the background: a recorder that
/// cannot be ended leaves no summary.
#[derive(Debug)]
pub struct Signals {
    set: SigSet,
    descriptor: SignalFd,
}

impl Signals {
    /// Blocks SIGINT, SIGTERM and `more` for this thread. One of `more` stays as it is where it is ignored: that is what
    /// nohup(1) does to SIGHUP.
    ///
    /// # Errors
    ///
    /// What sigprocmask(2) or signalfd(2) returns.
    pub fn block(more: &[Signal]) -> nix::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        for &signal in more {
            if !is_ignored(signal) {
                set.add(signal);
            }
        }
        set.thread_block()?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals { set, descriptor })
    }

    /// One that has arrived since this was last asked, if any has.
    pub fn arrived(&self) -> Option<Signal> {
        let info = self.descriptor.read_signal().ok().flatten()?;
        Signal::try_from(info.ssi_signo as i32).ok()
    }

    /// Takes them as any program does, from now on. One that is pending is delivered here.
    pub fn unblock(&self) {
        // A set that could be blocked can be unblocked.
        let _ = self.set.thread_unblock();
    }

    /// Ends this process by `last`, so that its parent sees why. Returns only if that failed.
    pub fn die_of(&self, last: Signal) -> io::Error {
        // SAFETY: the default action is no function of this program.
        let _ = unsafe { signal(last, SigHandler::SigDfl) };
        let _ = raise(last);
        // Pending, and delivered here.
        self.unblock();
        io::Error::other(format!("{last} did not end this process"))
    }
}

impl AsFd for Signals {
    /// Readable when a signal has arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
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
