// SPDX-License-Identifier: GPL-2.0

//! The records of all rings as they stand there, to be merged when they are read.
//!
//! ```text
//! section  = until:varint *( 0 block | 1 snapshot )
//! snapshot = release:varint ns:varint block       ; the CPU is 0
//! ```
//!
//! `until` says up to when all rings had been read where the section ends (ns): what is older is in this section or in one
//! before. Events from then on wait for the next section. The records of a snapshot stand behind all events before
//! `release`, whatever time (`ns`) they have: what a thread had counted before must be known where its first switch is.

use super::block::{Block, Mark, Packed, Piece};
use super::FormatError;
use crate::decode::Decoder;
use crate::event::{Timed, What};
use crate::merge::Merger;
use abi::events::{Record, Words};
use format::chunked::varint::{put, Input};

const BLOCK: u8 = 0;
const SNAPSHOT: u8 = 1;

/// Rings on their way into a section.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what was known of all threads at `ns`, to stand behind all events before `release_ns`.
    pub fn snapshot(&mut self, release_ns: u64, ns: u64, records: &[Words]) {
        let bytes = &mut self.bytes;
        bytes.push(SNAPSHOT);
        put(bytes, release_ns);
        put(bytes, ns);
        let mut packed = Packed::new(0);
        packed.push(records);
        packed.write(bytes);
    }

    /// Takes blocks, each of them by [`block`].
    pub fn append(&mut self, blocks: &[u8]) {
        self.bytes.extend_from_slice(blocks);
    }

    /// Ends the section and begins another. All events before `until_ns` are in this one or in one before.
    pub fn write(&mut self, until_ns: u64, to: &mut Vec<u8>) {
        put(to, until_ns);
        to.append(&mut self.bytes);
    }
}

/// Appends a block of `packed` to the blocks of a section.
pub fn block(packed: &mut Packed, blocks: &mut Vec<u8>) {
    if !packed.is_empty() {
        blocks.push(BLOCK);
        packed.write(blocks);
    }
}

/// Puts the events of sections into the order of time, as [`crate::live`] does while they happen.
#[derive(Debug)]
pub struct Reader {
    start_ns: u64,
    decoders: Vec<Decoder>,
    merger: Merger,
}

impl Reader {
    /// For rings that began at `start_ns` (CLOCK_BOOTTIME).
    pub fn new(start_ns: u64) -> Self {
        Reader { start_ns, decoders: vec![], merger: Merger::new() }
    }

    /// Records of kinds that this version does not know.
    pub fn unknown(&self) -> u64 {
        self.decoders.iter().map(|decoder| decoder.unknown).sum()
    }

    /// Events that came later than the merge waits.
    pub fn late(&self) -> u64 {
        self.merger.late()
    }

    /// Takes the next section; adds the events up to its end, and before it, to `events`.
    ///
    /// # Errors
    ///
    /// Bytes that no [`Writer`] writes. The events before them are in `events` or still held.
    pub fn read(&mut self, section: &[u8], events: &mut Vec<Timed>) -> Result<(), FormatError> {
        let mut input = Input::new(section);
        let until_ns = input.number()?;
        while !input.is_empty() {
            match input.byte()? {
                BLOCK => self.block(Block::read(&mut input)?)?,
                SNAPSHOT => self.snapshot(&mut input, events)?,
                _ => return Err(FormatError::Number),
            }
        }
        self.release(until_ns, events);
        Ok(())
    }

    /// Adds the events that wait for another section to `events`: there is none.
    pub fn rest(&mut self, events: &mut Vec<Timed>) {
        events.extend(std::iter::from_fn(|| self.merger.pop()));
    }

    fn release(&mut self, until_ns: u64, events: &mut Vec<Timed>) {
        events.extend(std::iter::from_fn(|| self.merger.pop_before(until_ns)));
    }

    fn block(&mut self, mut block: Block) -> Result<(), FormatError> {
        let cpu = block.cpu;
        while self.decoders.len() <= cpu as usize {
            self.decoders.push(Decoder::new(self.decoders.len() as u32, self.start_ns));
        }
        let (decoder, merger) = (&mut self.decoders[cpu as usize], &mut self.merger);
        let mut ahead = block.next()?;
        while let Some(piece) = ahead {
            ahead = block.next()?;
            match piece {
                Piece::Record(words) => decoder.take(&words, |timed| merger.push(timed)),
                Piece::Mark(Mark::Lost { records, since_ns }) => {
                    let next = match &ahead {
                        Some(Piece::Record(words)) => Some(words),
                        _ => None,
                    };
                    merger.push(decoder.lose(records, since_ns, next, false));
                }
                Piece::Mark(Mark::Dropped { records, since_ns, until_ns }) => {
                    merger.push(decoder.dropped(records, since_ns, until_ns));
                }
                Piece::Mark(Mark::Counts { ns, counts }) => merger.push(decoder.counts(ns, counts)),
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, input: &mut Input, events: &mut Vec<Timed>) -> Result<(), FormatError> {
        let (release_ns, ns) = (input.number()?, input.number()?);
        let mut block = Block::read(input)?;
        self.release(release_ns, events);
        while let Some(piece) = block.next()? {
            let Piece::Record(words) = piece else { continue };
            if let Ok(record) = Record::decode(&words) {
                events.push(Timed { ns, cpu: 0, what: What::Event(record.event) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chunker, Header};
    use super::*;
    use crate::live::Blocks;
    use crate::model::{Leave, Model};
    use crate::recording::reader::{self, End};
    use abi::events::{Context, Prio, State as TaskState};

    /// A history on two CPUs, the records of each, and its snapshot.
    fn history() -> (Vec<Timed>, [Vec<Words>; 2], Vec<Words>) {
        let mut model = Model::new(2, 1_000_000);
        model.existing(1, 1, "one").existing(2, 2, "two");
        for round in 0..300 {
            model.pass(1_234).wake(1, Context::SoftIrq, 1).migrate(1, 1, 0, round % 3 == 0).pass(777);
            model.switch(0, Leave::Sleep(TaskState::Sleeping), 1).pass(9_999).wake(0, Context::Task, 2);
            model.switch(0, Leave::Preempted, 2).boost(0, 1, Prio(-1), 2).pass(400);
            model.spawn(0, 100 + round, 2).pass(10).switch(0, Leave::BlockIo, 0).pass(round.into());
        }
        let words = |timed: &Timed| match &timed.what {
            What::Event(event) => Record { time: timed.ns, event: *event }.encode(),
            other => panic!("{other:?}"),
        };
        let of_cpu = |cpu| model.events.iter().filter(|timed| timed.cpu == cpu).map(words).collect();
        let rings = [of_cpu(0), of_cpu(1)];
        let mut snapshot = Model::new(1, 1_000_500);
        snapshot.existing(1, 1, "one").existing(2, 2, "two").snapshot();
        (model.events, rings, snapshot.events.iter().map(words).collect())
    }

    fn time(words: &Words) -> u64 {
        words[0] >> 8
    }

    /// A recording of the rings, read up to `step` ns further each time, and each of them a little further than the time says;
    /// how many of the events are in the chunks up to each.
    fn recorded(step: u64) -> (Vec<u8>, Vec<usize>) {
        let (events, rings, snapshot) = history();
        let (mut file, mut ends) = (vec![], vec![]);
        Header { cpus: 2, start_boottime_ns: 1_000_000, ..Header::default() }.write(&mut file).unwrap();
        let mut chunker = Chunker::of_rings(1_000_000).unwrap();
        chunker.push_snapshot(0, 1_000_500, &snapshot);
        let mut packed = [Packed::new(0), Packed::new(1)];
        let (mut at, mut until) = ([0, 0], 1_000_000);
        while at[0] < rings[0].len() || at[1] < rings[1].len() {
            until += step;
            let mut blocks = Blocks::default();
            for cpu in 0..2 {
                let ahead = until + step * (cpu as u64 + 1) / 3;
                let some = rings[cpu][at[cpu]..].iter().take_while(|words| time(words) < ahead).count();
                packed[cpu].push(&rings[cpu][at[cpu]..at[cpu] + some]);
                at[cpu] += some;
                blocks.records += some as u64;
                block(&mut packed[cpu], &mut blocks.bytes);
            }
            chunker.push_blocks(&blocks);
            chunker.have_until(until);
            file.extend(chunker.finish(false).unwrap());
            ends.push(events.iter().filter(|timed| timed.ns < until).count());
        }
        chunker.have_until(u64::MAX);
        chunker.push_snapshot(u64::MAX, until, &snapshot);
        file.extend(chunker.finish(true).unwrap());
        (file, ends)
    }

    /// The events of all chunks, and how many each had.
    fn read(file: &[u8]) -> (Vec<Timed>, Vec<usize>, bool) {
        let mut reader = reader::Reader::new(file).unwrap();
        let (mut events, mut ends) = (vec![], vec![]);
        while let Some(chunk) = reader.next_chunk().unwrap() {
            events.extend(chunk.events);
            ends.push(events.len());
        }
        let is_whole = matches!(reader.end(), Some(End::Whole));
        let mut losses = crate::losses::Losses::default();
        reader.complete(&mut losses);
        assert_eq!(losses, crate::losses::Losses::default());
        (events, ends, is_whole)
    }

    #[test]
    fn the_events_of_all_rings_come_in_the_order_of_time_behind_the_snapshot() {
        let (events, _, snapshot) = history();
        for step in [3_000, 50_000, 1 << 40] {
            let (file, ends) = recorded(step);
            let (all, read_ends, is_whole) = read(&file);
            assert!(is_whole);
            let first = snapshot.len();
            assert_eq!(all.len(), events.len() + 2 * first);
            assert!(all[..first].iter().all(|timed| timed.ns == 1_000_500));
            assert_eq!(all[first..first + events.len()], events);
            for (end, read_end) in ends.iter().zip(&read_ends) {
                assert_eq!(end + first, *read_end, "what is older than a chunk's end is in it or before");
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_off_has_all_records_of_its_chunks() {
        let (events, _, snapshot) = history();
        let (file, ends) = recorded(50_000);
        let mut most = 0;
        for end in (file.len() / 3..file.len()).step_by(file.len() / 40) {
            let (all, read_ends, is_whole) = read(&file[..end]);
            assert!(!is_whole);
            let chunks = read_ends.len() - 1;
            if chunks == 0 {
                continue;
            }
            // Nothing before the last chunk's end is missing, and what came ahead of it is given as well.
            let all = &all[snapshot.len()..];
            assert!(all.len() >= ends[chunks - 1], "cut at {end}");
            for cpu in 0..2 {
                let of_cpu =
                    |events: &[Timed]| events.iter().filter(|timed| timed.cpu == cpu).cloned().collect::<Vec<_>>();
                assert!(of_cpu(&events).starts_with(&of_cpu(all)), "cut at {end}");
            }
            most = most.max(all.len());
        }
        assert!(most > events.len() / 2);
    }

    #[test]
    fn what_was_lost_stands_where_it_was() {
        let (_, rings, _) = history();
        let mut packed = Packed::new(1);
        packed.push(&rings[0][..5]);
        packed.mark(&Mark::Lost { records: 7, since_ns: 5 });
        packed.push(&rings[0][50..60]);
        packed.mark(&Mark::Dropped { records: 3, since_ns: 6, until_ns: 1 << 40 });
        let mut section = vec![];
        let mut writer = Writer::default();
        let mut blocks = vec![];
        block(&mut packed, &mut blocks);
        writer.append(&blocks);
        writer.write(u64::MAX, &mut section);
        let mut events = vec![];
        Reader::new(1_000_000).read(&section, &mut events).unwrap();
        let lost = events.iter().filter_map(|timed| match &timed.what {
            What::Lost(lost) => Some((timed.ns, lost.records, lost.until_ns, lost.dropped)),
            _ => None,
        });
        let lost: Vec<_> = lost.collect();
        let (before, behind, last) = (time(&rings[0][4]), time(&rings[0][50]), time(&rings[0][59]));
        assert_eq!(lost, [(before, 7, behind, false), (last, 3, 1 << 40, true)]);
    }
}
