// SPDX-License-Identifier: GPL-2.0

//! The module's ring as a source.

use super::{Look, Readiness, Sampler, Source, SourceError};
use crate::device::Device;
use crate::machine::Machine;
use crate::users::{Session, Users};
use abi::header::{word, Header};
use abi::ring::{Reader, WentBackwards};
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
    /// The first of the users' session that is running, or of the last one.
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
    is_whole: bool,
    is_past: bool,
    batch: Vec<[u64; SAMPLE_WORDS]>,
    device: Option<&'a Device>,
}

impl<'a, M: ReadWords> RingSource<'a, M> {
    /// Reads from `begin` on, as the registrations of `users` have it. Without a `device` to wait for, the ring is looked at every
    /// now and then.
    ///
    /// # Errors
    ///
    /// [`WentBackwards`]: it is not the ring that it was.
    pub fn new(
        memory: &'a M,
        header: &Header,
        machine: Machine,
        users: &Users,
        begin: Begin,
        device: Option<&'a Device>,
    ) -> Result<Self, WentBackwards> {
        let Start { reader, is_whole, is_past } = start(memory, header, users, begin)?;
        let batch = vec![[0; SAMPLE_WORDS]; BATCH];
        Ok(RingSource { memory, header: *header, machine, reader, is_whole, is_past, batch, device })
    }
}

/// Where the reading begins.
struct Start {
    reader: Reader<SAMPLE_WORDS>,
    /// No process of the users is registered there: all of them will have a first record.
    is_whole: bool,
    /// It is the beginning of a profile that has ended.
    is_past: bool,
}

fn start<M: ReadWords>(memory: &M, header: &Header, users: &Users, begin: Begin) -> Result<Start, WentBackwards> {
    // Before the session: one that begins right now begins at this position or later.
    let committed = memory.load_acquire(word::COMMITTED);
    let oldest = Reader::at_oldest(header, memory);
    match begin {
        Begin::Oldest => {
            let is_whole = oldest.position() == 0;
            return Ok(Start { reader: oldest, is_whole, is_past: false });
        }
        Begin::Now => return Ok(Start { reader: Reader::at(header, committed), is_whole: false, is_past: false }),
        Begin::Profile | Begin::Next => {}
    }
    Ok(match Session::find(memory, header, users)? {
        Some(session) if session.is_running || begin == Begin::Profile => Start {
            reader: Reader::at(header, session.begin),
            is_whole: session.is_whole,
            is_past: !session.is_running && session.begin < committed,
        },
        _ => Start { reader: Reader::at(header, committed), is_whole: true, is_past: false },
    })
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

    fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn registered(&self) -> u64 {
        self.memory.load_acquire(word::REGISTERED)
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

    fn notice(&self) -> Option<String> {
        let is_image = self.device.is_none_or(Device::is_image);
        (self.is_past && !is_image).then(|| {
            "nothing was registered: this is the last profile, which had ended (--next waits for the next one)"
                .to_owned()
        })
    }
}
