// SPDX-License-Identifier: GPL-2.0

//! The module's ring as a source.

use super::{Look, Readiness, Sampler, Source, SourceError};
use crate::device::Device;
use crate::machine::Machine;
use abi::header::{word, Header};
use abi::ring::Reader;
use abi::samples::SAMPLE_WORDS;
use abi::words::ReadWords;
use format::columns::Counted;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Records copied from the ring at a time: 768 KiB, in reach of the caches.
const BATCH: usize = 4096;

/// The ring is looked at again after so long, whatever the device says. Nothing depends on it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An image of a ring wakes no reader; it is looked at this often.
const IMAGE: Duration = Duration::from_millis(20);

/// The first record to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// The first since the last time that nothing was registered: the profile that is running, or the last one.
    #[default]
    Profile,
    /// The oldest that the ring still has.
    Oldest,
    /// As [`Begin::Profile`] if one is running; otherwise the first of the next.
    Next,
    /// The next that is written.
    Now,
}

/// Samples from the ring in `memory`.
#[derive(Debug)]
pub struct RingSource<'a, M> {
    memory: &'a M,
    header: Header,
    machine: Machine,
    reader: Reader<SAMPLE_WORDS>,
    batch: Vec<[u64; SAMPLE_WORDS]>,
    device: Option<&'a Device>,
}

impl<'a, M: ReadWords> RingSource<'a, M> {
    /// Reads from `begin` on. Without a `device` to wait for, the ring is looked at every now and then.
    pub fn new(memory: &'a M, header: &Header, machine: Machine, begin: Begin, device: Option<&'a Device>) -> Self {
        // Before the others: a profile that begins right now begins at this position or later.
        let committed = memory.load_acquire(word::COMMITTED);
        let is_running = memory.load_acquire(word::REGISTERED) > 0;
        let profile = memory.load_acquire(word::SESSION_START).min(memory.load_acquire(word::COMMITTED));
        let reader = match begin {
            Begin::Oldest => Reader::at_oldest(header, memory),
            Begin::Now => Reader::at(header, committed),
            Begin::Next if !is_running => Reader::at(header, committed),
            Begin::Profile | Begin::Next => Reader::at(header, profile),
        };
        RingSource { memory, header: *header, machine, reader, batch: vec![[0; SAMPLE_WORDS]; BATCH], device }
    }
}

impl<M: ReadWords> Source for RingSource<'_, M> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn counted(&self) -> Counted {
        Counted::ALL
    }

    fn look(&mut self) -> Result<Look<'_>, SourceError> {
        let RingSource { memory, reader, batch, .. } = self;
        // In this order: what was committed before a tick was complete, or before the last process went, is read below.
        let none_before = memory.load_acquire(word::REGISTERED) == 0;
        let completed = memory.load_acquire(word::COMPLETED_TICK);
        let records = reader.read(*memory, batch)?;
        let pending = reader.pending(*memory) > 0;
        let none_left = none_before && !pending && memory.load_acquire(word::REGISTERED) == 0;
        Ok(Look { records, lost: reader.lost(), pending, completed, none_left, over: false })
    }

    fn position(&self) -> u64 {
        self.reader.position()
    }

    fn committed(&self) -> u64 {
        self.memory.load_acquire(word::COMMITTED)
    }

    fn sampler(&self) -> Sampler {
        let load = |index| self.memory.load_relaxed(index);
        Sampler { ns: load(word::SAMPLING_NS), records: load(word::COMMITTED) }
    }

    fn readiness(&mut self) -> io::Result<Readiness<'_>> {
        match self.device.filter(|device| !device.is_image()) {
            Some(device) => {
                device.set_position(self.reader.position())?;
                Ok(Readiness { descriptor: Some(device.as_fd()), timeout: LOOK_AGAIN })
            }
            None => Ok(Readiness { descriptor: None, timeout: IMAGE }),
        }
    }
}
