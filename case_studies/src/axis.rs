// SPDX-License-Identifier: GPL-2.0

//! Where a scale's labels stand.

/// A linear scale from `min` to `max` with labels at round values.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Lower end.
    pub min: f64,
    /// Upper end.
    pub max: f64,
    /// Values that get a label and a grid line.
    pub labels: Vec<f64>,
    /// Distance of the labels; 0 where they are not evenly spaced.
    pub step: f64,
}

impl Axis {
    /// A scale from 0 that ends where the data ends, with about `count` labels: for time.
    pub fn tight(max: f64, count: usize) -> Self {
        let max = if max > 0.0 && max.is_finite() { max } else { 1.0 };
        let step = round_step(max / count as f64, &[1.0, 2.0, 5.0]);
        Self { min: 0.0, max, labels: labels(step, max), step }
    }

    /// A scale from 0 that ends at a label above `max`, with about `count` labels: for heights.
    pub fn roomy(max: f64, count: usize) -> Self {
        let max = if max > 0.0 && max.is_finite() { max } else { 1.0 };
        let step = round_step(max / count as f64, &[1.0, 2.0, 2.5, 5.0]);
        // Air above the highest value, so that its line is not taken for the frame.
        let max = (max * 1.02 / step).ceil() * step;
        Self { min: 0.0, max, labels: labels(step, max), step }
    }

    /// A scale with labels exactly at `values`, which must be in order: for the N of a series of runs.
    pub fn at(values: &[f64]) -> Self {
        let last = values.last().copied().unwrap_or(1.0);
        Self { min: 0.0, max: last * 1.04, labels: values.to_vec(), step: 0.0 }
    }
}

/// The smallest of `digits` times a power of ten that is not below `least`.
fn round_step(least: f64, digits: &[f64]) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let round = digits.iter().find(|&&round| least / power <= round * (1.0 + 1e-9)).unwrap_or(&10.0);
    round * power
}

fn labels(step: f64, max: f64) -> Vec<f64> {
    let count = (max / step * (1.0 + 1e-9)).floor() as u32;
    (0..=count).map(|index| f64::from(index) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round_and_inside() {
        let axis = Axis::tight(20.35, 8);
        assert_eq!((axis.max, axis.step), (20.35, 5.0));
        assert_eq!(axis.labels, [0.0, 5.0, 10.0, 15.0, 20.0]);
        let axis = Axis::roomy(50_012.0, 5);
        assert_eq!((axis.max, axis.step), (60_000.0, 20_000.0));
        assert_eq!(Axis::roomy(100.0, 5).max, 120.0);
    }

    #[test]
    fn nothing_to_show_still_has_a_scale() {
        for empty in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let axis = Axis::roomy(empty, 5);
            assert!(axis.max >= 1.0 && axis.max.is_finite() && axis.labels.len() > 1);
        }
    }
}
