// SPDX-License-Identifier: GPL-2.0

//! Copies records out of the rings of some CPUs before they are overwritten.

use super::now;
use crate::decode::Decoder;
use crate::event::{Timed, What};
use abi::events::header::Counts;
use abi::events::{Words, EVENT_WORDS};
use abi::header::word;
use abi::ring::Reader;
use abi::stream::Stream;
use abi::words::ReadWords;
use client::device::{Device, DeviceError};
use client::ring::Ring;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::atomic::{fence, AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records copied at a time: 256 KiB.
const BATCH: usize = 8_192;

/// Reads the headers' counts, and looks for CPUs that have come, this often.
const COUNTS: Duration = Duration::from_secs(1);

/// How often *committed* is looked at while a record is being written: that takes less than a microsecond.
const SPINS: u32 = 100_000;

/// What a copier has read.
pub enum Batch {
    /// Events.
    Events {
        /// Which copier.
        copier: usize,
        /// Everything that its rings had before this time (CLOCK_BOOTTIME, ns) has been sent.
        until: u64,
        /// In the order of each CPU.
        events: Vec<Timed>,
        /// Records of kinds that are not known.
        unknown: u64,
    },
    /// The copier cannot go on.
    Failed(String),
}

/// One CPU's ring.
struct Feed {
    cpu: u32,
    ring: Ring<EVENT_WORDS>,
    reader: Reader<EVENT_WORDS>,
    decoder: Decoder,
    lost: u64,
    dropped: u64,
    /// When it was read last, ns.
    read_at: u64,
    /// What the header had counted where the reading begins; none once that is told.
    first: Option<Timed>,
}

impl Feed {
    fn open(device: &Device, cpu: u32, start_ns: u64) -> Result<Option<Self>, DeviceError> {
        let ring = match device.events(cpu) {
            Ok(ring) => ring,
            // A CPU that is not there.
            Err(DeviceError::Io { source, .. }) if source.raw_os_error() == Some(Errno::ENXIO as i32) => {
                return Ok(None)
            }
            Err(error) => return Err(error),
        };
        // What another session has recorded before is not of this one.
        let (position, counts) = beginning(ring.memory());
        let reader = ring.reader_at(position);
        let decoder = Decoder::new(cpu, start_ns);
        let first = Some(Timed { ns: now(), cpu, what: What::Counts(counts) });
        Ok(Some(Feed { cpu, ring, reader, decoder, lost: 0, dropped: counts.dropped, read_at: start_ns, first }))
    }

    fn counts(&self, ns: u64) -> Timed {
        Timed {
            ns: ns.max(self.decoder.last_ns()),
            cpu: self.cpu,
            what: What::Counts(Counts::read(self.ring.memory())),
        }
    }

    /// Reads everything that was reserved when this began.
    fn read(&mut self, buffer: &mut [Words], events: &mut Vec<Timed>) -> Result<(), String> {
        let before = now();
        let memory = self.ring.memory();
        let reserved = memory.load_acquire(word::RESERVED);
        for _ in 0..SPINS {
            if memory.load_acquire(word::COMMITTED) >= reserved {
                break;
            }
            std::hint::spin_loop();
        }
        while self.reader.position() < reserved {
            let records = self.reader.read(memory, buffer).map_err(|error| error.to_string())?;
            let lost = self.reader.lost() - self.lost;
            if lost > 0 {
                self.lost += lost;
                events.push(self.decoder.lose(lost, self.read_at, records.first(), false));
            }
            for words in records {
                self.decoder.take(words, |timed| events.push(timed));
            }
            if records.is_empty() && lost == 0 {
                break;
            }
        }
        let dropped = Counts::read(memory).dropped;
        if dropped > self.dropped {
            // Where among the records that was is not known: somewhere since the last look.
            let count = dropped - self.dropped;
            self.dropped = dropped;
            let mut lost = self.decoder.lose(count, self.read_at, None, true);
            if let What::Lost(lost) = &mut lost.what {
                lost.until_ns = lost.until_ns.max(before);
            }
            events.push(lost);
        }
        self.read_at = before;
        Ok(())
    }
}

/// The end of a ring that is being written, and the counts there.
///
/// An event is counted before it is recorded: the one that the CPU is at may be in the counts and yet come after that
/// position.
fn beginning<M: ReadWords>(memory: &M) -> (u64, Counts) {
    let mut tries = SPINS;
    loop {
        let position = memory.load_acquire(word::COMMITTED);
        let counts = Counts::read(memory);
        // The counts are read before this is.
        fence(Ordering::Acquire);
        tries -= 1;
        if tries == 0 || memory.load_acquire(word::RESERVED) == position {
            return (position, counts);
        }
    }
}

/// Copies the rings of some CPUs.
pub struct Copier {
    index: usize,
    device: Device,
    feeds: Vec<Feed>,
    missing: Vec<u32>,
    start_ns: u64,
    /// Looks at its rings at least this often, so that what is seen is not older.
    look: Duration,
    stop: Arc<AtomicBool>,
    to: SyncSender<Batch>,
}

impl Copier {
    /// Maps the rings of `cpus`.
    ///
    /// # Errors
    ///
    /// A ring that is there cannot be mapped.
    pub fn new(
        index: usize,
        device: Device,
        cpus: Range<u32>,
        start_ns: u64,
        look: Duration,
        stop: Arc<AtomicBool>,
        to: SyncSender<Batch>,
    ) -> Result<Self, DeviceError> {
        let mut copier = Copier { index, device, feeds: vec![], missing: cpus.collect(), start_ns, look, stop, to };
        copier.find_rings()?;
        Ok(copier)
    }

    /// Maps the rings of CPUs that had none before.
    fn find_rings(&mut self) -> Result<(), DeviceError> {
        let mut missing = vec![];
        for cpu in std::mem::take(&mut self.missing) {
            match Feed::open(&self.device, cpu, self.start_ns)? {
                Some(feed) => self.feeds.push(feed),
                None => missing.push(cpu),
            }
        }
        self.missing = missing;
        Ok(())
    }

    /// Copies until it is told to stop, then everything that is left.
    pub fn run(mut self) {
        if let Err(error) = self.copy() {
            // Where there is no merger any more, there is none to tell either.
            let _ = self.to.send(Batch::Failed(error));
        }
    }

    fn copy(&mut self) -> Result<(), String> {
        let mut buffer = vec![[0; EVENT_WORDS]; BATCH];
        let mut counted: Option<Instant> = None;
        loop {
            // In this order: what was written before the end is read below.
            let is_over = self.stop.load(Ordering::Acquire);
            let until = now();
            let mut events = vec![];
            let is_due = counted.is_none_or(|at| at.elapsed() >= COUNTS);
            if is_due && counted.is_some() && !self.missing.is_empty() {
                self.find_rings().map_err(|error| error.to_string())?;
            }
            for feed in &mut self.feeds {
                events.extend(feed.first.take());
                feed.read(&mut buffer, &mut events)?;
                if is_over || is_due {
                    events.push(feed.counts(until));
                }
            }
            if is_due {
                counted = Some(Instant::now());
            }
            let unknown = self.feeds.iter_mut().map(|feed| std::mem::take(&mut feed.decoder.unknown)).sum();
            let is_full = events.len() >= BATCH;
            let batch = Batch::Events { copier: self.index, until, events, unknown };
            if self.to.send(batch).is_err() || is_over {
                return Ok(());
            }
            if !is_full {
                self.wait();
            }
        }
    }

    fn wait(&self) {
        for feed in &self.feeds {
            // A position that cannot be set costs only the early wake-up: the rings are looked at anyway.
            let _ = self.device.set_stream_position(Stream::Events { cpu: feed.cpu }, feed.reader.position());
        }
        let mut descriptors = [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)];
        if self.feeds.is_empty()
            || matches!(poll(&mut descriptors, PollTimeout::try_from(self.look).unwrap_or(PollTimeout::MAX)), Err(errno) if errno != Errno::EINTR)
        {
            std::thread::sleep(self.look);
        }
    }
}
