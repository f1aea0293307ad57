// SPDX-License-Identifier: GPL-2.0

//! One sample of one process: 24 words, 192 bytes, three cache lines.
//!
//! ```text
//! word 0 sequence          position in the ring, from 0 since the module was loaded
//!      1 time              CLOCK_MONOTONIC, ns: when the counters were read
//!      2 tick              the tick whose interval this record closes
//!      3 jiffies           at that time
//!      4 pid, flags        pid in the initial namespace (bits 0-31), Flags (bits 32-63)
//!      5 threads, user     threads in the group at that time (bits 0-31), who registered it (bits 32-63)
//!      6 command name      16 bytes, NUL-padded, as in /proc/PID/comm
//!      8 registration      a number that no other registration has, from 1
//!      9 counters          in the order of the table in counters.rs:
//!                          Totals, cumulative since registration (words 9 to 21), then
//!                          Levels as they stand, to within the kernel's own per-CPU batching (words 22 and 23)
//! ```
//!
//! Totals are cumulative, so a reader that missed records has lost resolution and not totals; a difference of two records
//! of one registration is an interval. User plus system time is the scheduler's exact run time; how it divides is known
//! only as finely as the kernel samples it (see [`super::cputime`]).

use super::counters::{self, Levels, Totals, COUNTERS};
use super::flags::Flags;

/// Words before the counters.
const HEAD_WORDS: usize = 9;

/// Words in a [`SampleRecord`].
pub const SAMPLE_WORDS: usize = HEAD_WORDS + COUNTERS.len();

/// Bytes in a [`SampleRecord`].
pub const SAMPLE_BYTES: usize = SAMPLE_WORDS * 8;

/// Bytes of a command name, with its NUL (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;

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
    /// The user who registered the process, as an ID in the initial user namespace. Users of other namespaces stand as the one
    /// who made theirs. A module from before this field says 0.
    pub user: u32,
    /// Command name of the group's leader, NUL-padded.
    pub comm: [u8; COMM_BYTES],
    /// Which registration this is, from 1.
    pub registration: u64,
    /// Cumulative since registration.
    pub totals: Totals,
    /// As they stand.
    pub levels: Levels,
}

impl SampleRecord {
    /// The record as it stands in the ring.
    pub fn to_words(self) -> [u64; SAMPLE_WORDS] {
        let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15] = self.comm;
        let mut words = [0; SAMPLE_WORDS];
        let [sequence, time_ns, tick, jiffies, pid_flags, threads, comm_low, comm_high, registration, numbers @ ..] =
            &mut words;
        *sequence = self.sequence;
        *time_ns = self.time_ns;
        *tick = self.tick;
        *jiffies = self.jiffies;
        *pid_flags = u64::from(self.pid as u32) | u64::from(self.flags.0) << 32;
        *threads = u64::from(self.threads) | u64::from(self.user) << 32;
        *comm_low = u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        *comm_high = u64::from_le_bytes([c8, c9, c10, c11, c12, c13, c14, c15]);
        *registration = self.registration;
        *numbers = counters::join(&self.totals, &self.levels);
        words
    }

    /// Takes a record out of its words. Every bit pattern is a record; its contents are not checked.
    pub fn from_words(words: &[u64; SAMPLE_WORDS]) -> Self {
        let [sequence, time_ns, tick, jiffies, pid_flags, threads, comm_low, comm_high, registration, numbers @ ..] =
            *words;
        let mut comm = [0; COMM_BYTES];
        let bytes = comm_low.to_le_bytes().into_iter().chain(comm_high.to_le_bytes());
        for (to, from) in comm.iter_mut().zip(bytes) {
            *to = from;
        }
        let (totals, levels) = counters::split(numbers);
        SampleRecord {
            sequence,
            time_ns,
            tick,
            jiffies,
            pid: pid_flags as u32 as i32,
            flags: Flags((pid_flags >> 32) as u32),
            threads: threads as u32,
            user: (threads >> 32) as u32,
            comm,
            registration,
            totals,
            levels,
        }
    }

    /// All counters in the order of [`COUNTERS`].
    pub fn numbers(&self) -> [u64; COUNTERS.len()] {
        counters::join(&self.totals, &self.levels)
    }

    /// The command name up to its NUL. Any bytes but NUL are possible: a process chooses its own name.
    pub fn comm_bytes(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0).unwrap_or(self.comm.len());
        self.comm.get(..end).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        let words: [u64; SAMPLE_WORDS] =
            std::array::from_fn(|index| 0x0123_4567_89ab_cdef_u64.rotate_left(index as u32 * 5));
        let record = SampleRecord::from_words(&words);
        assert_eq!(record.to_words(), words);
    }

    #[test]
    fn fields_stand_where_the_drawing_says() {
        let record = SampleRecord {
            pid: -1,
            flags: Flags::FINAL | Flags::EXITED,
            comm: *b"abcdefghijklmno\0",
            totals: Totals { minor_faults: 9, wpcopy_delay_ns: 21, ..Totals::default() },
            levels: Levels { resident_pages: 22, swapped_pages: 23 },
            ..SampleRecord::default()
        };
        let words = record.to_words();
        assert_eq!(words[4], 0x0000_0006_ffff_ffff);
        assert_eq!(words[6], u64::from_le_bytes(*b"abcdefgh"));
        assert_eq!((words[9], words[21], words[22], words[23]), (9, 21, 22, 23));
        assert_eq!(record.comm_bytes(), b"abcdefghijklmno");
    }
}
