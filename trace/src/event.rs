// SPDX-License-Identifier: GPL-2.0

//! What views are made of: the records of all CPUs in one order of time, with what is known about gaps between them.

use abi::events::header::Counts;
use abi::events::Event;
use std::sync::Arc;

/// Something that happened, or that is known, at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// CLOCK_BOOTTIME, ns.
    pub ns: u64,
    /// The CPU in whose ring it stands.
    pub cpu: u32,
    /// What it is.
    pub what: What,
}

/// What a [`Timed`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A record of the module.
    Event(Event),
    /// The path that a process executed: [`abi::events::Exec`] and its texts put together, right behind the event.
    Path(Path),
    /// Records of this CPU are missing, from `ns` on.
    Lost(Lost),
    /// What the ring's header has counted at `ns`.
    Counts(Counts),
}

/// The path of a program that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The thread, with the PID that it has now.
    pub tid: u32,
    /// Its path as the kernel was given it, or the end of it.
    pub path: Arc<[u8]>,
    /// Bytes of the path that are missing at its beginning.
    pub cut: u32,
}

/// A gap in the records of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many records.
    pub records: u64,
    /// When the gap ends, ns: the time of the first record behind it.
    pub until_ns: u64,
    /// Whether the module had no room (discard mode), rather than this reader being overtaken.
    pub dropped: bool,
}

/// What was added to a CPU's totals since `earlier`.
#[must_use]
pub fn since(counts: &Counts, earlier: &Counts) -> Counts {
    Counts {
        switches: counts.switches.saturating_sub(earlier.switches),
        voluntary: counts.voluntary.saturating_sub(earlier.voluntary),
        from_idle: counts.from_idle.saturating_sub(earlier.from_idle),
        wakings: counts.wakings.saturating_sub(earlier.wakings),
        dropped: counts.dropped.saturating_sub(earlier.dropped),
        migrations: counts.migrations.saturating_sub(earlier.migrations),
        interrupts: counts.interrupts.saturating_sub(earlier.interrupts),
    }
}
