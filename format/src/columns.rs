// SPDX-License-Identifier: GPL-2.0

//! Names and units of the columns that CSV and JSON share: those below, then those of [`COUNTERS`], abi's table.

use abi::samples::COUNTERS;

/// `CLOCK_MONOTONIC`, ns: when the counters were read.
pub const TIME_NS: &str = "time_ns";
/// The tick whose interval the record closes.
pub const TICK: &str = "tick";
/// Jiffies at that time.
pub const JIFFIES: &str = "jiffies";
/// Process ID in the initial PID namespace.
pub const PID: &str = "pid";
/// Command name, see [`crate::comm`].
pub const COMM: &str = "comm";
/// A number that no other registration has, from 1.
pub const REGISTRATION: &str = "registration";
/// See [`crate::flags`].
pub const FLAGS: &str = "flags";
/// Threads of the process.
pub const THREADS: &str = "threads";

/// The columns before the counters, in order.
pub const LEADING: [&str; 8] = [TIME_NS, TICK, JIFFIES, PID, COMM, REGISTRATION, FLAGS, THREADS];

/// The columns that are no numbers.
pub const TEXT: [&str; 2] = [COMM, FLAGS];

/// Minor faults since registration.
pub const MINOR_TOTAL: &str = of("minor");
/// Major faults since registration.
pub const MAJOR_TOTAL: &str = of("major");
/// Time in user mode since registration, ns.
pub const USER_NS_TOTAL: &str = of("user");
/// Time in kernel mode since registration, ns.
pub const SYSTEM_NS_TOTAL: &str = of("system");
/// Resident pages, as they stand.
pub const RESIDENT_PAGES: &str = of("resident");
/// Pages in swap, as they stand.
pub const SWAPPED_PAGES: &str = of("swapped");

/// The column of the counter with this name. A name that is not in the table is an error of compilation, where the caller is a
/// constant.
///
/// # Panics
///
/// No counter has this name.
pub const fn of(name: &str) -> &'static str {
    let mut index = 0;
    while index < COUNTERS.len() {
        if is_same(COUNTERS[index].name.as_bytes(), name.as_bytes()) {
            return COUNTERS[index].column;
        }
        index += 1;
    }
    panic!("no counter has this name")
}

/// `==` of slices, which is not to be had in a constant.
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}
