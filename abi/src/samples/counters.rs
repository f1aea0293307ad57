// SPDX-License-Identifier: GPL-2.0

//! The table of counters: what is counted of a process, in the order of a record's words from 9 on.
//!
//! The fields of a record, the columns of every text format, the units and what needs delay accounting are made from this
//! table. A counter that is added here is recorded as 0 until `mp3_module/process/` reads it. Since it makes the record
//! longer, it needs a new ABI version as well.

/// What a counter's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How often something happened.
    Count,
    /// Time, ns.
    Nanoseconds,
    /// Pages of [`PAGE_BYTES`](super::super::device::PAGE_BYTES).
    Pages,
}

/// How the numbers of consecutive records are related.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counted since registration: never falls, and a difference is an interval. A field of [`Totals`].
    Cumulative,
    /// As it stands when the record is made. A field of [`Levels`].
    Level,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name, without a unit, as the formats have it: `minor`, `run_delay`.
    pub name: &'static str,
    /// Its name as a column of numbers as they stand in the record: `minor_total`, `run_delay_ns_total`.
    pub column: &'static str,
    /// What is counted, in one line.
    pub description: &'static str,
    /// Unit of the numbers.
    pub unit: Unit,
    /// Total or level.
    pub kind: Kind,
    /// Valid only in records with [`Flags::DELAYS`](super::Flags::DELAYS).
    pub needs_delays: bool,
}

/// Makes a suffix of a column from a unit.
macro_rules! unit_suffix {
    (Count) => {
        ""
    };
    (Nanoseconds) => {
        "_ns"
    };
    (Pages) => {
        "_pages"
    };
}

/// Whether a counter needs delay accounting.
macro_rules! needs_delays {
    () => {
        false
    };
    (delay_accounting) => {
        true
    };
}

/// Makes everything that depends on the table.
macro_rules! counters {
    (
        totals: { $( $total:ident = $total_name:literal, $total_unit:ident $(if $total_needs:ident)?: $total_text:literal; )+ }
        levels: { $( $level:ident = $level_name:literal, $level_unit:ident $(if $level_needs:ident)?: $level_text:literal; )+ }
    ) => {
        /// Everything that is counted for a process: cumulative in a record, and an interval as a difference.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $( #[doc = $total_text] pub $total: u64, )+
        }

        /// Everything that is told of a process as it stands.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Levels {
            $( #[doc = $level_text] pub $level: u64, )+
        }

        /// How many numbers [`Totals`] has.
        pub const TOTALS: usize = [$( $total_name ),+].len();

        /// How many numbers [`Levels`] has.
        pub const LEVELS: usize = [$( $level_name ),+].len();

        /// The table: the totals first, each in the order of its struct's fields.
        pub const COUNTERS: [Counter; TOTALS + LEVELS] = [
            $( Counter {
                name: $total_name,
                column: concat!($total_name, unit_suffix!($total_unit), "_total"),
                description: $total_text,
                unit: Unit::$total_unit,
                kind: Kind::Cumulative,
                needs_delays: needs_delays!($($total_needs)?),
            }, )+
            $( Counter {
                name: $level_name,
                column: concat!($level_name, unit_suffix!($level_unit)),
                description: $level_text,
                unit: Unit::$level_unit,
                kind: Kind::Level,
                needs_delays: needs_delays!($($level_needs)?),
            }, )+
        ];

        impl Totals {
            /// The numbers in the order of the table.
            pub const fn to_array(self) -> [u64; TOTALS] {
                [$( self.$total ),+]
            }

            /// The inverse of [`Totals::to_array`].
            pub const fn from_array(numbers: [u64; TOTALS]) -> Self {
                let [$( $total ),+] = numbers;
                Totals { $( $total ),+ }
            }
        }

        impl Levels {
            /// The numbers in the order of the table.
            pub const fn to_array(self) -> [u64; LEVELS] {
                [$( self.$level ),+]
            }
        }

        /// All numbers in the order of [`COUNTERS`], which is that of a record's words.
        #[inline]
        pub const fn join(totals: &Totals, levels: &Levels) -> [u64; TOTALS + LEVELS] {
            [$( totals.$total, )+ $( levels.$level ),+]
        }

        /// The inverse of [`join`].
        #[inline]
        pub const fn split(numbers: [u64; TOTALS + LEVELS]) -> (Totals, Levels) {
            let [$( $total, )+ $( $level ),+] = numbers;
            (Totals { $( $total ),+ }, Levels { $( $level ),+ })
        }
    };
}

counters! {
    totals: {
        minor_faults = "minor", Count: "Minor faults: resolved without I/O.";
        major_faults = "major", Count: "Major faults: waited for I/O.";
        user_ns = "user", Nanoseconds: "Time in user mode, ns.";
        system_ns = "system", Nanoseconds: "Time in kernel mode, ns.";
        voluntary_switches = "voluntary_switches", Count: "Context switches that the process asked for by blocking.";
        involuntary_switches = "involuntary_switches", Count: "Context switches that the scheduler forced on it.";
        run_delay_ns = "run_delay", Nanoseconds: "Time runnable and not running, ns.";
        blkio_delay_ns = "blkio_delay", Nanoseconds if delay_accounting: "Time waiting for block I/O, ns.";
        swapin_delay_ns = "swapin_delay", Nanoseconds if delay_accounting: "Time in swap-in, ns; without the wait for a disk (docs/upstream).";
        reclaim_delay_ns = "reclaim_delay", Nanoseconds if delay_accounting: "Time in direct reclaim, ns.";
        thrashing_delay_ns = "thrashing_delay", Nanoseconds if delay_accounting:
            "Time waiting for pages that were evicted a short while ago, ns.";
        compact_delay_ns = "compact_delay", Nanoseconds if delay_accounting: "Time in memory compaction, ns.";
        wpcopy_delay_ns = "wpcopy_delay", Nanoseconds if delay_accounting: "Time copying pages on write, ns.";
    }
    levels: {
        resident_pages = "resident", Pages: "Resident pages: file, anonymous and shared memory.";
        swapped_pages = "swapped", Pages: "Pages in swap.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_by_name_unit_and_kind() {
        assert_eq!(
            COUNTERS.map(|counter| counter.column).join(","),
            "minor_total,major_total,user_ns_total,system_ns_total,voluntary_switches_total,involuntary_switches_total,\
             run_delay_ns_total,blkio_delay_ns_total,swapin_delay_ns_total,reclaim_delay_ns_total,\
             thrashing_delay_ns_total,compact_delay_ns_total,wpcopy_delay_ns_total,resident_pages,swapped_pages"
        );
    }

    #[test]
    fn the_delays_but_that_for_a_cpu_need_accounting() {
        let named: Vec<_> =
            COUNTERS.iter().filter(|counter| counter.needs_delays).map(|counter| counter.name).collect();
        assert_eq!(
            named,
            ["blkio_delay", "swapin_delay", "reclaim_delay", "thrashing_delay", "compact_delay", "wpcopy_delay"]
        );
    }

    #[test]
    fn numbers_keep_their_order() {
        let numbers: [u64; TOTALS + LEVELS] = std::array::from_fn(|index| index as u64);
        let (totals, levels) = split(numbers);
        assert_eq!(join(&totals, &levels), numbers);
        assert_eq!(totals.to_array()[..], numbers[..TOTALS]);
        assert_eq!(levels.to_array()[..], numbers[TOTALS..]);
        assert_eq!(Totals::from_array(totals.to_array()), totals);
        assert_eq!((totals.minor_faults, totals.wpcopy_delay_ns, levels.swapped_pages), (0, 12, 14));
    }
}
