// SPDX-License-Identifier: GPL-2.0

//! Copies records out of the rings of some CPUs before they are overwritten.

use super::now;
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

/// What is made of one CPU's records.
pub trait Intake: Send + 'static {
    /// What a copier sends of all its rings.
    type Batch: Send + 'static;

    /// Of `cpu`, whose ring began at `start_ns` (CLOCK_BOOTTIME).
    fn new(cpu: u32, start_ns: u64) -> Self;

    /// The next records.
    fn records(&mut self, records: &[Words]);

    /// Records were overwritten before they were read, the first of them after `since_ns`; `next` is the first behind them.
    fn lost(&mut self, records: u64, since_ns: u64, next: Option<&Words>);

    /// There was no room for records, at some time between.
    fn dropped(&mut self, records: u64, since_ns: u64, until_ns: u64);

    /// What the header had counted at `ns`.
    fn counts(&mut self, ns: u64, counts: Counts);

    /// What has come from `rings`, if it is to be sent now; `is_over`: nothing comes after it.
    fn batch<'a>(rings: impl Iterator<Item = &'a mut Self>, is_over: bool) -> Option<Self::Batch>;
}

/// What a copier says.
pub enum Message<B> {
    /// It has read its rings.
    Read {
        /// Which copier.
        copier: usize,
        /// Everything that its rings had before this time (CLOCK_BOOTTIME, ns) has been sent.
        until: u64,
        /// What they had.
        batch: B,
    },
    /// It cannot go on.
    Failed(String),
}

/// One CPU's ring.
struct Feed<I> {
    cpu: u32,
    ring: Ring<EVENT_WORDS>,
    reader: Reader<EVENT_WORDS>,
    intake: I,
    lost: u64,
    dropped: u64,
    /// When it was read last, ns.
    read_at: u64,
}

impl<I: Intake> Feed<I> {
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
        let mut intake = I::new(cpu, start_ns);
        intake.counts(now(), counts);
        Ok(Some(Feed { cpu, ring, reader, intake, lost: 0, dropped: counts.dropped, read_at: start_ns }))
    }

    fn count(&mut self, ns: u64) {
        self.intake.counts(ns, Counts::read(self.ring.memory()));
    }

    /// Reads everything that was reserved when this began; how many records that was.
    fn read(&mut self, buffer: &mut [Words]) -> Result<usize, String> {
        let before = now();
        let memory = self.ring.memory();
        let reserved = memory.load_acquire(word::RESERVED);
        for _ in 0..SPINS {
            if memory.load_acquire(word::COMMITTED) >= reserved {
                break;
            }
            std::hint::spin_loop();
        }
        let mut read = 0;
        while self.reader.position() < reserved {
            let records = self.reader.read(memory, buffer).map_err(|error| error.to_string())?;
            let lost = self.reader.lost() - self.lost;
            if lost > 0 {
                self.lost += lost;
                self.intake.lost(lost, self.read_at, records.first());
            }
            self.intake.records(records);
            read += records.len();
            if records.is_empty() && lost == 0 {
                break;
            }
        }
        let dropped = Counts::read(memory).dropped;
        if dropped > self.dropped {
            // Where among the records that was is not known: somewhere since the last look.
            self.intake.dropped(dropped - self.dropped, self.read_at, before);
            self.dropped = dropped;
        }
        self.read_at = before;
        Ok(read)
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
pub struct Copier<I: Intake> {
    index: usize,
    device: Device,
    feeds: Vec<Feed<I>>,
    missing: Vec<u32>,
    start_ns: u64,
    /// Looks at its rings at least this often, so that what is seen is not older.
    look: Duration,
    stop: Arc<AtomicBool>,
    to: SyncSender<Message<I::Batch>>,
}

impl<I: Intake> Copier<I> {
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
        to: SyncSender<Message<I::Batch>>,
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
            // Where nothing is taken any more, there is no one to tell either.
            let _ = self.to.send(Message::Failed(error));
        }
    }

    fn copy(&mut self) -> Result<(), String> {
        let mut buffer = vec![[0; EVENT_WORDS]; BATCH];
        let mut counted = Instant::now();
        loop {
            // In this order: what was written before the end is read below.
            let is_over = self.stop.load(Ordering::Acquire);
            let until = now();
            let is_due = counted.elapsed() >= COUNTS;
            if is_due && !self.missing.is_empty() {
                self.find_rings().map_err(|error| error.to_string())?;
            }
            let mut read = 0;
            for feed in &mut self.feeds {
                read += feed.read(&mut buffer)?;
                if is_over || is_due {
                    feed.count(until);
                }
            }
            if is_due {
                counted = Instant::now();
            }
            if let Some(batch) = I::batch(self.feeds.iter_mut().map(|feed| &mut feed.intake), is_over) {
                if self.to.send(Message::Read { copier: self.index, until, batch }).is_err() {
                    return Ok(());
                }
            }
            if is_over {
                return Ok(());
            }
            if read < BATCH {
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
