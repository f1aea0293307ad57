// SPDX-License-Identifier: GPL-2.0

//! Where a scale's labels stand.

/// A scale from `min` to `max` with labels at round values.
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
    /// Whether equal distances are equal ratios. `min` is above 0 then.
    pub logarithmic: bool,
    /// What a label counts in, in units of the values.
    pub unit: f64,
}

/// Seconds that are labelled as such; a longer time is in hours.
const SECONDS: f64 = 2.0 * HOUR;

const HOUR: f64 = 3600.0;

/// Most decades that a scale shows. What lies further below the highest value is drawn at the scale's lower end: a single
/// value of almost nothing must not squeeze all others together.
const DECADES: i32 = 9;

impl Axis {
    /// A scale from 0 that ends where the data ends, with about `count` labels: for time.
    pub fn tight(max: f64, count: usize) -> Self {
        let max = if max > 0.0 && max.is_finite() { max } else { 1.0 };
        let step = round_step(max / count as f64, &[1.0, 2.0, 5.0]);
        Self { min: 0.0, max, labels: labels(step, max), step, logarithmic: false, unit: 1.0 }
    }

    /// As [`Axis::tight`], for seconds, labelled in hours where there are many; and the unit's symbol.
    pub fn time(max_s: f64, count: usize) -> (Self, &'static str) {
        if max_s.is_nan() || max_s <= SECONDS || max_s.is_infinite() {
            return (Self::tight(max_s, count), "s");
        }
        let hours = Self::tight(max_s / HOUR, count);
        let labels = hours.labels.iter().map(|hours| hours * HOUR).collect();
        (Self { max: max_s, labels, step: hours.step * HOUR, unit: HOUR, ..hours }, "h")
    }

    /// A scale from 0 that ends at a label above `max`, with about `count` labels: for heights.
    pub fn roomy(max: f64, count: usize) -> Self {
        let max = if max > 0.0 && max.is_finite() { max } else { 1.0 };
        let step = round_step(max / count as f64, &[1.0, 2.0, 2.5, 5.0]);
        // Air above the highest value, so that its line is not taken for the frame.
        let max = (max * 1.02 / step).ceil() * step;
        Self { min: 0.0, max, labels: labels(step, max), step, logarithmic: false, unit: 1.0 }
    }

    /// A scale with labels exactly at `values`, which must be in order: for the N of a series of runs.
    pub fn at(values: &[f64]) -> Self {
        let last = values.last().copied().unwrap_or(1.0);
        Self { min: 0.0, max: last * 1.04, labels: values.to_vec(), step: 0.0, logarithmic: false, unit: 1.0 }
    }

    /// A logarithmic scale with all of `values` that are above 0 on it, from a power of ten to a power of ten.
    pub fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values
            .filter(|&value| value > 0.0 && value.is_finite())
            .fold((f64::INFINITY, 0.0f64), |(least, most), value| (least.min(value), most.max(value)));
        let (least, most) = if most > 0.0 { (least, most) } else { (1.0, 10.0) };
        // 1000 has a logarithm of 2.9999999999999996 on some machines.
        let highest = (most.log10() - 1e-9).ceil() as i32;
        let lowest = ((least.log10() + 1e-9).floor() as i32).clamp(highest - DECADES, highest - 1);
        let labels: Vec<f64> = (lowest..=highest).map(power_of_ten).collect();
        Self { min: power_of_ten(lowest), max: power_of_ten(highest), labels, step: 0.0, logarithmic: true, unit: 1.0 }
    }

    /// The same from no less than `least` to no more than `most`, if that leaves two labels to read it by.
    pub fn trimmed(self, least: f64, most: f64) -> Self {
        let (min, max) = (self.min.max(least), self.max.min(most));
        let labels: Vec<f64> = self.labels.iter().copied().filter(|label| (min..=max).contains(label)).collect();
        if labels.len() < 2 {
            return self;
        }
        Self { min, max, labels, ..self }
    }

    /// Where `value` lies on the scale: 0 at its lower end, 1 at its upper. What a logarithmic scale cannot show, nought and
    /// less, lies at its lower end.
    pub fn part(&self, value: f64) -> f64 {
        if self.logarithmic {
            let value = value.max(self.min);
            return (value / self.min).log10() / (self.max / self.min).log10();
        }
        (value - self.min) / (self.max - self.min)
    }
}

/// The nearest floating-point number, which `powi` does not give below 1.
fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(1.0)
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
    fn a_long_time_is_labelled_in_hours() {
        let (axis, unit) = Axis::time(7200.0, 12);
        assert_eq!((axis, unit), (Axis::tight(7200.0, 12), "s"));
        let (axis, unit) = Axis::time(10.0 * 3600.0, 12);
        assert_eq!((axis.max, axis.step, axis.unit, unit), (36_000.0, 3600.0, 3600.0, "h"));
        assert_eq!((axis.labels.len(), axis.labels[10]), (11, 36_000.0));
        assert_eq!(axis.part(18_000.0), 0.5);
    }

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
    fn equal_ratios_are_equally_far_apart() {
        let axis = Axis::logarithmic([0.0, 400.0, 45_000.0, -3.0].into_iter());
        assert_eq!(axis.labels, [100.0, 1000.0, 10_000.0, 100_000.0]);
        assert!((axis.part(1000.0) - 1.0 / 3.0).abs() < 1e-12);
        assert!((axis.part(4000.0) - axis.part(400.0) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((axis.part(0.0), axis.part(-1.0), axis.part(100_000.0)), (0.0, 0.0, 1.0));
        let axis = Axis::logarithmic([1.0, 10_000.0].into_iter());
        assert_eq!((axis.min, axis.max), (1.0, 10_000.0));
        let axis = Axis::logarithmic([0.001].into_iter());
        assert_eq!(axis.labels, [0.0001, 0.001]);
        let axis = Axis::logarithmic([1e-30, 1000.0].into_iter());
        assert_eq!((axis.min, axis.max), (1e-6, 1000.0));
    }

    #[test]
    fn a_scale_is_trimmed_as_long_as_it_can_be_read() {
        let axis = Axis::logarithmic([8.0, 30_000.0].into_iter());
        let trimmed = axis.clone().trimmed(6.0, 39_000.0);
        assert_eq!((trimmed.min, trimmed.max), (6.0, 39_000.0));
        assert_eq!(trimmed.labels, [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(axis.clone().trimmed(0.0, 1e9), axis);
        assert_eq!(axis.clone().trimmed(20.0, 500.0), axis, "one label is not enough");
    }

    #[test]
    fn nothing_to_show_still_has_a_scale() {
        for empty in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let axis = Axis::roomy(empty, 5);
            assert!(axis.max >= 1.0 && axis.max.is_finite() && axis.labels.len() > 1);
            let axis = Axis::logarithmic([empty].into_iter());
            assert!(axis.min > 0.0 && axis.max > axis.min && axis.max.is_finite() && axis.labels.len() > 1);
        }
    }
}
