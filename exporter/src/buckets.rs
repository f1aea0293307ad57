// SPDX-License-Identifier: GPL-2.0

//! Histograms of times with the bounds that are exported.

/// Upper bounds of the buckets, ns: 1, 2 and 5 times every power of ten from 1 µs to 10 s. Above, there is one bucket more.
pub const BOUNDS_NS: [u64; 22] = {
    let mut bounds = [0; 22];
    let (mut index, mut decade) = (0, 1_000);
    while index < bounds.len() {
        bounds[index] = decade * [1, 2, 5][index % 3];
        if index % 3 == 2 {
            decade *= 10;
        }
        index += 1;
    }
    bounds
};

/// How often times were how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    counts: [u64; BOUNDS_NS.len() + 1],
    sum_ns: u64,
}

impl Buckets {
    /// Counts a time.
    pub fn add(&mut self, ns: u64) {
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < ns);
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().fold(0, u64::saturating_add)
    }

    /// Their sum, s.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// The upper bound of each bucket, s, and how many times are in it and in no lower one. The last bound is infinite.
    pub fn by_bound(&self) -> [(f64, u64); BOUNDS_NS.len() + 1] {
        std::array::from_fn(|index| {
            let bound = BOUNDS_NS.get(index).map_or(f64::INFINITY, |bound| *bound as f64 / 1e9);
            (bound, self.counts[index])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_round_and_rise_from_a_microsecond_to_ten_seconds() {
        assert_eq!(BOUNDS_NS[..4], [1_000, 2_000, 5_000, 10_000]);
        assert_eq!(BOUNDS_NS[21], 10_000_000_000);
        assert!(BOUNDS_NS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_everything_is_counted_once() {
        let mut buckets = Buckets::default();
        for ns in [0, 1_000, 1_001, 10_000_000_000, 10_000_000_001, u64::MAX / 2] {
            buckets.add(ns);
        }
        let counts = buckets.by_bound();
        assert_eq!((counts[0], counts[1]), ((1e-6, 2), (2e-6, 1)));
        assert_eq!((counts[21], counts[22]), ((10.0, 1), (f64::INFINITY, 2)));
        assert_eq!(buckets.count(), 6);
    }
}
