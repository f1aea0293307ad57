// SPDX-License-Identifier: GPL-2.0

//! The files of `/proc/PID` that samples are made of (proc_pid_stat(5), proc_pid_status(5), `Documentation/scheduler/sched-stats.rst`).

use abi::record::COMM_BYTES;

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What samples take from `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Command name, NUL-padded.
    pub comm: [u8; COMM_BYTES],
    /// `R`, `S`, `D`, `Z` and so on.
    pub state: u8,
    /// The parent.
    pub parent: i32,
    /// A thread of the kernel.
    pub is_kernel: bool,
    /// Minor faults of all threads, dead ones too.
    pub minor_faults: u64,
    /// Major faults, likewise.
    pub major_faults: u64,
    /// Time in user mode, clock ticks, likewise.
    pub user_ticks: u64,
    /// Time in kernel mode, clock ticks, likewise.
    pub system_ticks: u64,
    /// Living threads.
    pub threads: u32,
    /// When it was started, clock ticks since boot: no two processes with one PID have the same.
    pub start_ticks: u64,
    /// Resident pages.
    pub resident_pages: u64,
}

impl Stat {
    /// Parses the file's one line. `None` where it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // The command name may hold blanks, parentheses and line feeds.
        let open = bytes.iter().position(|&byte| byte == b'(')?;
        let close = bytes.iter().rposition(|&byte| byte == b')')?;
        let name = bytes.get(open + 1..close)?;
        let mut comm = [0; COMM_BYTES];
        // The last byte stays NUL. Names of kernel threads may be longer here than in a task.
        for (to, from) in comm.iter_mut().take(COMM_BYTES - 1).zip(name) {
            *to = *from;
        }
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of the manual page is the first here.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |of: usize| field(of)?.parse::<u64>().ok();
        Some(Stat {
            comm,
            state: *field(3)?.as_bytes().first()?,
            parent: field(4)?.parse().ok()?,
            is_kernel: number(9)? & PF_KTHREAD != 0,
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            threads: field(20)?.parse().ok()?,
            start_ticks: number(22)?,
            resident_pages: number(24)?,
        })
    }

    /// Whether the process is dead, and only waits for its parent: its counters are what the parent's `wait4` returns.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// What samples take from `/proc/PID/status` and `/proc/PID/task/TID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Switches of this thread that it asked for by blocking.
    pub voluntary: Option<u64>,
    /// Switches of this thread that the scheduler forced on it.
    pub involuntary: Option<u64>,
    /// Memory of the process in swap, KiB. A thread of the kernel has no such line.
    pub swap_kib: Option<u64>,
}

impl Status {
    /// Parses the file. Lines that are not known are left alone.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut status = Status::default();
        for line in bytes.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (key, value) = line.split_at(colon);
            let place = match key {
                b"voluntary_ctxt_switches" => &mut status.voluntary,
                b"nonvoluntary_ctxt_switches" => &mut status.involuntary,
                b"VmSwap" => &mut status.swap_kib,
                _ => continue,
            };
            *place = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.trim_start_matches(':').split_ascii_whitespace().next()?.parse().ok());
        }
        status
    }
}

/// Time that a thread was runnable and did not run, ns: the second number of `/proc/PID/task/TID/schedstat`. `None` where
/// the kernel does not count it.
pub fn run_delay_ns(schedstat: &[u8]) -> Option<u64> {
    std::str::from_utf8(schedstat).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let line = b"42 (a) b) (c\n) S 1 42 42 0 -1 4194560 139350 3 7 0 220 15 1 2 20 0 14 0 5314 56561664 5354 99\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(&stat.comm, b"a) b) (c\n\0\0\0\0\0\0\0");
        assert_eq!((stat.state, stat.parent, stat.is_kernel), (b'S', 1, false));
        assert_eq!((stat.minor_faults, stat.major_faults), (139_350, 7));
        assert_eq!((stat.user_ticks, stat.system_ticks), (220, 15));
        assert_eq!((stat.threads, stat.start_ticks, stat.resident_pages), (14, 5_314, 5_354));
        assert!(!stat.is_dead());
    }

    #[test]
    fn a_zombie_is_dead_and_a_leader_that_left_its_threads_is_not() {
        let line = |threads: u32| {
            format!("7 (x) Z 1 7 7 0 -1 4227084 10 0 0 0 1 2 0 0 20 0 {threads} 0 99 0 0 1\n").into_bytes()
        };
        assert!(Stat::parse(&line(1)).unwrap().is_dead());
        assert!(!Stat::parse(&line(3)).unwrap().is_dead());
    }

    #[test]
    fn what_is_no_stat_is_none() {
        for bytes in
            [&b""[..], b"1 (x", b"1 (x) S", b")(", b"1 (x) S 1 2 3 4 5 x 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21"]
        {
            assert_eq!(Stat::parse(bytes), None);
        }
    }

    #[test]
    fn status_and_schedstat() {
        let status = Status::parse(
            b"Name:\tx\nVmSwap:\t      12 kB\nvoluntary_ctxt_switches:\t580\nnonvoluntary_ctxt_switches:\t11\n",
        );
        assert_eq!(status, Status { voluntary: Some(580), involuntary: Some(11), swap_kib: Some(12) });
        assert_eq!(Status::parse(b"VmSwap:\tmuch\n:::\n\xff"), Status::default());
        assert_eq!(run_delay_ns(b"152 78295 1\n"), Some(78_295));
        assert_eq!(run_delay_ns(b"0\n"), None);
    }
}
