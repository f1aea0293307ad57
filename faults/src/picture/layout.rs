// SPDX-License-Identifier: GPL-2.0

//! Where bands stand: the lowest address at the bottom, heights by the square root of the sizes.

use crate::view::map::Band;
use plot::canvas::Type;

/// Left edge of the axes; names stand left of it.
pub const LEFT: f64 = 214.0;
/// Right edge of the axes.
pub const RIGHT: f64 = 936.0;
/// The least height of a band: a line of text.
const LEAST: f64 = 15.0;
/// Space between two bands: what is folded away.
const FOLD: f64 = 3.0;
/// Height that is shared out beyond the least, for one band and for many.
const SHARED: f64 = 380.0;

/// The place of a band, from the upper edge of the axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Its upper edge, logical pixels.
    pub top: f64,
    /// Its height, logical pixels.
    pub height: f64,
}

/// The places of all bands.
#[derive(Clone, Debug)]
pub struct Layout {
    places: Vec<Place>,
    height: f64,
}

impl Layout {
    /// Of bands from the lowest address on.
    pub fn new(bands: &[Band]) -> Self {
        let root = |band: &Band| (band.pages() as f64).sqrt();
        let all: f64 = bands.iter().map(root).sum();
        let mut top = 0.0;
        let mut places: Vec<Place> = bands
            .iter()
            .rev()
            .map(|band| {
                let height = LEAST + SHARED * root(band) / all.max(1.0);
                let place = Place { top, height };
                top += height + FOLD;
                place
            })
            .collect();
        places.reverse();
        Layout { places, height: (top - FOLD).max(LEAST) }
    }

    /// The places, in the order of the bands.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The height of all.
    pub fn height(&self) -> f64 {
        self.height
    }
}

/// As much of a name as `width` logical pixels hold: of a path the file, else the beginning.
pub fn short_name(name: &str, width: f64) -> String {
    let kind = Type::new(10.5);
    let short: String =
        name.split(", ").map(|name| name.rsplit('/').next().unwrap_or(name)).collect::<Vec<_>>().join(", ");
    if kind.width(&short) <= width {
        return short;
    }
    let letters: Vec<char> = short.chars().collect();
    let keep = |count: usize| letters[..count].iter().collect::<String>() + "…";
    (0..letters.len()).rev().map(keep).find(|short| kind.width(short) <= width).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(first: u64, last: u64) -> Band {
        Band { first, last, name: "[anon]".into(), faults: 1, touched: 1 }
    }

    #[test]
    fn bands_stand_above_each_other_from_the_bottom_and_all_can_be_read() {
        let layout = Layout::new(&[band(0, 0), band(10, 1_000_000), band(2_000_000, 2_000_100)]);
        let places = layout.places();
        assert!(places[0].top > places[1].top && places[1].top > places[2].top);
        assert!((places[0].top + places[0].height - layout.height()).abs() < 1e-9);
        assert!(places.iter().all(|place| place.height >= LEAST));
        assert!(places[1].height > 300.0, "{places:?}");
        assert!(Layout::new(&[]).height() >= LEAST);
    }

    #[test]
    fn names_fit_beside_the_axes() {
        assert_eq!(short_name("/usr/lib/libc.so.6", 180.0), "libc.so.6");
        let long = short_name(&format!("/usr/lib/lib{}.so", "x".repeat(90)), 180.0);
        assert!(long.ends_with('…') && Type::new(10.5).width(&long) <= 180.0, "{long}");
    }
}
