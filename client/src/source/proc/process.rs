// SPDX-License-Identifier: GPL-2.0

//! One process, sampled from its files.

use super::files::{run_delay_ns, Stat, Status};
use super::kernel::Kernel;
use abi::device::PAGE_BYTES;
use abi::record::{Flags, Levels, SampleRecord, Totals};
use abi::samples::cputime::{RawTimes, SplitTimes};
use rustc_hash::FxHashMap;

/// Files are read at least this often, also of a process that has not run: its pages may be taken away meanwhile.
const LOOK_ANYWAY_NS: u64 = 1_000_000_000;

/// Every thread has files of its own. Those of a process with more threads than this are read every [`LOOK_ANYWAY_NS`] only.
const FEW_THREADS: u32 = 4;

/// What a thread's own files said.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    voluntary: u64,
    involuntary: u64,
    run_delay_ns: u64,
    seen: bool,
}

/// How a process was found at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It lives.
    Alive,
    /// It is dead, and its counters are complete.
    Dead,
    /// It is gone, with what it counted since the last tick.
    Gone,
}

/// A process that is being profiled.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    start_ticks: u64,
    /// Counters since it was started, as far as `/proc` has them.
    now: Totals,
    /// Of them, those from before it was profiled.
    before: Totals,
    levels: Levels,
    comm: [u8; 16],
    count: u32,
    registration: u64,
    times: SplitTimes,
    runtime_ns: Option<u64>,
    looked_ns: u64,
    threads: FxHashMap<i32, Thread>,
    threads_looked_ns: u64,
}

impl Process {
    /// A process, counted from now on; or from its start on, if it `is_new`: started since the last tick.
    pub fn new(
        kernel: &impl Kernel,
        pid: i32,
        stat: &Stat,
        registration: u64,
        is_new: bool,
        buffer: &mut Vec<u8>,
    ) -> Self {
        let mut process = Process {
            pid,
            start_ticks: stat.start_ticks,
            now: Totals::default(),
            before: Totals::default(),
            levels: Levels::default(),
            comm: stat.comm,
            count: stat.threads,
            registration,
            times: SplitTimes::default(),
            runtime_ns: kernel.runtime_ns(pid),
            looked_ns: kernel.now_ns(),
            threads: FxHashMap::default(),
            threads_looked_ns: 0,
        };
        process.take(kernel, stat, process.looked_ns, buffer);
        if stat.is_dead() {
            // It does not run any more; the next look is to find out.
            process.runtime_ns = None;
        }
        if !is_new {
            process.before = process.now;
        }
        process
    }

    /// Reads what has changed.
    pub fn look(&mut self, kernel: &impl Kernel, now_ns: u64, buffer: &mut Vec<u8>) -> Found {
        let runtime_ns = kernel.runtime_ns(self.pid);
        let rested = runtime_ns.is_some() && runtime_ns == self.runtime_ns;
        // A process that has not run has no fault, no switch and no end.
        if rested && now_ns.saturating_sub(self.looked_ns) < LOOK_ANYWAY_NS {
            return Found::Alive;
        }
        self.runtime_ns = runtime_ns;
        if !kernel.read(self.pid, "stat", buffer) {
            return Found::Gone;
        }
        let Some(stat) = Stat::parse(buffer).filter(|stat| stat.start_ticks == self.start_ticks) else {
            return Found::Gone;
        };
        self.looked_ns = now_ns;
        self.take(kernel, &stat, now_ns, buffer);
        if stat.is_dead() {
            return Found::Dead;
        }
        Found::Alive
    }

    fn take(&mut self, kernel: &impl Kernel, stat: &Stat, now_ns: u64, buffer: &mut Vec<u8>) {
        self.comm = stat.comm;
        self.count = stat.threads;
        self.now.minor_faults = self.now.minor_faults.max(stat.minor_faults);
        self.now.major_faults = self.now.major_faults.max(stat.major_faults);
        let tick_ns = 1_000_000_000 / kernel.ticks_hz().max(1);
        let (utime, stime) = (stat.user_ticks.saturating_mul(tick_ns), stat.system_ticks.saturating_mul(tick_ns));
        let runtime = self.runtime_ns.unwrap_or(utime.saturating_add(stime));
        self.times = self.times.advance(&RawTimes { utime, stime, runtime });
        (self.now.user_ns, self.now.system_ns) = (self.times.user_ns, self.times.system_ns);
        self.levels.resident_pages = stat.resident_pages;
        let look_at_threads =
            stat.threads <= FEW_THREADS || now_ns.saturating_sub(self.threads_looked_ns) >= LOOK_ANYWAY_NS;
        if look_at_threads {
            self.threads_looked_ns = now_ns;
            self.take_threads(kernel, stat.threads, buffer);
        }
    }

    /// Switches and run-queue delay, which each thread counts for itself: a thread's last ones go with it.
    fn take_threads(&mut self, kernel: &impl Kernel, count: u32, buffer: &mut Vec<u8>) {
        let is_alone = count <= 1 && self.threads.len() <= 1;
        let threads = if is_alone { vec![self.pid] } else { kernel.threads(self.pid) };
        let mut path = String::new();
        for tid in threads {
            let mut name = |file: &str| {
                path.clear();
                if !is_alone {
                    path.push_str("task/");
                    path.push_str(&tid.to_string());
                    path.push('/');
                }
                path.push_str(file);
                path.clone()
            };
            if !kernel.read(self.pid, &name("status"), buffer) {
                continue;
            }
            let status = Status::parse(buffer);
            let delay = kernel.read(self.pid, &name("schedstat"), buffer).then(|| run_delay_ns(buffer)).flatten();
            if let (true, Some(swap_kib)) = (tid == self.pid, status.swap_kib) {
                self.levels.swapped_pages = swap_kib / (PAGE_BYTES as u64 / 1024);
            }
            let thread = self.threads.entry(tid).or_default();
            let add = |total: &mut u64, last: &mut u64, now: Option<u64>| {
                let now = now.unwrap_or(*last);
                // A thread ID that was given again begins at 0.
                *total = total.saturating_add(if now >= *last { now - *last } else { now });
                *last = now;
            };
            add(&mut self.now.voluntary_switches, &mut thread.voluntary, status.voluntary);
            add(&mut self.now.involuntary_switches, &mut thread.involuntary, status.involuntary);
            add(&mut self.now.run_delay_ns, &mut thread.run_delay_ns, delay);
            thread.seen = true;
        }
        self.threads.retain(|_, thread| std::mem::take(&mut thread.seen));
    }

    /// The record of a tick.
    pub fn record(&self, flags: Flags) -> SampleRecord {
        let is_first = flags.contains(Flags::FIRST);
        SampleRecord {
            pid: self.pid,
            flags,
            threads: self.count,
            comm: self.comm,
            registration: self.registration,
            totals: if is_first { Totals::default() } else { self.now.since(&self.before) },
            levels: self.levels,
            ..SampleRecord::default()
        }
    }
}
