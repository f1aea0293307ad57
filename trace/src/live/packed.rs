// SPDX-License-Identifier: GPL-2.0

//! A CPU's records as blocks of a recording.

use super::copier::Intake;
use crate::recording::{block, Mark, Packed};
use abi::events::header::Counts;
use abi::events::Words;
use std::time::{Duration, Instant};

/// Blocks are sent when they have so many bytes together, or are so old.
const BYTES: usize = 1 << 20;
const AGE: Duration = Duration::from_secs(5);

/// A CPU's records as blocks of a recording.
pub struct Ring {
    packed: Packed,
    missing: Missing,
    /// When the first of it came.
    began: Instant,
}

/// What is missing from some blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Missing {
    /// Records.
    pub records: u64,
    /// Gaps that these make.
    pub gaps: u64,
}

impl Missing {
    /// Adds what is missing from others.
    pub fn add(&mut self, other: &Missing) {
        self.records = self.records.saturating_add(other.records);
        self.gaps += other.gaps;
    }
}

/// What a copier has read.
#[derive(Default)]
pub struct Blocks {
    /// For [`crate::recording::Chunker::push_blocks`].
    pub bytes: Vec<u8>,
    /// Records in them.
    pub records: u64,
    /// What is missing.
    pub missing: Missing,
}

impl Ring {
    fn miss(&mut self, records: u64) {
        self.missing.records += records;
        self.missing.gaps += 1;
    }

    fn begin(&mut self) {
        if self.packed.is_empty() {
            self.began = Instant::now();
        }
    }
}

impl Intake for Ring {
    type Batch = Blocks;

    fn new(cpu: u32, _: u64) -> Self {
        Ring { packed: Packed::new(cpu), missing: Missing::default(), began: Instant::now() }
    }

    fn records(&mut self, records: &[Words]) {
        self.begin();
        self.packed.push(records);
    }

    fn lost(&mut self, records: u64, since_ns: u64, _: Option<&Words>) {
        self.begin();
        self.miss(records);
        self.packed.mark(&Mark::Lost { records, since_ns });
    }

    fn dropped(&mut self, records: u64, since_ns: u64, until_ns: u64) {
        self.begin();
        self.miss(records);
        self.packed.mark(&Mark::Dropped { records, since_ns, until_ns });
    }

    fn counts(&mut self, ns: u64, counts: Counts) {
        self.begin();
        self.packed.mark(&Mark::Counts { ns, counts });
    }

    fn batch<'a>(rings: impl Iterator<Item = &'a mut Self>, is_over: bool) -> Option<Blocks> {
        let rings: Vec<&mut Self> = rings.collect();
        let bytes: usize = rings.iter().map(|ring| ring.packed.bytes()).sum();
        let is_old = rings.iter().any(|ring| !ring.packed.is_empty() && ring.began.elapsed() >= AGE);
        if !is_over && !is_old && bytes < BYTES {
            return None;
        }
        let mut blocks = Blocks { bytes: Vec::with_capacity(bytes + 64 * rings.len()), ..Blocks::default() };
        for ring in rings {
            blocks.records += ring.packed.records();
            blocks.missing.add(&std::mem::take(&mut ring.missing));
            block(&mut ring.packed, &mut blocks.bytes);
        }
        Some(blocks)
    }
}
