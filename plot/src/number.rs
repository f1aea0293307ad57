// SPDX-License-Identifier: GPL-2.0

//! How numbers are written in figures and tables.

/// `n` with a comma between thousands: `396,700`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `value` with `decimals` decimals, and commas in front of the point.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "n/a".into();
    }
    let plain = format!("{:.decimals$}", value.abs());
    let (whole, rest) = match plain.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (plain.as_str(), String::new()),
    };
    let sign = if value < 0.0 && plain.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { "−" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    format!("{sign}{whole}{rest}")
}

/// Seconds with as many decimals as matter: `41.23 s`, `1,204 s`.
pub fn seconds(value: f64) -> String {
    let decimals = match value.abs() {
        magnitude if magnitude < 0.1 => 4,
        magnitude if magnitude < 100.0 => 2,
        magnitude if magnitude < 1000.0 => 1,
        _ => 0,
    };
    format!("{} s", fixed(value, decimals))
}

/// One label of a scale whose largest label is `largest` and whose labels are `step` apart: plain up to 10,000, then in
/// thousands (k), millions (M), billions (G).
pub fn scale_label(value: f64, step: f64, largest: f64) -> String {
    let (divisor, suffix) = match largest {
        largest if largest >= 1e9 => (1e9, "G"),
        largest if largest >= 1e6 => (1e6, "M"),
        largest if largest >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let step = step / divisor;
    // As many decimals as make two labels distinct: 2.5 needs one, 0.05 two.
    let decimals = (0..9).find(|&decimals| {
        let scaled = step * 10f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6
    });
    let label = fixed(value / divisor, decimals.unwrap_or(0) as usize);
    if value == 0.0 {
        "0".into()
    } else {
        label + suffix
    }
}

/// One label of a logarithmic scale, where each is ten times the one before: `0.01`, `10`, `1,000`, `10k`, `1M`.
pub fn decade_label(value: f64) -> String {
    match value {
        value if value >= 1.0 => scale_label(value, value, value),
        // A digit's place behind the point is its exponent.
        _ => fixed(value, (-value.log10()).round().clamp(0.0, 12.0) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_thousands() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(50_012), "50,012");
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(fixed(1234.567, 1), "1,234.6");
        assert_eq!(fixed(-0.004, 2), "0.00");
        assert_eq!(fixed(-12.5, 1), "−12.5");
        assert_eq!(fixed(f64::NAN, 1), "n/a");
    }

    #[test]
    fn labels_tell_neighbours_apart() {
        assert_eq!(scale_label(2500.0, 500.0, 2500.0), "2,500");
        assert_eq!(scale_label(20_000.0, 10_000.0, 60_000.0), "20k");
        assert_eq!(scale_label(2500.0, 2500.0, 10_000.0), "2.5k");
        assert_eq!(scale_label(1_500_000.0, 500_000.0, 12_000_000.0), "1.5M");
        assert_eq!(scale_label(500_000.0, 500_000.0, 2_000_000.0), "0.5M");
        assert_eq!(scale_label(0.0, 10.0, 60.0), "0");
        assert_eq!(scale_label(0.05, 0.05, 0.2), "0.05");
    }

    #[test]
    fn decades_are_written_each_in_its_own_unit() {
        let labels = [0.0001, 0.01, 0.1, 1.0, 100.0, 1000.0, 10_000.0, 100_000.0, 1e6, 1e9].map(decade_label);
        assert_eq!(labels, ["0.0001", "0.01", "0.1", "1", "100", "1,000", "10k", "100k", "1M", "1G"]);
    }

    #[test]
    fn seconds_keep_what_matters() {
        assert_eq!(seconds(0.0123), "0.0123 s");
        assert_eq!(seconds(41.234), "41.23 s");
        assert_eq!(seconds(1204.4), "1,204 s");
    }
}
