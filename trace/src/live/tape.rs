// SPDX-License-Identifier: GPL-2.0

//! A running trace on its way into a recording.

use super::copiers::Copiers;
use super::packed::{Missing, Ring};
use super::{LiveError, Pace, HEAL};
use crate::merge::SLACK_NS;
use crate::recording::Chunker;
use abi::events::ioctl::TraceStart;
use abi::events::Words;
use client::device::Device;
use client::trace::{snapshot, Trace, TraceError, TraceOptions};
use std::path::Path;
use std::time::{Duration, Instant};

/// What was known of all threads, at a time (ns).
type Snapshot = (u64, Vec<Words>);

/// A running trace whose records go into a recording as they are: nothing is decoded, nor put into the order of time.
pub struct Tape<'a> {
    device: &'a Device,
    trace: Option<Trace<'a>>,
    started: TraceStart,
    copiers: Copiers<super::Blocks>,
    /// To stand before everything else.
    first: Option<Snapshot>,
    /// To be written once all events before it are.
    later: Option<Snapshot>,
    heal: bool,
    healed: Instant,
    missing: Missing,
}

impl<'a> Tape<'a> {
    /// Begins to trace and to copy.
    ///
    /// # Errors
    ///
    /// [`LiveError`]; nothing is traced then.
    pub fn start(device: &'a Device, path: &Path, options: &TraceOptions) -> Result<Self, LiveError> {
        let trace = Trace::start(device, options)?;
        let started = *trace.started();
        let copiers = Copiers::start::<Ring>(path, &started, Pace::Relaxed)?;
        let first = Some(snapshot(device).map_err(LiveError::Snapshot)?);
        Ok(Tape {
            device,
            trace: Some(trace),
            started,
            copiers,
            first,
            later: None,
            heal: false,
            healed: Instant::now(),
            missing: Missing::default(),
        })
    }

    /// What the module made of what was asked for.
    pub fn started(&self) -> &TraceStart {
        &self.started
    }

    /// What is missing so far.
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// Waits for records, at most `timeout`, and gives all that have come to `chunker`. Whether any have: they are enough for
    /// a chunk, or old enough.
    ///
    /// # Errors
    ///
    /// A copier cannot read its rings any more.
    pub fn next(&mut self, timeout: Duration, chunker: &mut Chunker) -> Result<bool, LiveError> {
        self.begin(chunker);
        let (mut has_come, before) = (false, self.missing.gaps);
        let missing = &mut self.missing;
        self.copiers.receive(timeout, |blocks| {
            has_come = true;
            missing.add(&blocks.missing);
            chunker.push_blocks(&blocks);
        })?;
        let until_ns = self.copiers.until().saturating_sub(SLACK_NS);
        chunker.have_until(until_ns);
        if let Some((ns, records)) = self.later.take_if(|(ns, _)| *ns <= until_ns) {
            chunker.push_snapshot(ns, ns, &records);
        }
        self.heal |= self.missing.gaps > before;
        if self.heal && self.later.is_none() && self.healed.elapsed() >= HEAL {
            self.heal = false;
            self.healed = Instant::now();
            // Without it the short counters stay uncertain, which is said. The next loss tries again.
            self.later = snapshot(self.device).ok();
        }
        Ok(has_come)
    }

    fn begin(&mut self, chunker: &mut Chunker) {
        if let Some((ns, records)) = self.first.take() {
            chunker.push_snapshot(0, ns, &records);
        }
    }

    /// Ends the trace and gives all that is left to `chunker`, with the last counts and a last snapshot. Returns what was
    /// missing in all.
    ///
    /// # Errors
    ///
    /// The trace cannot be ended, or a copier cannot read its rings.
    pub fn finish(mut self, chunker: &mut Chunker) -> Result<Missing, LiveError> {
        self.begin(chunker);
        // Before the end: a thread that has not switched since the start has run time that no record tells.
        let last = snapshot(self.device).ok();
        if let Some(trace) = self.trace.take() {
            trace.stop().map_err(TraceError::Other)?;
        }
        let missing = &mut self.missing;
        self.copiers.finish(|blocks| {
            missing.add(&blocks.missing);
            chunker.push_blocks(&blocks);
        })?;
        chunker.have_until(u64::MAX);
        if let Some((ns, records)) = self.later {
            chunker.push_snapshot(ns, ns, &records);
        }
        if let Some((ns, records)) = last {
            chunker.push_snapshot(u64::MAX, ns, &records);
        }
        Ok(self.missing)
    }
}
