// SPDX-License-Identifier: GPL-2.0

//! A recording as a trace for Perfetto: sched's, with the faults in it. Slow faults are slices of their thread; all are in
//! counters of their process, one for each kind.

use crate::code::CodeId;
use crate::fault::{Fault, Kind};
use crate::feed::Item;
use crate::recording::Recording;
use crate::session::{Known, Seen, Session};
use crate::symbol::Symbols;
use crate::view::{mapping_name, took, View};
use anyhow::Context;
use rustc_hash::{FxHashMap, FxHashSet};
use sched::perfetto::proto::{self, annotation};
use sched::perfetto::Exporter;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use trace::filter::Filter;
use trace::state::State;
use trace::table::{Format, Out, Writer};

/// `TrackEvent.Type`.
const SLICE_BEGIN: i32 = 1;
const SLICE_END: i32 = 2;
const COUNTER: i32 = 4;
/// `CounterDescriptor.Unit.UNIT_COUNT`.
const UNIT_COUNT: i32 = 2;

/// A counter is written at most this often, ns: ten million faults are to be a trace that can be opened.
const COUNTER_NS: u64 = 1_000_000;

/// A slow fault, without the names of its code.
#[derive(Clone, Debug)]
struct Slice {
    fault: Fault,
    mapping: String,
    code: CodeId,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    value: u64,
    last_ns: u64,
    written_ns: u64,
    written: u64,
}

/// What a trace has of faults, as a view of them.
#[derive(Debug, Default)]
struct Faults {
    over_ns: u64,
    slices: Vec<Slice>,
    names: Vec<(String, Option<String>)>,
    counts: FxHashMap<(u32, Kind), Count>,
    /// Values of counters: process, kind, time, value.
    values: Vec<(u32, Kind, u64, u64)>,
}

impl View for Faults {
    fn fault(&mut self, seen: &Seen<'_>, _state: &State, _out: &mut dyn Out) {
        let fault = seen.fault;
        if took(fault) >= self.over_ns && fault.took.is_some() {
            self.slices.push(Slice { fault: *fault, mapping: mapping_name(seen).to_owned(), code: seen.code });
        }
        let count = self.counts.entry((fault.tgid, fault.kind)).or_default();
        count.value += 1;
        count.last_ns = count.last_ns.max(fault.to());
        if count.written == 0 || count.last_ns >= count.written_ns + COUNTER_NS {
            (count.written, count.written_ns) = (count.value, count.last_ns);
            self.values.push((fault.tgid, fault.kind, count.last_ns, count.value));
        }
    }

    fn report(&mut self, known: &mut Known<'_>, _out: &mut dyn Out) -> anyhow::Result<()> {
        for slice in &self.slices {
            let location = known.symbols.locate(known.codes, slice.code);
            self.names.push((location.function.to_string(), location.line.map(|line| line.to_string())));
        }
        for ((tgid, kind), count) in &mut self.counts {
            if count.written < count.value {
                count.written = count.value;
                self.values.push((*tgid, *kind, count.last_ns, count.value));
            }
        }
        Ok(())
    }

    fn restart(&mut self, _state: &State) {}
}

/// Numbers of tracks: those of sched have 1 << 40 for a process.
fn process_track(tgid: u32) -> u64 {
    1 << 40 | u64::from(tgid) << 8
}

fn thread_track(tid: u32) -> u64 {
    2 << 40 | u64::from(tid) << 8
}

fn counter_track(tgid: u32, kind: Kind) -> u64 {
    3 << 40 | u64::from(tgid) << 8 | u64::from(kind.is_ended) << 7 | kind.kind as u64
}

impl Faults {
    fn write<W: Write>(&self, exporter: &mut Exporter<W>) -> io::Result<()> {
        let mut tracks = FxHashSet::default();
        for (slice, (function, line)) in self.slices.iter().zip(&self.names) {
            let Fault { tid, tgid, from, address, access, kind, .. } = slice.fault;
            let track = thread_track(tid);
            if tracks.insert(track) {
                exporter.track(proto::TrackDescriptor {
                    uuid: Some(track),
                    thread: Some(proto::ThreadDescriptor { pid: Some(tgid as i32), tid: Some(tid as i32) }),
                    ..proto::TrackDescriptor::default()
                })?;
            }
            let mut notes = vec![
                annotation("address", format!("{address:#x}")),
                annotation("access", access.name()),
                annotation("mapping", slice.mapping.as_str()),
                annotation("function", function.as_str()),
            ];
            notes.extend(line.as_deref().map(|line| annotation("line", line)));
            let event = proto::TrackEvent { track_uuid: Some(track), ..proto::TrackEvent::default() };
            exporter.track_event(
                from,
                proto::TrackEvent {
                    kind: Some(SLICE_BEGIN),
                    name: Some(format!("fault: {}", kind.name())),
                    debug_annotations: notes,
                    ..event.clone()
                },
            )?;
            exporter.track_event(slice.fault.to(), proto::TrackEvent { kind: Some(SLICE_END), ..event })?;
        }
        for (tgid, kind, ns, value) in &self.values {
            let process = process_track(*tgid);
            if tracks.insert(process) {
                exporter.track(proto::TrackDescriptor {
                    uuid: Some(process),
                    process: Some(proto::ProcessDescriptor { pid: Some(*tgid as i32) }),
                    ..proto::TrackDescriptor::default()
                })?;
            }
            let track = counter_track(*tgid, *kind);
            if tracks.insert(track) {
                exporter.track(proto::TrackDescriptor {
                    uuid: Some(track),
                    name: Some(format!("faults: {}", kind.name())),
                    parent_uuid: Some(process),
                    counter: Some(proto::CounterDescriptor { unit: Some(UNIT_COUNT) }),
                    ..proto::TrackDescriptor::default()
                })?;
            }
            exporter.track_event(
                *ns,
                proto::TrackEvent {
                    kind: Some(COUNTER),
                    track_uuid: Some(track),
                    counter_value: Some(i64::try_from(*value).unwrap_or(i64::MAX)),
                    ..proto::TrackEvent::default()
                },
            )?;
        }
        Ok(())
    }
}

/// Writes the recording `from` as a trace to `to`: faults of at least `over_ns` as slices.
///
/// # Errors
///
/// One of the files cannot be read or written.
pub fn export(from: &Path, to: &Path, over_ns: u64) -> anyhow::Result<()> {
    let failed = || to.display().to_string();
    let mut recording = Recording::open(from)?;
    let file = BufWriter::new(File::create(to).with_context(failed)?);
    let mut exporter = Exporter::new(file, recording.header()).with_context(failed)?;
    let view = Faults { over_ns, ..Faults::default() };
    let mut session = Session::new(view, Filter::default(), false, Symbols::new(false));
    let mut silent = Writer::new(io::sink(), Format::Text);
    let mut is_first = true;
    while let Some(mut part) = recording.next_part()? {
        if std::mem::take(&mut is_first) {
            exporter.begin(std::mem::take(&mut part.checkpoint));
        }
        part.names.iter().for_each(|(pid, text)| session.symbols.add_jit(*pid, text));
        let mut written = Ok(());
        part.each(|item| match item {
            Item::Event(timed) => {
                session.take(timed, &mut silent);
                if written.is_ok() {
                    written = exporter.push(timed);
                }
            }
            Item::Change(change) => session.change(change),
        });
        written.with_context(failed)?;
    }
    session.finish(&mut silent);
    session.report(&mut silent)?;
    session.view.write(&mut exporter).with_context(failed)?;
    exporter.finish().with_context(failed)?;
    if let Some(end) = recording.ending() {
        eprintln!("faults: {}: {end}", from.display());
    }
    Ok(())
}
