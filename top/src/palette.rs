// SPDX-License-Identifier: GPL-2.0

//! Colours. Those that mean something are from Okabe and Ito's palette, which colour-blind readers can tell apart, and none
//! of them is the only sign of what it means.

use ratatui::style::{Color, Modifier, Style};
use std::ffi::OsStr;

/// The styles of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    has_colours: bool,
}

/// Of the terminal's 256 colours, those nearest to the palette's.
const SKY_BLUE: Color = Color::Indexed(74);
const ORANGE: Color = Color::Indexed(214);
const VERMILLION: Color = Color::Indexed(202);
const GREY: Color = Color::Indexed(245);

impl Palette {
    /// Colours, unless the variable `NO_COLOR` is there and not empty (no-color.org).
    pub fn new(no_color: Option<&OsStr>) -> Self {
        Palette { has_colours: no_color.is_none_or(OsStr::is_empty) }
    }

    fn with(self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.has_colours {
            style.fg(colour)
        } else {
            style
        }
    }

    /// The title of the screen and of its parts.
    pub fn title(self) -> Style {
        self.with(SKY_BLUE, Modifier::BOLD)
    }

    /// The titles of columns.
    pub fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    /// The column that the rows are sorted by.
    pub fn sorted(self) -> Style {
        self.with(SKY_BLUE, Modifier::BOLD | Modifier::REVERSED)
    }

    /// The selected row.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What needs attention: losses, major faults, processes that wait.
    pub fn alarm(self) -> Style {
        self.with(VERMILLION, Modifier::BOLD)
    }

    /// A state that is easily forgotten: frozen, filtered.
    pub fn notice(self) -> Style {
        self.with(ORANGE, Modifier::BOLD)
    }

    /// Bars.
    pub fn bars(self) -> Style {
        self.with(ORANGE, Modifier::empty())
    }

    /// What has ended, and what is not counted.
    pub fn faint(self) -> Style {
        if self.has_colours {
            Style::new().fg(GREY)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue as a screen of the kind that a colour-blind reader sees shows them, linear: G. Machado and others, "A
    /// physiologically-based model for simulation of color vision deficiency", 2009, for protanopia, deuteranopia, tritanopia.
    const SEEN: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    /// CIE L*a*b* of one of the terminal's 256 colours as it is `seen`.
    fn lab(colour: Color, seen: &[[f64; 3]; 3]) -> [f64; 3] {
        let Color::Indexed(index) = colour else { panic!("{colour:?}") };
        let level = |step: u8| [0.0, 95.0, 135.0, 175.0, 215.0, 255.0][usize::from(step)];
        let rgb = match index {
            232.. => [8.0 + 10.0 * f64::from(index - 232); 3],
            _ => [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(level),
        };
        let linear = rgb.map(|value: f64| ((value / 255.0 + 0.055) / 1.055).powf(2.4));
        let mixed = |row: &[f64; 3]| row.iter().zip(linear).map(|(part, value)| part * value).sum::<f64>();
        let [r, g, b] = [0, 1, 2].map(|row| mixed(&seen[row]).clamp(0.0, 1.0));
        let xyz = [
            (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
            0.2126 * r + 0.7152 * g + 0.0722 * b,
            (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
        ];
        let [x, y, z] = xyz.map(|value| if value > 0.008856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn colours_that_mean_something_can_be_told_apart_by_every_reader() {
        let colours = [SKY_BLUE, ORANGE, VERMILLION];
        for seen in &SEEN {
            for (index, one) in colours.iter().enumerate() {
                for other in &colours[index + 1..] {
                    let (one, other) = (lab(*one, seen), lab(*other, seen));
                    let apart = one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt();
                    // A difference of 2.3 is just seen.
                    assert!(apart > 6.0 * 2.3, "{one:?} and {other:?} are {apart:.0} apart");
                }
            }
        }
    }

    #[test]
    fn no_color_leaves_no_colour() {
        let plain = Palette::new(Some(OsStr::new("1")));
        let styles = [plain.title(), plain.head(), plain.sorted(), plain.selected(), plain.alarm(), plain.notice()];
        assert!(styles
            .into_iter()
            .chain([plain.bars(), plain.faint()])
            .all(|style| style.fg.is_none() && style.bg.is_none()));
        assert!(Palette::new(Some(OsStr::new(""))).title().fg.is_some());
        assert!(Palette::new(None).alarm().fg.is_some());
    }
}
