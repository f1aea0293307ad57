// SPDX-License-Identifier: GPL-2.0

//! The figures: panels above each other that share their horizontal scale, a title above, a caption below.

pub mod case1;
pub mod case2;
pub mod profile;

use crate::canvas::{paint, CanvasError, Type};
use crate::palette::MUTED;
use crate::panel::{draw_legend, legend_height, Frame, Horizontal, Panel, Pen};

const WIDTH: f64 = 960.0;
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
        let width = WIDTH - LEFT - RIGHT;
        let margin = 24.0;
        let subtitle: Vec<String> =
            self.subtitle.iter().flat_map(|line| wrap(line, 12.5, WIDTH - 2.0 * margin)).collect();
        let caption: Vec<String> =
            self.caption.iter().flat_map(|text| wrap(text, 11.0, WIDTH - 2.0 * margin)).collect();
        let legend_top = 44.0 + LINE * subtitle.len() as f64;
        let legend = legend_height(&self.legend, WIDTH - 2.0 * margin);
        let panels_top = legend_top + legend + if legend > 0.0 { 10.0 } else { 6.0 };
        let panels: f64 = self.panels.iter().map(|(_, height)| height + GAP).sum();
        let caption_top = panels_top + panels + 36.0;
        let height = (caption_top + 15.0 * caption.len() as f64 + 12.0).ceil();
        let description = self.subtitle.iter().chain(&self.caption).cloned().collect::<Vec<_>>().join(" ");
        paint((WIDTH, height), &self.title, &description, |canvas| {
            canvas.text(margin, 26.0, &self.title, Type::new(18.0).bold())?;
            for (index, line) in subtitle.iter().enumerate() {
                canvas.text(margin, 50.0 + LINE * index as f64, line, Type::new(12.5).colour(MUTED))?;
            }
            draw_legend(canvas, (margin, legend_top), WIDTH - 2.0 * margin, &self.legend)?;
            let mut top = panels_top;
            for (index, (panel, height)) in self.panels.iter().enumerate() {
                let frame = Frame { left: LEFT, top, right: LEFT + width, bottom: top + height };
                panel.draw(canvas, frame, &self.x, index + 1 == self.panels.len())?;
                top += height + GAP;
            }
            for (index, line) in caption.iter().enumerate() {
                canvas.text(margin, caption_top + 7.5 + 15.0 * index as f64, line, Type::new(11.0).colour(MUTED))?;
            }
            Ok(())
        })
    }
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
    fn wraps_between_words() {
        assert_eq!(wrap("one two three", 10.0, 50.0), ["one two", "three"]);
        assert_eq!(wrap("", 10.0, 50.0), Vec::<String>::new());
    }
}
