// SPDX-License-Identifier: GPL-2.0

//! Runs events and changes of mappings through the state machines, and gives each fault with all that is known of it to a
//! view.

use crate::code::{CodeId, Codes};
use crate::decode::Decoder;
use crate::fault::Fault;
use crate::mapping::space::Spaces;
use crate::symbol::Symbols;
use crate::view::View;
use crate::waited::{Intervals, Waited};
use abi::events::life::CLONE_THREAD;
use abi::events::Event;
use format::mappings::{self, Change, Mapping};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::filter::Filter;
use trace::state::State;
use trace::table::{milliseconds, Out};
use trace::task::{Comm, TaskId};

/// A fault with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The record.
    pub fault: &'a Fault,
    /// Its thread's name.
    pub comm: Comm,
    /// The process's name.
    pub process_comm: Comm,
    /// Number of the process's address space among all that were seen: PIDs are used again, and a process that executes
    /// another program has another address space.
    pub space: u64,
    /// What was mapped there.
    pub mapping: Option<&'a Arc<Mapping>>,
    /// The instruction.
    pub code: CodeId,
    /// What the thread did meanwhile; none where switches or latency were not recorded.
    pub waited: Option<Waited>,
}

/// What views may ask at the end.
pub struct Known<'a> {
    /// Threads and processes.
    pub state: &'a State,
    /// Places in the code.
    pub codes: &'a Codes,
    /// Their names.
    pub symbols: &'a mut Symbols,
}

/// A view, and what it is given.
pub struct Session<V> {
    /// Threads, processes and losses.
    pub state: State,
    /// Names.
    pub symbols: Symbols,
    /// Faults that were seen, those that the filter left out included.
    pub faults: u64,
    /// The view.
    pub view: V,
    codes: Codes,
    filter: Filter,
    decoder: Decoder,
    /// Address spaces as the kernel's own account has them; where it says nothing, what the module's mappings tell.
    spaces: Spaces,
    mapped: Spaces,
    numbers: FxHashMap<u32, u64>,
    last_number: u64,
    intervals: Intervals,
    facts: Vec<Fact>,
    ready: Vec<Fault>,
    has_switches: bool,
    has_changes: bool,
}

impl<V: View> Session<V> {
    /// A view of the faults that `filter` wants. `has_switches`: switches and wake-ups are among the events.
    pub fn new(view: V, filter: Filter, has_switches: bool, symbols: Symbols) -> Self {
        Session {
            state: State::new(),
            symbols,
            faults: 0,
            view,
            codes: Codes::default(),
            filter,
            decoder: Decoder::default(),
            spaces: Spaces::default(),
            mapped: Spaces::default(),
            numbers: FxHashMap::default(),
            last_number: 0,
            intervals: Intervals::default(),
            facts: vec![],
            ready: vec![],
            has_switches,
            has_changes: false,
        }
    }

    /// Takes the next change of an address space, before the events of the same time.
    pub fn change(&mut self, change: &Change) {
        self.has_changes = true;
        if matches!(change.what, mappings::What::Executed | mappings::What::Forked(_)) {
            self.new_space(change.pid);
        }
        self.spaces.apply(change);
    }

    /// The process has another address space from now on.
    fn new_space(&mut self, pid: u32) {
        self.numbers.remove(&pid);
        self.mapped.forget(pid);
    }

    /// Takes the next event.
    pub fn take(&mut self, timed: &Timed, out: &mut dyn Out) {
        self.facts.clear();
        self.state.apply(timed, &mut self.facts);
        self.facts.iter().for_each(|fact| self.intervals.take(fact));
        match &timed.what {
            What::Event(Event::Exec(exec)) if !self.has_changes => self.new_space(exec.tgid),
            What::Event(Event::NewTask(new)) if !self.has_changes && new.clone_flags & CLONE_THREAD == 0 => {
                self.new_space(new.tgid);
            }
            _ => {}
        }
        let (ready, mapped) = (&mut self.ready, &mut self.mapped);
        let map = |pid, mapping: &Arc<Mapping>| {
            mapped.apply(&Change { ns: timed.ns, pid, what: mappings::What::Mapped(Arc::clone(mapping)) });
        };
        self.decoder.take(timed, |fault| ready.push(fault), map);
        self.tell(out);
    }

    /// Nothing more comes: faults that are not complete are told as far as they are known.
    pub fn finish(&mut self, out: &mut dyn Out) {
        let ready = &mut self.ready;
        self.decoder.finish(|fault| ready.push(fault));
        self.tell(out);
    }

    fn tell(&mut self, out: &mut dyn Out) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.drain(..).for_each(|fault| self.fault(&fault, out));
        self.ready = ready;
    }

    /// Takes a fault.
    pub fn fault(&mut self, fault: &Fault, out: &mut dyn Out) {
        self.faults += 1;
        let task = TaskId::new(fault.tid, fault.cpu);
        if !self.filter.wants(&self.state, task) || !self.filter.wants_cpu(fault.cpu) {
            return;
        }
        let tgid = fault.tgid;
        let at = |address| self.spaces.at(tgid, address).or_else(|| self.mapped.at(tgid, address));
        let code = self.codes.intern(tgid, fault.ip, fault.ip.and_then(at));
        let space = *self.numbers.entry(tgid).or_insert_with(|| {
            self.last_number += 1;
            self.last_number
        });
        // A record's mapping is certain: it is what the kernel handled.
        let mapping = self.decoder.mapping(fault).or_else(|| at(fault.address));
        let waited = self.has_switches && fault.took.is_some();
        let seen = Seen {
            fault,
            comm: self.state.name(task),
            process_comm: self.state.process(tgid).map_or(Comm::default(), |process| process.comm),
            space,
            mapping,
            code,
            waited: waited.then(|| self.intervals.during(task, fault.from, fault.to())),
        };
        self.view.fault(&seen, &self.state, out);
    }

    /// Time has come to `ns`.
    pub fn tick(&mut self, ns: u64) {
        self.state.advance(ns);
    }

    /// The tables, and what is missing from them.
    ///
    /// # Errors
    ///
    /// As [`View::report`].
    pub fn report(&mut self, out: &mut dyn Out) -> anyhow::Result<()> {
        let mut known = Known { state: &self.state, codes: &self.codes, symbols: &mut self.symbols };
        self.view.report(&mut known, out)?;
        self.signals(out);
        out.note(&self.losses());
        Ok(())
    }

    /// Accesses that ended in a signal. Most of them are no faults, so they are in no table.
    fn signals(&self, out: &mut dyn Out) {
        let start = self.state.start.unwrap_or(0);
        for (ns, signal) in &self.decoder.signals {
            let name = match (signal.signal, signal.code) {
                (11, 1) => "SIGSEGV, nothing is mapped there".to_owned(),
                (11, 2) => "SIGSEGV, the mapping does not allow it".to_owned(),
                (7, 2) => "SIGBUS, the file has no such page".to_owned(),
                (11, code) => format!("SIGSEGV, code {code}"),
                (7, code) => format!("SIGBUS, code {code}"),
                (number, code) => format!("signal {number}, code {code}"),
            };
            let at = milliseconds(ns.saturating_sub(start));
            let task = TaskId::new(signal.tid, 0);
            let comm = self.state.name(task);
            let (tid, address, ip) = (signal.tid, signal.address, signal.ip);
            out.note(&format!("signal: {at} ms, {tid} {comm} wanted {address:#x} at {ip:#x}: {name}"));
        }
        let more = self.decoder.signal_count - self.decoder.signals.len() as u64;
        if more > 0 {
            out.note(&format!("signal: {more} more"));
        }
    }

    /// Begins a new interval.
    pub fn restart(&mut self) {
        self.view.restart(&self.state);
    }

    /// What is missing, in a line that is always there.
    fn losses(&self) -> String {
        let mut text = self.state.losses.to_string();
        if self.decoder.incomplete > 0 {
            text.push_str(&format!("; {} faults of which only a part was read", self.decoder.incomplete));
        }
        if self.decoder.missed > 0 {
            text.push_str(&format!("; {} faults that the kernel counted and that have no record", self.decoder.missed));
        }
        if self.spaces.lost > 0 {
            text.push_str(&format!("; {} changes of mappings: names of mappings may be wrong", self.spaces.lost));
        }
        text
    }
}

impl<V: View + ?Sized> View for Box<V> {
    fn fault(&mut self, seen: &Seen<'_>, state: &State, out: &mut dyn Out) {
        (**self).fault(seen, state, out);
    }

    fn report(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()> {
        (**self).report(known, out)
    }

    fn restart(&mut self, state: &State) {
        (**self).restart(state);
    }
}
