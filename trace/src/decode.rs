// SPDX-License-Identifier: GPL-2.0

//! From the records of one CPU to events.

use crate::event::{Lost, Path, Timed, What};
use abi::events::header::Counts;
use abi::events::{modular, record, Event, Exec, Record, Words};

/// Reads the records of one CPU's ring in their order.
#[derive(Debug)]
pub struct Decoder {
    cpu: u32,
    /// A time near those of the records, ns: records have its low 56 bits only.
    reference_ns: u64,
    /// A program that was executed, and the part of its path that has come.
    exec: Option<(u64, Exec, Vec<u8>)>,
    last_ns: u64,
    /// Records of kinds that this version does not know.
    pub unknown: u64,
}

impl Decoder {
    /// For `cpu`, whose ring began at `start_ns` (CLOCK_BOOTTIME).
    pub fn new(cpu: u32, start_ns: u64) -> Self {
        Decoder { cpu, reference_ns: start_ns, exec: None, last_ns: start_ns, unknown: 0 }
    }

    /// The time of the last record, ns; of none, when the ring began.
    pub fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// The full time of a record, ns.
    pub fn time(&self, words: &Words) -> u64 {
        modular::near::<{ record::TIME_BITS }>(self.reference_ns, record::time(words))
    }

    /// Takes a record and gives the events that are complete with it to `emit`.
    pub fn take(&mut self, words: &Words, mut emit: impl FnMut(Timed)) {
        let ns = self.time(words);
        self.reference_ns = ns;
        // In one ring the order of the records is that of what happened, whatever the clock says.
        self.last_ns = self.last_ns.max(ns);
        let (ns, cpu) = (self.last_ns, self.cpu);
        let Ok(record) = Record::decode(words) else {
            self.unknown += 1;
            return;
        };
        if let Event::Text(text) = record.event {
            if let Some((at, exec, bytes)) = &mut self.exec {
                let wanted = usize::from(exec.text_bytes).saturating_sub(bytes.len());
                bytes.extend(text.bytes.iter().take(wanted));
                if bytes.len() == usize::from(exec.text_bytes) {
                    let path = Path {
                        tid: exec.tid,
                        cut: u32::from(exec.path_bytes).saturating_sub(u32::from(exec.text_bytes)),
                        path: bytes.as_slice().into(),
                    };
                    emit(Timed { ns: *at, cpu, what: What::Path(path) });
                    self.exec = None;
                }
            } else {
                // Of another record, such as a mapping: as it is.
                emit(Timed { ns, cpu, what: What::Event(record.event) });
            }
            return;
        }
        self.exec = None;
        if let Event::Exec(exec) = record.event {
            self.exec = Some((ns, exec, Vec::with_capacity(usize::from(exec.text_bytes))));
        }
        emit(Timed { ns, cpu, what: What::Event(record.event) });
    }

    /// `records` are missing here; what is missing began no earlier than `since_ns`, and ended before the record `next`,
    /// if there is one.
    pub fn lose(&mut self, records: u64, since_ns: u64, next: Option<&Words>, dropped: bool) -> Timed {
        self.exec = None;
        let ns = self.last_ns.max(since_ns);
        let until_ns = next.map_or(ns, |words| self.time(words).max(ns));
        self.last_ns = ns;
        Timed { ns, cpu: self.cpu, what: What::Lost(Lost { records, until_ns, dropped }) }
    }

    /// There was no room for `records`, at some time between `since_ns` and `until_ns`: among which of the records before
    /// this, is not known.
    pub fn dropped(&mut self, records: u64, since_ns: u64, until_ns: u64) -> Timed {
        let mut timed = self.lose(records, since_ns, None, true);
        if let What::Lost(lost) = &mut timed.what {
            lost.until_ns = lost.until_ns.max(until_ns);
        }
        timed
    }

    /// What the ring's header had counted at `ns`, in its place behind the last record.
    pub fn counts(&self, ns: u64, counts: Counts) -> Timed {
        Timed { ns: ns.max(self.last_ns), cpu: self.cpu, what: What::Counts(counts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::events::{MapFile, Switch, Text};

    fn words(time: u64, event: Event) -> Words {
        Record { time, event }.encode()
    }

    fn all(decoder: &mut Decoder, records: &[Words]) -> Vec<Timed> {
        let mut events = vec![];
        for words in records {
            decoder.take(words, |timed| events.push(timed));
        }
        events
    }

    #[test]
    fn times_are_extended_past_56_bits() {
        let start = (3 << 56) - 10;
        let mut decoder = Decoder::new(0, start);
        let switch = Event::Switch(Switch::default());
        let events = all(&mut decoder, &[words(start + 5, switch), words(start + 15, switch)]);
        assert_eq!(events.iter().map(|timed| timed.ns).collect::<Vec<_>>(), [start + 5, start + 15]);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_change_the_order() {
        let mut decoder = Decoder::new(0, 1_000);
        let switch = Event::Switch(Switch::default());
        let events = all(&mut decoder, &[words(2_000, switch), words(1_990, switch), words(2_005, switch)]);
        assert_eq!(events.iter().map(|timed| timed.ns).collect::<Vec<_>>(), [2_000, 2_000, 2_005]);
    }

    #[test]
    fn a_path_is_put_together_and_half_a_path_is_none() {
        let path = b"/usr/lib/a-long-directory/program";
        let exec =
            |bytes: u8, all: u16| Event::Exec(Exec { tid: 7, tgid: 7, old_tid: 7, text_bytes: bytes, path_bytes: all });
        let texts: Vec<Words> = path
            .chunks(24)
            .map(|chunk| {
                let mut bytes = [0; 24];
                bytes[..chunk.len()].copy_from_slice(chunk);
                words(5, Event::Text(Text { bytes }))
            })
            .collect();
        let mut decoder = Decoder::new(1, 0);
        let mut records = vec![words(5, exec(path.len() as u8, path.len() as u16 + 9))];
        records.extend(&texts);
        let events = all(&mut decoder, &records);
        assert_eq!(events.len(), 2);
        let What::Path(whole) = &events[1].what else { panic!("{events:?}") };
        assert_eq!((&*whole.path, whole.cut, whole.tid), (&path[..], 9, 7));

        let broken = [words(6, exec(33, 33)), texts[0], words(7, Event::Switch(Switch::default())), texts[1]];
        assert!(all(&mut decoder, &broken).iter().all(|timed| !matches!(timed.what, What::Path(_))));
    }

    #[test]
    fn a_text_that_is_no_path_of_a_program_is_passed_on() {
        let text = Event::Text(Text { bytes: *b"/usr/lib/libc.so.6\0\0\0\0\0\0" });
        let mapping = Event::MapFile(MapFile { inode: 7, ..MapFile::default() });
        let events = all(&mut Decoder::new(0, 0), &[words(5, mapping), words(5, text)]);
        assert_eq!(
            events.iter().map(|timed| &timed.what).collect::<Vec<_>>(),
            [&What::Event(mapping), &What::Event(text)]
        );
    }

    #[test]
    fn kinds_of_a_later_version_are_counted() {
        let mut decoder = Decoder::new(0, 0);
        assert!(all(&mut decoder, &[[5 << 8 | 200, 1, 2, 3]]).is_empty());
        assert_eq!(decoder.unknown, 1);
    }
}
