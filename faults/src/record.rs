// SPDX-License-Identifier: GPL-2.0

//! `faults record`: everything into a file, in the format that sched has, with sections of mappings and of JITs' names.

use crate::cli::Record;
use crate::feed::{self, Feed, Item};
use crate::jit;
use abi::events::Event;
use anyhow::Context;
use client::signals::Signals;
use format::mappings::{put_names, Section, TAG_MAPPINGS, TAG_NAMES};
use nix::sys::signal::Signal;
use rustc_hash::FxHashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use trace::event::What;
use trace::live::Pace;
use trace::losses::Losses;
use trace::recording::{Chunker, Header};

/// How long events are waited for before signals and the time are looked at.
pub const LOOK: Duration = Duration::from_millis(50);

/// A chunk ends with so many bytes, or after so much time.
const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_NS: u64 = 5_000_000_000;

/// What goes into a chunk.
struct Chunks {
    chunker: Chunker,
    mappings: Section,
    faults: u64,
    /// Processes that had faults: their JITs may have named code.
    processes: FxHashSet<u32>,
}

impl Chunks {
    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Event(timed) => {
                if let What::Event(Event::Fault(fault) | Event::FaultEntry(fault)) = &timed.what {
                    self.faults += 1;
                    self.processes.insert(fault.tgid);
                }
                self.chunker.push(timed);
            }
            Item::Change(change) => self.mappings.push(change),
        }
    }

    fn finish(&mut self, is_last: bool) -> std::io::Result<Vec<u8>> {
        self.chunker.push_section(TAG_MAPPINGS, &self.mappings.take());
        if is_last {
            let mut names = vec![];
            for pid in &self.processes {
                if let Ok(text) = jit::read(*pid) {
                    put_names(&mut names, *pid, &text);
                }
            }
            self.chunker.push_section(TAG_NAMES, &names);
        }
        self.chunker.finish(is_last)
    }
}

/// Records.
///
/// # Errors
///
/// In words for the user.
pub fn run(path: &Path, args: &Record) -> anyhow::Result<ExitCode> {
    let failed = || args.output.display().to_string();
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    let device = feed::open(path)?;
    let (options, mut command) = feed::options(&args.who, &args.how)?;
    // An older recording of this name stays where nothing can be traced; COMMAND has not run where there can be no file.
    let mut feed = Feed::start(&device, path, &options, Pace::Prompt)?;
    let mut file = BufWriter::new(File::create(&args.output).with_context(failed)?);
    Header::here(feed.live().started(), &options).write(&mut file).with_context(failed)?;
    let mut chunks =
        Chunks { chunker: Chunker::new()?, mappings: Section::default(), faults: 0, processes: FxHashSet::default() };
    match &mut command {
        Some(gate) => gate.open()?,
        None if args.duration.is_none() => eprintln!("faults: recording; SIGINT (Ctrl-C) ends it"),
        None => {}
    }
    let end = args.duration.map(|duration| Instant::now() + duration);
    let (mut bytes, mut status) = (0, None);
    loop {
        let until = feed.next(LOOK, |item| chunks.take(item))?;
        let age = chunks.chunker.first_ns().map_or(0, |first| until.saturating_sub(first));
        if chunks.chunker.bytes() >= CHUNK_BYTES || age >= CHUNK_NS {
            let chunk = chunks.finish(false)?;
            file.write_all(&chunk).and_then(|()| file.flush()).with_context(failed)?;
            bytes += chunk.len();
        }
        if let Some(gate) = &mut command {
            status = gate.ended()?;
        }
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || status.is_some() || signals.arrived().is_some() {
            break;
        }
    }
    let totals = feed.finish(|item| chunks.take(item))?;
    let lost = Losses { late: totals.late, unknown: totals.unknown, ..chunks.chunker.losses() };
    let chunk = chunks.finish(true)?;
    file.write_all(&chunk).and_then(|()| file.flush()).with_context(failed)?;
    bytes += chunk.len();
    eprintln!("faults: {}: {} attempts at faults, {bytes} bytes; {lost}", args.output.display(), chunks.faults);
    Ok(status.map_or(ExitCode::SUCCESS, trace::command::code))
}
