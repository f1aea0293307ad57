// SPDX-License-Identifier: GPL-2.0

//! From the ring into a file.

use crate::summary::Summary;
use crate::ticks::Ticks;
use abi::header::{word, Header};
use abi::ring::{Reader, WentBackwards};
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use abi::words::ReadWords;
use client::intervals::Intervals;
use client::machine::Machine;
use client::poller::Wake;
use format::profile::Tick;
use format::Format;
use std::io::{self, Write};

/// Records copied from the ring at a time: 768 KiB, in reach of the caches.
const BATCH: usize = 4096;

/// Bytes gathered before they are written, when there is no pause in which to do it.
const ENOUGH: usize = 64 * 1024;

/// The first record to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// The first since the last time that nothing was registered: the profile that is running, or the last one.
    #[default]
    Profile,
    /// The oldest that the ring still has.
    Oldest,
    /// As [`Begin::Profile`] if one is running; otherwise the first of the next.
    Next,
}

/// When to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// When the last registered process is gone.
    #[default]
    LastProcess,
    /// When everything that was there at the beginning has been read.
    Drained,
    /// Never, unless it is stopped.
    Never,
}

/// What to record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The first record to print.
    pub begin: Begin,
    /// When to stop.
    pub end: End,
}

/// What a recording does while there is nothing to read.
pub trait Wait {
    /// Called once, if nothing is registered and there is nothing to print.
    fn nothing_yet(&mut self) {}

    /// Called whenever everything has been written.
    fn progress(&mut self, _summary: &Summary) {}

    /// Waits until there may be records from `position` on. If `pending`, there are some: asks only whether to stop.
    fn wait(&mut self, position: u64, pending: bool) -> io::Result<Wake>;
}

/// How a recording ended.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What it came to.
    pub summary: Summary,
    /// It was stopped before its end.
    pub stopped: bool,
}

/// A recording that failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The ring is not the one it was.
    #[error("this is no longer the ring that it was")]
    Ring(#[from] WentBackwards),
    /// Waiting for the module failed.
    #[error("cannot wait for records")]
    Wait(#[source] io::Error),
    /// The output could not be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
}

/// What to print, and where.
pub struct Sink<'a> {
    /// How.
    pub format: &'a mut dyn Format,
    /// Where to.
    pub output: &'a mut dyn Write,
}

/// Prints the records of the ring in `memory`.
///
/// Lines are complete whenever something is written, and everything that was read is written before waiting. Memory
/// does not grow with time: it holds a batch and an entry for each registered process.
///
/// # Errors
///
/// [`RecordError`]. What was written until then is in complete lines, unless it is the writing that failed.
pub fn record<M: ReadWords>(
    memory: &M,
    header: &Header,
    machine: Machine,
    options: Options,
    sink: Sink,
    wait: &mut dyn Wait,
) -> Result<Recorded, RecordError> {
    let mut reader = reader(memory, header, options.begin);
    let begin = reader.position();
    let mut end = options.end;
    let mut drained_at = memory.load_acquire(word::COMMITTED);
    let mut stopped = false;
    let mut said_nothing_yet = false;
    let mut batch = vec![[0; SAMPLE_WORDS]; BATCH];
    let mut recorder = Recorder::new(header, machine, sink);
    let sampler_before = Sampler::so_far(memory);

    loop {
        // In this order: what was committed before a tick was complete, or before the last process went, is read below.
        let none_before = memory.load_acquire(word::REGISTERED) == 0;
        let completed = memory.load_acquire(word::COMPLETED_TICK);
        let lost_before = reader.lost();
        let records = reader.read(memory, &mut batch)?;
        if reader.lost() != lost_before {
            recorder.lose(reader.lost());
        }
        for words in records {
            recorder.take(&SampleRecord::from_words(words))?;
        }

        let pending = reader.pending(memory) > 0;
        let none_left = none_before && !pending && memory.load_acquire(word::REGISTERED) == 0;
        if !pending {
            recorder.close(if none_left { u64::MAX } else { completed });
            recorder.flush()?;
            wait.progress(&recorder.summary);
        }
        let nothing_yet = reader.position() == begin;
        let over = match end {
            // Nothing left is enough, even if a ring takes back what it said it had.
            End::Drained => !pending || reader.position() >= drained_at,
            End::LastProcess => none_left && !nothing_yet,
            End::Never => false,
        };
        if over {
            break;
        }
        if none_left && nothing_yet && !said_nothing_yet {
            said_nothing_yet = true;
            wait.nothing_yet();
        }
        if wait.wait(reader.position(), pending).map_err(RecordError::Wait)? == Wake::Stop && !stopped {
            // What is there by now belongs to it.
            stopped = true;
            end = End::Drained;
            drained_at = memory.load_acquire(word::COMMITTED);
        }
    }
    let summary = recorder.finish(&Sampler::so_far(memory).since(&sampler_before))?;
    Ok(Recorded { summary, stopped })
}

fn reader<M: ReadWords>(memory: &M, header: &Header, begin: Begin) -> Reader<SAMPLE_WORDS> {
    // Before the others: a profile that begins right now begins at this position or later.
    let committed = memory.load_acquire(word::COMMITTED);
    let is_running = memory.load_acquire(word::REGISTERED) > 0;
    let profile = memory.load_acquire(word::SESSION_START).min(memory.load_acquire(word::COMMITTED));
    match begin {
        Begin::Oldest => Reader::at_oldest(header, memory),
        Begin::Next if !is_running => Reader::at(header, committed),
        Begin::Profile | Begin::Next => Reader::at(header, profile),
    }
}

/// What the module's sampler has done.
struct Sampler {
    ns: u64,
    records: u64,
}

impl Sampler {
    fn so_far<M: ReadWords>(memory: &M) -> Self {
        Sampler { ns: memory.load_relaxed(word::SAMPLING_NS), records: memory.load_relaxed(word::COMMITTED) }
    }

    fn since(&self, earlier: &Sampler) -> Self {
        Sampler { ns: self.ns.saturating_sub(earlier.ns), records: self.records.saturating_sub(earlier.records) }
    }
}

/// Whether the records at hand follow those before.
enum Continuity {
    Whole,
    /// Some were lost.
    Broken,
    /// Some were lost, and the first after them was of this tick.
    BrokenUntil(u64),
}

/// Records on their way into the file.
struct Recorder<'a> {
    sink: Sink<'a>,
    out: Vec<u8>,
    header: Header,
    machine: Machine,
    /// The preamble is printed.
    begun: bool,
    intervals: Intervals,
    ticks: Ticks,
    /// Lines of ticks so far.
    lines: u64,
    summary: Summary,
    continuity: Continuity,
}

impl<'a> Recorder<'a> {
    fn new(header: &Header, machine: Machine, sink: Sink<'a>) -> Self {
        Recorder {
            sink,
            out: Vec::with_capacity(2 * ENOUGH),
            header: *header,
            machine,
            begun: false,
            intervals: Intervals::default(),
            ticks: Ticks::default(),
            lines: 0,
            summary: Summary::new(header.rate_hz),
            continuity: Continuity::Whole,
        }
    }

    fn take(&mut self, sample: &SampleRecord) -> Result<(), RecordError> {
        self.begin(Some(sample.time_ns));
        if matches!(self.continuity, Continuity::Broken) {
            self.continuity = Continuity::BrokenUntil(sample.tick);
        }
        let alone = self.intervals.live() == 0;
        let step = self.intervals.advance(sample);
        if alone && self.summary.is_later(sample.tick) {
            self.close(u64::MAX);
            self.sink.format.idle(&mut self.out);
        }
        self.summary.add(sample, &step, alone);
        self.ticks.push(sample, &step.interval);
        while let Some(closed) = self.ticks.close_behind(sample.tick) {
            self.print(closed);
        }
        self.sink.format.sample(&mut self.out, sample);
        if self.out.len() >= ENOUGH {
            self.flush()?;
        }
        Ok(())
    }

    /// The reader has lost `total` records by now.
    fn lose(&mut self, total: u64) {
        self.summary.lost = total;
        self.summary.interrupt();
        self.intervals.lose();
        self.continuity = Continuity::Broken;
    }

    /// No record of `completed` or an earlier tick follows.
    fn close(&mut self, completed: u64) {
        while let Some(closed) = self.ticks.close_through(completed) {
            self.print(closed);
        }
    }

    fn print(&mut self, (number, line): (u64, Tick)) {
        self.lines += 1;
        self.sink.format.tick(&mut self.out, &line);
        if let Continuity::BrokenUntil(tick) = self.continuity {
            // This one began and ended after the loss: every registered process had a record in it.
            if number > tick {
                self.intervals.forget_before(number);
                self.continuity = Continuity::Whole;
            }
        }
    }

    fn begin(&mut self, first_time_ns: Option<u64>) {
        if !self.begun {
            self.begun = true;
            let preamble = self.machine.preamble(&self.header, first_time_ns);
            self.sink.format.preamble(&mut self.out, &preamble);
        }
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        self.summary.processes = self.intervals.begun();
        self.sink.output.write_all(&self.out).and_then(|()| self.sink.output.flush()).map_err(RecordError::Write)?;
        self.out.clear();
        Ok(())
    }

    fn finish(mut self, sampler: &Sampler) -> Result<Summary, RecordError> {
        self.begin(None);
        self.close(u64::MAX);
        self.summary.processes = self.intervals.begun();
        self.summary.ticks = self.lines;
        self.summary.unseen = self.intervals.unseen();
        self.summary.sampling_ns = sampler.ns;
        self.summary.sampling_records = sampler.records;
        self.sink.format.trailer(&mut self.out, &self.summary.trailer());
        self.flush()?;
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests;
