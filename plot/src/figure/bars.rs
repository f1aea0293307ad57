// SPDX-License-Identifier: GPL-2.0

//! Horizontal bars on a logarithmic scale: what each subject costs, with the number at its bar.

use super::{Sheet, MARGIN, WIDTH};
use crate::axis::Axis;
use crate::canvas::{Align, Canvas, CanvasError, Type};
use crate::number::decade_label;
use crate::palette::{FRAME, GRID, INK, MINOR, OTHERS};

/// Height of a bar's row.
const ROW: f64 = 30.0;
/// Thickness of a bar.
const BAR: f64 = 17.0;
/// Height of a group's title.
const TITLE: f64 = 26.0;
/// Size of names and numbers.
const LABEL: f64 = 12.0;
/// Space between a bar and what is written at it.
const BESIDE: f64 = 8.0;
/// Half the height of a spread's ends.
const CAP: f64 = 3.5;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What it measures.
    pub name: String,
    /// Where it ends.
    pub value: f64,
    /// The least and the most of the measurements.
    pub spread: (f64, f64),
    /// What is written at it.
    pub text: String,
    /// Whether it is the one that the others are compared with.
    pub stands_out: bool,
}

/// Bars under a title.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The title; may be empty.
    pub title: String,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
}

/// A figure of bars.
#[derive(Debug, Clone)]
pub struct BarFigure {
    /// What it shows.
    pub title: String,
    /// Lines below the title.
    pub subtitle: Vec<String>,
    /// The bars.
    pub groups: Vec<Group>,
    /// Title of the scale, with unit.
    pub scale: String,
    /// What else a reader must know, a paragraph each.
    pub caption: Vec<String>,
}

impl BarFigure {
    /// The figure as SVG.
    ///
    /// # Errors
    /// The canvas failed.
    pub fn svg(&self) -> Result<String, CanvasError> {
        let axis = self.axis();
        let names = self.bars().map(|bar| bar.kind().width(&bar.name)).fold(0.0, f64::max);
        let left = MARGIN + names + BESIDE;
        // As wide as leaves each bar room for its number.
        let right = self.bars().fold(WIDTH - 2.0 * MARGIN, |right, bar| {
            let room = WIDTH - MARGIN - BESIDE - bar.kind().width(&bar.text) - left;
            right.min(left + room / axis.part(bar.end()).max(0.01))
        });
        let height: f64 = self.groups.iter().map(Group::height).sum();
        let sheet = Sheet { title: &self.title, subtitle: &self.subtitle, caption: &self.caption };
        sheet.svg(height + 64.0, |canvas, top| {
            let mut top = top + 10.0;
            for group in &self.groups {
                let place = |value: f64| left + axis.part(value) * (right - left);
                group.draw(canvas, top, &axis, &place)?;
                top += group.height();
            }
            for &value in &axis.labels {
                let x = left + axis.part(value) * (right - left);
                canvas.text(x, top + 12.0, &decade_label(value), Type::new(LABEL - 0.5).align(Align::Middle))?;
            }
            canvas.text((left + right) / 2.0, top + 32.0, &self.scale, Type::new(LABEL).align(Align::Middle))
        })
    }

    /// The scale: from a power of ten below the shortest bar, so that it too has a length, to where the longest spread ends.
    pub fn axis(&self) -> Axis {
        let axis = Axis::logarithmic(self.bars().flat_map(|bar| [bar.value * 0.8, bar.spread.1]));
        let most = self.bars().map(|bar| bar.spread.1).fold(0.0, f64::max);
        let least = axis.min;
        axis.trimmed(least, most)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }
}

impl Group {
    fn head(&self) -> f64 {
        if self.title.is_empty() {
            0.0
        } else {
            TITLE
        }
    }

    fn height(&self) -> f64 {
        self.head() + ROW * self.bars.len() as f64 + 10.0
    }

    fn draw(&self, canvas: &Canvas<'_>, top: f64, axis: &Axis, place: &impl Fn(f64) -> f64) -> Result<(), CanvasError> {
        if !self.title.is_empty() {
            canvas.text(MARGIN, top + TITLE / 2.0, &self.title, Type::new(LABEL + 1.0).bold())?;
        }
        let (top, bottom) = (top + self.head(), top + self.height() - 6.0);
        for &value in &axis.labels {
            canvas.line(&[(place(value), top), (place(value), bottom)], GRID, 1.0)?;
        }
        for (index, bar) in self.bars.iter().enumerate() {
            bar.draw(canvas, top + ROW * (index as f64 + 0.5), axis.min, place)?;
        }
        canvas.line(&[(place(axis.min), top), (place(axis.min), bottom)], FRAME, 1.0)
    }
}

impl Bar {
    fn draw(&self, canvas: &Canvas<'_>, y: f64, least: f64, place: &impl Fn(f64) -> f64) -> Result<(), CanvasError> {
        let (left, end) = (place(least), place(self.value));
        let kind = self.kind();
        canvas.text(left - BESIDE, y, &self.name, kind.align(Align::Right))?;
        if end > left {
            let colour = if self.stands_out { MINOR } else { OTHERS };
            canvas.rectangle((left, y - BAR / 2.0), (end, y + BAR / 2.0), colour)?;
        }
        let (low, high) = (place(self.spread.0), place(self.spread.1));
        // A spread that is narrower than its own ends would only blur the bar's.
        if high - low > 2.0 {
            canvas.line(&[(low, y), (high, y)], INK, 1.25)?;
            for x in [low, high].into_iter().filter(|&x| x > left) {
                canvas.line(&[(x, y - CAP), (x, y + CAP)], INK, 1.25)?;
            }
        }
        canvas.text(place(self.end()) + BESIDE, y, &self.text, kind)
    }

    /// Where the bar and its spread end.
    fn end(&self) -> f64 {
        self.value.max(self.spread.1)
    }

    /// How what is written looks.
    fn kind(&self) -> Type {
        if self.stands_out {
            Type::new(LABEL).bold()
        } else {
            Type::new(LABEL)
        }
    }
}
