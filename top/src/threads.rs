// SPDX-License-Identifier: GPL-2.0

//! The threads of one process, from `/proc/PID/task`: samples are of whole processes.

use client::source::proc::{Kernel, Stat, Status};

/// A thread as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Thread ID.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// `R`, `S`, `D` and so on.
    pub state: char,
    /// Minor and major faults since it began.
    pub faults: (u64, u64),
    /// CPU time since it began, clock ticks.
    pub cpu_ticks: u64,
    /// Voluntary and involuntary switches since it began; `None` where the kernel does not say.
    pub switches: Option<(u64, u64)>,
}

/// Most threads that are read: a screen has no room for more.
const MOST: usize = 256;

/// The threads of `pid`, those with most CPU time first; none if it is not there.
pub fn of(kernel: &impl Kernel, pid: i32) -> Vec<Thread> {
    let mut buffer = vec![];
    let mut threads = vec![];
    for tid in kernel.threads(pid).into_iter().take(MOST) {
        let stat = kernel.read(pid, &format!("task/{tid}/stat"), &mut buffer).then(|| Stat::parse(&buffer)).flatten();
        let Some(stat) = stat else { continue };
        let has_status = kernel.read(pid, &format!("task/{tid}/status"), &mut buffer);
        let status = if has_status { Status::parse(&buffer) } else { Status::default() };
        let name = stat.comm.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = format::comm::Printable::new(name);
        threads.push(Thread {
            tid,
            name: String::from_utf8_lossy(name.as_bytes()).into_owned(),
            state: char::from(stat.state),
            faults: (stat.minor_faults, stat.major_faults),
            cpu_ticks: stat.user_ticks.saturating_add(stat.system_ticks),
            switches: status.voluntary.zip(status.involuntary),
        });
    }
    threads.sort_by_key(|thread| (std::cmp::Reverse(thread.cpu_ticks), thread.tid));
    threads
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::source::proc::ThisKernel;

    #[test]
    fn this_process_has_threads() {
        let threads = of(&ThisKernel::new(), std::process::id() as i32);
        // The test runs in a thread of its own.
        assert!(threads.len() >= 2, "{threads:?}");
        assert!(threads.iter().all(|thread| !thread.name.is_empty() && thread.state.is_ascii_alphabetic()));
    }
}
