// SPDX-License-Identifier: GPL-2.0

//! Address against time: every fault of one process, for a picture, and how much of each part of the address space was touched.
//!
//! A point takes 16 bytes, so that ten million faults take 160 MB. What lies between touched parts of the address space is
//! folded away: a *band* is a part of a mapping in which no gap is wider than 16 MiB.

use super::{mapping_name, took, Names, View};
use crate::code::CodeId;
use crate::fault::{FaultKind, Kind};
use crate::session::{Known, Seen};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::sync::Arc;
use trace::state::State;
use trace::table::{column, Out, Schema, Table, Unit, Value};
use trace::task::Comm;

/// A row a band.
pub const BAND: Schema = Schema {
    name: "map_band",
    columns: &[
        column("start", "from", Unit::Text),
        column("end", "to", Unit::Text),
        column("pages", "pages", Unit::Count),
        column("touched_pages", "touched", Unit::Count),
        column("faults", "faults", Unit::Count),
        column("kind", "most of them", Unit::Text),
        column("kind_faults", "", Unit::Count),
        column("max_ns", "worst us", Unit::Micros),
        column("mapping", "mapping", Unit::Text),
    ],
};

/// Pages between two touched ones that end a band: 16 MiB.
const GAP_PAGES: u64 = 4096;

/// Bands that a picture has room for.
pub const BANDS: usize = 24;

const PAGE_BITS: u32 = 45;
const TOOK_BITS: u32 = 15;
const CODE_BITS: u32 = 16;

/// A fault in 16 bytes: time since the first (48 bits) and code (16), page (45), kind (4), latency (15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    when: u64,
    what: u64,
}

/// ns as a number of 15 bits whose last 10 are a mantissa: known to 0.1 %.
fn pack_took(ns: u64) -> u64 {
    let bits = u64::BITS - ns.leading_zeros();
    let shift = bits.saturating_sub(11);
    if shift == 0 {
        return ns.min((1 << TOOK_BITS) - 1);
    }
    let packed = (u64::from(shift) << 10) + (ns >> shift);
    packed.min((1 << TOOK_BITS) - 1)
}

fn unpack_took(packed: u64) -> u64 {
    let shift = (packed >> 10).saturating_sub(1);
    (packed - (shift << 10)) << shift
}

impl Point {
    /// A fault `since` ns after the first one, which took `took` ns; `kind` and `code` are indices.
    pub fn of(since: u64, page: u64, kind: usize, took: u64, code: u16) -> Self {
        let since = since.min((1 << (64 - CODE_BITS)) - 1);
        let page = page & ((1 << PAGE_BITS) - 1);
        Point {
            when: since << CODE_BITS | u64::from(code),
            what: page << (64 - PAGE_BITS) | (kind as u64 & 15) << TOOK_BITS | pack_took(took),
        }
    }

    /// ns since the first fault.
    pub fn since(self) -> u64 {
        self.when >> CODE_BITS
    }

    /// The page's number.
    pub fn page(self) -> u64 {
        self.what >> (64 - PAGE_BITS)
    }

    /// Index of its kind in [`Picture::kinds`].
    pub fn kind(self) -> usize {
        (self.what >> TOOK_BITS & 15) as usize
    }

    /// How long it took, ns, to 0.1 %; 0 where that was not recorded.
    pub fn took(self) -> u64 {
        unpack_took(self.what & ((1 << TOOK_BITS) - 1))
    }

    /// Index of its code in [`Picture::codes`].
    pub fn code(self) -> usize {
        (self.when & ((1 << CODE_BITS) - 1)) as usize
    }
}

/// A touched part of the address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its first page.
    pub first: u64,
    /// Its last page.
    pub last: u64,
    /// What is mapped there; several names where bands were put together.
    pub name: String,
    /// Faults in it.
    pub faults: u64,
    /// Pages of it that faulted.
    pub touched: u64,
}

impl Band {
    /// Adds the next one above it.
    fn append(&mut self, next: &Band) {
        self.last = next.last;
        self.faults += next.faults;
        self.touched += next.touched;
    }

    /// How many pages it spans.
    pub fn pages(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// All faults of one address space.
#[derive(Debug, Default)]
struct Space {
    pid: u32,
    comm: Comm,
    points: Vec<Point>,
    /// Mappings in which faults were: name, first and last page touched.
    places: FxHashMap<(Arc<str>, u64), (u64, u64)>,
}

/// What is drawn.
#[derive(Debug, Default)]
pub struct Picture {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// All its faults, in the order of their ends.
    pub points: Vec<Point>,
    /// From the lowest address on.
    pub bands: Vec<Band>,
    /// The kinds that occur.
    pub kinds: Vec<Kind>,
    /// Functions that faulted, by [`Point::code`].
    pub codes: Vec<String>,
    /// Faults of other processes, and how many these are.
    pub others: (u64, usize),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Map {
    start: Option<u64>,
    spaces: FxHashMap<u64, Space>,
    names: Names,
    kinds: Vec<Kind>,
    codes: Vec<CodeId>,
    code_indices: FxHashMap<CodeId, u16>,
}

impl Map {
    /// Of nothing yet.
    pub fn new() -> Self {
        Map::default()
    }

    fn kind(&mut self, kind: Kind) -> usize {
        // 17 kinds, of which a program has a few: those beyond 15 share the last place.
        let found = self.kinds.iter().position(|known| *known == kind);
        found.unwrap_or_else(|| {
            match self.kinds.len() {
                0..15 => self.kinds.push(kind),
                15 => self.kinds.push(Kind::ended(FaultKind::Unknown)),
                _ => {}
            }
            self.kinds.len() - 1
        })
    }

    fn code(&mut self, id: CodeId) -> u16 {
        let codes = &mut self.codes;
        *self.code_indices.entry(id).or_insert_with(|| {
            if codes.len() < usize::from(u16::MAX) {
                codes.push(id);
            }
            // The last one stands for all that found no room.
            (codes.len() - 1) as u16
        })
    }

    /// Writes the table and gives back what it is of. None without faults.
    pub fn tell(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> Option<Picture> {
        let Some(picture) = self.picture(known) else {
            out.note("no faults");
            return None;
        };
        out.table(&picture.table());
        out.note(&format!("{} faults of {} {}", picture.points.len(), picture.pid, picture.comm));
        if let (faults @ 1.., spaces) = picture.others {
            out.note(&format!("{faults} faults of {spaces} other address spaces are not in it (--pid)"));
        }
        Some(picture)
    }

    /// What is to be drawn: the address space with most faults. None without faults.
    pub fn picture(&mut self, known: &mut Known<'_>) -> Option<Picture> {
        let all: u64 = self.spaces.values().map(|space| space.points.len() as u64).sum();
        let count = self.spaces.len();
        let key = *self.spaces.iter().max_by_key(|(key, space)| (space.points.len(), Reverse(**key)))?.0;
        let space = self.spaces.get_mut(&key)?;
        let bands = bands(space);
        let points = std::mem::take(&mut space.points);
        Some(Picture {
            pid: space.pid,
            comm: space.comm.to_string(),
            bands,
            kinds: self.kinds.clone(),
            codes: self.codes.iter().map(|id| known.symbols.locate(known.codes, *id).function.to_string()).collect(),
            others: (all - points.len() as u64, count - 1),
            points,
        })
    }
}

/// The touched parts of an address space, at most [`BANDS`].
fn bands(space: &Space) -> Vec<Band> {
    // Mappings by address. Of those that overlap, at different times, the one that begins first has the place.
    let mut places: Vec<(u64, u64, &str)> =
        space.places.iter().map(|((name, _), (first, last))| (*first, *last, &**name)).collect();
    places.sort_unstable();
    let mut pages: Vec<u64> = space.points.iter().map(|point| point.page()).collect();
    pages.sort_unstable();
    let mut bands: Vec<Band> = vec![];
    let mut place = places.iter().peekable();
    for same in pages.chunk_by(|a, b| a == b) {
        let (page, faults) = (same[0], same.len() as u64);
        while place.peek().is_some_and(|(_, last, _)| *last < page) {
            place.next();
        }
        let name = place.peek().filter(|(first, ..)| *first <= page).map_or("[unknown]", |(.., name)| name);
        match bands.last_mut() {
            Some(band) if band.name == name && page - band.last <= GAP_PAGES => {
                band.last = page;
                band.faults += faults;
                band.touched += 1;
            }
            _ => bands.push(Band { first: page, last: page, name: name.to_owned(), faults, touched: 1 }),
        }
    }
    // The parts of a file are one where nothing else lies between.
    bands.dedup_by(|next, band| {
        let joins = next.name == band.name && next.name.starts_with('/') && next.first - band.last <= 16 * GAP_PAGES;
        if joins {
            band.append(next);
        }
        joins
    });
    while bands.len() > BANDS {
        // The neighbours with the fewest faults become one.
        let Some(least) = (1..bands.len()).min_by_key(|n| bands[n - 1].faults + bands[*n].faults) else { break };
        let next = bands.remove(least);
        let band = &mut bands[least - 1];
        if !band.name.split(", ").any(|name| name == next.name) {
            band.name = format!("{}, {}", band.name, next.name);
        }
        band.append(&next);
    }
    bands
}

impl Picture {
    /// A row for each band.
    pub fn table(&self) -> Table {
        #[derive(Default)]
        struct OfBand {
            kinds: Vec<u64>,
            max: u64,
        }
        let mut found: Vec<OfBand> = self.bands.iter().map(|_| OfBand::default()).collect();
        for point in &self.points {
            let Some(band) = self.band(point.page()) else { continue };
            let of_band = &mut found[band];
            of_band.kinds.resize(self.kinds.len(), 0);
            if let Some(count) = of_band.kinds.get_mut(point.kind()) {
                *count += 1;
            }
            of_band.max = of_band.max.max(point.took());
        }
        let mut table = Table::new(&BAND);
        for (band, of_band) in self.bands.iter().zip(found) {
            let most = of_band.kinds.iter().enumerate().max_by_key(|(_, count)| **count);
            table.rows.push(vec![
                format!("{:#x}", band.first << crate::fault::PAGE_BITS).into(),
                format!("{:#x}", (band.last + 1) << crate::fault::PAGE_BITS).into(),
                band.pages().into(),
                band.touched.into(),
                band.faults.into(),
                most.and_then(|(kind, _)| self.kinds.get(kind)).map(|kind| kind.name()).into(),
                most.map(|(_, count)| *count).into(),
                Value::from((of_band.max > 0).then_some(of_band.max)),
                band.name.as_str().into(),
            ]);
        }
        table
    }

    /// The band in which a page lies.
    pub fn band(&self, page: u64) -> Option<usize> {
        let behind = self.bands.partition_point(|band| band.first <= page);
        let index = behind.checked_sub(1)?;
        (page <= self.bands.get(index)?.last).then_some(index)
    }

    /// From the first fault to the end of the last, ns; at least 1.
    pub fn span(&self) -> u64 {
        self.points.iter().map(|point| point.since().saturating_add(point.took())).max().unwrap_or(0).max(1)
    }
}

impl View for Map {
    fn fault(&mut self, seen: &Seen<'_>, _state: &State, _out: &mut dyn Out) {
        let fault = seen.fault;
        let start = *self.start.get_or_insert(fault.from);
        let (kind, code) = (self.kind(fault.kind), self.code(seen.code));
        let name = self.names.get(mapping_name(seen));
        let space = self.spaces.entry(seen.space).or_default();
        (space.pid, space.comm) = (fault.tgid, seen.process_comm);
        let since = fault.from.saturating_sub(start);
        space.points.push(Point::of(since, fault.page(), kind, took(fault), code));
        let page = fault.page();
        let at = seen.mapping.map_or(0, |mapping| mapping.start);
        let place = space.places.entry((name, at)).or_insert((page, page));
        *place = (place.0.min(page), place.1.max(page));
    }

    fn report(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()> {
        self.tell(known, out);
        Ok(())
    }

    fn restart(&mut self, _state: &State) {
        *self = Map::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_kept_to_a_thousandth() {
        let mut values: Vec<u64> = (0..3_000).collect();
        values.extend((11..40).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + (1 << bit) / 3]));
        for ns in values {
            let back = unpack_took(pack_took(ns));
            assert!(back <= ns && ns - back <= ns / 1_000, "{ns} comes back as {back}");
        }
        assert!(unpack_took(pack_took(u64::MAX)) > 1 << 39);
    }

    fn space(places: &[(&str, u64, u64)], pages: impl IntoIterator<Item = u64>) -> Space {
        let point = |page: u64| Point { when: 0, what: page << (64 - PAGE_BITS) };
        Space {
            points: pages.into_iter().map(point).collect(),
            places: places.iter().map(|(name, first, last)| (((*name).into(), *first), (*first, *last))).collect(),
            ..Space::default()
        }
    }

    fn shape(bands: &[Band]) -> Vec<(&str, u64, u64, u64)> {
        bands.iter().map(|band| (band.name.as_str(), band.first, band.last, band.faults)).collect()
    }

    #[test]
    fn bands_end_with_their_mapping_and_at_wide_gaps() {
        let space =
            space(&[("a", 10, 20), ("b", 21, 900_000)], [20, 10, 10, 21, 22, 4_000, 800_000, 900_000, 2_000_000]);
        assert_eq!(
            shape(&bands(&space)),
            [
                ("a", 10, 20, 3),
                ("b", 21, 4_000, 3),
                ("b", 800_000, 800_000, 1),
                ("b", 900_000, 900_000, 1),
                ("[unknown]", 2_000_000, 2_000_000, 1)
            ]
        );
    }

    #[test]
    fn there_are_never_more_bands_than_have_room_and_no_fault_is_lost() {
        let names: Vec<String> = (0..100).map(|n| format!("/lib/{n}")).collect();
        let places: Vec<(&str, u64, u64)> =
            names.iter().zip(0..).map(|(name, n)| (name.as_str(), n * 1_000_000, n * 1_000_000 + 5)).collect();
        let space = space(&places, (0..100).flat_map(|n| (0..=n % 6).map(move |page| n * 1_000_000 + page)));
        let bands = bands(&space);
        assert_eq!(bands.len(), BANDS);
        assert_eq!(bands.iter().map(|band| band.faults).sum::<u64>(), space.points.len() as u64);
        assert!(bands.windows(2).all(|pair| pair[0].last < pair[1].first));
    }
}
