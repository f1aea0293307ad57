// SPDX-License-Identifier: GPL-2.0

//! How much memory a program touches, and how much of it comes back after it was evicted.
//!
//! A page that faults for the first time is counted as touched. One that faults again, in a way that brings it back, was
//! not mapped meanwhile: mostly it was evicted. How many other pages faulted between (the refault distance) says how much
//! memory was wanted in that time at least. A use without a fault is not seen, so all of this is a lower bound.

use super::{mapping_name, private_start, took, Names, View};
use crate::distinct::Distinct;
use crate::fault::FaultKind;
use crate::session::{Known, Seen};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::sync::Arc;
use trace::histogram::Histogram;
use trace::state::State;
use trace::table::{column, milliseconds, Out, Schema, Table, Unit, Value};
use trace::task::Comm;

/// A row a mapping.
pub const MAPPING: Schema = Schema {
    name: "wss_mapping",
    columns: &[
        column("pid", "PID", Unit::Id),
        column("comm", "command", Unit::Text),
        column("touched_pages", "pages touched", Unit::Count),
        column("again_pages", "of them again", Unit::Count),
        column("again_faults", "times again", Unit::Count),
        column("again_disk", "from disk", Unit::Count),
        column("again_ns", "again ms", Unit::Time),
        column("again_mean_ns", "mean us", Unit::Micros),
        column("distance_p50", "distance p50", Unit::Count),
        column("distance_max", "max", Unit::Count),
        column("mapping", "mapping", Unit::Text),
    ],
};

/// A row a stretch of time.
pub const TIME: Schema = Schema {
    name: "wss_time",
    columns: &[
        column("from_ns", "from ms", Unit::Time),
        column("to_ns", "to ms", Unit::Time),
        column("touched_pages", "touched first", Unit::Count),
        column("touched_in_all", "in all", Unit::Count),
        column("again_faults", "again", Unit::Count),
        column("again_disk", "from disk", Unit::Count),
        column("again_ns", "again ms", Unit::Time),
        column("bar", "", Unit::Text),
    ],
};

/// A row a power of two of the distance.
pub const DISTANCE: Schema = Schema {
    name: "wss_distance",
    columns: &[
        column("at_least_pages", "other pages", Unit::Count),
        column("below_pages", "below", Unit::Count),
        column("below_mib", "MiB", Unit::Number),
        column("again_faults", "again", Unit::Count),
        column("share", "%", Unit::Share),
        column("bar", "", Unit::Text),
    ],
};

/// A row a page that was faulted most often again.
pub const PAGE: Schema = Schema {
    name: "wss_page",
    columns: &[
        column("again_faults", "again", Unit::Count),
        column("again_ns", "again ms", Unit::Time),
        column("pid", "PID", Unit::Id),
        column("page", "page", Unit::Text),
        column("mapping", "mapping", Unit::Text),
    ],
};

/// Stretches of time in the table: their number is between this and twice this.
const STRETCHES: usize = 16;

/// Pages in the table of those that came back most often.
const PAGES: usize = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    touched: u64,
    again: u64,
    disk: u64,
    ns: u64,
}

#[derive(Clone, Debug, Default)]
struct Place {
    pid: u32,
    comm: Comm,
    touched: u64,
    again_pages: u64,
    again: u64,
    disk: u64,
    ns: u64,
    distances: Histogram,
}

/// What is kept of a page.
#[derive(Clone, Copy, Debug, Default)]
struct Page {
    again: u32,
    ns: u64,
    place: u32,
}

/// A process and a page of it.
type PageKey = (u64, u64);

/// See the module.
#[derive(Debug, Default)]
pub struct Wss {
    rows: usize,
    pages: FxHashMap<PageKey, Page>,
    orders: FxHashMap<u64, Distinct<u64>>,
    pids: FxHashMap<u64, u32>,
    place_ids: FxHashMap<(Arc<str>, u64, u64), u32>,
    places: Vec<(Arc<str>, Place)>,
    names: Names,
    stretches: Vec<Stretch>,
    /// How long a stretch is, ns: doubled whenever there are too many.
    stretch_ns: u64,
    start: Option<u64>,
    distances: Histogram,
    files: u64,
    huge: u64,
}

impl Wss {
    /// With `rows` mappings.
    pub fn new(rows: usize) -> Self {
        Wss { rows, stretch_ns: 1_000_000, ..Wss::default() }
    }

    fn stretch(&mut self, ns: u64) -> &mut Stretch {
        let start = *self.start.get_or_insert(ns);
        let since = ns.saturating_sub(start);
        while since / self.stretch_ns >= 2 * STRETCHES as u64 {
            self.stretch_ns *= 2;
            let pairs = self.stretches.chunks(2).map(|pair| {
                pair.iter().fold(Stretch::default(), |sum, one| Stretch {
                    touched: sum.touched + one.touched,
                    again: sum.again + one.again,
                    disk: sum.disk + one.disk,
                    ns: sum.ns.saturating_add(one.ns),
                })
            });
            self.stretches = pairs.collect();
        }
        let index = (since / self.stretch_ns) as usize;
        if self.stretches.len() <= index {
            self.stretches.resize(index + 1, Stretch::default());
        }
        &mut self.stretches[index]
    }

    fn place(&mut self, seen: &Seen<'_>) -> u32 {
        let name = self.names.get(mapping_name(seen));
        let key = (Arc::clone(&name), seen.space, private_start(seen));
        let places = &mut self.places;
        *self.place_ids.entry(key).or_insert_with(|| {
            places.push((name, Place { pid: seen.fault.tgid, comm: seen.process_comm, ..Place::default() }));
            places.len() as u32 - 1
        })
    }

    fn mappings(&self, out: &mut dyn Out) {
        let mut table = Table::new(&MAPPING);
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by(|a, b| (Reverse(a.1.touched), &a.0, a.1.pid).cmp(&(Reverse(b.1.touched), &b.0, b.1.pid)));
        let count = places.len();
        for (name, place) in places.into_iter().take(self.rows) {
            table.rows.push(vec![
                place.pid.into(),
                place.comm.into(),
                place.touched.into(),
                place.again_pages.into(),
                place.again.into(),
                place.disk.into(),
                place.ns.into(),
                place.ns.checked_div(place.again).into(),
                place.distances.percentile(0.5).into(),
                Value::from((place.again > 0).then_some(place.distances.max())),
                (&**name).into(),
            ]);
        }
        out.table(&table);
        if count > self.rows {
            out.note(&format!("{} more mappings not shown (-n)", count - self.rows));
        }
    }

    fn times(&self, out: &mut dyn Out) {
        let mut table = Table::new(&TIME);
        let mut in_all = 0;
        let most = self.stretches.iter().map(|stretch| stretch.touched + stretch.again).max().unwrap_or(0).max(1);
        for (index, stretch) in self.stretches.iter().enumerate() {
            in_all += stretch.touched;
            let from = (index as u64).saturating_mul(self.stretch_ns);
            let length = |count: u64| (count as f64 / most as f64 * 40.0).ceil() as usize;
            let bar = "+".repeat(length(stretch.touched)) + &"o".repeat(length(stretch.again));
            table.rows.push(vec![
                from.into(),
                from.saturating_add(self.stretch_ns).into(),
                stretch.touched.into(),
                in_all.into(),
                stretch.again.into(),
                stretch.disk.into(),
                stretch.ns.into(),
                bar.into(),
            ]);
        }
        out.table(&table);
    }

    fn distances(&self, out: &mut dyn Out) {
        let mut table = Table::new(&DISTANCE);
        for (from, to, count) in self.distances.octaves() {
            let share = count as f64 / self.distances.count() as f64;
            table.rows.push(vec![
                from.into(),
                to.into(),
                (to as f64 / 256.0).into(),
                count.into(),
                share.into(),
                "#".repeat((share * 50.0).ceil() as usize).into(),
            ]);
        }
        out.table(&table);
    }

    fn worst_pages(&self, out: &mut dyn Out) {
        let mut pages: Vec<(&PageKey, &Page)> = self.pages.iter().filter(|(_, page)| page.again > 0).collect();
        pages.sort_by_key(|(key, page)| (Reverse(page.again), Reverse(page.ns), **key));
        let mut table = Table::new(&PAGE);
        for ((process, number), page) in pages.into_iter().take(PAGES) {
            table.rows.push(vec![
                page.again.into(),
                page.ns.into(),
                self.pids.get(process).copied().into(),
                format!("{:#x}", number << crate::fault::PAGE_BITS).into(),
                self.places.get(page.place as usize).map(|(name, _)| &**name).into(),
            ]);
        }
        out.table(&table);
    }

    /// What must be known to read the tables.
    fn limits(&self, out: &mut dyn Out) {
        out.note("a page is counted as touched when it faults first; uses without a fault are not seen: these are lower bounds");
        if self.distances.count() > 0 {
            out.note(
                "a page comes back after the kernel evicted it, but also after madvise(MADV_DONTNEED), truncation or a new mapping \
                 at its place: faults do not tell these apart. Distance: other pages that faulted since the page did",
            );
        }
        if self.files > 0 {
            out.note("a fault on a file maps up to 16 pages at once (fault-around): the other 15 can be used unseen");
        }
        if self.huge > 0 {
            out.note("a fault on a huge page is counted as one page and maps 512");
        }
    }
}

impl View for Wss {
    fn fault(&mut self, seen: &Seen<'_>, _state: &State, _out: &mut dyn Out) {
        let fault = seen.fault;
        if !fault.kind.is_use() {
            return;
        }
        self.files += u64::from(matches!(fault.kind.kind, FaultKind::FileMinor | FaultKind::FileMajor));
        self.huge += u64::from(fault.kind.kind == FaultKind::HugePage);
        let place = self.place(seen);
        let number = fault.page();
        self.pids.entry(seen.space).or_insert(fault.tgid);
        let distance = self.orders.entry(seen.space).or_default().come(number);
        let page = self.pages.entry((seen.space, number)).or_default();
        page.place = place;
        let ns = took(fault);
        let is_again = distance.is_some() && fault.kind.brings_back();
        let is_disk = fault.counted == crate::fault::Counted::Major;
        let is_first_again = is_again && page.again == 0;
        if is_again {
            page.again = page.again.saturating_add(1);
            page.ns = page.ns.saturating_add(ns);
        }
        if let Some((_, place)) = self.places.get_mut(place as usize) {
            place.touched += u64::from(distance.is_none());
            place.again_pages += u64::from(is_first_again);
            if let (true, Some(distance)) = (is_again, distance) {
                place.again += 1;
                place.disk += u64::from(is_disk);
                place.ns = place.ns.saturating_add(ns);
                place.distances.add(distance as u64);
                self.distances.add(distance as u64);
            }
        }
        let stretch = self.stretch(fault.from);
        stretch.touched += u64::from(distance.is_none());
        if is_again {
            stretch.again += 1;
            stretch.disk += u64::from(is_disk);
            stretch.ns = stretch.ns.saturating_add(ns);
        }
    }

    fn report(&mut self, _known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()> {
        if self.pages.is_empty() {
            out.note("no faults");
            return Ok(());
        }
        self.mappings(out);
        out.note("");
        self.times(out);
        let again = self.distances.count();
        if again > 0 {
            out.note("");
            self.distances(out);
            out.note("");
            self.worst_pages(out);
        }
        let touched: u64 = self.places.iter().map(|(_, place)| place.touched).sum();
        let ns = self.places.iter().fold(0_u64, |sum, (_, place)| sum.saturating_add(place.ns));
        out.note(&format!(
            "{touched} pages ({:.1} MiB) touched; {again} times a page came back, which took {} ms",
            touched as f64 / 256.0,
            milliseconds(ns)
        ));
        self.limits(out);
        Ok(())
    }

    fn restart(&mut self, _state: &State) {
        // What was touched stays touched: only the sums begin anew.
        for (_, place) in &mut self.places {
            *place = Place { pid: place.pid, comm: place.comm, ..Place::default() };
        }
        for page in self.pages.values_mut() {
            *page = Page { place: page.place, ..Page::default() };
        }
        (self.stretches, self.start) = (vec![], None);
        self.distances = Histogram::default();
    }
}
