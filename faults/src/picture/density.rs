// SPDX-License-Identifier: GPL-2.0

//! Faults as pixels: however many there are, each leaves its mark.

use super::colour;
use super::layout::{self, Layout};
use crate::view::map::{Picture, Point};
use plot::layer::Layer;
use plot::palette::RGBColor;
use plot::raster::ZOOM;

/// Up to so many faults: the width of a dot in pixels, and the opacity of one that stands alone where others lie on each other. Few
/// dots stand alone, and have to be seen; of many, the opacity has to tell how many there are.
const DOTS: [(usize, usize, f64); 4] = [(20_000, 4, 0.8), (60_000, 3, 0.75), (250_000, 2, 0.65), (usize::MAX, 1, 0.45)];

/// Where a point of a picture that spans `span` ns lies: column and row.
fn pixel(picture: &Picture, layout: &Layout, point: Point, span: u64, columns: usize) -> Option<(usize, usize)> {
    let index = picture.band(point.page())?;
    let (band, place) = (picture.bands.get(index)?, layout.places().get(index)?);
    let across = point.since() as f64 / span as f64;
    let column = ((across * columns as f64) as usize).min(columns - 1);
    // The middle of its page; the lowest page at the bottom.
    let up = ((point.page() - band.first) as f64 + 0.5) / band.pages() as f64;
    let row = (place.top + (1.0 - up) * place.height) * f64::from(ZOOM);
    Some((column, row as usize))
}

/// The faults as a layer on the figure whose axes begin at `top`.
pub fn layer(picture: &Picture, layout: &Layout, top: f64) -> Layer {
    let width = layout::RIGHT - layout::LEFT;
    let zoom = f64::from(ZOOM);
    let (columns, rows) = ((width * zoom) as usize, (layout.height() * zoom).ceil() as usize);
    // How often a kind occurs: where kinds meet, the rarer one shows.
    let mut kinds = vec![0_u64; picture.kinds.len()];
    for point in &picture.points {
        if let Some(count) = kinds.get_mut(point.kind()) {
            *count += 1;
        }
    }
    let of_so_many = DOTS.into_iter().find(|(most, ..)| picture.points.len() <= *most);
    let (_, dot, faintest) = of_so_many.unwrap_or(DOTS[0]);
    let span = picture.span();
    let mut cells: Vec<(u32, u8)> = vec![(0, u8::MAX); columns * rows];
    for point in &picture.points {
        let Some((column, row)) = pixel(picture, layout, *point, span, columns) else { continue };
        let kind = point.kind();
        for row in row.saturating_sub(dot / 2)..(row.saturating_sub(dot / 2) + dot).min(rows) {
            for column in column.saturating_sub(dot / 2)..(column.saturating_sub(dot / 2) + dot).min(columns) {
                let (count, shown) = &mut cells[row * columns + column];
                *count = count.saturating_add(1);
                let often = |kind: usize| kinds.get(kind).copied().unwrap_or(u64::MAX);
                if *shown == u8::MAX || often(kind) < often(usize::from(*shown)) {
                    *shown = kind as u8;
                }
            }
        }
    }
    let most = cells.iter().map(|(count, _)| *count).max().unwrap_or(0).max(1);
    let scale = f64::from(most + 1).ln() - 2_f64.ln();
    let pixels = cells.into_iter().map(|(count, kind)| {
        let Some(kind) = picture.kinds.get(usize::from(kind)).filter(|_| count > 0) else { return [0; 4] };
        let RGBColor(red, green, blue) = colour(*kind);
        let part = if scale > 0.0 { (f64::from(count + 1).ln() - 2_f64.ln()) / scale } else { 1.0 };
        [red, green, blue, ((faintest + (1.0 - faintest) * part) * 255.0) as u8]
    });
    let height = rows as f64 / zoom;
    Layer { left: layout::LEFT, top, width, height, columns: columns as u32, pixels: pixels.collect() }
}
