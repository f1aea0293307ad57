// SPDX-License-Identifier: GPL-2.0

//! `sched`'s readers: a recording, what a chunk of it holds, and the records of two rings.

use crate::bytes::Bytes;
use sched::perfetto::Exporter;
use sched::view::affinity::Affinity;
use sched::view::blocked::BlockedView;
use sched::view::events::Events;
use sched::view::inversions::Inversions;
use sched::view::latency::Latency;
use sched::view::switches::Switches;
use sched::view::top::Top;
use sched::view::watch::Watch;
use sched::view::{Filter, Session, View};
use std::io;
use trace::decode::Decoder;
use trace::event::Timed;
use trace::live::Blocks;
use trace::merge::Merger;
use trace::recording::{block, payload, Chunker, End, Header, Mark, Packed, Reader};
use trace::table::{Format, Writer};

/// Any events can be looked at in every way and exported: nothing panics, and every report says what was lost.
fn look(events: &[Timed], begin: impl Fn() -> trace::state::State) {
    let all = Filter::default;
    let views: [Box<dyn View>; 8] = [
        Box::new(Switches::new(all())),
        Box::new(Top::new(all(), 5, true)),
        Box::new(Events::new(all())),
        Box::new(Watch::new("a")),
        Box::new(Latency::new(all(), Some(1_000))),
        Box::new(BlockedView::new(all(), 5)),
        Box::new(Affinity::new(all(), 5)),
        Box::new(Inversions::new(all(), 1_000)),
    ];
    for (n, view) in views.into_iter().enumerate() {
        let format = [Format::Text, Format::Json, Format::Csv][n % 3];
        let mut out = Writer::new(vec![], format);
        let mut session = Session::new(view);
        session.state = begin();
        for timed in events {
            session.take(timed, &mut out);
            session.tick(timed.ns, &mut out);
        }
        session.report(&mut out);
        session.restart();
        session.report(&mut out);
        let text = String::from_utf8(out.into_inner()).expect("text");
        assert!(text.contains("lost: "), "{text}");
    }
    let mut exporter = Exporter::new(io::sink(), &Header::default()).expect("a sink takes all");
    exporter.begin(begin());
    for timed in events {
        exporter.push(timed).expect("a sink takes all");
    }
    exporter.finish().expect("a sink takes all");
}

/// The records of two rings, of any words; and what comes out of a recording of them, which must be the same.
pub(crate) fn rings(bytes: &mut Bytes) -> Vec<Timed> {
    let start = bytes.number();
    let mut decoders = [Decoder::new(0, start), Decoder::new(1, start)];
    let mut packed = [Packed::new(0), Packed::new(1)];
    let mut merger = Merger::new();
    while !bytes.is_empty() {
        let how = bytes.byte();
        let (decoder, packed) = (&mut decoders[usize::from(how & 1)], &mut packed[usize::from(how & 1)]);
        // Most kinds are known ones, and most times go on.
        let kind = match how & 10 {
            0 | 8 => u64::from(how >> 4),
            // Those of page faults.
            10 => 32 + u64::from(how >> 4 & 7),
            _ => u64::from(bytes.byte()),
        };
        let time = decoder.last_ns().wrapping_add(bytes.number()) & ((1 << 56) - 1);
        let words = [time << 8 | kind, bytes.number(), bytes.number(), bytes.number()];
        if how & 12 == 12 {
            let records = bytes.number();
            if how & 64 == 0 {
                packed.mark(&Mark::Lost { records, since_ns: start });
                merger.push(decoder.lose(records, start, Some(&words), false));
            } else {
                packed.mark(&Mark::Dropped { records, since_ns: start, until_ns: time });
                merger.push(decoder.dropped(records, start, time));
            }
        }
        packed.push(&[words]);
        decoder.take(&words, |timed| merger.push(timed));
    }
    let events: Vec<Timed> = std::iter::from_fn(|| merger.pop()).collect();
    assert!(recorded(start, packed) == events, "a recording has other events than the rings");
    events
}

/// The events of a recording of two rings.
fn recorded(start: u64, mut packed: [Packed; 2]) -> Vec<Timed> {
    let mut blocks = Blocks::default();
    for packed in &mut packed {
        block(packed, &mut blocks.bytes);
    }
    let mut chunker = Chunker::of_rings(start).expect("memory");
    chunker.push_blocks(&blocks);
    let mut file = vec![];
    Header { start_boottime_ns: start, ..Header::default() }.write(&mut file).expect("memory");
    // Some of the events before the end of the first chunk, and the others with the second.
    chunker.have_until(start.saturating_add(1 << 20));
    file.extend(chunker.finish(false).expect("memory"));
    chunker.have_until(u64::MAX);
    file.extend(chunker.finish(true).expect("memory"));
    let mut reader = Reader::new(&file[..]).expect("what was written");
    let mut events = vec![];
    while let Some(chunk) = reader.next_chunk().expect("memory") {
        events.extend(chunk.events);
    }
    assert!(matches!(reader.end(), Some(End::Whole)));
    events
}

/// A recording, or the inside of one, is read or refused; what was read can be looked at.
pub fn check(input: &[u8]) {
    if let Ok(mut reader) = Reader::new(input) {
        while let Some(chunk) = reader.next_chunk().expect("memory") {
            look(&chunk.events, trace::state::State::new);
        }
        assert!(reader.end().is_some());
    }
    if payload(input).is_ok_and(|chunk| chunk.events.len() < 10_000) {
        let chunk = payload(input).expect("as before");
        look(&chunk.events, || payload(input).expect("as before").checkpoint);
    }
    if input.len() < 10_000 {
        look(&rings(&mut Bytes::new(input)), trace::state::State::new);
    }
}
