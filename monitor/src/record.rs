// SPDX-License-Identifier: GPL-2.0

//! From a source of samples into a file.

use crate::summary::Summary;
use crate::ticks::Ticks;
use abi::header::Header;
use abi::samples::{Flags, SampleRecord};
use client::intervals::Intervals;
use client::machine::Machine;
use client::poller::Wake;
use client::source::{Begin, Look, Readiness, Sampler, Source, SourceError};
use client::users::Users;
use format::columns::Counted;
use format::comments::Preamble;
use format::profile::Tick;
use format::Format;
use std::io::{self, Write};

/// Bytes gathered before they are written, when there is no pause in which to do it.
const ENOUGH: usize = 64 * 1024;

/// When to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// When the last process is gone that one of the users registered.
    #[default]
    LastProcess,
    /// When everything that was there at the beginning has been read.
    Drained,
    /// Never, unless it is stopped.
    Never,
}

/// What to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose registrations.
    pub users: Users,
    /// The first record to print.
    pub begin: Begin,
    /// When to stop.
    pub end: End,
}

/// What a recording does while there is nothing to read.
pub trait Wait {
    /// Called once, if the users have nothing registered and there is nothing to print. `others`: processes that other users
    /// have registered.
    fn nothing_yet(&mut self, _others: u64) {}

    /// Called whenever everything has been written.
    fn progress(&mut self, _summary: &Summary) {}

    /// Waits until there may be records from `position` on, as `readiness` has it. Without it, there are some: asks only whether
    /// to stop. Tick `completed` and those before it are read.
    fn wait(&mut self, position: u64, completed: u64, readiness: Option<Readiness>) -> io::Result<Wake>;
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
    /// The source cannot be read any more.
    #[error(transparent)]
    Source(#[from] SourceError),
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

/// Prints the records of `source` that are of registrations of `users`.
///
/// Lines are complete whenever something is written, and everything that was read is written before waiting. Memory
/// does not grow with time: it holds a batch and an entry for each registered process.
///
/// # Errors
///
/// [`RecordError`]. What was written until then is in complete lines, unless it is the writing that failed.
pub fn record(
    source: &mut dyn Source,
    users: Users,
    mut end: End,
    sink: Sink,
    wait: &mut dyn Wait,
) -> Result<Recorded, RecordError> {
    let mut drained_at = source.committed();
    let mut stopped = false;
    let mut said_nothing_yet = false;
    let mut recorder = Recorder::new(source, users, sink);
    let sampler_before = source.sampler();

    loop {
        let Look { records, lost, pending, completed, none_left, over } = source.look()?;
        if lost != recorder.summary.lost {
            recorder.lose(lost);
        }
        for words in records {
            recorder.take(&SampleRecord::from_words(words))?;
        }
        if !pending {
            recorder.complete(completed);
        }
        let none_left = none_left || !pending && recorder.has_none_left();
        if !pending {
            recorder.close(if none_left { u64::MAX } else { completed });
            recorder.flush()?;
            wait.progress(&recorder.summary);
        }
        let nothing_yet = recorder.summary.samples == 0;
        let over = over
            || match end {
                // Nothing left is enough, even if a ring takes back what it said it had.
                End::Drained => !pending || source.position() >= drained_at,
                End::LastProcess => none_left && !nothing_yet,
                End::Never => false,
            };
        if over {
            break;
        }
        if none_left && nothing_yet && !said_nothing_yet {
            said_nothing_yet = true;
            wait.nothing_yet(source.registered());
        }
        let position = source.position();
        let readiness = if pending { None } else { Some(source.readiness().map_err(RecordError::Wait)?) };
        if wait.wait(position, completed, readiness).map_err(RecordError::Wait)? == Wake::Stop && !stopped {
            // What is there by now belongs to it.
            stopped = true;
            end = End::Drained;
            source.end();
            drained_at = source.committed();
        }
    }
    let summary = recorder.finish(&source.sampler().since(&sampler_before))?;
    Ok(Recorded { summary, stopped })
}

/// Whether what is known to be registered is.
#[derive(Clone, Copy)]
enum Continuity {
    Whole,
    /// Records were lost, or were there before the first one.
    Broken,
    /// The first record after that was of this tick, which may have begun before.
    Since(u64),
    /// This tick began after that: when it is complete, all that is registered has had a record in it.
    MendedBy(u64),
}

/// Records on their way into the file.
struct Recorder<'a> {
    sink: Sink<'a>,
    out: Vec<u8>,
    header: Header,
    machine: Machine,
    counted: Counted,
    users: Users,
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
    fn new(source: &dyn Source, users: Users, sink: Sink<'a>) -> Self {
        let header = source.header();
        Recorder {
            sink,
            out: Vec::with_capacity(2 * ENOUGH),
            header: *header,
            machine: source.machine().clone(),
            counted: source.counted(),
            users,
            begun: false,
            intervals: Intervals::default(),
            ticks: Ticks::default(),
            lines: 0,
            summary: Summary::new(header.rate_hz),
            continuity: if source.is_whole() { Continuity::Whole } else { Continuity::Broken },
        }
    }

    fn take(&mut self, sample: &SampleRecord) -> Result<(), RecordError> {
        // Registrations and their ends have the number of a tick that is to come, and may not.
        let is_of_tick = sample.flags.0 & (Flags::FIRST | Flags::FINAL).0 == 0;
        match self.continuity {
            Continuity::Broken => self.continuity = Continuity::Since(sample.tick),
            Continuity::Since(tick) if is_of_tick && sample.tick > tick => {
                self.continuity = Continuity::MendedBy(sample.tick);
            }
            _ => {}
        }
        // No record follows of a tick before the previous one.
        self.complete(sample.tick.saturating_sub(2));
        if !self.users.include(sample) {
            self.intervals.pass(sample);
            return Ok(());
        }
        self.begin(Some(sample.time_ns));
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
        self.sink.format.sample(&mut self.out, sample, self.counted);
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

    /// All records of `completed` and of earlier ticks have been read.
    fn complete(&mut self, completed: u64) {
        if let Continuity::MendedBy(tick) = self.continuity {
            if completed >= tick {
                self.intervals.forget_before(tick);
                self.continuity = Continuity::Whole;
            }
        }
    }

    /// Whether the users have nothing registered, by what has been read.
    fn has_none_left(&self) -> bool {
        matches!(self.continuity, Continuity::Whole) && self.intervals.live() == 0
    }

    /// Prints the lines up to that of tick `completed`: no record of one of these follows.
    fn close(&mut self, completed: u64) {
        while let Some(closed) = self.ticks.close_through(completed) {
            self.print(closed);
        }
    }

    fn print(&mut self, (_, line): (u64, Tick)) {
        self.lines += 1;
        self.sink.format.tick(&mut self.out, &line);
    }

    fn begin(&mut self, first_time_ns: Option<u64>) {
        if !self.begun {
            self.begun = true;
            let preamble = self.machine.preamble(&self.header, first_time_ns);
            let preamble = Preamble { users: Some(self.users.to_string()), ..preamble };
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
