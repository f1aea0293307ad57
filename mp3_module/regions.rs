// SPDX-License-Identifier: GPL-2.0

//! The regions of the device: the memory of each, how far its writer is, and what wakes its readers.
//!
//! [`crate::abi::regions`] says at which offsets they lie. A stream of records that is added gets its arms here; `chardev`
//! knows no stream by name.

use crate::abi::regions::Region;
use crate::abi::stream::Stream;
use crate::profiler::Profiler;
use crate::tracer::{Session, Tracer};
use kernel::fs::File;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::poll::PollTable;
use kernel::sync::Arc;

/// What the device gives access to.
#[derive(Clone)]
pub(crate) struct Regions {
    profiler: Arc<Profiler>,
    tracer: Arc<Tracer>,
}

impl Regions {
    /// The regions of the loaded module.
    pub(crate) fn new(profiler: Arc<Profiler>, tracer: Arc<Tracer>) -> Self {
        Regions { profiler, tracer }
    }

    /// What a file that is being opened can do with the tracer.
    pub(crate) fn session(&self) -> Session {
        Session::new(self.tracer.clone())
    }

    /// Maps `region` into `vma`. Rings can be mapped for reading only.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no such region, or it is shorter than `vma`.
    /// - `EACCES`: a ring, writable or executable.
    /// - `EPERM`: events, without `CAP_PERFMON`.
    /// - `ENXIO`: events, where no session is or the CPU is not there.
    pub(crate) fn map(&self, region: Region, file: &File, session: &Session, vma: &VmaNew) -> Result {
        if let Region::Ring(_) = region {
            // Nor may `mprotect` give later what `mmap` refuses now.
            vma.try_clear_maywrite().map_err(|_| EACCES)?;
            vma.try_clear_mayexec().map_err(|_| EACCES)?;
        }
        match region {
            Region::Classic => self.profiler.classic().map(vma),
            Region::Ring(Stream::Samples) => self.profiler.samples().map(vma),
            Region::Ring(Stream::Events { cpu }) => session.map(file, cpu, vma),
        }
    }

    /// Records of `stream` that readers may have; `None` if it has no ring.
    pub(crate) fn committed(&self, stream: Stream) -> Option<u64> {
        match stream {
            Stream::Samples => Some(self.profiler.committed()),
            Stream::Events { cpu } => self.tracer.committed(cpu),
        }
    }

    /// Has `table` woken when there are new records of `stream`.
    pub(crate) fn wait(&self, stream: Stream, file: &File, table: &PollTable<'_>) {
        match stream {
            Stream::Samples => self.profiler.wait_for_records(file, table),
            Stream::Events { .. } => self.tracer.wait(file, table),
        }
    }
}
