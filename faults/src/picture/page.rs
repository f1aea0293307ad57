// SPDX-License-Identifier: GPL-2.0

//! The picture as a page of its own, with the faults in it: to zoom, and to read what is under the pointer.

use super::layout::Layout;
use super::{colour, hex, words};
use crate::view::map::Picture;
use base64::prelude::{Engine, BASE64_STANDARD};
use plot::canvas::escape;
use rustc_hash::FxHashMap;
use serde::Serialize;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Records that a page has at most: more faults are put together where they lie close.
const RECORDS: usize = 200_000;

#[derive(Serialize)]
struct OfBand<'a> {
    name: &'a str,
    /// Address of its first page, hexadecimal: more digits than a number has in JavaScript.
    start: String,
    pages: u64,
    faults: u64,
    touched: u64,
    top: f64,
    height: f64,
}

#[derive(Serialize)]
struct OfKind {
    name: &'static str,
    colour: String,
}

/// What the script reads. Columns are little endian, in base64.
#[derive(Serialize)]
struct Data<'a> {
    span_ns: u64,
    height: f64,
    faults: usize,
    exact: bool,
    bands: Vec<OfBand<'a>>,
    kinds: Vec<OfKind>,
    codes: &'a [String],
    records: usize,
    /// u32: time, in 2^32ths of the span.
    time: String,
    /// u32: page in its band.
    page: String,
    /// u32: how many faults.
    count: String,
    /// f32: how long the slowest of them took, us.
    took: String,
    /// u8.
    band: String,
    /// u8.
    kind: String,
    /// u16.
    code: String,
}

/// A fault, or several that lie close.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    since: u64,
    page: u64,
    count: u32,
    took: u64,
    band: usize,
    kind: usize,
    code: usize,
}

/// The faults, put together where there are too many.
fn records(picture: &Picture) -> Vec<Record> {
    let each = picture.points.iter().filter_map(|point| {
        let band = picture.band(point.page())?;
        Some(Record {
            since: point.since(),
            page: point.page() - picture.bands.get(band)?.first,
            count: 1,
            took: point.took(),
            band,
            kind: point.kind(),
            code: point.code(),
        })
    });
    if picture.points.len() <= RECORDS {
        return each.collect();
    }
    let span = picture.span();
    let mut steps = 2_048_u64;
    loop {
        let mut cells: FxHashMap<(u64, usize, u64, usize), Record> = FxHashMap::default();
        let mut fits = true;
        for record in each.clone() {
            let pages = picture.bands.get(record.band).map_or(1, |band| band.pages());
            let column = (u128::from(record.since) * u128::from(steps) / u128::from(span)) as u64;
            let row = record.page / pages.div_ceil(steps / 2).max(1);
            let cell = cells.entry((column, record.band, row, record.kind)).or_default();
            let count = cell.count.saturating_add(1);
            // Of several, the slowest is told.
            *cell = if cell.count == 0 || record.took > cell.took { record } else { *cell };
            cell.count = count;
            if cells.len() > RECORDS {
                fits = false;
                break;
            }
        }
        if fits || steps <= 8 {
            let mut cells: Vec<Record> = cells.into_values().collect();
            cells.sort_unstable_by_key(|record| (record.since, record.band, record.page, record.kind));
            return cells;
        }
        steps = steps * 3 / 4;
    }
}

fn column<const N: usize>(records: &[Record], value: impl Fn(&Record) -> [u8; N]) -> String {
    BASE64_STANDARD.encode(records.iter().flat_map(value).collect::<Vec<u8>>())
}

/// The page.
///
/// # Errors
///
/// None that is known of: serde's interface has one.
pub fn html(picture: &Picture) -> serde_json::Result<String> {
    let words = words(picture);
    let layout = Layout::new(&picture.bands);
    let records = records(picture);
    let span = picture.span();
    let bands = picture.bands.iter().zip(layout.places()).map(|(band, place)| OfBand {
        name: &band.name,
        start: format!("{:x}", band.first << crate::fault::PAGE_BITS),
        pages: band.pages(),
        faults: band.faults,
        touched: band.touched,
        top: place.top,
        height: place.height,
    });
    let kinds = picture.kinds.iter().map(|kind| OfKind { name: kind.name(), colour: hex(colour(*kind)) });
    let data = Data {
        span_ns: span,
        height: layout.height(),
        faults: picture.points.len(),
        exact: picture.points.len() <= RECORDS,
        bands: bands.collect(),
        kinds: kinds.collect(),
        codes: &picture.codes,
        records: records.len(),
        time: column(&records, |record| {
            let part = (u128::from(record.since) << 32) / u128::from(span);
            u32::try_from(part).unwrap_or(u32::MAX).to_le_bytes()
        }),
        page: column(&records, |record| (record.page as u32).to_le_bytes()),
        count: column(&records, |record| record.count.to_le_bytes()),
        took: column(&records, |record| (record.took as f32 / 1e3).to_le_bytes()),
        band: column(&records, |record| [record.band as u8]),
        kind: column(&records, |record| [record.kind as u8]),
        code: column(&records, |record| (record.code as u16).to_le_bytes()),
    };
    // Inside of a script element nothing but its end has a meaning.
    let json = serde_json::to_string(&data)?.replace("</", "<\\/");
    let paragraphs =
        |texts: &[String]| texts.iter().map(|text| format!("<p>{}</p>\n", escape(text))).collect::<String>();
    Ok(PAGE
        .replace("{{style}}", STYLE)
        .replace("{{title}}", &escape(&words.title))
        .replace("{{subtitle}}", &paragraphs(&words.subtitle))
        .replace("{{caption}}", &paragraphs(&words.caption))
        .replace("{{script}}", SCRIPT)
        .replace("{{data}}", &json))
}
