// SPDX-License-Identifier: GPL-2.0

//! Pixels on a figure: what has too many points for shapes.

use crate::raster::RasterError;
use base64::prelude::{Engine, BASE64_STANDARD};
use resvg::tiny_skia::{ColorU8, Pixmap};

/// A rectangle of pixels on a figure.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its left edge, in logical pixels.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// Pixels in a row.
    pub columns: u32,
    /// Red, green, blue, opacity; row by row from the upper left corner.
    pub pixels: Vec<[u8; 4]>,
}

impl Layer {
    /// The pixels as tiny-skia has them; none where there are none.
    pub(crate) fn pixmap(&self) -> Option<Pixmap> {
        let rows = (self.pixels.len() as u32).checked_div(self.columns)?;
        let mut pixmap = Pixmap::new(self.columns, rows)?;
        for (to, [red, green, blue, opacity]) in pixmap.pixels_mut().iter_mut().zip(&self.pixels) {
            *to = ColorU8::from_rgba(*red, *green, *blue, *opacity).premultiply();
        }
        Some(pixmap)
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// There are no pixels, or they cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, RasterError> {
        let pixmap = self.pixmap().ok_or(RasterError::Size)?;
        pixmap.encode_png().map_err(|error| RasterError::Encode(error.to_string()))
    }

    /// `svg` with these pixels on top of it.
    ///
    /// # Errors
    /// As [`Layer::png`].
    pub fn embed(&self, svg: &str, scale: f64) -> Result<String, RasterError> {
        let png = BASE64_STANDARD.encode(self.png()?);
        let Layer { left, top, width, height, .. } = self;
        let [x, y, width, height] = [left, top, width, height].map(|length| length * scale);
        let image = format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{png}\"/>\n"
        );
        let end = svg.rfind("</svg>").unwrap_or(svg.len());
        Ok(format!("{}{image}{}", &svg[..end], &svg[end..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{layered, ZOOM};

    const PAPER: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#fff"/></svg>"##;

    fn layer() -> Layer {
        let red = [255, 0, 0, 255];
        // Two pixels in a row, of which the right one is red: from 10 to 30, it is between 20 and 30.
        Layer { left: 10.0, top: 5.0, width: 20.0, height: 10.0, columns: 2, pixels: vec![[0; 4], red] }
    }

    #[test]
    fn pixels_stand_where_they_belong_and_the_figure_shows_through() {
        let png = layered(PAPER, Some(&layer())).unwrap();
        let pixels = Pixmap::decode_png(&png).unwrap();
        let at = |x: f32, y: f32| {
            let pixel = pixels.pixel((x * ZOOM) as u32, (y * ZOOM) as u32).unwrap();
            (pixel.red(), pixel.green(), pixel.blue())
        };
        assert_eq!((at(25.0, 10.0), at(15.0, 10.0)), ((255, 0, 0), (255, 255, 255)));
        assert_eq!((at(35.0, 10.0), at(25.0, 2.0)), ((255, 255, 255), (255, 255, 255)));
    }

    #[test]
    fn an_svg_has_the_pixels_within_it() {
        let svg = layer().embed(PAPER, 1.0).unwrap();
        assert!(svg.contains("<image x=\"10\" y=\"5\" width=\"20\" height=\"10\"") && svg.ends_with("</svg>"), "{svg}");
        let png = svg.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(BASE64_STANDARD.decode(png).unwrap(), layer().png().unwrap());
    }

    #[test]
    fn a_layer_without_pixels_is_an_error() {
        assert!(Layer { pixels: vec![], ..layer() }.png().is_err());
        assert!(Layer { columns: 0, ..layer() }.png().is_err());
    }
}
