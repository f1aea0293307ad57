// SPDX-License-Identifier: GPL-2.0

//! One sample of one process: 24 words, 192 bytes, three cache lines.
//!
//! ```text
//! word 0 sequence          position in the ring, from 0 since the module was loaded
//!      1 time              CLOCK_MONOTONIC, ns: when the counters were read
//!      2 tick              the tick whose interval this record closes
//!      3 jiffies           at that time
//!      4 pid, flags        pid in the initial namespace (bits 0-31), Flags (bits 32-63)
//!      5 threads           in the group at that time (bits 0-31); bits 32-63 are 0
//!      6 command name      16 bytes, NUL-padded, as in /proc/PID/comm
//!      8 registration      a number that no other registration has, from 1
//!      9 minor faults      \
//!     10 major faults      |
//!     11 user time         | ns
//!     12 system time       | ns
//!     13 voluntary switches|
//!     14 involuntary       | cumulative since registration
//!     15 run-queue delay   | ns, runnable and waiting for a CPU
//!     16 block I/O delay   | ns \
//!     17 swap-in delay     | ns |
//!     18 reclaim delay     | ns | delay accounting: valid with Flags::DELAYS
//!     19 thrashing delay   | ns |
//!     20 compaction delay  | ns |
//!     21 write-copy delay  / ns /
//!     22 resident pages    \ as they stand, to within the kernel's own per-CPU batching
//!     23 swapped pages     /
//! ```
//!
//! Totals are cumulative, so a reader that missed records has lost resolution and not totals; a difference of two records
//! of one registration is an interval. User plus system time is the scheduler's exact run time; how it divides is known
//! only as finely as the kernel samples it (see [`super::cputime`]).

use core::ops::{BitOr, BitOrAssign};

/// Words in a [`SampleRecord`].
pub const SAMPLE_WORDS: usize = 24;

/// Bytes in a [`SampleRecord`].
pub const SAMPLE_BYTES: usize = SAMPLE_WORDS * 8;

/// Bytes of a command name, with its NUL (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;

/// What a record says beside its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Written by the registration itself: every total is 0.
    pub const FIRST: Flags = Flags(1 << 0);
    /// No record of this registration follows.
    pub const FINAL: Flags = Flags(1 << 1);
    /// The process is dead; the totals are what its parent's `wait4` reports. Only with [`Flags::FINAL`].
    pub const EXITED: Flags = Flags(1 << 2);
    /// The process has called `execve` since the record before.
    pub const EXECED: Flags = Flags(1 << 3);
    /// The kernel counts delays for this process (`kernel.task_delayacct` was on when it was forked).
    pub const DELAYS: Flags = Flags(1 << 4);

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// Everything that is counted for a process: cumulative in a record, and an interval as a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Minor faults: resolved without I/O.
    pub minor_faults: u64,
    /// Major faults: waited for I/O.
    pub major_faults: u64,
    /// Time in user mode, ns.
    pub user_ns: u64,
    /// Time in kernel mode, ns.
    pub system_ns: u64,
    /// Context switches that the process asked for by blocking.
    pub voluntary_switches: u64,
    /// Context switches that the scheduler forced on it.
    pub involuntary_switches: u64,
    /// Time runnable and not running, ns.
    pub run_delay_ns: u64,
    /// Time waiting for block I/O, ns.
    pub blkio_delay_ns: u64,
    /// Time waiting for swap-in, ns.
    pub swapin_delay_ns: u64,
    /// Time in direct reclaim, ns.
    pub reclaim_delay_ns: u64,
    /// Time waiting for pages that were evicted a short while ago, ns.
    pub thrashing_delay_ns: u64,
    /// Time in memory compaction, ns.
    pub compact_delay_ns: u64,
    /// Time copying pages on write, ns.
    pub wpcopy_delay_ns: u64,
}

/// How many numbers [`Totals`] has.
pub const TOTALS: usize = 13;

impl Totals {
    /// The numbers in the order of the record's words 9 to 21.
    pub const fn to_array(self) -> [u64; TOTALS] {
        [
            self.minor_faults,
            self.major_faults,
            self.user_ns,
            self.system_ns,
            self.voluntary_switches,
            self.involuntary_switches,
            self.run_delay_ns,
            self.blkio_delay_ns,
            self.swapin_delay_ns,
            self.reclaim_delay_ns,
            self.thrashing_delay_ns,
            self.compact_delay_ns,
            self.wpcopy_delay_ns,
        ]
    }

    /// The inverse of [`Totals::to_array`].
    pub const fn from_array(numbers: [u64; TOTALS]) -> Self {
        let [minor_faults, major_faults, user_ns, system_ns, voluntary_switches, involuntary_switches, run_delay_ns, blkio_delay_ns, swapin_delay_ns, reclaim_delay_ns, thrashing_delay_ns, compact_delay_ns, wpcopy_delay_ns] =
            numbers;
        Totals {
            minor_faults,
            major_faults,
            user_ns,
            system_ns,
            voluntary_switches,
            involuntary_switches,
            run_delay_ns,
            blkio_delay_ns,
            swapin_delay_ns,
            reclaim_delay_ns,
            thrashing_delay_ns,
            compact_delay_ns,
            wpcopy_delay_ns,
        }
    }

    /// What was added between `earlier` and `self`, number by number; 0 where a number fell.
    pub fn since(&self, earlier: &Totals) -> Totals {
        self.combine(earlier, u64::saturating_sub)
    }

    /// The sum, number by number.
    pub fn plus(&self, other: &Totals) -> Totals {
        self.combine(other, u64::saturating_add)
    }

    /// The larger of both, number by number: totals never fall.
    pub fn at_least(&self, floor: &Totals) -> Totals {
        self.combine(floor, u64::max)
    }

    /// User and system time together, ns: exact.
    pub fn cpu_ns(&self) -> u64 {
        self.user_ns.saturating_add(self.system_ns)
    }

    fn combine(&self, other: &Totals, with: impl Fn(u64, u64) -> u64) -> Totals {
        let mut numbers = self.to_array();
        for (number, other) in numbers.iter_mut().zip(other.to_array()) {
            *number = with(*number, other);
        }
        Totals::from_array(numbers)
    }
}

/// One sample of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleRecord {
    /// Position in the ring.
    pub sequence: u64,
    /// When the counters were read, `CLOCK_MONOTONIC` ns.
    pub time_ns: u64,
    /// The tick whose interval this record closes.
    pub tick: u64,
    /// Jiffies at that time.
    pub jiffies: u64,
    /// Thread-group ID in the initial PID namespace.
    pub pid: i32,
    /// What happened.
    pub flags: Flags,
    /// Threads in the group.
    pub threads: u32,
    /// Command name of the group's leader, NUL-padded.
    pub comm: [u8; COMM_BYTES],
    /// Which registration this is, from 1.
    pub registration: u64,
    /// Cumulative since registration.
    pub totals: Totals,
    /// Resident pages: file, anonymous and shared memory.
    pub resident_pages: u64,
    /// Pages in swap.
    pub swapped_pages: u64,
}

// The totals begin with word 9, and two words follow them.
const _: () = assert!(9 + TOTALS + 2 == SAMPLE_WORDS);

impl SampleRecord {
    /// The record as it stands in the ring.
    pub fn to_words(self) -> [u64; SAMPLE_WORDS] {
        let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15] = self.comm;
        let [minor, major, user, system, voluntary, involuntary, run, blkio, swapin, reclaim, thrashing, compact, wpcopy] =
            self.totals.to_array();
        [
            self.sequence,
            self.time_ns,
            self.tick,
            self.jiffies,
            u64::from(self.pid as u32) | u64::from(self.flags.0) << 32,
            u64::from(self.threads),
            u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            u64::from_le_bytes([c8, c9, c10, c11, c12, c13, c14, c15]),
            self.registration,
            minor,
            major,
            user,
            system,
            voluntary,
            involuntary,
            run,
            blkio,
            swapin,
            reclaim,
            thrashing,
            compact,
            wpcopy,
            self.resident_pages,
            self.swapped_pages,
        ]
    }

    /// Takes a record out of its words. Every bit pattern is a record; what it says is the writer's word.
    pub fn from_words(words: &[u64; SAMPLE_WORDS]) -> Self {
        let [sequence, time_ns, tick, jiffies, pid_flags, threads, comm_low, comm_high, registration, minor, major, user, system, voluntary, involuntary, run, blkio, swapin, reclaim, thrashing, compact, wpcopy, resident_pages, swapped_pages] =
            *words;
        let mut comm = [0; COMM_BYTES];
        let bytes = comm_low.to_le_bytes().into_iter().chain(comm_high.to_le_bytes());
        for (to, from) in comm.iter_mut().zip(bytes) {
            *to = from;
        }
        SampleRecord {
            sequence,
            time_ns,
            tick,
            jiffies,
            pid: pid_flags as u32 as i32,
            flags: Flags((pid_flags >> 32) as u32),
            threads: threads as u32,
            comm,
            registration,
            totals: Totals::from_array([
                minor,
                major,
                user,
                system,
                voluntary,
                involuntary,
                run,
                blkio,
                swapin,
                reclaim,
                thrashing,
                compact,
                wpcopy,
            ]),
            resident_pages,
            swapped_pages,
        }
    }

    /// The command name up to its NUL. Any bytes but NUL: a process may call itself what it likes.
    pub fn comm_bytes(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0).unwrap_or(self.comm.len());
        self.comm.get(..end).unwrap_or(&[])
    }
}

/// Everything in a record that is no total, and not the same in all records of a registration.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// What happened.
    pub flags: Flags,
    /// Threads in the group.
    pub threads: u32,
    /// Words 6 and 7: the bytes of the command name, the first one lowest, NUL-padded.
    pub comm: [u64; 2],
    /// Resident pages.
    pub resident_pages: u64,
    /// Pages in swap.
    pub swapped_pages: u64,
}

/// A record as it stands in the ring, kept by its writer to be written again at another place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded([u64; SAMPLE_WORDS]);

impl Encoded {
    /// The words of `record`.
    pub fn new(record: SampleRecord) -> Self {
        Encoded(record.to_words())
    }

    /// What the words say.
    pub fn decode(&self) -> SampleRecord {
        SampleRecord::from_words(&self.0)
    }

    /// The totals alone.
    #[inline]
    pub fn totals(&self) -> Totals {
        let [_, _, _, _, _, _, _, _, _, numbers @ .., _, _] = self.0;
        Totals::from_array(numbers)
    }

    /// What was counted, and how the process is.
    #[inline]
    pub fn update(&mut self, state: &State, totals: &Totals) {
        let [_, _, _, _, pid_flags, threads, comm_low, comm_high, _, numbers @ .., resident, swapped] = &mut self.0;
        *pid_flags = *pid_flags & u64::from(u32::MAX) | u64::from(state.flags.0) << 32;
        *threads = u64::from(state.threads);
        [*comm_low, *comm_high] = state.comm;
        *numbers = totals.to_array();
        *resident = state.resident_pages;
        *swapped = state.swapped_pages;
    }

    /// As it stands in the ring.
    pub fn words(&self) -> &[u64; SAMPLE_WORDS] {
        &self.0
    }

    /// Its place in the ring, and its time.
    #[inline]
    pub fn place(&mut self, at: u64, now_ns: u64, in_tick: u64, at_jiffies: u64) {
        let [sequence, time_ns, tick, jiffies, ..] = &mut self.0;
        (*sequence, *time_ns, *tick, *jiffies) = (at, now_ns, in_tick, at_jiffies);
    }

    /// Clears all flags but these.
    #[inline]
    pub fn retain_flags(&mut self, flags: Flags) {
        let [_, _, _, _, pid_flags, ..] = &mut self.0;
        *pid_flags &= u64::from(u32::MAX) | u64::from(flags.0) << 32;
    }

    /// Sets these flags.
    #[inline]
    pub fn add_flags(&mut self, flags: Flags) {
        let [_, _, _, _, pid_flags, ..] = &mut self.0;
        *pid_flags |= u64::from(flags.0) << 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_record_changes_its_place_and_flags_and_nothing_else() {
        let record =
            SampleRecord { pid: -7, flags: Flags::FIRST | Flags::DELAYS, threads: 3, ..SampleRecord::default() };
        let mut encoded = Encoded::new(record);
        encoded.place(1, 2, 3, 4);
        encoded.retain_flags(Flags::DELAYS);
        encoded.add_flags(Flags::FINAL);
        let expected = SampleRecord {
            sequence: 1,
            time_ns: 2,
            tick: 3,
            jiffies: 4,
            flags: Flags::DELAYS | Flags::FINAL,
            ..record
        };
        assert_eq!(encoded.decode(), expected);
        assert_eq!(encoded.words(), &expected.to_words());
    }

    #[test]
    fn an_encoded_record_is_updated_in_place() {
        let numbers = std::array::from_fn(|index| 100 + index as u64);
        let record = SampleRecord { pid: 5, registration: 9, ..SampleRecord::default() };
        let mut encoded = Encoded::new(record);
        encoded.place(1, 2, 3, 4);
        let state = State {
            flags: Flags::EXECED,
            threads: 2,
            comm: [u64::from_le_bytes(*b"abcdefgh"), u64::from_le_bytes(*b"ij\0\0\0\0\0\0")],
            resident_pages: 7,
            swapped_pages: 8,
        };
        encoded.update(&state, &Totals::from_array(numbers));
        let expected = SampleRecord {
            sequence: 1,
            time_ns: 2,
            tick: 3,
            jiffies: 4,
            flags: Flags::EXECED,
            threads: 2,
            comm: *b"abcdefghij\0\0\0\0\0\0",
            totals: Totals::from_array(numbers),
            resident_pages: 7,
            swapped_pages: 8,
            ..record
        };
        assert_eq!(encoded.decode(), expected);
        assert_eq!(encoded.totals(), expected.totals);
    }

    #[test]
    fn words_and_back() {
        let words: [u64; SAMPLE_WORDS] = std::array::from_fn(|index| match index {
            // The upper half of the threads word is not the record's.
            5 => 77,
            _ => 0x0123_4567_89ab_cdef_u64.rotate_left(index as u32 * 5),
        });
        let record = SampleRecord::from_words(&words);
        assert_eq!(record.to_words(), words);
        assert_eq!(record.threads, 77);
    }

    #[test]
    fn fields_stand_where_the_drawing_says() {
        let record = SampleRecord {
            pid: -1,
            flags: Flags::FINAL | Flags::EXITED,
            comm: *b"abcdefghijklmno\0",
            totals: Totals { minor_faults: 9, wpcopy_delay_ns: 21, ..Totals::default() },
            resident_pages: 22,
            swapped_pages: 23,
            ..SampleRecord::default()
        };
        let words = record.to_words();
        assert_eq!(words[4], 0x0000_0006_ffff_ffff);
        assert_eq!(words[6], u64::from_le_bytes(*b"abcdefgh"));
        assert_eq!((words[9], words[21], words[22], words[23]), (9, 21, 22, 23));
        assert_eq!(record.comm_bytes(), b"abcdefghijklmno");
    }

    #[test]
    fn intervals_add_up_to_totals() {
        let earlier = Totals { minor_faults: 5, user_ns: 100, ..Totals::default() };
        let later = Totals { minor_faults: 12, user_ns: 90, ..Totals::default() };
        assert_eq!(later.since(&earlier).minor_faults, 7);
        assert_eq!(later.since(&earlier).user_ns, 0);
        assert_eq!(earlier.plus(&later.since(&earlier)).minor_faults, 12);
        assert_eq!(later.at_least(&earlier).user_ns, 100);
    }
}
