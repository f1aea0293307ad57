// SPDX-License-Identifier: GPL-2.0

//! What is missing from the events.

use crate::event::Lost;
use std::fmt;

/// What is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Records that were overwritten before they were read, or for which there was no room.
    pub records: u64,
    /// Gaps that these make.
    pub gaps: u64,
    /// Records that came later than the merge waits; they are in all figures, but out of order.
    pub late: u64,
    /// Records of a kind that this program does not know.
    pub unknown: u64,
    /// Lines that could not be printed as fast as things happened.
    pub unprinted: u64,
}

impl Losses {
    /// Counts a gap.
    pub fn lose(&mut self, lost: &Lost) {
        self.records = self.records.saturating_add(lost.records);
        self.gaps += 1;
    }
}

/// A line that is always there, whether or not anything is missing.
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost: {} records", self.records)?;
        if self.gaps > 0 {
            write!(f, " in {} gaps: intervals across a gap are left out, totals are not", self.gaps)?;
        }
        for (count, what) in [
            (self.late, "records came late"),
            (self.unknown, "records of a kind that this version does not know"),
            (self.unprinted, "lines not printed: the reader was slower than the machine"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}
