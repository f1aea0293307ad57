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
