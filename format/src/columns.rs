// SPDX-License-Identifier: GPL-2.0

//! Names and units of the columns that CSV and JSON share: those below, then those of [`COUNTERS`], abi's table.

use abi::samples::{Flags, COUNTERS};

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
/// ID of the user who registered it, in the initial user namespace.
pub const USER: &str = "user";

/// The columns before the counters, in order.
pub const LEADING: [&str; 9] = [TIME_NS, TICK, JIFFIES, PID, COMM, REGISTRATION, FLAGS, THREADS, USER];

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

/// Which of [`COUNTERS`] there are numbers for. The others are n/a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted(u32);

/// The counters that need delay accounting, a bit each.
const NEED_DELAYS: u32 = {
    let (mut bits, mut index) = (0, 0);
    while index < COUNTERS.len() {
        if COUNTERS[index].needs_delays {
            bits |= 1 << index;
        }
        index += 1;
    }
    bits
};

impl Counted {
    /// All of them: what the module counts.
    pub const ALL: Counted = Counted((1 << COUNTERS.len()) - 1);

    /// All but the counters with these names (without unit, as in the table). Names that are not in the table are ignored: a
    /// newer program may have more counters.
    pub fn all_but<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let absent = names.into_iter().filter_map(|name| COUNTERS.iter().position(|counter| counter.name == name));
        Counted(absent.fold(Self::ALL.0, |bits, index| bits & !(1 << index)))
    }

    /// Those that are in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Counted(self.0 | other.0)
    }

    /// Those of them that a record with `flags` has.
    #[inline]
    pub fn in_record(self, flags: Flags) -> Self {
        Counted(if flags.contains(Flags::DELAYS) { self.0 } else { self.0 & !NEED_DELAYS })
    }

    /// Whether the counter at `index` of the table is one of them.
    #[inline]
    pub fn has(self, index: usize) -> bool {
        self.0 >> index & 1 != 0
    }

    /// Whether the counter with this name is one of them.
    pub fn has_named(self, name: &str) -> bool {
        COUNTERS.iter().position(|counter| counter.name == name).is_some_and(|index| self.has(index))
    }

    /// The names of those that are n/a in every record, delays apart.
    pub fn absent(self) -> impl Iterator<Item = &'static str> {
        let absent = COUNTERS.iter().enumerate().filter(move |(index, _)| !self.has(*index));
        absent.map(|(_, counter)| counter.name)
    }
}

impl Default for Counted {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_named() {
        let counted = Counted::all_but(["swapped", "run_delay", "of-a-newer-release"]);
        assert_eq!(counted.absent().collect::<Vec<_>>(), ["run_delay", "swapped"]);
        assert!(counted.has_named("minor") && !counted.has_named("swapped") && !counted.has_named("nothing"));
        assert_eq!(Counted::all_but(counted.absent()), counted);
        assert_eq!(Counted::ALL.absent().count(), 0);
        assert_eq!(counted.union(Counted::all_but(["minor"])), Counted::ALL);
    }

    #[test]
    fn every_counter_has_its_column() {
        for counter in COUNTERS {
            assert_eq!(of(counter.name), counter.column);
        }
        let named = [MINOR_TOTAL, MAJOR_TOTAL, USER_NS_TOTAL, SYSTEM_NS_TOTAL, RESIDENT_PAGES, SWAPPED_PAGES];
        let expected =
            ["minor_total", "major_total", "user_ns_total", "system_ns_total", "resident_pages", "swapped_pages"];
        assert_eq!(named, expected);
        assert!(is_same(b"", b"") && is_same(b"ab", b"ab"));
        assert!(!is_same(b"ab", b"ac") && !is_same(b"ab", b"bb") && !is_same(b"a", b"ab"));
    }

    #[test]
    #[should_panic(expected = "no counter has this name")]
    fn a_name_that_is_no_counters_is_refused() {
        of("nothing");
    }

    #[test]
    fn a_record_without_delays_has_all_else() {
        for (index, counter) in COUNTERS.iter().enumerate() {
            assert_eq!(Counted::ALL.in_record(Flags::default()).has(index), !counter.needs_delays);
            assert!(Counted::ALL.in_record(Flags::DELAYS).has(index));
        }
    }
}
