// SPDX-License-Identifier: GPL-2.0

//! Samples from `/proc`, for machines without the module.
//!
//! | | the module | here |
//! |---|---|---|
//! | faults | exact, to the last | what a process counts between its last tick and its end is missing |
//! | CPU time | exact | exact, but for the same |
//! | a process that lives between two ticks | seen | not seen |
//! | switches, run-queue delay | exact | those of threads that have ended since the last look at them are missing |
//! | other delays | where the kernel counts them | n/a |
//! | cost | below a microsecond a process | a system call for a process that rests, three files for one that runs |
//!
//! A process that is dead and not waited for yet is complete here, too.

mod files;
mod kernel;
mod process;

pub use files::{run_delay_ns, Stat, Status};
pub use kernel::{Kernel, ThisKernel};

use super::{Look, Readiness, Sampler, Source, SourceError};
use crate::machine::Machine;
use abi::header::Header;
use abi::record::{Flags, SampleRecord, SAMPLE_BYTES, SAMPLE_WORDS};
use abi::stream::Stream;
use format::columns::Counted;
use format::comments::Delays;
use nix::time::{clock_gettime, ClockId};
use process::{Found, Process};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// Ticks a second, unless another rate is asked for: the module's own.
pub const RATE_HZ: u64 = 20;

/// What such samples lack, for users.
pub const LACKS: &str =
    "/proc: what a process counts between its last tick and its end is not seen, nor is a process that lives \
                         between two ticks; delays but that for a CPU are n/a";

/// Which processes are sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All that `/proc` shows, threads of the kernel apart.
    Everything,
    /// These.
    Processes {
        /// By their PIDs in this namespace.
        pids: Vec<i32>,
        /// Also the children that they have from now on, theirs, and so on, as far as ticks see them.
        follow: bool,
    },
}

/// `/proc` as a source.
#[derive(Debug)]
pub struct Proc<K = ThisKernel> {
    kernel: K,
    header: Header,
    machine: Machine,
    counted: Counted,
    selection: Selection,
    /// Processes with the same order as in `/proc`: that of their PIDs.
    processes: BTreeMap<i32, Process>,
    /// Processes that are there and not profiled: no file of theirs is read again.
    others: BTreeSet<i32>,
    /// The first look was taken: what comes later was started since.
    begun: bool,
    next_tick: u64,
    registrations: u64,
    position: u64,
    batch: Vec<[u64; SAMPLE_WORDS]>,
    /// What the last look has returned.
    given: Vec<[u64; SAMPLE_WORDS]>,
    sampler: Sampler,
    end: End,
}

/// How far the end has come that the reader has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    Asked,
    /// Every process has its final record: nothing is sampled any more.
    Done,
}

impl Proc<ThisKernel> {
    /// Samples of this machine, `rate_hz` times a second.
    pub fn this(selection: Selection, rate_hz: u64) -> Self {
        Self::new(ThisKernel::new(), selection, rate_hz)
    }
}

impl<K: Kernel> Proc<K> {
    /// Samples of what `kernel` shows.
    pub fn new(kernel: K, selection: Selection, rate_hz: u64) -> Self {
        let start_monotonic_ns = kernel.now_ns();
        let header = Header {
            stream: Stream::Samples,
            record_bytes: SAMPLE_BYTES as u64,
            capacity: 1,
            hz: kernel.ticks_hz(),
            rate_hz: rate_hz.max(1),
            start_monotonic_ns,
            start_realtime_ns: realtime_ns().unwrap_or(0),
            start_jiffies: 0,
            features: 0,
        };
        let machine = Machine { delays: Delays::NotInProc, source: Some(LACKS.to_owned()), ..Machine::this(&header) };
        let counted = counted(&kernel);
        Proc {
            kernel,
            header,
            machine,
            counted,
            selection,
            processes: BTreeMap::new(),
            others: BTreeSet::new(),
            begun: false,
            next_tick: 0,
            registrations: 0,
            position: 0,
            batch: vec![],
            given: vec![],
            sampler: Sampler::default(),
            end: End::No,
        }
    }

    /// Stops sampling this process, with a final record at the next tick.
    pub fn remove(&mut self, pid: i32) {
        if let Selection::Processes { pids, .. } = &mut self.selection {
            pids.retain(|other| *other != pid);
        }
        if let Some(process) = self.processes.remove(&pid) {
            self.push(process.record(Flags::FINAL), self.next_tick);
            self.others.insert(pid);
        }
    }

    /// When tick `tick` is due, `CLOCK_MONOTONIC` ns. Deadlines lie on a grid, so that lateness does not add up.
    fn due_ns(&self, tick: u64) -> u64 {
        let since = u128::from(tick) * 1_000_000_000 / u128::from(self.header.rate_hz);
        self.header.start_monotonic_ns.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// The last tick that was due at `now_ns`.
    fn tick_at(&self, now_ns: u64) -> u64 {
        let since = u128::from(now_ns.saturating_sub(self.header.start_monotonic_ns));
        u64::try_from(since * u128::from(self.header.rate_hz) / 1_000_000_000).unwrap_or(u64::MAX)
    }

    fn push(&mut self, record: SampleRecord, tick: u64) {
        let time_ns = self.kernel.now_ns();
        let jiffies = u128::from(time_ns) * u128::from(self.header.hz) / 1_000_000_000;
        let record = SampleRecord { sequence: self.position, time_ns, tick, jiffies: jiffies as u64, ..record };
        self.position += 1;
        self.batch.push(record.to_words());
    }

    /// Finds processes that were not there at the last tick. Their first records belong to tick `tick`.
    fn discover(&mut self, tick: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut pids = vec![];
        if let Selection::Processes { pids: wanted, follow: false } = &self.selection {
            pids.extend(wanted);
        } else {
            self.kernel.pids(&mut pids)?;
        }
        // A PID that is free may be given again.
        let mut there = pids.clone();
        there.sort_unstable();
        self.others.retain(|pid| there.binary_search(pid).is_ok());

        let mut new: Vec<(i32, Stat)> = vec![];
        for pid in pids {
            if self.processes.contains_key(&pid) || self.others.contains(&pid) {
                continue;
            }
            // One that cannot be read is gone already.
            if let Some(stat) = self.kernel.read(pid, "stat", buffer).then(|| Stat::parse(buffer)).flatten() {
                new.push((pid, stat));
            }
        }
        // A child may have a lower PID than its parent, where both are new.
        loop {
            let before = new.len();
            let mut left = vec![];
            for (pid, stat) in new {
                let (is_wanted, is_child) = match &self.selection {
                    Selection::Everything => (!stat.is_kernel, false),
                    Selection::Processes { pids, follow } => {
                        (pids.contains(&pid), *follow && self.processes.contains_key(&stat.parent))
                    }
                };
                // A dead one counts nothing from now on. One that this program has started counts from its start on.
                let was_dead = !self.begun && stat.is_dead() && !self.is_own_child(&stat);
                if (is_wanted || is_child) && !was_dead {
                    self.register(pid, &stat, is_child, tick, buffer);
                } else {
                    left.push((pid, stat));
                }
            }
            new = left;
            if new.len() == before || new.is_empty() {
                break;
            }
        }
        self.others.extend(new.into_iter().map(|(pid, _)| pid));
        Ok(())
    }

    fn register(&mut self, pid: i32, stat: &Stat, is_child: bool, tick: u64, buffer: &mut Vec<u8>) {
        self.registrations += 1;
        // What was started since the last tick counts from its start on. A process that was there before, and one that a user
        // names later, counts from now on.
        let is_new = is_child || self.begun && self.selection == Selection::Everything || self.is_own_child(stat);
        let process = Process::new(&self.kernel, pid, stat, self.registrations, is_new, buffer);
        self.push(process.record(Flags::FIRST), tick);
        self.processes.insert(pid, process);
    }

    /// Whether this program has started the process.
    fn is_own_child(&self, stat: &Stat) -> bool {
        stat.parent == std::process::id() as i32
    }

    fn tick(&mut self, tick: u64) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(4096);
        self.discover(tick, &mut buffer)?;
        let is_end = self.end == End::Asked;
        let mut processes = std::mem::take(&mut self.processes);
        let now_ns = self.kernel.now_ns();
        processes.retain(|pid, process| {
            let flags = match process.look(&self.kernel, now_ns, &mut buffer) {
                Found::Alive if is_end => Flags::FINAL,
                Found::Alive => Flags::default(),
                Found::Dead => Flags::FINAL | Flags::EXITED,
                Found::Gone => Flags::FINAL,
            };
            self.push(process.record(flags), tick);
            let is_over = flags.contains(Flags::FINAL);
            if is_over {
                // Until its PID is free: a dead process is not profiled again.
                self.others.insert(*pid);
                if let Selection::Processes { pids, .. } = &mut self.selection {
                    pids.retain(|other| other != pid);
                }
            }
            !is_over
        });
        self.processes = processes;
        Ok(())
    }
}

/// What `/proc` has on this machine: kernels differ.
fn counted(kernel: &impl Kernel) -> Counted {
    let (pid, mut buffer) = (std::process::id() as i32, vec![]);
    let mut absent: Vec<&str> = abi::samples::COUNTERS.iter().filter(|c| c.needs_delays).map(|c| c.name).collect();
    if !kernel.read(pid, "schedstat", &mut buffer) || run_delay_ns(&buffer).is_none() {
        absent.push("run_delay");
    }
    let status = if kernel.read(pid, "status", &mut buffer) { Status::parse(&buffer) } else { Status::default() };
    if status.voluntary.is_none() {
        absent.extend(["voluntary_switches", "involuntary_switches"]);
    }
    if status.swap_kib.is_none() {
        absent.push("swapped");
    }
    Counted::all_but(absent)
}

fn realtime_ns() -> Option<u64> {
    let time = clock_gettime(ClockId::CLOCK_REALTIME).ok()?;
    u64::try_from(time.tv_sec()).ok()?.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec()).ok()?)
}

impl<K: Kernel> Source for Proc<K> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn counted(&self) -> Counted {
        self.counted
    }

    fn look(&mut self) -> Result<Look<'_>, SourceError> {
        // Records of processes that were removed since the last look stay: they go out with the next tick.
        let now_ns = self.kernel.now_ns();
        let mut completed = self.next_tick.saturating_sub(1);
        let mut is_done = false;
        if !self.begun {
            // What is there begins now; the first tick comes when it is due, so that the first interval is a whole one.
            self.next_tick = self.tick_at(now_ns) + 1;
            completed = self.next_tick - 1;
            self.discover(self.next_tick, &mut Vec::with_capacity(4096)).map_err(SourceError::Proc)?;
            self.begun = true;
            is_done = true;
        }
        let is_due = now_ns >= self.due_ns(self.next_tick) && self.end != End::Done;
        if is_due || self.end == End::Asked {
            // A tick that was missed is skipped.
            let tick = self.tick_at(now_ns).max(self.next_tick);
            self.tick(tick).map_err(SourceError::Proc)?;
            self.next_tick = tick + 1;
            if self.end == End::Asked {
                self.end = End::Done;
            }
            completed = tick;
            is_done = true;
        }
        if is_done {
            self.sampler.ns += self.kernel.now_ns().saturating_sub(now_ns);
            self.sampler.records = self.position;
        }
        let none_left = self.begun && self.processes.is_empty() && self.selection != Selection::Everything;
        self.given.clear();
        if is_done {
            std::mem::swap(&mut self.given, &mut self.batch);
        }
        Ok(Look { records: &self.given, lost: 0, pending: false, completed, none_left, over: false })
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn committed(&self) -> u64 {
        self.position
    }

    fn registered(&self) -> u64 {
        self.processes.len() as u64
    }

    fn sampler(&self) -> Sampler {
        self.sampler
    }

    fn readiness(&mut self) -> io::Result<Readiness<'_>> {
        let wait_ns = self.due_ns(self.next_tick).saturating_sub(self.kernel.now_ns());
        // poll(2) knows milliseconds: never a little too early.
        Ok(Readiness { descriptor: None, timeout: Duration::from_millis(wait_ns.div_ceil(1_000_000)) })
    }

    fn end(&mut self) {
        if self.end == End::No {
            self.end = End::Asked;
        }
    }

    /// From the next tick on; a process that this program has started, from its start on.
    fn add(&mut self, pid: i32) {
        if let Selection::Processes { pids, .. } = &mut self.selection {
            pids.push(pid);
        }
        self.others.remove(&pid);
    }
}

#[cfg(test)]
mod tests;
