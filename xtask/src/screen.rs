// SPDX-License-Identifier: GPL-2.0

//! What `tmux capture-pane -p -e` prints of a screen, as a picture.

use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Width and height of a cell, and the size of its letter, px.
const CELL: (f64, f64) = (8.4, 18.0);
const LETTER: f64 = 14.0;
/// Around the screen, px.
const MARGIN: f64 = 10.0;

const BACKGROUND: &str = "#1c1c1c";
const FOREGROUND: &str = "#d0d0d0";

/// How a cell is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
struct Style {
    colour: Option<u8>,
    is_bold: bool,
    is_faint: bool,
    is_underlined: bool,
    is_reversed: bool,
}

impl Style {
    /// Takes the parameters of a sequence `ESC [ … m`.
    fn take(&mut self, parameters: &str) {
        let mut numbers = parameters.split([';', ':']).map(|number| number.parse().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Style::default(),
                1 => self.is_bold = true,
                2 => self.is_faint = true,
                4 => self.is_underlined = true,
                7 => self.is_reversed = true,
                22 => (self.is_bold, self.is_faint) = (false, false),
                24 => self.is_underlined = false,
                27 => self.is_reversed = false,
                30..=37 => self.colour = Some(number as u8 - 30),
                38 => self.colour = numbers.nth(1).and_then(|index: u32| u8::try_from(index).ok()),
                39 => self.colour = None,
                _ => {}
            }
        }
    }

    /// The colours of letter and background, as SVG has them.
    fn colours(&self) -> (String, Option<String>) {
        let letter = self.colour.map_or_else(|| FOREGROUND.to_owned(), rgb);
        if self.is_reversed {
            (BACKGROUND.to_owned(), Some(letter))
        } else {
            (letter, None)
        }
    }
}

/// One of a terminal's 256 colours. The first 16 are the user's own: the usual ones are taken.
fn rgb(index: u8) -> String {
    let step = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let (r, g, b) = match index {
        0..=15 => {
            let level = |bit: u8| {
                if index & bit != 0 {
                    if index > 7 {
                        255
                    } else {
                        205
                    }
                } else {
                    0
                }
            };
            (level(1), level(2), level(4))
        }
        232.. => (8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232)),
        _ => (step((index - 16) / 36), step((index - 16) / 6 % 6), step((index - 16) % 6)),
    };
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A row as pieces of one style each.
fn pieces(line: &str, style: &mut Style) -> Vec<(Style, String)> {
    let mut pieces: Vec<(Style, String)> = vec![];
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        if let Some((parameters, behind)) = rest.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m')) {
            style.take(parameters);
            rest = behind;
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        match pieces.last_mut() {
            Some((last, text)) if last == style => text.push(letter),
            _ => pieces.push((style.clone(), letter.to_string())),
        }
    }
    pieces
}

/// The picture of a screen.
pub fn svg(screen: &str) -> String {
    let mut style = Style::default();
    let rows: Vec<_> = screen.lines().map(|line| pieces(line, &mut style)).collect();
    let columns = |row: &[(Style, String)]| row.iter().map(|(_, text)| text.chars().count()).sum::<usize>();
    let widest = rows.iter().map(|row| columns(row)).max().unwrap_or(0).max(80);
    let (width, height) = (2.0 * MARGIN + CELL.0 * widest as f64, 2.0 * MARGIN + CELL.1 * rows.len() as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"DejaVu Sans Mono, \
         Menlo, Consolas, monospace\" font-size=\"{LETTER}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (index, row) in rows.iter().enumerate() {
        let (mut x, y) = (MARGIN, MARGIN + CELL.1 * index as f64);
        for (style, text) in row {
            let width = CELL.0 * text.chars().count() as f64;
            let (letter, background) = style.colours();
            if let Some(background) = background {
                let height = CELL.1;
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{background}\"/>"
                );
            }
            if !text.trim().is_empty() {
                let mut more = String::new();
                for (is_set, attribute) in [
                    (style.is_bold, " font-weight=\"bold\""),
                    (style.is_faint, " opacity=\"0.6\""),
                    (style.is_underlined, " text-decoration=\"underline\""),
                ] {
                    more.push_str(if is_set { attribute } else { "" });
                }
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                // Viewers make one blank of several.
                let text = text.replace(' ', "\u{a0}");
                let baseline = y + 0.75 * CELL.1;
                // The length holds the columns where the reader's font is another one.
                let _ = writeln!(
                    out,
                    "<text x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{width:.1}\" fill=\"{letter}\"{more}>{text}</text>"
                );
            }
            x += width;
        }
    }
    out + "</svg>\n"
}

/// Draws the screen in the file `from` into the file `to`.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn draw(from: &Path, to: &Path) -> Result<()> {
    let screen = fs::read_to_string(from).with_context(|| from.display().to_string())?;
    fs::write(to, svg(&screen)).with_context(|| to.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_their_colours_and_places() {
        let picture = svg("a\x1b[1m\x1b[38;5;214mb<\x1b[0m c\n\x1b[7m  d \x1b[27m\n");
        for part in [
            "<text x=\"10.0\" y=\"23.5\" textLength=\"8.4\" fill=\"#d0d0d0\">a</text>",
            "<text x=\"18.4\" y=\"23.5\" textLength=\"16.8\" fill=\"#ffaf00\" font-weight=\"bold\">b&lt;</text>",
            "<rect x=\"10.0\" y=\"28.0\" width=\"33.6\" height=\"18\" fill=\"#d0d0d0\"/>",
            "fill=\"#1c1c1c\">\u{a0}\u{a0}d\u{a0}</text>",
        ] {
            assert!(picture.contains(part), "{part}\n{picture}");
        }
    }

    #[test]
    fn colours_are_those_of_xterm() {
        assert_eq!([9, 74, 202, 245].map(rgb), ["#ff0000", "#5fafd7", "#ff5f00", "#8a8a8a"]);
    }
}
