// SPDX-License-Identifier: GPL-2.0

//! Address against time, as SVG, PNG and a page in which the picture can be zoomed.

mod density;
mod layout;
mod page;

pub use page::html;

use crate::fault::{FaultKind, Kind};
use crate::session::{Known, Seen};
use crate::view::map::{Map, Picture};
use crate::view::View;
use anyhow::{bail, Context};
use layout::Layout;
use plot::axis::Axis;
use plot::canvas::{Align, Canvas, CanvasError, Type, SCALE};
use plot::figure::Sheet;
use plot::number::{fixed, thousands};
use plot::palette::{RGBColor, FRAME, GRID, INK, MUTED};
use plot::panel::{draw_legend, legend_height, Pen};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use trace::state::State;
use trace::table::Out;

/// The colour of a kind: Okabe and Ito's, and for the rarer kinds three of Tol's. What reads a disk is warm.
pub fn colour(kind: Kind) -> RGBColor {
    match kind.kind {
        FaultKind::FirstTouch => RGBColor(0x00, 0x72, 0xb2),
        FaultKind::ZeroPage => RGBColor(0x56, 0xb4, 0xe9),
        FaultKind::CopyOnWrite => RGBColor(0x00, 0x7a, 0x5a),
        FaultKind::FileMinor => RGBColor(0x8a, 0x91, 0x99),
        FaultKind::FileMajor => RGBColor(0xcc, 0x79, 0xa7),
        FaultKind::SwapCache => RGBColor(0xe6, 0x9f, 0x00),
        FaultKind::SwapDisk => RGBColor(0xd5, 0x5e, 0x00),
        FaultKind::SharedMemory => RGBColor(0x88, 0x22, 0x55),
        FaultKind::HugePage => RGBColor(0x33, 0x22, 0x88),
        FaultKind::WriteNotify => RGBColor(0x99, 0x99, 0x33),
        _ => INK,
    }
}

/// The colour as `#rrggbb`.
fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A length of time on a scale of seconds.
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Memory, as people say it.
fn size(pages: u64) -> String {
    match pages * 4 {
        kib @ 0..1024 => format!("{kib} KiB"),
        kib @ 1024..1_048_576 => format!("{} MiB", fixed(kib as f64 / 1024.0, 1)),
        kib => format!("{} GiB", fixed(kib as f64 / 1_048_576.0, 1)),
    }
}

/// The words of the picture.
struct Words {
    title: String,
    subtitle: Vec<String>,
    caption: Vec<String>,
}

fn words(picture: &Picture) -> Words {
    let count = picture.points.len() as u64;
    let mut subtitle = vec![format!(
        "{} faults in {} s on {} pages ({})",
        thousands(count),
        fixed(seconds(picture.span()), 3),
        thousands(picture.bands.iter().map(|band| band.touched).sum()),
        size(picture.bands.iter().map(|band| band.touched).sum()),
    )];
    if let (faults @ 1.., spaces) = picture.others {
        subtitle.push(format!("{} faults of {spaces} other address spaces are not drawn.", thousands(faults)));
    }
    let caption = vec![
        "Every dot is a fault, or many where they lie closer than the dots: the fainter, the fewer. Where kinds meet, the rarer \
         one shows."
            .into(),
        "The lowest address is at the bottom. Each band is a touched part of a mapping and has its own scale; what lies between \
         bands was not touched, and is folded away."
            .into(),
    ];
    Words { title: format!("Page faults of {} {}", picture.pid, picture.comm), subtitle, caption }
}

/// The kinds that occur, with how often, most often first: as entries of a legend.
fn legend(picture: &Picture) -> Vec<(Pen, String)> {
    let mut counts = vec![0_u64; picture.kinds.len()];
    for point in &picture.points {
        if let Some(count) = counts.get_mut(point.kind()) {
            *count += 1;
        }
    }
    let mut kinds: Vec<(u64, Kind)> = counts.into_iter().zip(picture.kinds.iter().copied()).collect();
    kinds.retain(|(count, _)| *count > 0);
    kinds.sort_by_key(|(count, kind)| (std::cmp::Reverse(*count), *kind));
    kinds
        .into_iter()
        .map(|(count, kind)| (Pen::full(colour(kind), 7.0), format!("{} {}", thousands(count), kind.name())))
        .collect()
}

/// The picture as SVG, without and with the pixels, and as PNG.
pub struct Figures {
    /// As SVG.
    pub svg: String,
    /// As the bytes of a PNG file.
    pub png: Vec<u8>,
}

/// Draws the picture.
///
/// # Errors
///
/// plot cannot draw.
pub fn figures(picture: &Picture) -> anyhow::Result<Figures> {
    let Words { title, subtitle, caption } = words(picture);
    let layout = Layout::new(&picture.bands);
    let entries = legend(picture);
    let inner = plot::figure::WIDTH - 2.0 * plot::figure::MARGIN;
    let legend_bottom = legend_height(&entries, inner) + 12.0;
    let mut top_edge = 0.0;
    let sheet = Sheet { title: &title, subtitle: &subtitle, caption: &caption };
    let axis = Axis::tight(seconds(picture.span()), 10);
    let svg = sheet.svg(legend_bottom + layout.height() + 48.0, |canvas, top| {
        draw_legend(canvas, (plot::figure::MARGIN, top), inner, &entries)?;
        top_edge = top + legend_bottom;
        frame(canvas, picture, &layout, &axis, top_edge)
    })?;
    let layer = density::layer(picture, &layout, top_edge);
    Ok(Figures { png: plot::raster::layered(&svg, Some(&layer))?, svg: layer.embed(&svg, SCALE)? })
}

/// Axes, bands and their names.
fn frame(canvas: &Canvas<'_>, picture: &Picture, layout: &Layout, axis: &Axis, top: f64) -> Result<(), CanvasError> {
    let (left, right, bottom) = (layout::LEFT, layout::RIGHT, top + layout.height());
    let x = |value: f64| left + axis.part(value) * (right - left);
    let decimals = (0..6).find(|n| (axis.step * 10_f64.powi(*n)).fract().abs() < 1e-6).unwrap_or(6) as usize;
    for &value in &axis.labels {
        canvas.line(&[(x(value), top), (x(value), bottom)], GRID, 1.0)?;
        canvas.line(&[(x(value), bottom), (x(value), bottom + 4.0)], FRAME, 1.0)?;
        let kind = Type::new(11.5).align(Align::Middle);
        canvas.text(x(value), bottom + 14.0, &fixed(value, decimals), kind)?;
    }
    canvas.text((left + right) / 2.0, bottom + 33.0, "Time (s)", Type::new(12.0).align(Align::Middle))?;
    for (band, place) in picture.bands.iter().zip(layout.places()) {
        let (above, below) = (top + place.top, top + place.top + place.height);
        for y in [above, below] {
            canvas.line(&[(left, y), (right, y)], FRAME, 0.75)?;
        }
        let name = layout::short_name(&band.name, layout::LEFT - plot::figure::MARGIN - 12.0);
        let middle = (above + below) / 2.0;
        let detail = format!("{}, {} faults", size(band.pages()), thousands(band.faults));
        let kind = Type::new(10.5).align(Align::Right);
        if place.height >= 28.0 {
            canvas.text(left - 8.0, middle - 6.5, &name, kind)?;
            canvas.text(left - 8.0, middle + 7.0, &detail, Type { size: 9.5, ..kind.colour(MUTED) })?;
        } else {
            canvas.text(left - 8.0, middle, &name, kind)?;
        }
    }
    Ok(())
}

/// A map that is drawn when it is reported.
#[derive(Debug)]
pub struct Drawn {
    map: Map,
    output: PathBuf,
    wanted: Vec<&'static str>,
}

/// What is drawn.
const EXTENSIONS: [&str; 3] = ["svg", "png", "html"];

impl Drawn {
    /// Into `output` with its extension, or with each that there is.
    ///
    /// # Errors
    ///
    /// It has the extension of something that is not drawn.
    pub fn new(output: &Path) -> anyhow::Result<Self> {
        let extension = output.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
        if ["pdf", "jpg", "jpeg", "gif", "webp", "eps", "ps", "htm"].contains(&extension.as_str()) {
            bail!("{}: no picture is drawn as .{extension}; there are .svg, .png and .html", output.display());
        }
        let wanted = EXTENSIONS.iter().copied().filter(|known| *known == extension).collect::<Vec<_>>();
        let output = if wanted.is_empty() { output.to_owned() } else { output.with_extension("") };
        Ok(Drawn { map: Map::new(), output, wanted: if wanted.is_empty() { EXTENSIONS.into() } else { wanted } })
    }

    fn draw(&self, picture: &Picture, out: &mut dyn Out) -> anyhow::Result<()> {
        let figures = figures(picture)?;
        for extension in &self.wanted {
            let mut path = OsString::from(&self.output);
            path.push(format!(".{extension}"));
            let bytes = match *extension {
                "svg" => figures.svg.as_bytes().to_vec(),
                "png" => figures.png.clone(),
                _ => page::html(picture)?.into_bytes(),
            };
            std::fs::write(&path, bytes).with_context(|| path.to_string_lossy().into_owned())?;
            out.note(&format!("drawn: {}", path.to_string_lossy()));
        }
        Ok(())
    }
}

impl View for Drawn {
    fn fault(&mut self, seen: &Seen<'_>, state: &State, out: &mut dyn Out) {
        self.map.fault(seen, state, out);
    }

    fn report(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()> {
        match self.map.tell(known, out) {
            Some(picture) => self.draw(&picture, out),
            None => Ok(()),
        }
    }

    fn restart(&mut self, state: &State) {
        self.map.restart(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_occur_together_have_colours_of_their_own() {
        let kinds = [
            FaultKind::FirstTouch,
            FaultKind::ZeroPage,
            FaultKind::CopyOnWrite,
            FaultKind::FileMinor,
            FaultKind::FileMajor,
            FaultKind::SwapCache,
            FaultKind::SwapDisk,
            FaultKind::SharedMemory,
            FaultKind::HugePage,
            FaultKind::WriteNotify,
        ];
        let colours: std::collections::HashSet<String> =
            kinds.iter().map(|kind| hex(colour(Kind::ended(*kind)))).collect();
        assert_eq!(colours.len(), kinds.len());
    }

    #[test]
    fn an_output_that_is_not_drawn_is_refused_before_anything_is_recorded() {
        assert!(Drawn::new(Path::new("x.pdf")).is_err());
        assert_eq!(Drawn::new(Path::new("a/x.png")).unwrap().wanted, ["png"]);
        let all = Drawn::new(Path::new("a/x.1")).unwrap();
        assert_eq!((all.wanted.len(), all.output), (3, PathBuf::from("a/x.1")));
    }

    #[test]
    fn sizes_are_said_as_people_say_them() {
        assert_eq!([1, 256, 262_144].map(size), ["4 KiB", "1.0 MiB", "1.0 GiB"]);
    }
}
