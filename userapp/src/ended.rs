// SPDX-License-Identifier: GPL-2.0

//! How a child ended, and what it used.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::{sysconf, Pid, SysconfVar};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use work::Usage;

/// A child that has ended and was waited for.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// As wait(2) gives it.
    status: i32,
    /// The child, and the processes that it started and waited for.
    pub all: Usage,
    /// Of that, the processes that it started and waited for; CPU time to a clock tick, commonly 10 ms.
    pub children: Usage,
}

impl Ended {
    /// Waits for the end of `child`.
    ///
    /// # Errors
    ///
    /// What waitid(2) or wait4(2) returns.
    pub fn wait(child: Pid) -> io::Result<Self> {
        // While it is a zombie, /proc has separate numbers for it and its children. wait4 and getrusage only have the sum.
        until_dead(child)?;
        let children = fs::read_to_string(format!("/proc/{child}/stat")).ok().and_then(|stat| children_in(&stat));
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::uninit();
        loop {
            // SAFETY: both pointers are to memory of this function that has room for what wait4 writes.
            match Errno::result(unsafe { libc::wait4(child.as_raw(), &mut status, 0, usage.as_mut_ptr()) }) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        // SAFETY: wait4 succeeded, so that it has written the whole structure.
        let usage = unsafe { usage.assume_init() };
        let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
        let all = Usage {
            minor_faults: usage.ru_minflt as u64,
            major_faults: usage.ru_majflt as u64,
            user_ns: ns(usage.ru_utime),
            system_ns: ns(usage.ru_stime),
        };
        Ok(Ended { status, all, children: children.unwrap_or_default() })
    }

    /// The child alone.
    pub fn own(&self) -> Usage {
        self.all.since(&self.children)
    }

    /// Whether it started processes and waited for them.
    pub fn has_children(&self) -> bool {
        self.children != Usage::default()
    }

    /// Its exit status, as a shell has it: 128 + N after signal N, also a real-time one.
    pub fn exit_status(&self) -> u8 {
        match self.signal() {
            Some(signal) => 128u8.saturating_add(signal as u8),
            None => libc::WEXITSTATUS(self.status) as u8,
        }
    }

    /// Number of the signal that ended it.
    fn signal(&self) -> Option<i32> {
        libc::WIFSIGNALED(self.status).then(|| libc::WTERMSIG(self.status))
    }

    /// Name of the signal that ended it.
    pub fn signal_name(&self) -> Option<String> {
        let number = self.signal()?;
        Some(match Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {number}"),
        })
    }
}

/// Waits until `child` is dead, and leaves it a zombie.
fn until_dead(child: Pid) -> io::Result<()> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        let flags = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: waitid writes to `info` at most, which has room for it.
        let answer = unsafe { libc::waitid(libc::P_PID, child.as_raw() as libc::id_t, info.as_mut_ptr(), flags) };
        match Errno::result(answer) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What the process of this `/proc/PID/stat` waited for: cminflt, cmajflt, cutime and cstime (proc_pid_stat(5)).
fn children_in(stat: &str) -> Option<Usage> {
    // The command name may hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    // Field 3 is the first here.
    let field = |number: usize| fields.split(' ').nth(number - 3)?.trim().parse::<u64>().ok();
    let hz = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok().filter(|&hz| hz > 0)?;
    let ns = |ticks: u64| ticks.saturating_mul(1_000_000_000 / hz);
    Some(Usage {
        minor_faults: field(11)?,
        major_faults: field(13)?,
        user_ns: ns(field(16)?),
        system_ns: ns(field(17)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_read_whatever_the_name_is() {
        let stat = "7 (a) b (c) Z 1 7 7 0 -1 0 10 20 30 40 50 60 70 80 20 0 1 0 99 0 0";
        let hz = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap() as u64;
        let children = children_in(stat).unwrap();
        assert_eq!((children.minor_faults, children.major_faults), (20, 40));
        assert_eq!((children.user_ns, children.system_ns), (70 * 1_000_000_000 / hz, 80 * 1_000_000_000 / hz));
        assert_eq!(children_in("7 (a) Z 1"), None);
    }
}
