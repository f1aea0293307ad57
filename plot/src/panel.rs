// SPDX-License-Identifier: GPL-2.0

//! One pair of axes with lines on it, its title and legend above it where they cover nothing.

use crate::axis::Axis;
use crate::canvas::{Align, Canvas, CanvasError, Type};
use crate::number::{decade_label, scale_label};
use crate::palette::{Mark, FRAME, GRID, INK, MUTED};
use plotters::style::{RGBColor, WHITE};

/// Size of the titles of panels.
const TITLE: f64 = 13.5;
/// Size of labels and legends.
const LABEL: f64 = 11.5;
/// Height of a row of text above the axes.
const ROW: f64 = 19.0;
/// Length of a line's sample in a legend.
const SAMPLE: f64 = 26.0;

/// Distance of a moment's label from its line.
const BESIDE: f64 = 5.0;

/// Size of what stands below a line's name.
const DETAIL: f64 = 10.5;
/// Height of a line's name with what stands below it.
const NAME: f64 = 31.0;
/// Distance of a line's name from the axes.
const AWAY: f64 = 26.0;

/// A place on the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Left edge of the axes; the scale's labels stand left of it.
    pub left: f64,
    /// Upper edge of the panel, titles included.
    pub top: f64,
    /// Right edge of the axes.
    pub right: f64,
    /// Lower edge of the axes; labels of time stand below it.
    pub bottom: f64,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    /// Its colour.
    pub colour: RGBColor,
    /// Its width in logical pixels.
    pub width: f64,
    /// Dash and gap in logical pixels; a full line without.
    pub dash: Option<(f64, f64)>,
    /// The mark on its points.
    pub mark: Option<Mark>,
}

impl Pen {
    /// A full line.
    pub fn full(colour: RGBColor, width: f64) -> Self {
        Self { colour, width, dash: None, mark: None }
    }

    /// The same in dashes.
    pub fn dashed(self, dash: f64, gap: f64) -> Self {
        Self { dash: Some((dash, gap)), ..self }
    }

    /// The same with marks.
    pub fn marked(self, mark: Mark) -> Self {
        Self { mark: Some(mark), ..self }
    }
}

/// What is drawn on the axes, in the order given.
#[derive(Debug, Clone)]
pub enum Item {
    /// A line through points of the data.
    Line {
        /// Points in units of the axes.
        points: Vec<(f64, f64)>,
        /// How it looks.
        pen: Pen,
    },
    /// The pen's mark on points of a line. An item of its own, so that marks can lie above all lines.
    Marks {
        /// Points in units of the axes.
        points: Vec<(f64, f64)>,
        /// How they look.
        pen: Pen,
    },
    /// The space between a lower and an upper line.
    Band {
        /// (x, lower, upper) in units of the axes.
        edges: Vec<(f64, f64, f64)>,
        /// Its colour.
        colour: RGBColor,
        /// From 0 to 1.
        opacity: f64,
    },
    /// A vertical line through the axes, with its label above them.
    Moment {
        /// Its place on the horizontal axis.
        x: f64,
        /// Its label.
        label: String,
        /// Its colour.
        colour: RGBColor,
    },
    /// A horizontal line through the axes, with its label on it at the left.
    Level {
        /// Its place on the vertical axis.
        y: f64,
        /// Its label.
        label: String,
        /// Its colour.
        colour: RGBColor,
    },
    /// A number beside a point.
    Value {
        /// The point, in units of the axes.
        at: (f64, f64),
        /// What is written.
        text: String,
        /// Its colour.
        colour: RGBColor,
    },
    /// A line's name right of the axes, at the height of the line's end or, where others stand there, near it.
    Name {
        /// The line's end, in units of the axes.
        at: (f64, f64),
        /// The name.
        name: String,
        /// What is written below it.
        detail: String,
        /// The line's pen.
        pen: Pen,
    },
}

/// A pair of axes.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What is shown.
    pub title: String,
    /// Its unit, as written behind the title.
    pub unit: String,
    /// The vertical scale.
    pub y: Axis,
    /// Behind each label of the vertical scale.
    pub y_suffix: &'static str,
    /// What is drawn.
    pub items: Vec<Item>,
    /// What the lines are called.
    pub legend: Vec<(Pen, String)>,
}

/// The horizontal scale, which panels above each other share.
#[derive(Debug, Clone)]
pub struct Horizontal {
    /// The scale.
    pub axis: Axis,
    /// Title with unit, below the lowest panel.
    pub title: String,
}

impl Panel {
    /// Draws the panel; `labelled` says whether the horizontal scale is written below it.
    ///
    /// # Errors
    /// The canvas failed.
    pub fn draw(&self, canvas: &Canvas<'_>, frame: Frame, x: &Horizontal, labelled: bool) -> Result<(), CanvasError> {
        let top = frame.top + self.head_height(frame, x);
        let scale = Scale { frame: Frame { top, ..frame }, x: &x.axis, y: &self.y };
        self.draw_head(canvas, frame)?;
        self.draw_grid(canvas, &scale)?;
        if labelled {
            draw_horizontal(canvas, &scale, x)?;
        }
        for item in &self.items {
            item.draw(canvas, &scale)?;
        }
        self.draw_names(canvas, &scale)?;
        self.draw_moments(canvas, &scale)
    }

    /// Room that names of lines need right of the axes.
    pub fn names_width(&self) -> f64 {
        let widths = self.items.iter().filter_map(|item| {
            let Item::Name { name, detail, .. } = item else { return None };
            Some(AWAY + Type::new(LABEL).width(name).max(Type::new(DETAIL).width(detail)))
        });
        widths.fold(0.0, f64::max)
    }

    fn draw_names(&self, canvas: &Canvas<'_>, scale: &Scale<'_>) -> Result<(), CanvasError> {
        let mut names: Vec<_> = self
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Name { at, name, detail, pen } => Some((scale.place(at), name, detail, pen)),
                _ => None,
            })
            .collect();
        names.sort_by(|a, b| a.0 .1.total_cmp(&b.0 .1));
        let heights = spread(&names.iter().map(|name| name.0 .1).collect::<Vec<_>>(), NAME);
        for ((end, name, detail, pen), y) in names.into_iter().zip(heights) {
            let beside = scale.frame.right + AWAY;
            let way = [(end.0 + 6.0, end.1), (beside - 3.0, y)];
            if end.0 < scale.frame.right - 1.0 {
                // Not to be taken for more of the line.
                canvas.dashed(&way, pen.colour, 0.75, (1.5, 4.0))?;
            } else {
                canvas.line(&way, pen.colour, 0.75)?;
            }
            canvas.text(beside, y - 6.5, name, Type::new(LABEL))?;
            canvas.text(beside, y + 7.5, detail, Type::new(DETAIL).colour(MUTED))?;
        }
        Ok(())
    }

    /// Height of title, legend and the labels of moments.
    fn head_height(&self, frame: Frame, x: &Horizontal) -> f64 {
        let scale = Scale { frame, x: &x.axis, y: &self.y };
        let moments = self.moment_rows(&scale).iter().map(|&(_, row, _)| row + 1).max().unwrap_or(0);
        ROW * (1.0 + self.legend_rows(frame) as f64 + moments as f64) + 4.0
    }

    fn legend_width(&self) -> f64 {
        self.legend.iter().map(|(_, name)| entry_width(name)).sum()
    }

    /// Rows that the legend needs below the title; none if it has room beside it.
    fn legend_rows(&self, frame: Frame) -> usize {
        if self.legend.is_empty() || self.title_width() + self.legend_width() < frame.right - frame.left {
            return 0;
        }
        arrange(self.legend.iter().map(|(_, name)| name.as_str()), frame.right - frame.left)
            .last()
            .map_or(0, |&(_, row)| row + 1)
    }

    fn title_width(&self) -> f64 {
        Type::new(TITLE).bold().width(&self.title) + Type::new(LABEL).width(&self.unit) + 30.0
    }

    fn draw_head(&self, canvas: &Canvas<'_>, frame: Frame) -> Result<(), CanvasError> {
        let y = frame.top + ROW / 2.0;
        let title = Type::new(TITLE).bold();
        canvas.text(frame.left, y, &self.title, title)?;
        canvas.text(frame.left + title.width(&self.title) + 8.0, y, &self.unit, Type::new(LABEL).colour(MUTED))?;
        if self.legend_rows(frame) == 0 {
            let mut x = frame.right - self.legend_width() + 14.0;
            for (pen, name) in &self.legend {
                draw_entry(canvas, (x, y), pen, name)?;
                x += entry_width(name);
            }
            return Ok(());
        }
        draw_legend(canvas, (frame.left, frame.top + ROW), frame.right - frame.left, &self.legend)
    }

    fn draw_grid(&self, canvas: &Canvas<'_>, scale: &Scale<'_>) -> Result<(), CanvasError> {
        let Frame { left, top, right, bottom } = scale.frame;
        for &value in &scale.x.labels {
            let x = scale.x(value);
            canvas.line(&[(x, top), (x, bottom)], GRID, 1.0)?;
        }
        let largest = self.y.labels.last().copied().unwrap_or(0.0);
        for &value in &self.y.labels {
            let y = scale.y(value);
            canvas.line(&[(left, y), (right, y)], if value == 0.0 { FRAME } else { GRID }, 1.0)?;
            let label = match self.y.logarithmic {
                true => decade_label(value),
                false => scale_label(value, self.y.step, largest),
            } + self.y_suffix;
            canvas.text(left - 8.0, y, &label, Type::new(LABEL).align(Align::Right))?;
        }
        Ok(())
    }

    /// Moments with the row and the side of their labels, row 0 lowest. A label stands left of its line where there is room,
    /// and above those that it would meet: no line then crosses a label.
    fn moment_rows(&self, scale: &Scale<'_>) -> Vec<(&Item, usize, Align)> {
        let mut placed: Vec<Label> = Vec::new();
        let mut rows = Vec::new();
        let mut moments: Vec<(f64, &Item)> = self
            .items
            .iter()
            .filter_map(|item| if let Item::Moment { x, .. } = item { Some((*x, item)) } else { None })
            .collect();
        moments.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (at, item) in moments {
            let Item::Moment { label, .. } = item else { continue };
            let width = Type::new(LABEL).width(label) + BESIDE;
            let x = scale.x(at);
            let align = if x - width < scale.frame.left { Align::Left } else { Align::Right };
            let (start, end) = if align == Align::Right { (x - width, x) } else { (x, x + width) };
            let highest = placed.iter().map(|other| other.row + 1).max().unwrap_or(0);
            let label = |row| Label { row, x, start, end };
            let row = (0..highest).find(|&row| placed.iter().all(|other| !label(row).meets(other))).unwrap_or(highest);
            placed.push(label(row));
            rows.push((item, row, align));
        }
        rows
    }

    fn draw_moments(&self, canvas: &Canvas<'_>, scale: &Scale<'_>) -> Result<(), CanvasError> {
        for (item, row, align) in self.moment_rows(scale) {
            let Item::Moment { x, label, colour } = item else { continue };
            let x = scale.x(*x);
            let y = scale.frame.top - 4.0 - ROW * row as f64 - ROW / 2.0;
            canvas.dashed(&[(x, y - ROW / 2.0 + 3.0), (x, scale.frame.bottom)], *colour, 1.25, (4.0, 3.0))?;
            let beside = if align == Align::Right { -BESIDE } else { BESIDE };
            canvas.text(x + beside, y, label, Type::new(LABEL).colour(*colour).align(align))?;
        }
        Ok(())
    }
}

/// Where the label of a moment stands: its row, the place of its line, and from where to where it reaches.
#[derive(Debug, Clone, Copy)]
struct Label {
    row: usize,
    x: f64,
    start: f64,
    end: f64,
}

impl Label {
    /// Whether the two overlap, or the line of one, which goes down from its own row, crosses the other.
    fn meets(&self, other: &Label) -> bool {
        let crosses = |line: &Label, label: &Label| line.row > label.row && label.start < line.x && line.x < label.end;
        let overlaps = self.row == other.row && self.start <= other.end && other.start <= self.end;
        overlaps || crosses(self, other) || crosses(other, self)
    }
}

/// From units of the data to places on the canvas.
struct Scale<'a> {
    frame: Frame,
    x: &'a Axis,
    y: &'a Axis,
}

impl Scale<'_> {
    fn x(&self, value: f64) -> f64 {
        self.frame.left + self.x.part(value) * (self.frame.right - self.frame.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.frame.bottom - self.y.part(value) * (self.frame.bottom - self.frame.top)
    }

    fn place(&self, &(x, y): &(f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }
}

impl Item {
    fn draw(&self, canvas: &Canvas<'_>, scale: &Scale<'_>) -> Result<(), CanvasError> {
        match self {
            Item::Line { points, pen } => {
                let places: Vec<_> = points.iter().map(|point| scale.place(point)).collect();
                draw_line(canvas, &places, pen)
            }
            Item::Marks { points, pen } => {
                let Some(mark) = pen.mark else { return Ok(()) };
                points.iter().try_for_each(|point| canvas.mark(scale.place(point), mark, 6.5, pen.colour))
            }
            Item::Band { edges, colour, opacity } => {
                let upper = edges.iter().map(|&(x, _, upper)| scale.place(&(x, upper)));
                let lower = edges.iter().rev().map(|&(x, lower, _)| scale.place(&(x, lower)));
                canvas.fill(&upper.chain(lower).collect::<Vec<_>>(), *colour, *opacity)
            }
            // Above everything else: drawn at the end.
            Item::Moment { .. } | Item::Name { .. } => Ok(()),
            Item::Level { y, label, colour } => {
                let y = scale.y(*y);
                let Frame { left, right, .. } = scale.frame;
                canvas.dashed(&[(left, y), (right, y)], *colour, 1.25, (2.0, 3.0))?;
                let kind = Type::new(LABEL).colour(*colour);
                canvas.text(left + 8.0, y - 9.0, label, kind)
            }
            Item::Value { at, text, colour } => {
                let (x, y) = scale.place(at);
                let kind = Type::new(LABEL).colour(*colour).align(Align::Middle);
                // On paper of its own: a line that passes there would run through the digits.
                let (half, middle) = (kind.width(text) / 2.0, y - 13.0);
                let (left, right, top, bottom) = (x - half, x + half, middle - 7.0, middle + 7.0);
                canvas.fill(&[(left, top), (right, top), (right, bottom), (left, bottom)], WHITE, 0.85)?;
                canvas.text(x, middle, text, kind)
            }
        }
    }
}

fn draw_line(canvas: &Canvas<'_>, places: &[(f64, f64)], pen: &Pen) -> Result<(), CanvasError> {
    match pen.dash {
        Some(dash) => canvas.dashed(places, pen.colour, pen.width, dash),
        None => canvas.line(places, pen.colour, pen.width),
    }
}

fn draw_horizontal(canvas: &Canvas<'_>, scale: &Scale<'_>, x: &Horizontal) -> Result<(), CanvasError> {
    let Frame { left, right, bottom, .. } = scale.frame;
    let unit = x.axis.unit;
    let (largest, step) = (x.axis.labels.last().copied().unwrap_or(0.0) / unit, x.axis.step / unit);
    let mut free = f64::MIN;
    for &value in &x.axis.labels {
        let label = if x.axis.logarithmic {
            decade_label(value)
        } else if largest < 100_000.0 {
            crate::number::fixed(value / unit, decimals(step))
        } else {
            scale_label(value / unit, step, largest)
        };
        let half = Type::new(LABEL).width(&label) / 2.0;
        let place = scale.x(value);
        canvas.line(&[(place, bottom), (place, bottom + 4.0)], FRAME, 1.0)?;
        if place - half > free {
            canvas.text(place, bottom + 14.0, &label, Type::new(LABEL).align(Align::Middle))?;
            free = place + half + 4.0;
        }
    }
    canvas.text((left + right) / 2.0, bottom + 33.0, &x.title, Type::new(LABEL + 0.5).align(Align::Middle).colour(INK))
}

/// Heights at least `apart` from each other, each as near as may be to the wanted one; `wanted` rises.
fn spread(wanted: &[f64], apart: f64) -> Vec<f64> {
    // Those that would meet form a group, which stands centred on the mean of what its members want.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for &height in wanted {
        groups.push((height, 1));
        while let [.., (above, many), (below, more)] = groups[..] {
            let gap = (below - (more - 1) as f64 * apart / 2.0) - (above + (many - 1) as f64 * apart / 2.0);
            if gap >= apart {
                break;
            }
            let all = many + more;
            groups.truncate(groups.len() - 2);
            groups.push(((above * many as f64 + below * more as f64) / all as f64, all));
        }
    }
    let heights = groups.iter().flat_map(|&(middle, many)| {
        (0..many).map(move |index| middle + (index as f64 - (many - 1) as f64 / 2.0) * apart)
    });
    heights.collect()
}

/// Decimals that make labels `step` apart distinct.
fn decimals(step: f64) -> usize {
    (0..6).find(|&decimals| (step * 10f64.powi(decimals)).fract().abs() < 1e-6).unwrap_or(6) as usize
}

fn entry_width(name: &str) -> f64 {
    SAMPLE + 6.0 + Type::new(LABEL).width(name) + 14.0
}

fn draw_entry(canvas: &Canvas<'_>, (x, y): (f64, f64), pen: &Pen, name: &str) -> Result<(), CanvasError> {
    draw_line(canvas, &[(x, y), (x + SAMPLE, y)], pen)?;
    if let Some(mark) = pen.mark {
        canvas.mark((x + SAMPLE / 2.0, y), mark, 6.5, pen.colour)?;
    }
    canvas.text(x + SAMPLE + 6.0, y, name, Type::new(LABEL))
}

/// Places of legend entries, in rows of at most `width`: (x, row) each.
fn arrange<'a>(names: impl Iterator<Item = &'a str>, width: f64) -> Vec<(f64, usize)> {
    let (mut x, mut row) = (0.0, 0);
    names
        .map(|name| {
            let entry = entry_width(name);
            if x > 0.0 && x + entry > width {
                (x, row) = (0.0, row + 1);
            }
            let place = (x, row);
            x += entry;
            place
        })
        .collect()
}

/// Height of a legend of its own, `width` wide.
pub fn legend_height(entries: &[(Pen, String)], width: f64) -> f64 {
    let rows = arrange(entries.iter().map(|(_, name)| name.as_str()), width).last().map_or(0, |&(_, row)| row + 1);
    rows as f64 * ROW
}

/// Draws a legend at `(x, y)`, its upper left corner.
///
/// # Errors
/// The canvas failed.
pub fn draw_legend(
    canvas: &Canvas<'_>,
    (left, top): (f64, f64),
    width: f64,
    entries: &[(Pen, String)],
) -> Result<(), CanvasError> {
    let places = arrange(entries.iter().map(|(_, name)| name.as_str()), width);
    for ((pen, name), (x, row)) in entries.iter().zip(places) {
        draw_entry(canvas, (left + x, top + ROW * (row as f64 + 0.5)), pen, name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_moment_crosses_the_label_of_another() {
        let label = |row, x: f64| Label { row, x, start: x - 100.0, end: x };
        // The first one's line goes down beside the second one's label, which is higher.
        assert!(!label(0, 200.0).meets(&label(1, 250.0)));
        // It would go through it if that were lower.
        assert!(label(1, 200.0).meets(&label(0, 250.0)));
        assert!(label(0, 200.0).meets(&label(0, 250.0)) && !label(0, 200.0).meets(&label(0, 301.0)));
        let moment = |x| Item::Moment { x, label: "1b: 1024 R 50000 done".into(), colour: INK };
        let panel = Panel {
            title: String::new(),
            unit: String::new(),
            y: Axis::roomy(1.0, 4),
            y_suffix: "",
            items: [21.7, 26.2, 30.2, 32.5].map(moment).into(),
            legend: Vec::new(),
        };
        let x = Axis::tight(33.0, 12);
        let frame = Frame { left: 66.0, top: 100.0, right: 932.0, bottom: 400.0 };
        let scale = Scale { frame, x: &x, y: &panel.y };
        let rows: Vec<usize> = panel.moment_rows(&scale).iter().map(|&(_, row, _)| row).collect();
        assert_eq!(rows, [0, 1, 2, 3]);
    }

    #[test]
    fn names_keep_apart_and_near_their_lines() {
        assert_eq!(spread(&[0.0, 50.0, 100.0], 30.0), [0.0, 50.0, 100.0]);
        assert_eq!(spread(&[40.0, 50.0, 200.0], 30.0), [30.0, 60.0, 200.0]);
        // The middle one pushes both others, and all stay in order.
        assert_eq!(spread(&[40.0, 50.0, 60.0], 30.0), [20.0, 50.0, 80.0]);
        assert_eq!(spread(&[3.0, 40.0, 44.0], 30.0), [-1.0, 29.0, 59.0]);
        assert_eq!(spread(&[], 30.0), Vec::<f64>::new());
    }
}
