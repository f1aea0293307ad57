// SPDX-License-Identifier: GPL-2.0

//! From a source of samples into a recording: records are kept as they are.

use crate::record::{End, RecordError, Wait};
use abi::samples::{Flags, SAMPLE_WORDS};
use client::poller::Wake;
use client::source::{Look, Source};
use client::users::Users;
use format::recording::{Header, State, Writer};
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

/// What a recording came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Records.
    pub samples: u64,
    /// Ticks with a record.
    pub ticks: u64,
    /// Records that were overwritten before they could be read.
    pub lost: u64,
    /// Time from the first to the last record, ns.
    pub duration_ns: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl fmt::Display for Kept {
    /// Lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kept { samples, ticks, lost, duration_ns, bytes } = self;
        let each = *bytes as f64 / (*samples).max(1) as f64;
        writeln!(f, "samples       {samples} in {ticks} ticks, {:.3} s", *duration_ns as f64 / 1e9)?;
        writeln!(f, "file          {:.1} KiB, {each:.1} bytes a sample", *bytes as f64 / 1024.0)?;
        writeln!(f, "lost: {lost}")
    }
}

/// Words of a record.
const WORD_TIME: usize = 1;
const WORD_TICK: usize = 2;
const WORD_FLAGS: usize = 4;
const WORD_USER: usize = 5;
const WORD_REGISTRATION: usize = 8;

/// Whether the record is of a registration of `users`.
fn is_of(users: &Users, words: &[u64; SAMPLE_WORDS]) -> bool {
    users.include_user((words[WORD_USER] >> 32) as u32)
}

/// Which registrations go on, by their first and last records; before the second tick, by any record.
#[derive(Debug, Default)]
struct Live {
    registrations: BTreeSet<u64>,
    first_tick: Option<u64>,
    seen: bool,
}

impl Live {
    fn take(&mut self, words: &[u64; SAMPLE_WORDS]) {
        let tick = words[WORD_TICK];
        let first = *self.first_tick.get_or_insert(tick);
        let flags = Flags((words[WORD_FLAGS] >> 32) as u32);
        let is_end = flags.contains(Flags::FINAL);
        if tick > first.saturating_add(1) && !is_end && !flags.contains(Flags::FIRST) {
            return;
        }
        self.seen = true;
        if is_end {
            self.registrations.remove(&words[WORD_REGISTRATION]);
        } else {
            self.registrations.insert(words[WORD_REGISTRATION]);
        }
    }
}

/// Keeps the records of `source` that are of registrations of `users`, until their end, that of the source, or until it is
/// stopped.
///
/// # Errors
///
/// [`RecordError`]. What was written until then can be read.
pub fn keep(
    source: &mut dyn Source,
    users: Users,
    mut end: End,
    header: &Header,
    output: &mut dyn Write,
    wait: &mut dyn Wait,
) -> Result<Kept, RecordError> {
    let mut writer = Writer::new(output, header).map_err(RecordError::Write)?;
    let mut live = Live::default();
    let mut kept = Kept::default();
    let (mut first_ns, mut last_tick) = (None, None);
    let mut drained_at = source.committed();
    let (mut stopped, mut said_nothing_yet) = (false, false);
    let sampler_before = source.sampler();
    loop {
        let Look { records, lost, pending, completed, none_left, over } = source.look()?;
        if lost != kept.lost {
            writer.lose(lost - kept.lost.min(lost));
            kept.lost = lost;
        }
        for words in records.iter().filter(|words| is_of(&users, words)) {
            kept.samples += 1;
            writer.push(words);
            live.take(words);
            if last_tick.is_none_or(|last| words[WORD_TICK] > last) {
                last_tick = Some(words[WORD_TICK]);
                kept.ticks += 1;
            }
            let first = *first_ns.get_or_insert(words[WORD_TIME]);
            kept.duration_ns = kept.duration_ns.max(words[WORD_TIME].saturating_sub(first));
        }
        let none_left = none_left || !pending && live.seen && live.registrations.is_empty();
        let sampler = source.sampler().since(&sampler_before);
        writer.know(State { completed, sampling_ns: sampler.ns, sampling_records: sampler.records });
        if none_left {
            // Nothing may come for a long time.
            writer.write_all().map_err(RecordError::Write)?;
        } else {
            writer.write_due().map_err(RecordError::Write)?;
        }
        let is_over = over
            || match end {
                End::Drained => !pending || source.position() >= drained_at,
                End::LastProcess => none_left && live.seen,
                End::Never => false,
            };
        if is_over {
            break;
        }
        if none_left && !live.seen && !said_nothing_yet {
            said_nothing_yet = true;
            wait.nothing_yet(source.registered());
        }
        let position = source.position();
        let readiness = if pending { None } else { Some(source.readiness().map_err(RecordError::Wait)?) };
        if wait.wait(position, completed, readiness).map_err(RecordError::Wait)? == Wake::Stop && !stopped {
            stopped = true;
            end = End::Drained;
            source.end();
            drained_at = source.committed();
        }
    }
    kept.bytes = writer.finish().map_err(RecordError::Write)?;
    Ok(kept)
}
