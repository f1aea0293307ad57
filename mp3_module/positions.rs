// SPDX-License-Identifier: GPL-2.0

//! How far an open file says that it has read, for each ring that it reads.

use crate::abi::stream::Stream;
use kernel::prelude::*;

/// The rings that an open file polls for, with its position in each.
///
/// A new file polls for samples, from the first record on. That is a default: it ends when the file sets a position.
pub(crate) struct Positions {
    rings: KVec<(Stream, u64)>,
    is_default: bool,
}

impl Positions {
    /// Those of a file that has said nothing yet.
    pub(crate) fn new() -> Result<Self> {
        let mut rings = KVec::new();
        rings.push((Stream::Samples, 0), GFP_KERNEL_ACCOUNT)?;
        Ok(Positions { rings, is_default: true })
    }

    /// Everything before `position` in the ring of `stream` has been read.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, for a ring that is new to this file. Nothing has changed then.
    pub(crate) fn set(&mut self, stream: Stream, position: u64) -> Result {
        match self.rings.iter_mut().find(|(known, _)| *known == stream) {
            Some((_, known)) => *known = position,
            // The one entry that there is makes room.
            None if self.is_default => self.rings.iter_mut().for_each(|ring| *ring = (stream, position)),
            None => self.rings.push((stream, position), GFP_KERNEL_ACCOUNT)?,
        }
        self.is_default = false;
        Ok(())
    }

    /// The rings that the file polls for, with its position in each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Stream, u64)> + '_ {
        self.rings.iter().copied()
    }
}
