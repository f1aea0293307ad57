// SPDX-License-Identifier: GPL-2.0

//! SVG to PNG, with DejaVu Sans compiled in: the picture is the same on every machine, with or without fonts.

use crate::layer::Layer;
use resvg::tiny_skia::{Pixmap, PixmapPaint, Transform};
use resvg::usvg::{fontdb, Options, Tree};
use std::sync::{Arc, OnceLock};

/// Pixels of the PNG for each logical pixel of the figure: sharp on dense screens and in print.
pub const ZOOM: f32 = 2.0;

/// A figure could not be turned into pixels.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The SVG cannot be read back.
    #[error("reading the figure back: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// The figure has no area.
    #[error("the figure has no area")]
    Size,
    /// The PNG could not be encoded.
    #[error("encoding the PNG: {0}")]
    Encode(String),
}

/// Renders `svg` and returns the bytes of a PNG file.
///
/// # Errors
/// The SVG cannot be read, or the PNG not be encoded.
pub fn png(svg: &str) -> Result<Vec<u8>, RasterError> {
    layered(svg, None)
}

/// Renders `svg` with `layer` on top of it and returns the bytes of a PNG file.
///
/// # Errors
/// As [`png`].
pub fn layered(svg: &str, layer: Option<&Layer>) -> Result<Vec<u8>, RasterError> {
    let options = Options { fontdb: fonts(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size().to_int_size().scale_by(ZOOM).ok_or(RasterError::Size)?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or(RasterError::Size)?;
    resvg::render(&tree, Transform::from_scale(ZOOM, ZOOM), &mut pixels.as_mut());
    if let Some((layer, image)) = layer.and_then(|layer| Some((layer, layer.pixmap()?))) {
        let (across, down) = (layer.width as f32 * ZOOM, layer.height as f32 * ZOOM);
        let scale = Transform::from_scale(across / image.width() as f32, down / image.height() as f32);
        let place = scale.post_translate(layer.left as f32 * ZOOM, layer.top as f32 * ZOOM);
        pixels.draw_pixmap(0, 0, image.as_ref(), &PixmapPaint::default(), place, None);
    }
    pixels.encode_png().map_err(|error| RasterError::Encode(error.to_string()))
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.load_font_data(dejavu::sans::bold().to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        Arc::new(fonts)
    });
    Arc::clone(fonts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(svg: &str) -> usize {
        let png = png(svg).unwrap();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
        Pixmap::decode_png(&png).unwrap().pixels().iter().filter(|pixel| pixel.red() < 128).count()
    }

    #[test]
    fn text_becomes_ink_without_a_font_of_the_system() {
        let empty = r##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="40"><rect width="100" height="40" fill="#fff"/>"##;
        let text = r##"<text x="5" y="25" font-family="sans-serif" font-size="20">faults</text>"##;
        let bold = text.replace("<text", "<text font-weight=\"bold\"");
        assert_eq!(ink(&format!("{empty}</svg>")), 0);
        let regular = ink(&format!("{empty}{text}</svg>"));
        assert!(regular > 200, "{regular}");
        assert!(ink(&format!("{empty}{bold}</svg>")) > regular * 6 / 5);
    }
}
