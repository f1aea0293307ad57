// SPDX-License-Identifier: GPL-2.0

//! `faults`' readers: changes of mappings, what a JIT wrote, perf's records, `/proc/PID/maps`, and the records of faults.

use crate::bytes::Bytes;
use crate::events::rings;
use faults::jit::JitMap;
use faults::mapping::space::Spaces;
use faults::mapping::{perf, proc};
use faults::session::Session;
use faults::symbol::Symbols;
use faults::view::latency::Latency;
use faults::view::map::Map;
use faults::view::top::{By, Top};
use faults::view::wss::Wss;
use faults::view::View;
use format::mappings::{read, read_names, Change, Section};
use trace::event::Timed;
use trace::filter::Filter;
use trace::table::{Format, Writer};

/// Any events and changes can be looked at in every way: nothing panics, and every report says what was lost.
fn look(events: &[Timed], changes: &[Change]) {
    let views: [Box<dyn View>; 6] = [
        Box::new(Top::new(By::Mapping, 5)),
        Box::new(Top::new(By::Function, 5)),
        Box::new(Top::new(By::Kind, 5)),
        Box::new(Latency::new(5, Some(1_000))),
        Box::new(Map::new()),
        Box::new(Wss::new(5)),
    ];
    for (n, view) in views.into_iter().enumerate() {
        let format = [Format::Text, Format::Json, Format::Csv][n % 3];
        let mut out = Writer::new(vec![], format);
        let mut session = Session::new(view, Filter::default(), true, Symbols::new(false));
        changes.iter().for_each(|change| session.change(change));
        events.iter().for_each(|timed| session.take(timed, &mut out));
        session.finish(&mut out);
        session.report(&mut out).expect("nothing is drawn");
        session.restart();
        session.report(&mut out).expect("nothing is drawn");
        let text = String::from_utf8(out.into_inner()).expect("text");
        assert!(text.contains("lost: "), "{text}");
    }
}

/// Bytes that claim to be any of them.
pub fn check(input: &[u8]) {
    let mut changes = vec![];
    if let Ok(read_changes) = read(input) {
        // What was read is written and read again as it was.
        let mut section = Section::default();
        read_changes.iter().for_each(|change| section.push(change));
        assert_eq!(read(&section.take()).expect("just written"), read_changes);
        changes = read_changes;
    }
    let _ = read_names(input);
    let jit = JitMap::parse(input);
    proc::maps(&String::from_utf8_lossy(input));
    let mut bytes = Bytes::new(input);
    let (kind, misc) = (u32::from(bytes.byte() & 15), bytes.number() as u16);
    changes.extend(perf::change(kind, misc, input.get(2..).unwrap_or_default()));
    let mut spaces = Spaces::default();
    changes.iter().for_each(|change| spaces.apply(change));
    for change in &changes {
        let _ = spaces.at(change.pid, bytes.number());
    }
    let _ = jit.at(bytes.number());
    if input.len() < 10_000 {
        look(&rings(&mut Bytes::new(input)), &changes);
    }
}
