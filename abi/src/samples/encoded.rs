// SPDX-License-Identifier: GPL-2.0

//! A record in its encoded form, which its writer updates in place.

use super::counters::{self, Levels, Totals};
use super::flags::Flags;
use super::record::{SampleRecord, SAMPLE_WORDS};

/// Everything in a record that is no total, and not the same in all records of a registration.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// What happened.
    pub flags: Flags,
    /// Threads in the group.
    pub threads: u32,
    /// Words 6 and 7: the bytes of the command name, the first one lowest, NUL-padded.
    pub comm: [u64; 2],
    /// Counters as they stand.
    pub levels: Levels,
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
        let [_, _, _, _, _, _, _, _, _, numbers @ ..] = self.0;
        counters::split(numbers).0
    }

    /// What was counted, and how the process is.
    #[inline]
    pub fn update(&mut self, state: &State, totals: &Totals) {
        let [_, _, _, _, pid_flags, threads, comm_low, comm_high, _, numbers @ ..] = &mut self.0;
        *pid_flags = *pid_flags & u64::from(u32::MAX) | u64::from(state.flags.0) << 32;
        *threads = *threads & !u64::from(u32::MAX) | u64::from(state.threads);
        [*comm_low, *comm_high] = state.comm;
        *numbers = counters::join(totals, &state.levels);
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
        let (totals, levels) = counters::split(std::array::from_fn(|index| 100 + index as u64));
        let record = SampleRecord { pid: 5, user: 1000, registration: 9, ..SampleRecord::default() };
        let mut encoded = Encoded::new(record);
        encoded.place(1, 2, 3, 4);
        let state = State {
            flags: Flags::EXECED,
            threads: 2,
            comm: [u64::from_le_bytes(*b"abcdefgh"), u64::from_le_bytes(*b"ij\0\0\0\0\0\0")],
            levels,
        };
        encoded.update(&state, &totals);
        let expected = SampleRecord {
            sequence: 1,
            time_ns: 2,
            tick: 3,
            jiffies: 4,
            flags: Flags::EXECED,
            threads: 2,
            comm: *b"abcdefghij\0\0\0\0\0\0",
            totals,
            levels,
            ..record
        };
        assert_eq!(encoded.decode(), expected);
        assert_eq!(encoded.totals(), expected.totals);
    }
}
