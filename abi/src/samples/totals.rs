// SPDX-License-Identifier: GPL-2.0

//! Arithmetic with [`Totals`]: cumulative in a record, and an interval as a difference.

use super::counters::Totals;

impl Totals {
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

#[cfg(test)]
mod tests {
    use super::*;

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
