// SPDX-License-Identifier: GPL-2.0

//! Any number of intervals in bounded memory: as many as a figure can show, with exact totals.

use crate::interval::{add, Interval};
use format::error::LineError;

/// Buckets kept of a file: twice the pixel columns of a figure, so that decimation stays below what can be seen.
pub const RESOLUTION: usize = 2048;

/// Width of the first buckets, in seconds: below any interval, so that short files keep every one.
const FINEST_S: f64 = 1.0 / 1024.0;

/// The smallest and the largest value that a quantity took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Extremes {
    fn of(value: f64) -> Self {
        Self { min: value, max: value }
    }

    fn absorb(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Neighbouring intervals, drawn as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Begin of its first interval, in seconds.
    pub start_s: f64,
    /// End of its last one, in seconds.
    pub end_s: f64,
    /// Sum of its intervals' lengths, in seconds.
    pub length_s: f64,
    /// How many intervals it holds.
    pub intervals: u64,
    /// Minor page faults.
    pub minor: u64,
    /// Major page faults.
    pub major: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// Minor page faults per second of its intervals.
    pub minor_rate: Extremes,
    /// Major page faults per second of its intervals.
    pub major_rate: Extremes,
    /// Page faults per second of its intervals.
    pub fault_rate: Extremes,
    /// CPU utilisation of its intervals, in percent of one CPU.
    pub cpu_percent: Extremes,
}

impl Bucket {
    fn of(interval: &Interval) -> Self {
        Self {
            start_s: interval.start_s,
            end_s: interval.end_s,
            length_s: interval.length_s,
            intervals: 1,
            minor: interval.minor,
            major: interval.major,
            cpu_ns: interval.cpu_ns,
            minor_rate: Extremes::of(interval.minor_rate()),
            major_rate: Extremes::of(interval.major_rate()),
            fault_rate: Extremes::of(interval.fault_rate()),
            cpu_percent: Extremes::of(interval.cpu_percent()),
        }
    }

    /// Sums cannot overflow here: the trace has checked the totals.
    fn absorb(&mut self, next: &Self) {
        self.end_s = next.end_s;
        self.length_s += next.length_s;
        self.intervals += next.intervals;
        self.minor += next.minor;
        self.major += next.major;
        self.cpu_ns += next.cpu_ns;
        self.minor_rate.absorb(next.minor_rate);
        self.major_rate.absorb(next.major_rate);
        self.fault_rate.absorb(next.fault_rate);
        self.cpu_percent.absorb(next.cpu_percent);
    }

    /// The bucket as the one interval it amounts to.
    pub fn mean(&self) -> Interval {
        Interval {
            start_s: self.start_s,
            end_s: self.end_s,
            length_s: self.length_s,
            minor: self.minor,
            major: self.major,
            cpu_ns: self.cpu_ns,
        }
    }
}

/// Exact sums over a file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Minor page faults.
    pub minor: u64,
    /// Major page faults.
    pub major: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// End of the last interval, in seconds since the begin of the first.
    pub end_s: f64,
    /// Intervals seen.
    pub intervals: u64,
}

impl Totals {
    /// Page faults, minor and major.
    pub fn faults(&self) -> u64 {
        self.minor.saturating_add(self.major)
    }
}

/// Intervals in order, merged as far as needed to keep at most a given number of buckets.
///
/// # Invariants
/// Buckets are in order of time, at most `limit`, and no two of them end in the same stretch of `width_s` seconds.
/// Their sums are the totals.
#[derive(Debug, Clone)]
pub struct Trace {
    limit: usize,
    width_s: f64,
    buckets: Vec<Bucket>,
    totals: Totals,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new(RESOLUTION)
    }
}

impl Trace {
    /// An empty trace that will hold at most `limit` buckets (at least 2).
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(2), width_s: FINEST_S, buckets: Vec::new(), totals: Totals::default() }
    }

    /// Takes the next interval.
    ///
    /// # Errors
    /// A total beyond 64 bits.
    pub fn push(&mut self, interval: &Interval) -> Result<(), LineError> {
        add(&mut self.totals.minor, interval.minor, "minor")?;
        add(&mut self.totals.major, interval.major, "major")?;
        add(&mut self.totals.cpu_ns, interval.cpu_ns, "cpu_ns")?;
        self.totals.intervals += 1;
        self.totals.end_s = interval.end_s;
        let bucket = Bucket::of(interval);
        let slot = self.slot(&bucket);
        match self.buckets.last_mut() {
            Some(last) if (last.end_s / self.width_s) as u64 == slot => last.absorb(&bucket),
            _ => {
                self.buckets.push(bucket);
                while self.buckets.len() > self.limit {
                    self.coarsen();
                }
            }
        }
        Ok(())
    }

    /// The stretch of `width_s` seconds in which a bucket ends.
    fn slot(&self, bucket: &Bucket) -> u64 {
        (bucket.end_s / self.width_s) as u64
    }

    /// Doubles the width, and merges what then falls together.
    fn coarsen(&mut self) {
        self.width_s *= 2.0;
        let width_s = self.width_s;
        self.buckets.dedup_by(|next, kept| {
            let together = (next.end_s / width_s) as u64 == (kept.end_s / width_s) as u64;
            if together {
                kept.absorb(next);
            }
            together
        });
    }

    /// The buckets, in order of time.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Exact totals of all intervals.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether several intervals share a bucket, so that a line shows means.
    pub fn is_decimated(&self) -> bool {
        (self.buckets.len() as u64) < self.totals.intervals
    }

    /// The same intervals in at most `limit` buckets, for a figure that shows less.
    pub fn coarser(&self, limit: usize) -> Self {
        let mut coarser = self.clone();
        coarser.limit = limit.max(2);
        while coarser.buckets.len() > coarser.limit {
            coarser.coarsen();
        }
        coarser
    }

    /// Seconds in which at most one bucket ends.
    pub fn width_s(&self) -> f64 {
        self.width_s
    }

    /// The same intervals in buckets as wide as those of another trace, so that what is drawn of both can be compared.
    pub fn as_wide_as(&self, width_s: f64) -> Self {
        let mut wider = self.clone();
        while wider.width_s < width_s {
            wider.coarsen();
        }
        wider
    }

    /// Points (seconds, count since the begin) of a growing sum; `count` is the count of a bucket. Flat where nothing was
    /// sampled.
    pub fn accumulated(&self, count: impl Fn(&Bucket) -> u64) -> Vec<(f64, f64)> {
        let mut sum = 0u64;
        let mut points = vec![(0.0, 0.0)];
        for bucket in &self.buckets {
            if points.last().is_some_and(|&(end_s, _)| end_s < bucket.start_s) {
                points.push((bucket.start_s, sum as f64));
            }
            sum = sum.saturating_add(count(bucket));
            points.push((bucket.end_s, sum as f64));
        }
        points
    }

    /// Points (seconds, value) of a line in steps; `value` is the height of a bucket. Zero where nothing was sampled.
    pub fn steps(&self, value: impl Fn(&Bucket) -> f64) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = vec![(0.0, 0.0)];
        for bucket in &self.buckets {
            let &(end_s, _) = points.last().unwrap_or(&(0.0, 0.0));
            if end_s < bucket.start_s {
                points.push((end_s, 0.0));
                points.push((bucket.start_s, 0.0));
            }
            let height = value(bucket);
            points.push((bucket.start_s, height));
            points.push((bucket.end_s, height));
        }
        let &(end_s, _) = points.last().unwrap_or(&(0.0, 0.0));
        points.push((end_s, 0.0));
        points
    }

    /// The largest of a quantity over all intervals; 0 without any.
    pub fn peak(&self, extremes: impl Fn(&Bucket) -> Extremes) -> f64 {
        self.buckets.iter().map(|bucket| extremes(bucket).max).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(index: u64, minor: u64) -> Interval {
        let start_s = index as f64 * 0.05;
        Interval { start_s, end_s: start_s + 0.05, length_s: 0.05, minor, major: 1, cpu_ns: 1_000_000 }
    }

    fn trace(intervals: u64, limit: usize) -> Trace {
        let mut trace = Trace::new(limit);
        for index in 0..intervals {
            let minor = if index == 77_777 { 1_000_000 } else { index % 10 };
            trace.push(&interval(index, minor)).unwrap();
        }
        trace
    }

    #[test]
    fn a_short_file_keeps_every_interval() {
        let trace = trace(400, 2048);
        assert_eq!(trace.buckets().len(), 400);
        assert!(!trace.is_decimated());
    }

    #[test]
    fn decimation_is_bounded_and_keeps_extremes_and_totals() {
        let trace = trace(100_000, 256);
        assert!(trace.is_decimated());
        assert!((128..=256).contains(&trace.buckets().len()), "{}", trace.buckets().len());
        let minor: u64 = 100_000 / 10 * 45 - 7 + 1_000_000;
        assert_eq!(trace.totals().minor, minor);
        assert_eq!(trace.totals().faults(), minor + 100_000);
        assert_eq!(trace.buckets().iter().map(|bucket| bucket.minor).sum::<u64>(), minor);
        assert_eq!(trace.buckets().iter().map(|bucket| bucket.intervals).sum::<u64>(), 100_000);
        // One interval of a hundred thousand, and still seen at its full height and in its place.
        assert!((trace.peak(|bucket| bucket.minor_rate) - 20_000_000.0).abs() < 1e-3);
        let spike = trace.buckets().iter().find(|bucket| bucket.minor_rate.max > 1e6).unwrap();
        let at = 77_777.0 * 0.05;
        assert!(spike.start_s <= at && at < spike.end_s);
        assert_eq!(spike.minor_rate.min, 0.0);
        let (end_s, sum) = *trace.accumulated(|bucket| bucket.minor).last().unwrap();
        assert!((end_s - 5000.0).abs() < 1e-6);
        assert_eq!(sum, minor as f64);
    }

    #[test]
    fn coarsening_later_is_the_same_as_coarsening_at_once() {
        let all = trace(5_000, 1 << 20).coarser(64);
        let sums = |trace: &Trace| trace.buckets().iter().map(|bucket| bucket.minor).collect::<Vec<_>>();
        assert_eq!(sums(&all), sums(&trace(5_000, 64)));
    }

    #[test]
    fn a_gap_is_flat_in_sums_and_zero_in_rates() {
        let mut trace = Trace::new(16);
        trace.push(&interval(0, 10)).unwrap();
        trace.push(&interval(200, 5)).unwrap();
        assert_eq!(trace.accumulated(|bucket| bucket.minor), [(0.0, 0.0), (0.05, 10.0), (10.0, 10.0), (10.05, 15.0)]);
        let steps = trace.steps(|bucket| bucket.mean().minor_rate());
        let zeros: Vec<f64> = steps.iter().filter(|(_, rate)| *rate == 0.0).map(|(at, _)| *at).collect();
        assert_eq!(zeros, [0.0, 0.05, 10.0, 10.05]);
    }

    #[test]
    fn totals_do_not_wrap() {
        let mut trace = Trace::new(16);
        trace.push(&interval(0, u64::MAX)).unwrap();
        assert_eq!(trace.push(&interval(1, 1)), Err(LineError::SumTooLarge { column: "minor" }));
    }
}
