// SPDX-License-Identifier: GPL-2.0

//! A CPU's records as events.

use super::copier::Intake;
use crate::decode::Decoder;
use crate::event::Timed;
use abi::events::header::Counts;
use abi::events::Words;

/// A CPU's records as events.
pub struct Decoded {
    decoder: Decoder,
    events: Vec<Timed>,
}

/// What a copier has read.
#[derive(Default)]
pub struct Events {
    /// In the order of each CPU.
    pub events: Vec<Timed>,
    /// Records of kinds that are not known.
    pub unknown: u64,
}

impl Intake for Decoded {
    type Batch = Events;

    fn new(cpu: u32, start_ns: u64) -> Self {
        Decoded { decoder: Decoder::new(cpu, start_ns), events: vec![] }
    }

    fn records(&mut self, records: &[Words]) {
        for words in records {
            self.decoder.take(words, |timed| self.events.push(timed));
        }
    }

    fn lost(&mut self, records: u64, since_ns: u64, next: Option<&Words>) {
        self.events.push(self.decoder.lose(records, since_ns, next, false));
    }

    fn dropped(&mut self, records: u64, since_ns: u64, until_ns: u64) {
        self.events.push(self.decoder.dropped(records, since_ns, until_ns));
    }

    fn counts(&mut self, ns: u64, counts: Counts) {
        self.events.push(self.decoder.counts(ns, counts));
    }

    /// Also where nothing has come: until when the rings have been read is news as well.
    fn batch<'a>(rings: impl Iterator<Item = &'a mut Self>, _: bool) -> Option<Events> {
        let mut batch = Events::default();
        for ring in rings {
            batch.events.append(&mut ring.events);
            batch.unknown += std::mem::take(&mut ring.decoder.unknown);
        }
        Some(batch)
    }
}
