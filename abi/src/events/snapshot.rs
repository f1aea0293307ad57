// SPDX-License-Identifier: GPL-2.0

//! Snapshots: what every thread is and has counted. A reader needs one where it begins, and where it has lost records.
//!
//! The records of a snapshot come into the memory of the caller of `MP3_IOC_TRACE_SNAPSHOT` and not through the rings, so
//! they cannot be lost and push nothing out. For each thread: a [`super::Name`], a [`Task`] and the three parts of
//! [`Totals`]; then one [`SnapshotEnd`]. All have the time at which the snapshot began.
//!
//! ```text
//!              word 1                                          word 2                        word 3
//! Task         thread (0-21), group (22-43), kernel (44),      cgroup ID                     CPU (0-15), parent's group (16-37),
//!              running (45), State (46-49), policy (50-53),                                  CPUs that its mask allows (40-55)
//!              priority (56-63)
//! Totals       thread (0-21), group (22-43), part (56-63)
//!   part 0                                                     run time, ns                  run-queue delay, ns
//!   part 1                                                     voluntary switches            involuntary switches
//!   part 2                                                     migrations                    born, CLOCK_BOOTTIME, ns
//! SnapshotEnd  threads (0-31)                                  0                             0
//! ```

use super::bits::{get, put};
use super::task::{Prio, State, Tid, TID_BITS};

/// What a thread is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The thread.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// The thread group of its parent.
    pub parent_tgid: Tid,
    /// It is a kernel thread.
    pub kernel: bool,
    /// It is on a CPU now; its totals grow on.
    pub running: bool,
    /// Its state.
    pub state: State,
    /// `SCHED_*`.
    pub policy: u8,
    /// Its priority.
    pub prio: Prio,
    /// The CPU that it runs on or ran on last.
    pub cpu: u16,
    /// CPUs that its mask allows.
    pub allowed_cpus: u16,
    /// The ID of its cgroup in the unified hierarchy: the inode number of the directory. 0 where the kernel has none.
    pub cgroup: u64,
}

/// What a thread has counted, whole numbers of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The thread.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// Two of its numbers.
    pub part: TotalsPart,
}

/// Two numbers of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalsPart {
    /// Times.
    Times {
        /// Run time (`sum_exec_runtime`), ns. Of a running thread, as of the scheduler's last look at it.
        run_ns: u64,
        /// Time runnable and not running (`run_delay`), ns.
        delay_ns: u64,
    },
    /// Switches.
    Switches {
        /// `nvcsw`.
        voluntary: u64,
        /// `nivcsw`.
        involuntary: u64,
    },
    /// Where it was, and since when.
    Placement {
        /// `se.nr_migrations`.
        migrations: u64,
        /// When it was born, `CLOCK_BOOTTIME`, ns.
        started_ns: u64,
    },
    /// A part that this version has no name for.
    Other {
        /// The part's number.
        part: u8,
        /// Word 2.
        first: u64,
        /// Word 3.
        second: u64,
    },
}

/// The snapshot is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// How many threads are in it.
    pub threads: u32,
}

impl Task {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, TID_BITS>(self.tid as u64)
                | put::<22, TID_BITS>(self.tgid as u64)
                | put::<44, 1>(self.kernel as u64)
                | put::<45, 1>(self.running as u64)
                | put::<46, 4>(self.state as u64)
                | put::<50, 4>(self.policy as u64)
                | put::<56, 8>(self.prio.field()),
            self.cgroup,
            put::<0, 16>(self.cpu as u64)
                | put::<16, TID_BITS>(self.parent_tgid as u64)
                | put::<40, 16>(self.allowed_cpus as u64),
        ]
    }

    /// The inverse of [`Task::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Task {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            parent_tgid: get::<16, TID_BITS>(w3) as Tid,
            kernel: get::<44, 1>(w1) != 0,
            running: get::<45, 1>(w1) != 0,
            state: State::from_index(get::<46, 4>(w1) as u8),
            policy: get::<50, 4>(w1) as u8,
            prio: Prio::from_field(get::<56, 8>(w1)),
            cpu: get::<0, 16>(w3) as u16,
            allowed_cpus: get::<40, 16>(w3) as u16,
            cgroup: w2,
        }
    }
}

impl Totals {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        let (part, first, second) = match self.part {
            TotalsPart::Times { run_ns, delay_ns } => (0, run_ns, delay_ns),
            TotalsPart::Switches { voluntary, involuntary } => (1, voluntary, involuntary),
            TotalsPart::Placement { migrations, started_ns } => (2, migrations, started_ns),
            TotalsPart::Other { part, first, second } => (part, first, second),
        };
        let who = put::<0, TID_BITS>(self.tid as u64) | put::<22, TID_BITS>(self.tgid as u64);
        [who | put::<56, 8>(part as u64), first, second]
    }

    /// The inverse of [`Totals::encode`].
    pub const fn decode([w1, first, second]: [u64; 3]) -> Self {
        Totals {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            part: match get::<56, 8>(w1) as u8 {
                0 => TotalsPart::Times { run_ns: first, delay_ns: second },
                1 => TotalsPart::Switches { voluntary: first, involuntary: second },
                2 => TotalsPart::Placement { migrations: first, started_ns: second },
                part => TotalsPart::Other { part, first, second },
            },
        }
    }
}

impl SnapshotEnd {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [self.threads as u64, 0, 0]
    }

    /// The inverse of [`SnapshotEnd::encode`].
    pub const fn decode([w1, _, _]: [u64; 3]) -> Self {
        SnapshotEnd { threads: get::<0, 32>(w1) as u32 }
    }
}
