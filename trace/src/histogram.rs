// SPDX-License-Identifier: GPL-2.0

//! Counts of times by length, from 1 ns to centuries in fixed memory, to better than 1.6 %.

use crate::table::Value;

/// Buckets for each power of two: 2^6, so that a bucket is at most a 64th of its value wide.
const SUB_BITS: u32 = 6;

/// A histogram of times in ns.
///
/// Buckets have the width of a value's highest bits, so that a percentile is known to 1.6 %. Count, sum and maximum
/// are exact.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

fn bucket_of(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    let shift = bits.saturating_sub(SUB_BITS + 1);
    ((shift as usize) << SUB_BITS) + (value >> shift) as usize
}

/// The highest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let shift = (bucket >> SUB_BITS).saturating_sub(1);
    let top = bucket - (shift << SUB_BITS);
    let next = (top as u128 + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

impl Histogram {
    /// Counts a time.
    pub fn add(&mut self, ns: u64) {
        let bucket = bucket_of(ns);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += u128::from(ns);
        self.max = self.max.max(ns);
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (sum, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += count;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, ns.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Their sum, ns.
    pub fn sum(&self) -> u64 {
        u64::try_from(self.sum).unwrap_or(u64::MAX)
    }

    /// Their mean, ns; none of none.
    pub fn mean(&self) -> Option<u64> {
        u64::try_from(self.sum.checked_div(u128::from(self.count))?).ok()
    }

    /// The time that a share `p` (0 to 1) of all does not exceed, ns, at most 1.6 % too long; none of none.
    pub fn percentile(&self, p: f64) -> Option<u64> {
        let rank = (p * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(end_of(bucket).min(self.max));
            }
        }
        None
    }

    /// How many lie in each power of two: (from, to, count), ns, `to` not included; from the first that has any to the
    /// last.
    pub fn octaves(&self) -> Vec<(u64, u64, u64)> {
        let mut octaves: Vec<(u64, u64, u64)> = vec![];
        for (bucket, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let value = end_of(bucket);
            let bits = u64::BITS - value.leading_zeros();
            let from = if bits == 0 { 0 } else { 1_u64 << (bits - 1) };
            let to = from.saturating_mul(2).max(1);
            while octaves.last().is_some_and(|last| last.1 < from) {
                let next = octaves[octaves.len() - 1].1;
                octaves.push((next, next.saturating_mul(2).max(1), 0));
            }
            match octaves.last_mut() {
                Some(last) if last.0 == from => last.2 += count,
                _ => octaves.push((from, to, *count)),
            }
        }
        octaves
    }

    /// The octaves as rows of a table of what is called `name`: name, from, to, count, share and a bar of that length.
    pub fn rows<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Vec<Value>> + 'a {
        self.octaves().into_iter().map(move |(from, to, count)| {
            let share = count as f64 / self.count as f64;
            let bar = "#".repeat((share * 50.0).ceil() as usize);
            vec![name.into(), from.into(), to.into(), count.into(), share.into(), bar.into()]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_that_ends_no_more_than_a_64th_above_it() {
        let mut values: Vec<u64> = (0..2_000).collect();
        values.extend(
            (6..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1, (1 << bit) + (1 << bit) / 3]),
        );
        values.push(u64::MAX);
        for value in values {
            let end = end_of(bucket_of(value));
            assert!(end >= value && end - value <= value / 64, "{value} is counted as {end}");
            assert!(
                bucket_of(end) == bucket_of(value) && (end == u64::MAX || bucket_of(end + 1) == bucket_of(value) + 1)
            );
        }
    }

    #[test]
    fn percentiles_of_known_values() {
        let mut histogram = Histogram::default();
        for ns in 1..=1_000 {
            histogram.add(ns * 1_000);
        }
        assert_eq!((histogram.count(), histogram.max(), histogram.mean()), (1_000, 1_000_000, Some(500_500)));
        for (p, exact) in [(0.5, 500_000.0), (0.9, 900_000.0), (0.99, 990_000.0)] {
            let value = histogram.percentile(p).unwrap() as f64;
            assert!(value >= exact && value <= exact * 1.016, "{value} for {exact}");
        }
        assert_eq!(histogram.percentile(1.0), Some(1_000_000));
        assert_eq!(Histogram::default().percentile(0.5), None);
    }

    #[test]
    fn octaves_have_no_holes_and_lose_nothing() {
        let mut histogram = Histogram::default();
        for ns in [0, 1, 3, 1_000, 1_023, 1_024] {
            histogram.add(ns);
        }
        let octaves = histogram.octaves();
        assert_eq!(octaves.first(), Some(&(0, 1, 1)));
        assert_eq!(octaves.last(), Some(&(1024, 2048, 1)));
        assert!(octaves.windows(2).all(|pair| pair[0].1 == pair[1].0), "{octaves:?}");
        assert_eq!(octaves.iter().map(|octave| octave.2).sum::<u64>(), 6);
        assert!(octaves.contains(&(512, 1024, 2)));
    }
}
