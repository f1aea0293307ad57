// SPDX-License-Identifier: GPL-2.0

//! The threads that copy the rings of a running trace.

use super::copier::{Copier, Intake, Message};
use super::{LiveError, Pace};
use abi::events::ioctl::TraceStart;
use client::device::Device;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Rings that one thread copies.
const RINGS_PER_THREAD: u32 = 8;

/// Batches on their way from the copiers: beyond that they wait, and the rings take what comes.
const BATCHES: usize = 64;

/// The threads that copy all rings, and what they have sent.
pub struct Copiers<B> {
    /// Until when each of them has read, ns.
    until: Vec<u64>,
    messages: Receiver<Message<B>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl<B: Send + 'static> Copiers<B> {
    /// Begins to copy.
    ///
    /// # Errors
    ///
    /// A ring cannot be mapped, or there is no thread.
    pub fn start<I: Intake<Batch = B>>(path: &Path, started: &TraceStart, pace: Pace) -> Result<Self, LiveError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, messages) = sync_channel(BATCHES);
        let mut threads = vec![];
        for (index, first) in (0..started.cpus).step_by(RINGS_PER_THREAD as usize).enumerate() {
            let cpus = first..(first + RINGS_PER_THREAD).min(started.cpus);
            // A file of its own: the positions that poll(2) goes by are the file's.
            let device = Device::open(path)?;
            let (stop, sender) = (Arc::clone(&stop), sender.clone());
            let copier = Copier::<I>::new(index, device, cpus, started.start_boottime_ns, pace.look(), stop, sender)?;
            let thread = std::thread::Builder::new().name(format!("copier/{first}")).spawn(move || copier.run());
            threads.push(thread.map_err(|error| LiveError::Copier(error.to_string()))?);
        }
        Ok(Copiers { until: vec![0; threads.len()], messages, threads, stop })
    }

    /// Everything that the rings had before this time (CLOCK_BOOTTIME, ns) has been received.
    pub fn until(&self) -> u64 {
        self.until.iter().min().copied().unwrap_or(0)
    }

    /// Waits for a batch, at most `timeout`, and gives all that have come to `take`.
    ///
    /// # Errors
    ///
    /// A copier cannot read its rings any more.
    pub fn receive(&mut self, timeout: Duration, mut take: impl FnMut(B)) -> Result<(), LiveError> {
        match self.messages.recv_timeout(timeout) {
            Ok(message) => {
                take(self.accept(message)?);
                while let Ok(message) = self.messages.try_recv() {
                    take(self.accept(message)?);
                }
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(LiveError::Copier("their copier has ended".into())),
        }
    }

    fn accept(&mut self, message: Message<B>) -> Result<B, LiveError> {
        match message {
            Message::Read { copier, until, batch } => {
                self.until[copier] = until;
                Ok(batch)
            }
            Message::Failed(error) => Err(LiveError::Copier(error)),
        }
    }

    /// Has the copiers read what is left, gives that to `take`, and waits for their ends. Nothing is traced any more.
    ///
    /// # Errors
    ///
    /// A copier cannot read its rings.
    pub fn finish(mut self, mut take: impl FnMut(B)) -> Result<(), LiveError> {
        self.stop.store(true, Ordering::Release);
        // Until the last copier has hung up.
        while let Ok(message) = self.messages.recv() {
            take(self.accept(message)?);
        }
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| LiveError::Copier("their copier has panicked".into()))?;
        }
        Ok(())
    }
}
