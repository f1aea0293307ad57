// SPDX-License-Identifier: GPL-2.0

//! What processes wait for, as the kernel's delay accounting has it.

use format::columns;

/// A kind of waiting that the kernel's delay accounting counts separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// A short name without blanks.
    pub key: &'static str,
    /// The column with the time waited since registration, ns.
    pub column: &'static str,
    /// Its name for readers.
    pub name: &'static str,
}

/// The kinds that are shown. They may overlap, so they are never added up. Block I/O is not among them: since Linux 6.12 the kernel charges it to the wrong task (docs/upstream/README.md).
pub const DELAYS: [Delay; 3] = [
    Delay { key: "swapin", column: columns::of("swapin_delay"), name: "swap-in" },
    Delay {
        key: "thrashing",
        column: columns::of("thrashing_delay"),
        name: "thrashing (pages evicted shortly before)",
    },
    Delay { key: "reclaim", column: columns::of("reclaim_delay"), name: "direct reclaim" },
];
