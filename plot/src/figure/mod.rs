// SPDX-License-Identifier: GPL-2.0

//! The figures: panels above each other that share their horizontal scale, a title above, a caption below.

pub mod bars;
pub mod profile;

use crate::canvas::{paint, Canvas, CanvasError, Type};
use crate::palette::MUTED;
use crate::panel::{draw_legend, legend_height, Frame, Horizontal, Panel, Pen};

/// Width of every figure, in logical pixels.
pub const WIDTH: f64 = 960.0;
/// Space left and right of words.
pub const MARGIN: f64 = 24.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 28.0;
/// Baseline distance of subtitles and captions.
const LINE: f64 = 17.0;
/// Space below a panel.
const GAP: f64 = 16.0;

/// A figure, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// The totals, a line each.
    pub subtitle: Vec<String>,
    /// Names of lines that all panels share.
    pub legend: Vec<(Pen, String)>,
    /// Panels from top to bottom, each with its height in logical pixels.
    pub panels: Vec<(Panel, f64)>,
    /// Their horizontal scale.
    pub x: Horizontal,
    /// Definitions and what else a reader must know, a paragraph each.
    pub caption: Vec<String>,
}

impl Figure {
    /// The figure as SVG.
    ///
    /// # Errors
    /// The canvas failed.
    pub fn svg(&self) -> Result<String, CanvasError> {
        let inner = WIDTH - 2.0 * MARGIN;
        let legend = legend_height(&self.legend, inner);
        let legend_bottom = legend + if legend > 0.0 { 10.0 } else { 6.0 };
        let panels: f64 = self.panels.iter().map(|(_, height)| height + GAP).sum();
        let names = self.panels.iter().map(|(panel, _)| panel.names_width()).fold(0.0, f64::max);
        let right = WIDTH - if names > 0.0 { names + MARGIN } else { RIGHT };
        let sheet = Sheet { title: &self.title, subtitle: &self.subtitle, caption: &self.caption };
        sheet.svg(legend_bottom + panels + 36.0, |canvas, top| {
            draw_legend(canvas, (MARGIN, top), inner, &self.legend)?;
            let mut top = top + legend_bottom;
            for (index, (panel, height)) in self.panels.iter().enumerate() {
                let frame = Frame { left: LEFT, top, right, bottom: top + height };
                panel.draw(canvas, frame, &self.x, index + 1 == self.panels.len())?;
                top += height + GAP;
            }
            Ok(())
        })
    }
}

/// The words around what is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// What it shows.
    pub title: &'a str,
    /// The totals, a line each.
    pub subtitle: &'a [String],
    /// Definitions and what else a reader must know, a paragraph each.
    pub caption: &'a [String],
}

impl Sheet<'_> {
    /// The figure as SVG; `draw` gets the upper edge of the `height` that it asked for.
    ///
    /// # Errors
    /// What `draw` returns.
    pub fn svg(
        &self,
        height: f64,
        draw: impl FnOnce(&Canvas<'_>, f64) -> Result<(), CanvasError>,
    ) -> Result<String, CanvasError> {
        let lines = |texts: &[String], size| -> Vec<String> {
            texts.iter().flat_map(|text| wrap(text, size, WIDTH - 2.0 * MARGIN)).collect()
        };
        let (subtitle, caption) = (lines(self.subtitle, 12.5), lines(self.caption, 11.0));
        let top = 44.0 + LINE * subtitle.len() as f64;
        let caption_top = top + height;
        let height = (caption_top + 15.0 * caption.len() as f64 + 12.0).ceil();
        let description = self.subtitle.iter().chain(self.caption).cloned().collect::<Vec<_>>().join(" ");
        paint((WIDTH, height), self.title, &description, |canvas| {
            let kind = Type::new(18.0).bold();
            canvas.text(MARGIN, 26.0, &shortened(self.title, kind, WIDTH - 2.0 * MARGIN), kind)?;
            for (index, line) in subtitle.iter().enumerate() {
                canvas.text(MARGIN, 50.0 + LINE * index as f64, line, Type::new(12.5).colour(MUTED))?;
            }
            draw(canvas, top)?;
            for (index, line) in caption.iter().enumerate() {
                canvas.text(MARGIN, caption_top + 7.5 + 15.0 * index as f64, line, Type::new(11.0).colour(MUTED))?;
            }
            Ok(())
        })
    }
}

/// `text`, or so much of its beginning and end as `width` pixels hold.
fn shortened(text: &str, kind: Type, width: f64) -> String {
    if kind.width(text) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let keep = |count: usize| -> String {
        let (head, tail) = (&letters[..count.div_ceil(2)], &letters[letters.len() - count / 2..]);
        head.iter().chain(&['…']).chain(tail).collect()
    };
    (0..letters.len()).rev().map(keep).find(|short| kind.width(short) <= width).unwrap_or_else(|| "…".into())
}

/// Breaks `text` into lines of at most `width` pixels at a font size of `size`.
fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let kind = Type::new(size);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if kind.width(line) + kind.width(word) + kind.width(" ") <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_keeps_its_beginning_and_its_end() {
        let kind = Type::new(18.0).bold();
        assert_eq!(shortened("short", kind, 900.0), "short");
        let long = format!("begin-{}-end.data", "x".repeat(300));
        let short = shortened(&long, kind, 900.0);
        assert!(kind.width(&short) <= 900.0 && short.starts_with("begin-") && short.ends_with("-end.data"), "{short}");
        assert_eq!(shortened("long", kind, 0.0), "…");
    }

    #[test]
    fn wraps_between_words() {
        assert_eq!(wrap("one two three", 10.0, 50.0), ["one two", "three"]);
        assert_eq!(wrap("", 10.0, 50.0), Vec::<String>::new());
    }
}
