// SPDX-License-Identifier: GPL-2.0

//! Events as they happen.
//!
//! ```text
//! rings of CPU 0-7    --copy, decode-->  \
//! rings of CPU 8-15   --copy, decode-->   >  merge  -->  view or file
//! ...                 (a thread each)    /
//! ```
//!
//! A copier tells with every batch until when it has read its rings; the merger lets through what is older than the least
//! of these times, less the slack. So a silent CPU holds nothing up, and a slow copier nothing but itself.
//!
//! A recording that is read from its beginning ([`Tape`]) leaves decoding and merging to its reader: the copiers pack what
//! they have read, each for itself.

mod copier;
mod copiers;
mod decoded;
mod packed;
mod tape;

pub use packed::{Blocks, Missing};
pub use tape::Tape;

use crate::event::{Timed, What};
use crate::merge::{Merger, SLACK_NS};
use abi::events::ioctl::TraceStart;
use abi::events::Record;
use client::device::{Device, DeviceError};
use client::trace::{snapshot, Trace, TraceError, TraceOptions};
use copiers::Copiers;
use decoded::{Decoded, Events};
use nix::time::{clock_gettime, ClockId};
use std::path::Path;
use std::time::{Duration, Instant};

/// After a loss, a snapshot heals what the short counters lost, but not more often than this.
const HEAL: Duration = Duration::from_secs(1);

/// How long a program waits for events before it looks at signals and the time.
pub const LOOK: Duration = Duration::from_millis(50);

/// How soon events are wanted. Either way they are copied before a ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As they happen: not later than [`LOOK`].
    Prompt,
    /// Within half a second: on an idle machine, looking more often is most of what this would cost.
    Relaxed,
}

impl Pace {
    fn look(self) -> Duration {
        match self {
            Pace::Prompt => LOOK,
            Pace::Relaxed => 10 * LOOK,
        }
    }
}

/// Live events cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The tracer.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A snapshot of all threads.
    #[error("cannot take a snapshot of the threads: {}", .0.desc())]
    Snapshot(nix::Error),
    /// A copier.
    #[error("cannot read the rings: {0}")]
    Copier(String),
}

/// CLOCK_BOOTTIME, ns.
pub fn now() -> u64 {
    clock(ClockId::CLOCK_BOOTTIME)
}

/// A clock's time, ns.
pub fn clock(id: ClockId) -> u64 {
    clock_gettime(id)
        .map_or(0, |time| (time.tv_sec() as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec() as u64))
}

/// A running trace, as a stream of events in the order of time.
pub struct Live<'a> {
    device: &'a Device,
    trace: Option<Trace<'a>>,
    started: TraceStart,
    merger: Merger,
    copiers: Copiers<Events>,
    first: std::vec::IntoIter<Timed>,
    unknown: u64,
    heal: bool,
    healed: Instant,
}

impl<'a> Live<'a> {
    /// Begins to trace and to copy.
    ///
    /// # Errors
    ///
    /// [`LiveError`]; nothing is traced then.
    pub fn start(device: &'a Device, path: &Path, options: &TraceOptions, pace: Pace) -> Result<Self, LiveError> {
        let trace = Trace::start(device, options)?;
        let started = *trace.started();
        let copiers = Copiers::start::<Decoded>(path, &started, pace)?;
        let mut live = Live {
            device,
            trace: Some(trace),
            started,
            merger: Merger::new(),
            copiers,
            first: vec![].into_iter(),
            unknown: 0,
            heal: false,
            healed: Instant::now(),
        };
        live.first = live.snapshot().map_err(LiveError::Snapshot)?.into_iter();
        Ok(live)
    }

    /// What the module made of what was asked for.
    pub fn started(&self) -> &TraceStart {
        &self.started
    }

    /// When the rings began, CLOCK_BOOTTIME, ns.
    pub fn start_boottime_ns(&self) -> u64 {
        self.started.start_boottime_ns
    }

    /// CPUs that may have rings.
    pub fn cpus(&self) -> u32 {
        self.started.cpus
    }

    /// Events that came later than the merge waits.
    pub fn late(&self) -> u64 {
        self.merger.late()
    }

    /// Records of kinds that this program does not know.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    fn snapshot(&self) -> nix::Result<Vec<Timed>> {
        let (began, records) = snapshot(self.device)?;
        Ok(records
            .iter()
            .filter_map(|words| Record::decode(words).ok())
            .map(|record| Timed { ns: began, cpu: 0, what: What::Event(record.event) })
            .collect())
    }

    /// Waits for events, at most `timeout`, and gives all that can be ordered to `take`. Returns until when that is, ns.
    ///
    /// # Errors
    ///
    /// A copier cannot read its rings any more.
    pub fn next(&mut self, timeout: Duration, mut take: impl FnMut(&Timed)) -> Result<u64, LiveError> {
        for timed in self.first.by_ref() {
            take(&timed);
        }
        let mut batches = vec![];
        self.copiers.receive(timeout, |batch| batches.push(batch))?;
        for batch in batches {
            self.accept(batch);
        }
        let until = self.copiers.until().saturating_sub(SLACK_NS);
        while let Some(timed) = self.merger.pop_before(until) {
            take(&timed);
        }
        if self.heal && self.healed.elapsed() >= HEAL {
            self.heal = false;
            self.healed = Instant::now();
            // Without it the short counters stay uncertain, which is said. The next loss tries again.
            for timed in self.snapshot().unwrap_or_default() {
                take(&timed);
            }
        }
        Ok(until)
    }

    fn accept(&mut self, batch: Events) {
        self.unknown += batch.unknown;
        for timed in batch.events {
            self.heal |= matches!(timed.what, What::Lost(_));
            self.merger.push(timed);
        }
    }

    /// Ends the trace and gives all that is left to `take`, with the last counts and a last snapshot.
    ///
    /// # Errors
    ///
    /// The trace cannot be ended, or a copier cannot read its rings.
    pub fn finish(mut self, mut take: impl FnMut(&Timed)) -> Result<Totals, LiveError> {
        // Before the end: a thread that has not switched since the start has run time that no record tells.
        let last = self.snapshot().unwrap_or_default();
        if let Some(trace) = self.trace.take() {
            trace.stop().map_err(TraceError::Other)?;
        }
        let mut batches = vec![];
        self.copiers.finish(|batch| batches.push(batch))?;
        for batch in batches {
            self.unknown += batch.unknown;
            batch.events.into_iter().for_each(|timed| self.merger.push(timed));
        }
        for timed in self.first.by_ref() {
            take(&timed);
        }
        while let Some(timed) = self.merger.pop() {
            take(&timed);
        }
        for timed in &last {
            take(timed);
        }
        Ok(Totals { late: self.merger.late(), unknown: self.unknown })
    }
}

/// What a live trace adds to the losses that its events tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events that came later than the merge waits.
    pub late: u64,
    /// Records of kinds that this program does not know.
    pub unknown: u64,
}
