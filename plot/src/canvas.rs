// SPDX-License-Identifier: GPL-2.0

//! The paper: SVG through plotters, in logical pixels.

use crate::palette::{Mark, INK};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

/// plotters places everything on whole units. Drawn eight times as large as it is shown, lines keep eighths of a pixel and
/// slow curves their smoothness.
pub const SCALE: f64 = 8.0;

/// plotters writes fonts smaller than asked for, by this factor.
const FONT_CORRECTION: f64 = 1.24;

/// Drawing failed. With a string as the target it does not; plotters' interface allows it.
#[derive(Debug, thiserror::Error)]
#[error("drawing: {0}")]
pub struct CanvasError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for CanvasError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// Where a text stands with respect to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Begins there.
    Left,
    /// Is centred there.
    Middle,
    /// Ends there.
    Right,
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Type {
    /// Font size in logical pixels.
    pub size: f64,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub colour: RGBColor,
    /// Its side.
    pub align: Align,
}

impl Type {
    /// Regular ink, beginning at its point.
    pub fn new(size: f64) -> Self {
        Self { size, bold: false, colour: INK, align: Align::Left }
    }

    /// The same in bold.
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// The same in another colour.
    pub fn colour(self, colour: RGBColor) -> Self {
        Self { colour, ..self }
    }

    /// The same on another side.
    pub fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }

    /// About how wide `text` is, in logical pixels; rather too wide than too narrow, since a reader's sans-serif is not
    /// known. (DejaVu Sans, which the PNG has, is wider than most.)
    pub fn width(&self, text: &str) -> f64 {
        let ems: f64 = text
            .chars()
            .map(|c| match c {
                'i' | 'j' | 'l' | '\'' | '|' => 0.29,
                ' ' | '.' | ',' | ':' | ';' | 'f' | 't' | 'I' | 'r' | '(' | ')' | '-' | '/' => 0.37,
                'm' | 'M' | 'W' | 'w' | '%' | '—' | '@' => 0.95,
                c if c.is_ascii_uppercase() => 0.70,
                _ => 0.62,
            })
            .sum();
        ems * self.size * if self.bold { 1.1 } else { 1.0 }
    }
}

/// A drawing under way. All positions and sizes are in logical pixels from the upper left corner.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws a figure of `width` by `height` logical pixels and returns it as SVG. `title` and `description` are for screen
/// readers.
///
/// # Errors
/// What `draw` returns.
pub fn paint(
    (width, height): (f64, f64),
    title: &str,
    description: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), CanvasError>,
) -> Result<String, CanvasError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (scaled(width) as u32, scaled(height) as u32)).into_drawing_area();
        area.fill(&WHITE)?;
        let canvas = Canvas { area };
        draw(&canvas)?;
        canvas.area.present()?;
    }
    let body = svg.find('>').map_or("", |end| &svg[end + 1..]);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         stroke-linejoin=\"round\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>{body}",
        scaled(width),
        scaled(height),
        escape(title),
        escape(description)
    ))
}

impl Canvas<'_> {
    /// Writes `text`, vertically centred at its point.
    pub fn text(&self, x: f64, y: f64, text: &str, kind: Type) -> Result<(), CanvasError> {
        self.write(x, y, text, kind, FontTransform::None)
    }

    fn write(&self, x: f64, y: f64, text: &str, kind: Type, turn: FontTransform) -> Result<(), CanvasError> {
        let style = if kind.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = ("sans-serif", kind.size * FONT_CORRECTION * SCALE, style).into_font().transform(turn);
        let side = match kind.align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle::from(font).color(&kind.colour).pos(Pos::new(side, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), point(x, y), style))?;
        Ok(())
    }

    /// A line through `points`.
    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), CanvasError> {
        if points.len() < 2 {
            return Ok(());
        }
        self.area.draw(&PathElement::new(places(points), stroke(colour, width)))?;
        Ok(())
    }

    /// A line through `points`, in dashes of `dash` and gaps of `gap` pixels along the way.
    pub fn dashed(
        &self,
        points: &[(f64, f64)],
        colour: RGBColor,
        width: f64,
        (dash, gap): (f64, f64),
    ) -> Result<(), CanvasError> {
        for piece in dashes(points, dash, gap) {
            self.line(&piece, colour, width)?;
        }
        Ok(())
    }

    /// A filled shape, `opacity` from 0 to 1.
    pub fn fill(&self, points: &[(f64, f64)], colour: RGBColor, opacity: f64) -> Result<(), CanvasError> {
        self.area.draw(&Polygon::new(places(points), colour.mix(opacity).filled()))?;
        Ok(())
    }

    /// A filled rectangle.
    pub fn rectangle(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Result<(), CanvasError> {
        self.area.draw(&Rectangle::new([point(from.0, from.1), point(to.0, to.1)], colour.filled()))?;
        Ok(())
    }

    /// A mark of about `size` pixels across, with a rim of paper so that it stands out from lines.
    pub fn mark(&self, (x, y): (f64, f64), mark: Mark, size: f64, colour: RGBColor) -> Result<(), CanvasError> {
        self.shape((x, y), mark, size + 2.0, WHITE)?;
        self.shape((x, y), mark, size, colour)
    }

    fn shape(&self, (x, y): (f64, f64), mark: Mark, size: f64, colour: RGBColor) -> Result<(), CanvasError> {
        let half = size / 2.0;
        let corners: &[(f64, f64)] = match mark {
            Mark::Circle => {
                self.area.draw(&Circle::new(point(x, y), scaled(half), colour.filled()))?;
                return Ok(());
            }
            Mark::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Mark::Triangle => &[(0.0, -1.15), (1.05, 0.75), (-1.05, 0.75)],
            Mark::Diamond => &[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)],
            Mark::Wedge => &[(0.0, 1.15), (1.05, -0.75), (-1.05, -0.75)],
        };
        let corners: Vec<_> = corners.iter().map(|&(dx, dy)| (x + dx * half, y + dy * half)).collect();
        self.fill(&corners, colour, 1.0)
    }
}

fn scaled(value: f64) -> i32 {
    (value * SCALE).round() as i32
}

fn point(x: f64, y: f64) -> (i32, i32) {
    (scaled(x), scaled(y))
}

/// Points on plotters' grid, repeated ones left out.
fn places(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    let mut places: Vec<_> = points.iter().map(|&(x, y)| point(x, y)).collect();
    places.dedup();
    places
}

fn stroke(colour: RGBColor, width: f64) -> ShapeStyle {
    colour.stroke_width(scaled(width).max(1) as u32)
}

/// `text` as it stands in markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Cuts a way into dashes.
fn dashes(points: &[(f64, f64)], dash: f64, gap: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let Some(&(mut at)) = points.first() else { return pieces };
    let (mut drawing, mut left) = (true, dash);
    let mut piece = vec![at];
    for &next in &points[1..] {
        loop {
            let (dx, dy) = (next.0 - at.0, next.1 - at.1);
            let distance = dx.hypot(dy);
            if distance <= left {
                left -= distance;
                at = next;
                if drawing {
                    piece.push(at);
                }
                break;
            }
            at = (at.0 + dx * left / distance, at.1 + dy * left / distance);
            if drawing {
                piece.push(at);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            drawing = !drawing;
            left = if drawing { dash } else { gap };
        }
    }
    if drawing && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_way() {
        let pieces = dashes(&[(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)], 4.0, 2.0);
        assert_eq!(pieces, [vec![(0.0, 0.0), (4.0, 0.0)], vec![(5.0, 1.0), (5.0, 5.0)]]);
    }

    #[test]
    fn svg_has_its_size_in_logical_pixels_and_words_for_screen_readers() {
        let svg =
            paint((100.0, 50.0), "A < B", "what is seen", |canvas| canvas.text(10.0, 10.0, "x & y", Type::new(12.0)))
                .unwrap();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"50\""), "{svg}");
        assert!(svg.contains("<title id=\"title\">A &lt; B</title>"));
        assert!(svg.contains("x &amp; y"));
        assert!(svg.contains("font-family=\"sans-serif\""));
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
