// SPDX-License-Identifier: GPL-2.0

//! Faults as they happen: the module's events, with the changes of mappings among them where they belong in time.

use crate::cli::{How, Who};
use crate::gate::Gate;
use crate::mapping::watch::{self, Watch};
use abi::events::{Event, Kinds};
use anyhow::{bail, Context};
use client::device::Device;
use client::trace::{TraceError, TraceOptions};
use format::mappings::{Change, What as ChangeWhat};
use rustc_hash::FxHashSet;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;
use trace::command::is_initial_pid_namespace;
use trace::event::{Timed, What};
use trace::live::{now, Live, LiveError, Pace, Totals};

/// The next thing that happened.
#[derive(Debug)]
pub enum Item<'a> {
    /// An event of the module.
    Event(&'a Timed),
    /// A change of an address space.
    Change(&'a Change),
}

/// The kinds that are recorded.
pub fn kinds(how: &How) -> Kinds {
    let faults = if how.no_latency { Kinds::FAULT_ENTRIES } else { Kinds::FAULTS };
    if how.no_switches || how.no_latency {
        faults
    } else {
        faults.union(Kinds::SCHEDULER)
    }
}

/// What to ask of the module, and COMMAND, which waits.
///
/// # Errors
///
/// Nothing was said of whose faults; COMMAND cannot be started.
pub fn options(who: &Who, how: &How) -> anyhow::Result<(TraceOptions, Option<Gate>)> {
    let mut options = TraceOptions {
        kinds: kinds(how),
        pids: who.pid.clone(),
        name: who.name.clone(),
        follow: who.follow,
        ring_records: how.ring,
        ..TraceOptions::default()
    };
    if who.command.is_empty() {
        if options.pids.is_empty() && options.name.is_none() {
            bail!("whose faults? Give --pid PID, --name NAME, or a COMMAND behind --");
        }
        return Ok((options, None));
    }
    let gate = Gate::start(&who.command)?;
    options.pids = vec![gate.pid()];
    options.follow = true;
    Ok((options, Some(gate)))
}

/// Live events.
pub struct Feed<'a> {
    live: Live<'a>,
    watch: Option<Watch>,
    changes: VecDeque<Change>,
    events: Vec<Timed>,
    known: FxHashSet<u32>,
}

impl<'a> Feed<'a> {
    /// Begins.
    ///
    /// # Errors
    ///
    /// In words for the user: no module, no rights, a module without faults.
    pub fn start(device: &'a Device, path: &Path, options: &TraceOptions, pace: Pace) -> anyhow::Result<Self> {
        let live = Live::start(device, path, options, pace).map_err(explained)?;
        // Before what is mapped is read: what comes between is told twice then, and not never.
        let watch = match Watch::start(live.cpus()) {
            Ok(watch) if is_initial_pid_namespace() => Some(watch),
            Ok(_) => {
                eprintln!("faults: in a PID namespace of its own: code is named only where its process still lives");
                None
            }
            Err(error) => {
                eprintln!(
                    "faults: the kernel does not tell of mappings ({error}): code of processes that end early has no names"
                );
                None
            }
        };
        let changes: VecDeque<Change> = watch::existing(now()).collect();
        let known = changes.iter().map(|change| change.pid).collect();
        Ok(Feed { live, watch, changes, events: vec![], known })
    }

    /// The trace.
    pub fn live(&self) -> &Live<'a> {
        &self.live
    }

    /// Waits for events, at most `timeout`, and gives all that happened to `take`, in the order of time. Returns until when
    /// nothing more comes, ns.
    ///
    /// # Errors
    ///
    /// As [`Live::next`].
    pub fn next(&mut self, timeout: Duration, take: impl FnMut(Item<'_>)) -> anyhow::Result<u64> {
        let events = &mut self.events;
        let until = self.live.next(timeout, |timed| events.push(timed.clone()))?;
        self.release(until, take);
        Ok(until)
    }

    /// Ends the trace and gives what is left to `take`.
    ///
    /// # Errors
    ///
    /// As [`Live::finish`].
    pub fn finish(mut self, mut take: impl FnMut(Item<'_>)) -> anyhow::Result<Totals> {
        let mut events = std::mem::take(&mut self.events);
        let mut release = |events: Vec<Timed>, changes: &mut VecDeque<Change>| {
            merge(&events, changes, u64::MAX, &mut take);
        };
        if let Some(watch) = &mut self.watch {
            read(watch, &mut self.changes);
        }
        let totals = self.live.finish(|timed| events.push(timed.clone()))?;
        release(events, &mut self.changes);
        Ok(totals)
    }

    fn release(&mut self, until: u64, mut take: impl FnMut(Item<'_>)) {
        if let Some(watch) = &mut self.watch {
            read(watch, &mut self.changes);
        }
        for change in &self.changes {
            self.known.insert(change.pid);
        }
        for timed in &self.events {
            // A process of which nothing was told: while it lives, it can be looked at.
            let What::Event(Event::Fault(fault) | Event::FaultEntry(fault)) = &timed.what else { continue };
            if self.known.insert(fault.tgid) {
                if let Ok(mappings) = crate::mapping::proc::of(fault.tgid) {
                    let what = ChangeWhat::Listed(mappings);
                    self.changes.push_front(Change { ns: timed.ns, pid: fault.tgid, what });
                }
            }
        }
        let events = std::mem::take(&mut self.events);
        merge(&events, &mut self.changes, until, &mut take);
        self.events = events;
        self.events.clear();
    }
}

/// Appends what the kernel told, in the order of time.
fn read(watch: &mut Watch, changes: &mut VecDeque<Change>) {
    let mut new = vec![];
    watch.read(&mut new);
    changes.extend(new);
    changes.make_contiguous().sort_by_key(|change| change.ns);
}

/// Gives events, and changes up to `until`, in the order of time; a change before an event of the same time.
fn merge(events: &[Timed], changes: &mut VecDeque<Change>, until: u64, take: &mut impl FnMut(Item<'_>)) {
    for timed in events {
        while let Some(change) = due(changes, timed.ns) {
            take(Item::Change(&change));
        }
        take(Item::Event(timed));
    }
    while let Some(change) = due(changes, until) {
        take(Item::Change(&change));
    }
}

/// The first of `changes`, if it is not after `until`.
fn due(changes: &mut VecDeque<Change>, until: u64) -> Option<Change> {
    if changes.front().is_some_and(|change| change.ns <= until) {
        changes.pop_front()
    } else {
        None
    }
}

/// Errors that mean something else where faults are asked for.
fn explained(error: LiveError) -> anyhow::Error {
    match error {
        LiveError::Trace(TraceError::Other(nix::errno::Errno::EINVAL)) => {
            anyhow::anyhow!("this mp3.ko does not record page faults: take module and programs from the same release")
        }
        LiveError::Trace(TraceError::Kernel) => anyhow::anyhow!(
            "this kernel lacks what recording page faults needs (fprobe on handle_mm_fault); the kernel log says what (dmesg)"
        ),
        error => error.into(),
    }
}

/// Opens the device.
///
/// # Errors
///
/// There is none, or it may not be opened: in words for the user.
pub fn open(path: &Path) -> anyhow::Result<Device> {
    Device::open(path).context("faults are recorded by the mp3 module")
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::events::Switch;

    #[test]
    fn a_change_comes_before_the_events_of_its_time_and_none_is_early() {
        let event = |ns| Timed { ns, cpu: 0, what: What::Event(Event::Switch(Switch::default())) };
        let change = |ns| Change { ns, pid: 1, what: ChangeWhat::Executed };
        let mut changes: VecDeque<Change> = [5, 10, 17, 30].map(change).into();
        let mut order = vec![];
        let mut take = |item: Item<'_>| match item {
            Item::Event(timed) => order.push((timed.ns, "event")),
            Item::Change(change) => order.push((change.ns, "change")),
        };
        merge(&[event(10), event(12)], &mut changes, 20, &mut take);
        assert_eq!(order, [(5, "change"), (10, "change"), (10, "event"), (12, "event"), (17, "change")]);
        assert_eq!(changes.len(), 1);
    }
}
