// SPDX-License-Identifier: GPL-2.0

//! The regions of the device: the memory of each, how far its writer is, and what wakes its readers.
//!
//! [`crate::abi::regions`] says at which offsets they lie. A stream of records that is added gets its arms here; `chardev`
//! knows no stream by name.

use crate::abi::regions::Region;
use crate::abi::stream::Stream;
use crate::profiler::Profiler;
use kernel::fs::File;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::poll::PollTable;
use kernel::sync::Arc;

/// What the device gives access to.
#[derive(Clone)]
pub(crate) struct Regions {
    profiler: Arc<Profiler>,
}

impl Regions {
    /// The regions of the loaded module.
    pub(crate) fn new(profiler: Arc<Profiler>) -> Self {
        Regions { profiler }
    }

    /// Maps `region` into `vma`. Rings can be mapped for reading only.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no such region, or it is shorter than `vma`.
    /// - `EACCES`: a ring, writable or executable.
    pub(crate) fn map(&self, region: Region, vma: &VmaNew) -> Result {
        if let Region::Ring(_) = region {
            // Nor may `mprotect` give later what `mmap` refuses now.
            vma.try_clear_maywrite().map_err(|_| EACCES)?;
            vma.try_clear_mayexec().map_err(|_| EACCES)?;
        }
        match region {
            Region::Classic => self.profiler.classic().map(vma),
            Region::Ring(Stream::Samples) => self.profiler.samples().map(vma),
            Region::Ring(Stream::Events { .. }) => Err(EINVAL),
        }
    }

    /// Records of `stream` that readers may have; `None` if it has no ring.
    pub(crate) fn committed(&self, stream: Stream) -> Option<u64> {
        match stream {
            Stream::Samples => Some(self.profiler.committed()),
            Stream::Events { .. } => None,
        }
    }

    /// Has `table` woken when there are new records of `stream`.
    pub(crate) fn wait(&self, stream: Stream, file: &File, table: &PollTable<'_>) {
        match stream {
            Stream::Samples => self.profiler.wait_for_records(file, table),
            Stream::Events { .. } => {}
        }
    }
}
