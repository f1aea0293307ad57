// SPDX-License-Identifier: GPL-2.0

//! What looks at events one after the other, from a live ring or from a recording: it cannot tell which.

use crate::event::Timed;
use crate::fact::Fact;
use crate::state::State;
use crate::table::Out;

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
        out.note(&self.state.losses.to_string());
    }

    /// Begins a new interval.
    pub fn restart(&mut self) {
        self.view.restart(&self.state);
    }
}
