// SPDX-License-Identifier: GPL-2.0

//! A recording at its own pace, and seeking in it.

use crate::model::{Model, HISTORY};
use abi::samples::SAMPLE_WORDS;
use client::source::{Recording, Source, SourceError};
use format::chunked::Span;
use std::collections::VecDeque;
use std::io::{self, Read, Seek};

/// Index of the time among a record's words.
const WORD_TIME: usize = 1;

/// Plays a recording into a model.
#[derive(Debug)]
pub struct Player<R> {
    recording: Recording<R>,
    index: Vec<(u64, Span)>,
    /// Records that were read and are not due yet.
    ahead: VecDeque<[u64; SAMPLE_WORDS]>,
    over: bool,
    /// The time of the screen, on the recording's clock.
    at_ns: u64,
    /// When a picture was last made.
    picture_ns: u64,
    /// Time between two pictures.
    delay_ns: u64,
}

impl<R: Read + Seek> Player<R> {
    /// Begins at the first record.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no record.
    pub fn new(mut recording: Recording<R>, delay_ns: u64) -> io::Result<Self> {
        let index: Vec<_> = recording.index()?.into_iter().filter(|(_, span)| span.records > 0).collect();
        let Some((_, first)) = index.first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no samples: was a process registered meanwhile?"));
        };
        let at_ns = first.first_ns;
        Ok(Player {
            recording,
            index,
            ahead: VecDeque::new(),
            over: false,
            at_ns,
            picture_ns: at_ns,
            delay_ns: delay_ns.max(1),
        })
    }

    /// The recording as a source.
    pub fn source(&self) -> &Recording<R> {
        &self.recording
    }

    /// Where it stands and how long it is, ns from the first record on.
    pub fn place(&self) -> (u64, u64) {
        let (begin, end) = self.bounds();
        (self.at_ns.saturating_sub(begin), end.saturating_sub(begin))
    }

    /// Whether the last record was shown.
    pub fn is_over(&self) -> bool {
        self.over && self.ahead.is_empty()
    }

    fn bounds(&self) -> (u64, u64) {
        let begin = self.index.first().map_or(0, |(_, span)| span.first_ns);
        (begin, self.index.iter().map(|(_, span)| span.last_ns).max().unwrap_or(begin))
    }

    /// Goes on by `ns`. Returns whether there is a new picture.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn advance(&mut self, ns: u64, model: &mut Model) -> Result<bool, SourceError> {
        let target = self.at_ns.saturating_add(ns).min(self.bounds().1);
        let mut is_new = false;
        loop {
            let due = self.picture_ns.saturating_add(self.delay_ns);
            let to = target.min(due);
            self.feed(to, model)?;
            self.at_ns = to;
            if due > target && !(self.is_over() && self.picture_ns < target) {
                return Ok(is_new);
            }
            self.picture_ns = to;
            model.picture();
            is_new = true;
            if due > target {
                return Ok(is_new);
            }
        }
    }

    /// Gives the records up to `to_ns` to the model.
    fn feed(&mut self, to_ns: u64, model: &mut Model) -> Result<(), SourceError> {
        loop {
            while let Some(words) = self.ahead.front() {
                if words[WORD_TIME] > to_ns {
                    return Ok(());
                }
                model.take(words);
                self.ahead.pop_front();
            }
            if self.over {
                return Ok(());
            }
            let look = self.recording.look()?;
            self.ahead.extend(look.records);
            (self.over, model.lost) = (look.over, look.lost);
        }
    }

    /// Goes to `ns` after the first record. What came before it fills the history.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn seek(&mut self, ns: u64, model: &mut Model) -> Result<(), SourceError> {
        let (begin, end) = self.bounds();
        let target = begin.saturating_add(ns).min(end);
        let from = target.saturating_sub(self.delay_ns.saturating_mul(HISTORY as u64));
        let chunk = self.index.iter().rev().find(|(_, span)| span.first_ns <= from).or(self.index.first());
        let Some((offset, span)) = chunk.copied() else { return Ok(()) };
        self.recording.seek(offset).map_err(SourceError::Recording)?;
        self.ahead.clear();
        self.over = false;
        model.clear();
        self.at_ns = span.first_ns.max(begin);
        self.picture_ns = self.at_ns;
        self.advance(target.saturating_sub(self.at_ns), model)?;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::tests::record;
    use abi::record::Flags;
    use format::recording::{Header, Writer};
    use std::io::Cursor;

    /// 60 s of two processes. The faults of the first are the milliseconds; the second begins at 30 s.
    pub(crate) fn recording() -> Vec<u8> {
        let about =
            Header { abi: abi::header::ABI_VERSION, hz: 250, rate_hz: 20, host: "box".into(), ..Header::default() };
        let mut file = vec![];
        let mut writer = Writer::new(&mut file, &about).unwrap();
        for ms in (0..=60_000).step_by(50) {
            let flags = if ms == 0 { Flags::FIRST } else { Flags::default() };
            writer.push(&record(1, ms, ms, ms / 4, flags));
            if ms >= 30_000 {
                let flags = if ms == 30_000 { Flags::FIRST } else { Flags::default() };
                writer.push(&record(2, ms, 7, ms - 30_000, flags));
            }
            writer.write_due().unwrap();
        }
        writer.finish().unwrap();
        file
    }

    pub(crate) fn player() -> Player<Cursor<Vec<u8>>> {
        Player::new(Recording::new(Cursor::new(recording())).unwrap(), 1_000_000_000).unwrap()
    }

    #[test]
    fn a_recording_is_played_at_its_pace() {
        let (mut player, mut model) = (player(), Model::default());
        assert_eq!(player.place(), (0, 60_000_000_000));
        assert!(!player.advance(400_000_000, &mut model).unwrap());
        assert!(player.advance(1_600_000_000, &mut model).unwrap());
        assert_eq!(player.place().0, 2_000_000_000);
        let process = model.process(1).unwrap();
        assert_eq!((process.rates.minor, process.rates.cpu), (1_000.0, 25.0));
        assert_eq!(process.last.totals.minor_faults, 2_000);
        player.advance(3_600_000_000_000, &mut model).unwrap();
        assert!(player.is_over());
        assert_eq!(player.place().0, 60_000_000_000);
    }

    #[test]
    fn any_place_shows_what_it_showed_when_it_was_played() {
        let (mut played, mut model) = (player(), Model::default());
        played.advance(45_000_000_000, &mut model).unwrap();
        let (mut sought, mut other) = (player(), Model::default());
        sought.seek(59_000_000_000, &mut other).unwrap();
        sought.seek(45_000_000_000, &mut other).unwrap();
        assert_eq!(sought.place(), played.place());
        for registration in [1, 2] {
            let (one, other) = (model.process(registration).unwrap(), other.process(registration).unwrap());
            assert_eq!((one.last, one.rates), (other.last, other.rates));
            assert_eq!(one.history, other.history);
        }
        sought.seek(10_000_000_000, &mut other).unwrap();
        assert!(other.process(2).is_none());
    }

    #[test]
    fn a_recording_without_a_sample_is_refused() {
        let mut file = vec![];
        let about = Header { abi: abi::header::ABI_VERSION, hz: 250, rate_hz: 20, ..Header::default() };
        Writer::new(&mut file, &about).unwrap().finish().unwrap();
        let recording = Recording::new(Cursor::new(file)).unwrap();
        assert!(Player::new(recording, 1).unwrap_err().to_string().starts_with("no samples"));
    }
}
