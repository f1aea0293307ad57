// SPDX-License-Identifier: GPL-2.0

//! Records as columns of small differences.
//!
//! ```text
//! column 0 head     a byte a record: which of the following differ from what is expected
//!        1 who      WHO: 0 and the registration for one that is new in this chunk, else its place in the chunk + 1
//!        2 time     the time minus that of the record before
//!        3 clocks   SEQUENCE, TICK, JIFFIES: each minus that of the record before (the sequence: minus one more)
//!        4 changed  CHANGED: a bit for each of words 4 to 23 that differ from the registration's last record
//!        5 values   those words: flags, threads and names as exclusive or, counters as differences
//! ```
//!
//! Records of a tick come in the same order each time. So the registration that followed this one last time is expected to
//! follow it again, and most records say nothing about whose they are.

use crate::chunked::varint::{put, put_signed, Input};
use crate::chunked::ChunkError;
use abi::samples::SAMPLE_WORDS;
use rustc_hash::FxHashMap;

const WHO: u8 = 1;
const SEQUENCE: u8 = 2;
const TICK: u8 = 4;
const JIFFIES: u8 = 8;
const CHANGED: u8 = 16;

/// Indices of the columns.
const HEAD: usize = 0;
const NAMES: usize = 1;
const TIMES: usize = 2;
const CLOCKS: usize = 3;
const MASKS: usize = 4;
const VALUES: usize = 5;
const COLUMNS: usize = 6;

/// Words of a record.
const WORD_SEQUENCE: usize = 0;
const WORD_TIME: usize = 1;
const WORD_TICK: usize = 2;
const WORD_JIFFIES: usize = 3;
const WORD_PID_FLAGS: usize = 4;
const WORD_REGISTRATION: usize = 8;
/// From here on words are counters.
const FIRST_COUNTER: usize = 9;
/// From here on words belong to a registration.
const FIRST_OWN: usize = 4;
const OWN: usize = SAMPLE_WORDS - FIRST_OWN;

/// The last record of a registration in this chunk.
#[derive(Clone, Copy, Debug)]
struct Last {
    own: [u64; OWN],
    /// The place of the registration whose record came next, last time.
    next: u32,
}

impl Last {
    fn new(registration: u64, place: u32) -> Self {
        let mut own = [0; OWN];
        own[WORD_REGISTRATION - FIRST_OWN] = registration;
        Last { own, next: place.wrapping_add(1) }
    }
}

/// What both sides remember.
#[derive(Clone, Debug, Default)]
struct Memory {
    list: Vec<Last>,
    /// The place of the last record's registration.
    at: u32,
    sequence: u64,
    time: u64,
    tick: u64,
    jiffies: u64,
}

impl Memory {
    /// The place that is expected to come next.
    fn expected(&self) -> u32 {
        self.list.get(self.at as usize).map_or(0, |last| last.next)
    }

    /// `place` has come.
    fn went_to(&mut self, place: u32) {
        if let Some(last) = self.list.get_mut(self.at as usize) {
            last.next = place;
        }
        self.at = place;
    }
}

/// How a word is written, so that small changes are small numbers.
#[inline]
fn difference(word: usize, now: u64, last: u64) -> u64 {
    match word {
        FIRST_COUNTER.. => {
            let difference = now.wrapping_sub(last) as i64;
            ((difference << 1) ^ (difference >> 63)) as u64
        }
        // Flags are in the upper half, and change more often than the PID in the lower one.
        WORD_PID_FLAGS => (now ^ last).rotate_left(32),
        _ => now ^ last,
    }
}

/// The inverse of [`difference`].
#[inline]
fn sum(word: usize, difference: u64, last: u64) -> u64 {
    match word {
        FIRST_COUNTER.. => last.wrapping_add((difference >> 1) ^ (difference & 1).wrapping_neg()),
        WORD_PID_FLAGS => difference.rotate_right(32) ^ last,
        _ => difference ^ last,
    }
}

/// Makes columns of records.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    memory: Memory,
    places: FxHashMap<u64, u32>,
    columns: [Vec<u8>; COLUMNS],
}

impl Encoder {
    /// Records so far.
    pub fn records(&self) -> usize {
        self.columns[HEAD].len()
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    /// Takes the next record.
    #[inline]
    pub fn push(&mut self, words: &[u64; SAMPLE_WORDS]) {
        let Encoder { memory, places, columns } = self;
        let mut head = 0;
        let registration = words[WORD_REGISTRATION];
        let mut place = memory.expected();
        let is_expected =
            memory.list.get(place as usize).is_some_and(|last| last.own[WORD_REGISTRATION - FIRST_OWN] == registration);
        if !is_expected {
            head |= WHO;
            let new = memory.list.len() as u32;
            place = *places.entry(registration).or_insert(new);
            if place == new {
                memory.list.push(Last::new(registration, new));
                put(&mut columns[NAMES], 0);
                put(&mut columns[NAMES], registration);
            } else {
                put(&mut columns[NAMES], u64::from(place) + 1);
            }
        }
        memory.went_to(place);
        put_signed(&mut columns[TIMES], words[WORD_TIME].wrapping_sub(memory.time));
        let clocks = [
            (SEQUENCE, words[WORD_SEQUENCE], memory.sequence.wrapping_add(1)),
            (TICK, words[WORD_TICK], memory.tick),
            (JIFFIES, words[WORD_JIFFIES], memory.jiffies),
        ];
        for (bit, now, expected) in clocks {
            if now != expected {
                head |= bit;
                put_signed(&mut columns[CLOCKS], now.wrapping_sub(expected));
            }
        }
        memory.sequence = words[WORD_SEQUENCE];
        memory.time = words[WORD_TIME];
        memory.tick = words[WORD_TICK];
        memory.jiffies = words[WORD_JIFFIES];
        if let Some(last) = memory.list.get_mut(place as usize) {
            let mut changed = 0_u32;
            for (index, (now, last)) in words[FIRST_OWN..].iter().zip(&last.own).enumerate() {
                changed |= u32::from(now != last) << index;
            }
            if changed != 0 {
                head |= CHANGED;
                put(&mut columns[MASKS], changed.into());
                let mut rest = changed;
                while rest != 0 {
                    let index = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    let now = words[FIRST_OWN + index];
                    put(&mut columns[VALUES], difference(FIRST_OWN + index, now, last.own[index]));
                    last.own[index] = now;
                }
            }
        }
        columns[HEAD].push(head);
    }

    /// Appends the columns, each behind its length, and begins again: the next record is written without those before it.
    pub fn finish(&mut self, into: &mut Vec<u8>) {
        for column in &mut self.columns {
            put(into, column.len() as u64);
            into.extend_from_slice(column);
            column.clear();
        }
        self.places.clear();
        self.memory.list.clear();
        let Memory { list, .. } = std::mem::take(&mut self.memory);
        self.memory.list = list;
    }
}

/// A column that is being read.
#[derive(Clone, Debug, Default)]
struct Column {
    bytes: Vec<u8>,
    at: usize,
}

impl Column {
    fn number(&mut self) -> Result<u64, ChunkError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut input = Input::new(rest);
        let number = input.number()?;
        self.at += rest.len() - input.left();
        Ok(number)
    }

    fn signed(&mut self) -> Result<u64, ChunkError> {
        let number = self.number()?;
        Ok((number >> 1) ^ (number & 1).wrapping_neg())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }
}

/// Reads columns back, a record at a time: memory does not depend on how many there are.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    memory: Memory,
    columns: [Column; COLUMNS],
}

impl Decoder {
    /// Takes the columns of a chunk.
    ///
    /// # Errors
    ///
    /// A column is shorter than it says.
    pub fn new(bytes: &[u8]) -> Result<Self, ChunkError> {
        let mut input = Input::new(bytes);
        let mut decoder = Decoder::default();
        for column in &mut decoder.columns {
            let length = input.number()?;
            column.bytes = input.take(length)?.to_vec();
        }
        Ok(decoder)
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    ///
    /// The columns do not fit together.
    pub fn next_record(&mut self) -> Result<Option<[u64; SAMPLE_WORDS]>, ChunkError> {
        let Decoder { memory, columns } = self;
        let Some(head) = columns[HEAD].byte() else { return Ok(None) };
        let mut place = memory.expected();
        if head & WHO != 0 {
            match columns[NAMES].number()? {
                0 => {
                    place = u32::try_from(memory.list.len()).map_err(|_| ChunkError::Number)?;
                    let registration = columns[NAMES].number()?;
                    memory.list.push(Last::new(registration, place));
                }
                known => place = u32::try_from(known - 1).map_err(|_| ChunkError::Number)?,
            }
        }
        if place as usize >= memory.list.len() {
            return Err(ChunkError::Number);
        }
        memory.went_to(place);
        memory.time = memory.time.wrapping_add(columns[TIMES].signed()?);
        memory.sequence = memory.sequence.wrapping_add(1);
        for (bit, clock) in [(SEQUENCE, &mut memory.sequence), (TICK, &mut memory.tick), (JIFFIES, &mut memory.jiffies)]
        {
            if head & bit != 0 {
                *clock = clock.wrapping_add(columns[CLOCKS].signed()?);
            }
        }
        let Some(last) = memory.list.get_mut(place as usize) else { return Err(ChunkError::Number) };
        if head & CHANGED != 0 {
            let mut changed = columns[MASKS].number()?;
            if changed >> OWN != 0 {
                return Err(ChunkError::Number);
            }
            while changed != 0 {
                let index = changed.trailing_zeros() as usize;
                changed &= changed - 1;
                last.own[index] = sum(FIRST_OWN + index, columns[VALUES].number()?, last.own[index]);
            }
        }
        let mut words = [0; SAMPLE_WORDS];
        words[WORD_SEQUENCE] = memory.sequence;
        words[WORD_TIME] = memory.time;
        words[WORD_TICK] = memory.tick;
        words[WORD_JIFFIES] = memory.jiffies;
        words[FIRST_OWN..].copy_from_slice(&last.own);
        Ok(Some(words))
    }
}
