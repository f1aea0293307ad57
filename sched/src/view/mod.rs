// SPDX-License-Identifier: GPL-2.0

//! What people ask of the scheduler's events: a view each.
//!
//! A view takes events one after the other, from a live ring or from a recording: it cannot tell which.

pub mod affinity;
pub mod blocked;
pub mod events;
pub mod inversions;
pub mod latency;
pub mod switches;
pub mod top;
pub mod watch;

use crate::event::Timed;
use crate::fact::Fact;
use crate::state::State;
use crate::table::Out;
use crate::task::TaskId;
use crate::thread::Thread;

/// A view of the events.
pub trait View {
    /// The next event, and what follows from it. `state` has taken it already.
    fn event(&mut self, timed: &Timed, facts: &[Fact], state: &State, out: &mut dyn Out);

    /// Time has come to `state.now`, with or without an event: for what is told while it lasts.
    fn tick(&mut self, _state: &State, _out: &mut dyn Out) {}

    /// The tables, of the time since the beginning or the last [`View::restart`].
    fn report(&mut self, state: &State, out: &mut dyn Out);

    /// Begins a new interval.
    fn restart(&mut self, _state: &State) {}
}

/// Which threads and CPUs a view is about.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Processes and threads with these PIDs; all if there are none.
    pub pids: Vec<u32>,
    /// Processes and threads with one of these in their names; all if there are none.
    pub names: Vec<String>,
    /// These CPUs; all if there are none.
    pub cpus: Vec<u32>,
    /// Also the processes that were started by those with one of the PIDs, theirs, and so on.
    pub follow: bool,
}

/// Generations that are looked up for an ancestor.
const ANCESTORS: usize = 64;

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty() && self.names.is_empty() && self.cpus.is_empty()
    }

    /// Whether the view is about this thread.
    pub fn wants(&self, state: &State, id: TaskId) -> bool {
        if self.pids.is_empty() && self.names.is_empty() {
            return true;
        }
        if id.is_idle() {
            return false;
        }
        match state.thread(id) {
            Some(thread) => self.wants_thread(state, thread),
            None => self.pids.contains(&id.pid()),
        }
    }

    fn wants_thread(&self, state: &State, thread: &Thread) -> bool {
        let (pid, group) = (thread.id.pid(), thread.group());
        if self.pids.contains(&pid) || self.pids.contains(&group) {
            return true;
        }
        let named = |comm: crate::task::Comm| self.names.iter().any(|name| comm.contains(name.as_bytes()));
        if named(thread.comm) || state.process(group).is_some_and(|process| named(process.comm)) {
            return true;
        }
        self.follow && ancestors(state, group).any(|tgid| self.pids.contains(&tgid))
    }

    /// Whether the view is about this CPU.
    pub fn wants_cpu(&self, cpu: u32) -> bool {
        self.cpus.is_empty() || self.cpus.contains(&cpu)
    }
}

/// The process that started this one, the one that started that, and so on, as far as known.
pub fn ancestors(state: &State, tgid: u32) -> impl Iterator<Item = u32> + '_ {
    std::iter::successors(Some(tgid), |tgid| state.process(*tgid).map(|process| process.parent))
        .skip(1)
        .take_while(|tgid| *tgid != 0)
        .take(ANCESTORS)
}

/// Runs events through the state machine and a view.
pub struct Session<'a> {
    /// What is known so far.
    pub state: State,
    /// Who looks at it.
    pub view: Box<dyn View + 'a>,
    facts: Vec<Fact>,
}

impl<'a> Session<'a> {
    /// A view of nothing yet.
    pub fn new(view: Box<dyn View + 'a>) -> Self {
        Session { state: State::new(), view, facts: vec![] }
    }

    /// Takes the next event.
    pub fn take(&mut self, timed: &Timed, out: &mut dyn Out) {
        self.facts.clear();
        self.state.apply(timed, &mut self.facts);
        self.view.event(timed, &self.facts, &self.state, out);
    }

    /// Time has come to `ns`.
    pub fn tick(&mut self, ns: u64, out: &mut dyn Out) {
        self.state.advance(ns);
        self.view.tick(&self.state, out);
    }

    /// The tables, and what is missing from them.
    pub fn report(&mut self, out: &mut dyn Out) {
        self.view.report(&self.state, out);
        out.note(&losses(&self.state));
    }

    /// Begins a new interval.
    pub fn restart(&mut self) {
        self.view.restart(&self.state);
    }
}

/// What is missing, in a line that is always there.
pub fn losses(state: &State) -> String {
    let losses = &state.losses;
    let mut text = format!("lost: {} records", losses.records);
    if losses.gaps > 0 {
        text.push_str(&format!(" in {} gaps: intervals across a gap are left out, totals are not", losses.gaps));
    }
    for (count, what) in [
        (losses.late, "records came late"),
        (losses.unknown, "records of a kind that this version does not know"),
        (losses.unprinted, "lines not printed: the reader was slower than the machine"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    text
}
