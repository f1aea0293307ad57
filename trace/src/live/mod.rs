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

mod copier;

use crate::event::{Timed, What};
use crate::merge::{Merger, SLACK_NS};
use abi::events::Record;
use client::device::{Device, DeviceError};
use client::trace::{snapshot, Trace, TraceError, TraceOptions};
use copier::{Batch, Copier};
use nix::time::{clock_gettime, ClockId};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rings that one thread copies.
const RINGS_PER_THREAD: u32 = 8;

/// Batches on their way from the copiers: beyond that they wait, and the rings take what comes.
const BATCHES: usize = 64;

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
    merger: Merger,
    /// Until when each copier has read, ns.
    until: Vec<u64>,
    batches: Receiver<Batch>,
    copiers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    first: std::vec::IntoIter<Timed>,
    start_boottime_ns: u64,
    cpus: u32,
    unknown: u64,
    heal: Option<Instant>,
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
        let (start_boottime_ns, cpus) = (trace.started().start_boottime_ns, trace.started().cpus);
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, batches) = sync_channel(BATCHES);
        let mut copiers = vec![];
        for (index, first) in (0..cpus).step_by(RINGS_PER_THREAD as usize).enumerate() {
            let cpus = first..(first + RINGS_PER_THREAD).min(cpus);
            // A file of its own: the positions that poll(2) goes by are the file's.
            let device = Device::open(path)?;
            let copier =
                Copier::new(index, device, cpus, start_boottime_ns, pace.look(), Arc::clone(&stop), sender.clone())?;
            let thread = std::thread::Builder::new().name(format!("copier/{first}")).spawn(move || copier.run());
            copiers.push(thread.map_err(|error| LiveError::Copier(error.to_string()))?);
        }
        let mut live = Live {
            device,
            trace: Some(trace),
            merger: Merger::new(),
            until: vec![0; copiers.len()],
            batches,
            copiers,
            stop,
            first: vec![].into_iter(),
            start_boottime_ns,
            cpus,
            unknown: 0,
            heal: None,
            healed: Instant::now(),
        };
        live.first = live.snapshot().map_err(LiveError::Snapshot)?.into_iter();
        Ok(live)
    }

    /// When the rings began, CLOCK_BOOTTIME, ns.
    pub fn start_boottime_ns(&self) -> u64 {
        self.start_boottime_ns
    }

    /// CPUs that may have rings.
    pub fn cpus(&self) -> u32 {
        self.cpus
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
        match self.batches.recv_timeout(timeout) {
            Ok(batch) => {
                self.accept(batch)?;
                while let Ok(batch) = self.batches.try_recv() {
                    self.accept(batch)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(LiveError::Copier("their copier has ended".into())),
        }
        let until = self.until.iter().min().copied().unwrap_or(0).saturating_sub(SLACK_NS);
        while let Some(timed) = self.merger.pop_before(until) {
            take(&timed);
        }
        if self.heal.is_some() && self.healed.elapsed() >= HEAL {
            self.heal = None;
            self.healed = Instant::now();
            // Without it the short counters stay uncertain, which is said. The next loss tries again.
            for timed in self.snapshot().unwrap_or_default() {
                take(&timed);
            }
        }
        Ok(until)
    }

    fn accept(&mut self, batch: Batch) -> Result<(), LiveError> {
        match batch {
            Batch::Events { copier, until, events, unknown } => {
                self.until[copier] = until;
                self.unknown += unknown;
                for timed in events {
                    if matches!(timed.what, What::Lost(_)) {
                        self.heal.get_or_insert_with(Instant::now);
                    }
                    self.merger.push(timed);
                }
                Ok(())
            }
            Batch::Failed(error) => Err(LiveError::Copier(error)),
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
        self.stop.store(true, Ordering::Release);
        // Until the last copier has hung up.
        while let Ok(batch) = self.batches.recv() {
            self.accept(batch)?;
        }
        for copier in self.copiers.drain(..) {
            copier.join().map_err(|_| LiveError::Copier("their copier has panicked".into()))?;
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
