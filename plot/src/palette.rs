// SPDX-License-Identifier: GPL-2.0

//! Colours and marks that stay apart for colour-blind eyes and on a black-and-white print.
//!
//! The colours are Okabe and Ito's ("Color Universal Design", 2008), in an order in which neighbours differ in lightness too.

pub use plotters::style::RGBColor;

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Captions: less loud, still 7:1 on the paper.
pub const MUTED: RGBColor = RGBColor(0x51, 0x58, 0x60);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xe4, 0xe7, 0xea);
/// The axis line.
pub const FRAME: RGBColor = RGBColor(0x9a, 0xa1, 0xa9);
/// The wide line under others that shows their sum.
pub const SUM: RGBColor = RGBColor(0xc4, 0xca, 0xd0);
/// Minor faults, where a figure distinguishes them from major ones.
pub const MINOR: RGBColor = RGBColor(0x00, 0x72, 0xb2);
/// Major faults, likewise.
pub const MAJOR: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
/// CPU time, where it stands alone.
pub const CPU: RGBColor = RGBColor(0x00, 0x7a, 0x5a);

/// What mp3 is compared with, where only mp3 is to catch the eye.
pub const OTHERS: RGBColor = RGBColor(0x8a, 0x91, 0x99);

/// Colours of files, runs or processes drawn over each other, in order.
pub const SERIES: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x00, 0x7a, 0x5a),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x1f, 0x23, 0x28),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xd5, 0x5e, 0x00),
];

/// The shape of the points on a line, so that lines differ by more than their colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A filled circle.
    Circle,
    /// A filled square.
    Square,
    /// A filled triangle, point up.
    Triangle,
    /// A filled square on its corner.
    Diamond,
    /// A filled triangle, point down.
    Wedge,
}

/// Marks in order; five of them and seven colours give 35 different lines.
pub const MARKS: [Mark; 5] = [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond, Mark::Wedge];

/// Colour and mark of the line with this index.
pub fn series(index: usize) -> (RGBColor, Mark) {
    (SERIES[index % SERIES.len()], MARKS[index % MARKS.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Relative luminance as WCAG 2 defines it.
    fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast_on_white(colour: RGBColor) -> f64 {
        1.05 / (luminance(colour) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out_from_the_paper() {
        assert!(contrast_on_white(INK) > 12.0);
        assert!(contrast_on_white(MUTED) > 7.0);
        for colour in [MINOR, MAJOR, CPU, OTHERS] {
            assert!(contrast_on_white(colour) > 3.0);
        }
    }

    #[test]
    fn no_two_lines_are_alike() {
        let marks: HashSet<String> = (0..35).map(|index| format!("{:?}", series(index))).collect();
        assert_eq!(marks.len(), 35);
    }
}
