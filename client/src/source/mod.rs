// SPDX-License-Identifier: GPL-2.0

//! Where samples come from: one interface for the module's ring, a recording, and `/proc`.
//!
//! ```text
//! ring       the module's samples, where they are mapped       ---+
//! proc       /proc, read at a rate of ticks, without the module --+--> look() --> records, losses, complete ticks
//! recording  a file that was recorded from one of them          --'
//! ```
//!
//! Whatever follows (intervals, formats, screens) is the same code for all of them.

pub mod proc;
pub mod recording;
pub mod ring;

pub use proc::{Proc, Selection};
pub use recording::Recording;
pub use ring::{Begin, RingSource};

use crate::machine::Machine;
use abi::header::Header;
use abi::ring::WentBackwards;
use abi::samples::SAMPLE_WORDS;
use format::columns::Counted;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A source of samples. Records come in the order in which they were written.
pub trait Source {
    /// Rates and start times, as the header of a ring has them.
    fn header(&self) -> &Header;

    /// The machine that the samples are of.
    fn machine(&self) -> &Machine;

    /// The counters that this source has.
    fn counted(&self) -> Counted;

    /// What there is to read now; possibly nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; the source cannot be used any more.
    fn look(&mut self) -> Result<Look<'_>, SourceError>;

    /// The number of the next record that [`Source::look`] returns.
    fn position(&self) -> u64;

    /// The number after the last record that is there by now.
    fn committed(&self) -> u64;

    /// Whether everything that is registered has a first record in what is read.
    fn is_whole(&self) -> bool {
        true
    }

    /// Processes that are registered now.
    fn registered(&self) -> u64;

    /// What sampling has cost so far.
    fn sampler(&self) -> Sampler;

    /// What to wait for before the next look. For the ring, this makes the device report records from
    /// [`Source::position`] on.
    ///
    /// # Errors
    ///
    /// The device refuses.
    fn readiness(&mut self) -> io::Result<Readiness<'_>>;

    /// The reader is about to end: the next look takes in everything up to now.
    fn end(&mut self) {}

    /// Also samples the process with this PID, here, from now on. A source whose processes are registered elsewhere does not.
    fn add(&mut self, _pid: i32) {}

    /// What is wrong with what was read, in words, once everything was.
    fn notice(&self) -> Option<String> {
        None
    }
}

impl<S: Source + ?Sized> Source for &mut S {
    fn header(&self) -> &Header {
        (**self).header()
    }

    fn machine(&self) -> &Machine {
        (**self).machine()
    }

    fn counted(&self) -> Counted {
        (**self).counted()
    }

    fn look(&mut self) -> Result<Look<'_>, SourceError> {
        (**self).look()
    }

    fn position(&self) -> u64 {
        (**self).position()
    }

    fn committed(&self) -> u64 {
        (**self).committed()
    }

    fn is_whole(&self) -> bool {
        (**self).is_whole()
    }

    fn registered(&self) -> u64 {
        (**self).registered()
    }

    fn sampler(&self) -> Sampler {
        (**self).sampler()
    }

    fn readiness(&mut self) -> io::Result<Readiness<'_>> {
        (**self).readiness()
    }

    fn end(&mut self) {
        (**self).end();
    }

    fn add(&mut self, pid: i32) {
        (**self).add(pid);
    }

    fn notice(&self) -> Option<String> {
        (**self).notice()
    }
}

/// What a look at a source shows.
#[derive(Debug)]
pub struct Look<'a> {
    /// Records, as they stand in the ring.
    pub records: &'a [[u64; SAMPLE_WORDS]],
    /// Records lost so far, in all. Those lost since the last look were lost before the first of `records`.
    pub lost: u64,
    /// There is more to be read without waiting.
    pub pending: bool,
    /// If nothing is pending: no record of this tick or an earlier one follows.
    pub completed: u64,
    /// If nothing is pending: no process is registered.
    pub none_left: bool,
    /// Nothing follows, ever: the end of a recording.
    pub over: bool,
}

/// When to look again.
#[derive(Debug)]
pub struct Readiness<'a> {
    /// Readable as soon as there are records.
    pub descriptor: Option<BorrowedFd<'a>>,
    /// Look then in any case.
    pub timeout: Duration,
}

/// What sampling has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampler {
    /// Time spent sampling, ns.
    pub ns: u64,
    /// Records written.
    pub records: u64,
}

impl Sampler {
    /// The difference from `earlier`.
    pub fn since(&self, earlier: &Sampler) -> Self {
        Sampler { ns: self.ns.saturating_sub(earlier.ns), records: self.records.saturating_sub(earlier.records) }
    }
}

/// A source that cannot be read any more.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The ring is not the one it was.
    #[error("this is no longer the ring that it was")]
    Ring(#[from] WentBackwards),
    /// `/proc` is not there, or not the kernel's.
    #[error("cannot read /proc")]
    Proc(#[source] io::Error),
    /// The file of a recording cannot be read.
    #[error("cannot read the recording")]
    Recording(#[source] io::Error),
}
