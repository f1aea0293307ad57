// SPDX-License-Identifier: GPL-2.0

//! A machine for tests: told what faults there are, it writes the records that the module would.

use crate::fault::FaultKind;
use crate::session::Session;
use crate::symbol::Symbols;
use crate::view::View;
use abi::events::fault::class::{Backing, MappingClass};
use abi::events::fault::map::{Map, MapFile, Protection};
use abi::events::fault::state::PageState;
use abi::events::fault::{Counted, Fault, FaultFlags, FaultPlace, FaultResult, COUNT_BITS};
use abi::events::{Event, FaultTotals, Text, TEXT_BYTES};
use format::mappings::Change;
use std::collections::BTreeMap;
use trace::event::{Timed, What};
use trace::filter::Filter;
use trace::table::{Format, Writer};

/// A fault to be had.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// The address.
    pub address: u64,
    /// The instruction.
    pub ip: u64,
    /// The kind.
    pub kind: FaultKind,
    /// It wrote.
    pub writes: bool,
    /// How long it took, ns.
    pub took: u64,
    /// The mapping's number.
    pub mapping: u32,
}

impl Default for Planted {
    fn default() -> Self {
        Planted {
            tid: 1,
            tgid: 1,
            address: 0x1000,
            ip: 0x40_1000,
            kind: FaultKind::FirstTouch,
            writes: true,
            took: 500,
            mapping: 0,
        }
    }
}

/// The machine: sched's, which also has the threads and their switches, and the faults.
#[derive(Clone, Debug)]
pub struct Model {
    /// Threads, switches, the time.
    pub sched: trace::model::Model,
    counts: BTreeMap<u32, (u64, u64)>,
    /// Changes of address spaces.
    pub changes: Vec<Change>,
    /// Faults that were had.
    pub faults: u64,
}

impl Model {
    /// `cpus` idle CPUs.
    pub fn new(cpus: usize) -> Self {
        let sched = trace::model::Model::new(cpus, 1_000_000_000);
        Model { sched, counts: BTreeMap::new(), changes: vec![], faults: 0 }
    }

    fn emit(&mut self, cpu: u32, event: Event) {
        let ns = self.sched.now;
        self.sched.events.push(Timed { ns, cpu, what: What::Event(event) });
    }

    /// The records of a mapping: `pages` pages from `start` on.
    pub fn map(&mut self, tgid: u32, id: u32, start: u64, pages: u64, path: &str, class: MappingClass) -> &mut Self {
        let bytes = path.as_bytes();
        let map = Map {
            tgid,
            id,
            text_bytes: bytes.len() as u8,
            path_bytes: bytes.len() as u16,
            first_page: start >> crate::fault::PAGE_BITS,
            pages,
            class,
            protection: Protection(7),
        };
        self.emit(0, Event::Map(map));
        let inode = if path.is_empty() { 0 } else { 1000 + u64::from(id) };
        self.emit(0, Event::MapFile(MapFile { inode, device: 0xfe << 20, offset: 0 }));
        for chunk in bytes.chunks(TEXT_BYTES) {
            let mut text = Text { bytes: [0; TEXT_BYTES] };
            text.bytes[..chunk.len()].copy_from_slice(chunk);
            self.emit(0, Event::Text(text));
        }
        self
    }

    /// The records of a fault that ends now. It has one attempt.
    pub fn fault(&mut self, cpu: u32, planted: &Planted) -> &mut Self {
        let (before, class, result, is_major) = match planted.kind {
            FaultKind::FirstTouch => (PageState::None, Backing::Anonymous, 0, false),
            FaultKind::ZeroPage => (PageState::None, Backing::Anonymous, 0, false),
            FaultKind::CopyOnWrite => (PageState::ReadOnly, Backing::Anonymous, 0, false),
            FaultKind::FileMinor => (PageState::None, Backing::File, 0, false),
            FaultKind::FileMajor => (PageState::None, Backing::File, FaultResult::MAJOR.0, true),
            FaultKind::SwapCache => (PageState::Swapped, Backing::Anonymous, 0, false),
            FaultKind::SwapDisk => (PageState::Swapped, Backing::Anonymous, FaultResult::MAJOR.0, true),
            FaultKind::SharedMemory => (PageState::None, Backing::SharedMemory, 0, false),
            FaultKind::Spurious => (PageState::Writable, Backing::Anonymous, 0, false),
            _ => (PageState::None, Backing::HugeTlb, 0, false),
        };
        let counts = self.counts.entry(planted.tid).or_default();
        let counted = if is_major { Counted::Major } else { Counted::Minor };
        *(if is_major { &mut counts.1 } else { &mut counts.0 }) += 1;
        let modulus = 1 << COUNT_BITS;
        let fault = Fault {
            tid: planted.tid,
            tgid: planted.tgid,
            counted,
            before,
            flags: FaultFlags::FIRST | if planted.writes { FaultFlags::WRITE } else { FaultFlags::NONE },
            address: planted.address,
            class: MappingClass::of(class),
            latency_ns: planted.took,
            minor: (counts.0 % modulus) as u16,
            major: (counts.1 % modulus) as u16,
            ..Fault::default()
        };
        let place = FaultPlace {
            ip: planted.ip,
            result: FaultResult(result),
            mapping: planted.mapping,
            ..FaultPlace::default()
        };
        self.emit(cpu, Event::Fault(fault));
        self.emit(cpu, Event::FaultPlace(place));
        self.faults += 1;
        self
    }

    /// The kernel counts a fault of which there is no record.
    pub fn miss(&mut self, tid: u32) -> &mut Self {
        self.counts.entry(tid).or_default().0 += 1;
        self
    }

    /// The thread ends, and says its counts.
    pub fn totals(&mut self, tid: u32, tgid: u32) -> &mut Self {
        let (minor, major) = self.counts.get(&tid).copied().unwrap_or_default();
        self.emit(0, Event::FaultTotals(FaultTotals { tid, tgid, minor, major }));
        self
    }

    /// A session that has taken everything.
    pub fn session<V: View>(&self, view: V) -> Session<V> {
        let mut session = Session::new(view, Filter::default(), true, Symbols::new(false));
        let mut out = Writer::new(std::io::sink(), Format::Text);
        let mut changes = self.changes.iter().peekable();
        for timed in &self.sched.events {
            while let Some(change) = changes.next_if(|change| change.ns <= timed.ns) {
                session.change(change);
            }
            session.take(timed, &mut out);
        }
        session.finish(&mut out);
        session
    }

    /// What a view of everything writes.
    ///
    /// # Errors
    ///
    /// As [`View::report`].
    pub fn view(&self, view: impl View, format: Format) -> anyhow::Result<String> {
        let mut session = self.session(view);
        let mut out = Writer::new(vec![], format);
        session.report(&mut out)?;
        Ok(String::from_utf8_lossy(&out.into_inner()).into_owned())
    }
}
