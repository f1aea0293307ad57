// SPDX-License-Identifier: GPL-2.0

//! A recording, as the same stream of events and changes that a live trace gives.

use crate::feed::Item;
use abi::events::{Kind, Kinds};
use anyhow::{bail, Context};
use format::mappings::{read, read_names, Change, TAG_MAPPINGS, TAG_NAMES};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use trace::event::Timed;
use trace::recording::{Header, Reader};
use trace::state::State;

/// A recording under way.
pub struct Recording {
    reader: Reader<BufReader<File>>,
    path: PathBuf,
}

/// A chunk.
#[derive(Debug)]
pub struct Part {
    /// What was known when it began.
    pub checkpoint: State,
    /// What JITs wrote, by process.
    pub names: Vec<(u32, Vec<u8>)>,
    events: Vec<Timed>,
    changes: Vec<Change>,
}

impl Part {
    /// Gives all of it to `take`, in the order of time; a change before an event of the same time.
    pub fn each(&self, mut take: impl FnMut(Item<'_>)) {
        let mut changes = self.changes.iter().peekable();
        for timed in &self.events {
            while let Some(change) = changes.next_if(|change| change.ns <= timed.ns) {
                take(Item::Change(change));
            }
            take(Item::Event(timed));
        }
        changes.for_each(|change| take(Item::Change(change)));
    }
}

impl Recording {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no recording, or has no faults in it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let reader = trace::recording::open(path)?;
        let kinds = Kinds(reader.header().kinds);
        if !kinds.contains(Kind::Fault) && !kinds.contains(Kind::FaultEntry) {
            bail!(
                "{}: page faults were not recorded: it is a recording of sched. Record them with: faults record -o FILE",
                path.display()
            );
        }
        Ok(Recording { reader, path: path.to_owned() })
    }

    /// What it says about itself.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Whether switches and wake-ups are in it.
    pub fn has_switches(&self) -> bool {
        let kinds = Kinds(self.header().kinds);
        kinds.contains(Kind::Switch) && kinds.contains(Kind::Waking)
    }

    /// The next chunk; none after the last that can be read.
    ///
    /// # Errors
    ///
    /// The file cannot be read any further.
    pub fn next_part(&mut self) -> anyhow::Result<Option<Part>> {
        let failed = || self.path.display().to_string();
        let Some(chunk) = self.reader.next_chunk().with_context(failed)? else { return Ok(None) };
        let mut part = Part { checkpoint: chunk.checkpoint, names: vec![], events: chunk.events, changes: vec![] };
        for (tag, section) in &chunk.others {
            match *tag {
                TAG_MAPPINGS => part.changes.extend(read(section).with_context(failed)?),
                TAG_NAMES => {
                    let names = read_names(section).with_context(failed)?;
                    part.names.extend(names.into_iter().map(|(pid, text)| (pid, text.to_vec())));
                }
                _ => {}
            }
        }
        Ok(Some(part))
    }

    /// How it ended, where that is worth a word.
    pub fn ending(&self) -> Option<String> {
        self.reader.ending()
    }
}
