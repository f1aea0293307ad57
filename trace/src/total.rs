// SPDX-License-Identifier: GPL-2.0

//! Totals of which records carry only the low bits.

/// A total that only grows, known in full from some record on.
///
/// A snapshot says the whole; a switch says the low bits, which are enough as long as less than the modulus was added
/// since the last record. A snapshot is stamped with the time at which it began and read a little later, so that a switch
/// which comes after it in time may say a little less: such a step back is not a whole turn forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    base: u64,
    last: u64,
    known: bool,
}

impl Total {
    /// A total that begins now, at 0.
    pub fn zero() -> Self {
        Total { base: 0, last: 0, known: true }
    }

    /// Whether any record has said it.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// What was added since it was first known.
    pub fn added(&self) -> u64 {
        self.last.saturating_sub(self.base)
    }

    /// The total itself. Before the first snapshot, only its low bits.
    pub fn value(&self) -> u64 {
        self.last
    }

    /// Of the `step` that was added last, no more than `most` belongs to the time since the first event. Returns that.
    pub fn cut(&mut self, step: u64, most: u64) -> u64 {
        let kept = step.min(most);
        self.base = self.base.saturating_add(step - kept);
        kept
    }

    /// Takes the whole from a snapshot; returns what that adds.
    pub fn learn(&mut self, full: u64) -> u64 {
        let before = self.last;
        if !self.known {
            *self = Total { base: full, last: full, known: true };
            return 0;
        }
        if full > self.last {
            // Records may have been counted from low bits alone, before the first snapshot: the difference is what counts.
            self.last = full;
        }
        self.last - before
    }

    /// Takes the low `bits` (at most 48) from a record and returns what that adds. `first` is what the very first record
    /// adds: how much of the total belongs to the time since the first event.
    pub fn learn_low(&mut self, low: u64, bits: u32, first: u64) -> u64 {
        let modulus = 1_u64 << bits;
        let low = low & (modulus - 1);
        if !self.known {
            // So high that what was there before can be taken off.
            let last = low + modulus;
            *self = Total { base: last - first.min(last), last, known: true };
            return first;
        }
        let step = low.wrapping_sub(self.last) & (modulus - 1);
        // An eighth of the range is for steps back.
        if step >= modulus - modulus / 8 {
            let value = self.last.saturating_sub(modulus - step);
            // A snapshot that was read after this record was written: what it counted too early belongs to the time since.
            self.base = self.base.min(value);
            return 0;
        }
        self.last = self.last.saturating_add(step);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_bits_wrap_and_the_total_goes_on() {
        let mut total = Total::default();
        total.learn(1_000);
        let mut added = 0;
        for n in (1_000..5_000_u64).step_by(200) {
            added += total.learn_low(n, 8, 0);
        }
        assert_eq!((added, total.value(), total.added()), (3_800, 4_800, 3_800));
        let mut run = Total::default();
        run.learn((1 << 48) - 5);
        assert_eq!(run.learn_low(7, 48, 0), 12);
        assert_eq!(run.value(), (1 << 48) + 7);
    }

    #[test]
    fn a_snapshot_read_late_is_no_turn_of_the_modulus() {
        let mut total = Total::default();
        total.learn(100);
        // Written before the snapshot was read, though its stamp is later.
        assert_eq!(total.learn_low(98, 8, 1), 0);
        assert_eq!((total.value(), total.added()), (100, 2));
        assert_eq!(total.learn_low(101, 8, 1), 1);
    }

    #[test]
    fn without_a_snapshot_it_counts_from_the_first_record() {
        let mut total = Total::default();
        assert!(!total.is_known());
        assert_eq!(total.learn_low(7, 16, 3), 3);
        assert_eq!(total.learn_low(9, 16, 3), 2);
        assert_eq!(total.added(), 5);
    }

    #[test]
    fn a_new_thread_begins_at_zero() {
        let mut total = Total::zero();
        assert_eq!(total.learn_low(250, 8, 0), 0, "an eighth is for steps back");
        let mut total = Total::zero();
        assert_eq!(total.learn_low(1, 8, 0), 1);
    }
}
