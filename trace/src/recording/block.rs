// SPDX-License-Identifier: GPL-2.0

//! The records of one CPU's ring as columns of few bytes, without a look at those of other CPUs.
//!
//! ```text
//! block  = cpu:varint records:varint 7 * ( length:varint bytes )
//!          0 lengths  two bytes a record: kind (bits 12-15), how many bytes each of the next four columns has of it
//!                     (0-2, 3-5, 6-8, 9-11; 7 stands for 8)
//!          1 kinds    a byte for each record whose kind stands as 0 there
//!          2 time     since the record before, ns modulo 2^56
//!          3 word 1   )
//!          4 word 2   } less what was foretold: see `foretold`
//!          5 word 3   )
//!          6 marks    what is known of the places between the records
//! mark   = records:varint                          ; since the last mark
//!          ( 0 lost:varint since:varint            ; overwritten before they were read, after `since` (ns)
//!          | 1 lost:varint since:varint until:varint ; for which there was no room, in that time
//!          | 2 ns:varint 7 * count:varint )        ; what the header had counted
//! ```

use super::foretold::Foretold;
use super::FormatError;
use abi::events::header::Counts;
use abi::events::Words;
use format::chunked::varint::{put, Input};
use std::num::NonZeroU64;

/// Columns of records, and that of marks.
const LENGTHS: usize = 0;
const KINDS: usize = 1;
const WORDS: usize = 2;
const COLUMNS: usize = 6;

const LOST: u8 = 0;
const DROPPED: u8 = 1;
const COUNTS: u8 = 2;

/// Bytes that are stored at a time, of which those count that are needed.
const PIECE: usize = 8;

/// Something that is known of a place between two records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Records were overwritten before they were read, the first of them after `since_ns`.
    Lost {
        /// How many.
        records: u64,
        /// When the ring had been read before, ns.
        since_ns: u64,
    },
    /// There was no room for records, at some time between.
    Dropped {
        /// How many.
        records: u64,
        /// When the count had been looked at before, ns.
        since_ns: u64,
        /// When it was looked at, ns.
        until_ns: u64,
    },
    /// What the ring's header had counted.
    Counts {
        /// When, ns.
        ns: u64,
        /// What.
        counts: Counts,
    },
}

/// Bytes that only grow, in memory that is used again.
#[derive(Clone, Debug, Default)]
struct Column {
    bytes: Vec<u8>,
    used: usize,
}

impl Column {
    /// Makes room for so many pieces.
    fn reserve(&mut self, pieces: usize) {
        let needed = self.used + PIECE * (pieces + 1);
        if self.bytes.len() < needed {
            self.bytes.resize(needed.next_power_of_two(), 0);
        }
    }

    /// Appends the lowest `length` bytes of `value`; there is room for a piece.
    #[inline]
    fn push(&mut self, value: u64, length: usize) {
        if let Some(place) = self.bytes.get_mut(self.used..self.used + PIECE) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        self.used += length;
    }

    fn write(&mut self, to: &mut Vec<u8>) {
        put(to, self.used as u64);
        to.extend_from_slice(&self.bytes[..self.used]);
        self.used = 0;
    }
}

/// Appends the bytes that a value needs; their number as it stands among the lengths.
#[inline]
fn push_needed(column: &mut Column, value: u64) -> u64 {
    // Most are what was foretold.
    let Some(some) = NonZeroU64::new(value) else { return 0 };
    let bytes = 8 - some.leading_zeros() / 8;
    column.push(value, if bytes >= 7 { 8 } else { bytes as usize });
    u64::from(bytes.min(7))
}

/// Records of a CPU on their way into a block.
#[derive(Debug)]
pub struct Packed {
    cpu: u32,
    foretold: Foretold,
    columns: [Column; COLUMNS],
    marks: Vec<u8>,
    records: u64,
    /// Records since the last mark.
    unmarked: u64,
}

impl Packed {
    /// Of `cpu`, none yet.
    pub fn new(cpu: u32) -> Self {
        Packed { cpu, foretold: Foretold::new(), columns: Default::default(), marks: vec![], records: 0, unmarked: 0 }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.used).sum::<usize>() + self.marks.len()
    }

    /// Whether there are neither records nor marks.
    pub fn is_empty(&self) -> bool {
        self.records == 0 && self.marks.is_empty()
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes records, in the order of the ring.
    pub fn push(&mut self, records: &[Words]) {
        for column in &mut self.columns {
            column.reserve(records.len());
        }
        let [lengths, kinds, time, first, second, third] = &mut self.columns;
        for words in records {
            let (kind, [passed, r1, r2, r3]) = self.foretold.take(words);
            let mut word = u64::from(kind) << 12;
            if !matches!(kind, 1..=15) {
                word = 0;
                kinds.push(kind.into(), 1);
            }
            word |= push_needed(time, passed);
            word |= push_needed(first, r1) << 3;
            word |= push_needed(second, r2) << 6;
            word |= push_needed(third, r3) << 9;
            lengths.push(word, 2);
        }
        self.records += records.len() as u64;
        self.unmarked += records.len() as u64;
    }

    /// Takes what is known of the place behind the last record.
    pub fn mark(&mut self, mark: &Mark) {
        let bytes = &mut self.marks;
        put(bytes, std::mem::take(&mut self.unmarked));
        match mark {
            Mark::Lost { records, since_ns } => {
                bytes.push(LOST);
                put(bytes, *records);
                put(bytes, *since_ns);
            }
            Mark::Dropped { records, since_ns, until_ns } => {
                bytes.push(DROPPED);
                put(bytes, *records);
                put(bytes, *since_ns);
                put(bytes, *until_ns);
            }
            Mark::Counts { ns, counts } => {
                bytes.push(COUNTS);
                put(bytes, *ns);
                let Counts { switches, voluntary, from_idle, wakings, dropped, migrations, interrupts } = *counts;
                for count in [switches, voluntary, from_idle, wakings, dropped, migrations, interrupts] {
                    put(bytes, count);
                }
            }
        }
    }

    /// Ends the block and begins another, for which nothing is remembered.
    pub fn write(&mut self, to: &mut Vec<u8>) {
        put(to, self.cpu.into());
        put(to, self.records);
        for column in &mut self.columns {
            column.write(to);
        }
        put(to, self.marks.len() as u64);
        to.append(&mut self.marks);
        (self.records, self.unmarked) = (0, 0);
        self.foretold.forget();
    }
}

/// What a block is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A record.
    Record(Words),
    /// What is known of this place.
    Mark(Mark),
}

/// CPUs that a recording may have.
const CPUS_MAX: u32 = 1 << 16;

/// Reads the pieces of a block in their order.
#[derive(Debug)]
pub struct Block<'a> {
    /// Whose ring it was.
    pub cpu: u32,
    foretold: Foretold,
    left: u64,
    columns: [Input<'a>; COLUMNS],
    marks: Input<'a>,
    /// Records before the next mark.
    unmarked: Option<u64>,
}

impl<'a> Block<'a> {
    /// The block at the beginning of `input`, which then stands behind it.
    ///
    /// # Errors
    ///
    /// Columns that are too short, or a CPU that no machine has.
    pub fn read(input: &mut Input<'a>) -> Result<Self, FormatError> {
        let (cpu, left) = (input.small()?, input.number()?);
        if cpu >= CPUS_MAX {
            return Err(FormatError::Number);
        }
        let mut columns = [Input::default(); COLUMNS + 1];
        for column in &mut columns {
            let length = input.number()?;
            *column = Input::new(input.take(length)?);
        }
        let [lengths, kinds, time, first, second, third, marks] = columns;
        let columns = [lengths, kinds, time, first, second, third];
        let mut block = Block { cpu, foretold: Foretold::new(), left, columns, marks, unmarked: None };
        block.look_ahead()?;
        Ok(block)
    }

    /// Reads where the next mark is.
    fn look_ahead(&mut self) -> Result<(), FormatError> {
        self.unmarked = if self.marks.is_empty() { None } else { Some(self.marks.number()?) };
        Ok(())
    }

    /// The next piece; none after the last.
    ///
    /// # Errors
    ///
    /// Columns that are too short, or marks beyond the last record.
    pub fn next(&mut self) -> Result<Option<Piece>, FormatError> {
        match &mut self.unmarked {
            Some(0) => return self.mark().map(|mark| Some(Piece::Mark(mark))),
            Some(unmarked) if self.left > 0 => *unmarked -= 1,
            Some(_) => return Err(FormatError::Number),
            None if self.left == 0 => return Ok(None),
            None => {}
        }
        self.left -= 1;
        self.record().map(|words| Some(Piece::Record(words)))
    }

    fn record(&mut self) -> Result<Words, FormatError> {
        let lengths = bytes(&mut self.columns[LENGTHS], 2)?;
        let kind = match (lengths >> 12) as u8 {
            0 => self.columns[KINDS].byte()?,
            kind => kind,
        };
        let mut rest = [0; 4];
        for (n, value) in rest.iter_mut().enumerate() {
            let length = match lengths >> (3 * n) & 7 {
                7 => 8,
                length => length,
            };
            *value = bytes(&mut self.columns[WORDS + n], length)?;
        }
        Ok(self.foretold.give((kind, rest)))
    }

    fn mark(&mut self) -> Result<Mark, FormatError> {
        let input = &mut self.marks;
        let mark = match input.byte()? {
            LOST => Mark::Lost { records: input.number()?, since_ns: input.number()? },
            DROPPED => Mark::Dropped { records: input.number()?, since_ns: input.number()?, until_ns: input.number()? },
            COUNTS => {
                let ns = input.number()?;
                let mut counts = [0; 7];
                for count in &mut counts {
                    *count = input.number()?;
                }
                let [switches, voluntary, from_idle, wakings, dropped, migrations, interrupts] = counts;
                let counts = Counts { switches, voluntary, from_idle, wakings, dropped, migrations, interrupts };
                Mark::Counts { ns, counts }
            }
            _ => return Err(FormatError::Number),
        };
        self.look_ahead()?;
        Ok(mark)
    }
}

/// The next `length` bytes, at most 8, as a number.
fn bytes(input: &mut Input, length: u64) -> Result<u64, FormatError> {
    let taken = input.take(length)?;
    let mut bytes = [0; PIECE];
    for (to, from) in bytes.iter_mut().zip(taken) {
        *to = *from;
    }
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Words> {
        let mut state = 1_u64;
        let mut number = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 20
        };
        let mut time = 1_u64 << 40;
        (0..5_000)
            .map(|n| {
                time += number() % 10_000;
                // A kind of a later version, too.
                let kind = [1, 2, 1, 2, 3, 8, 15, 16, 32, 0, 200][(number() % 11) as usize];
                [time << 8 | kind, number() % 9 | (number() % 9) << 22, number() << (n % 40), number() % 3]
            })
            .collect()
    }

    fn marks() -> [Mark; 3] {
        let counts = Counts { switches: 1 << 50, interrupts: 7, ..Counts::default() };
        [
            Mark::Lost { records: 1 << 40, since_ns: 77 },
            Mark::Dropped { records: 9, since_ns: 78, until_ns: u64::MAX },
            Mark::Counts { ns: 79, counts },
        ]
    }

    /// Pieces of two blocks, with marks before, between and behind the records.
    fn pieces(packed: &mut Packed, bytes: &mut Vec<u8>) -> Vec<Piece> {
        let (records, marks) = (records(), marks());
        let mut pieces = vec![];
        for half in records.chunks(2_500) {
            for (n, some) in half.chunks(900).enumerate() {
                packed.mark(&marks[n]);
                packed.push(some);
                pieces.push(Piece::Mark(marks[n].clone()));
                pieces.extend(some.iter().map(|words| Piece::Record(*words)));
            }
            packed.mark(&marks[1]);
            packed.mark(&marks[2]);
            pieces.extend(marks[1..].iter().cloned().map(Piece::Mark));
            packed.write(bytes);
        }
        pieces
    }

    fn read(bytes: &[u8]) -> Result<Vec<Piece>, FormatError> {
        let (mut input, mut pieces) = (Input::new(bytes), vec![]);
        while !input.is_empty() {
            let mut block = Block::read(&mut input)?;
            assert_eq!(block.cpu, 3);
            while let Some(piece) = block.next()? {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    #[test]
    fn records_and_marks_come_back_in_their_order() {
        let (mut packed, mut bytes) = (Packed::new(3), vec![]);
        let pieces = pieces(&mut packed, &mut bytes);
        assert_eq!(read(&bytes).unwrap(), pieces);
        assert!(packed.is_empty() && packed.bytes() == 0);
    }

    #[test]
    fn a_block_that_is_too_short_is_an_error() {
        let mut bytes = vec![];
        pieces(&mut Packed::new(3), &mut bytes);
        for end in (1..bytes.len()).step_by(997) {
            let read = read(&bytes[..end]);
            assert!(read.is_err() || read.unwrap().len() < 5_000, "cut at {end}");
        }
    }

    #[test]
    fn marks_beyond_the_last_record_are_an_error() {
        let mut bytes = vec![3, 0, 0, 0, 0, 0, 0, 0];
        put(&mut bytes, 4);
        bytes.extend([1, LOST, 1, 1]);
        assert!(matches!(read(&bytes), Err(FormatError::Number)));
    }

    #[test]
    fn a_length_is_that_of_the_value() {
        let mut column = Column::default();
        column.reserve(65);
        assert_eq!((push_needed(&mut column, 0), column.used), (0, 0));
        for bit in 0..64 {
            let before = column.used;
            let code = push_needed(&mut column, 1 << bit);
            let bytes = column.used - before;
            let needed = bit as usize / 8 + 1;
            assert!(bytes >= needed && (code == bytes as u64 || code == 7 && bytes == 8), "{bit}");
        }
    }
}
