// SPDX-License-Identifier: GPL-2.0

//! The flight recorder: keeps the last seconds, and writes them down when something happens.

use crate::view::watch::ending;
use abi::events::Event;
use std::collections::VecDeque;
use std::str::FromStr;
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::table::milliseconds;
use trace::time::{ns, parse_milliseconds};

/// What the recorder waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A thread waited for a CPU for longer than this, ns.
    Latency(u64),
    /// A process ended with an exit status other than 0.
    Exit,
    /// A signal ended a process.
    Signal,
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "exit" => return Ok(When::Exit),
            "signal" => return Ok(When::Signal),
            _ => {}
        }
        match text.split_once('>') {
            Some((what, time)) if what.trim() == "latency" => Ok(When::Latency(ns(parse_milliseconds(time.trim())?))),
            _ => Err("one of: 'latency > TIME', 'exit', 'signal'".into()),
        }
    }
}

impl When {
    /// What happened, in words, if this event is it.
    pub fn happened(&self, timed: &Timed, facts: &[Fact]) -> Option<String> {
        match (self, &timed.what) {
            (When::Latency(over), _) => facts.iter().find_map(|fact| match fact {
                Fact::Wait(wait) if wait.length() > *over => {
                    Some(format!("thread {} waited for {} ms", wait.task.pid(), milliseconds(wait.length())))
                }
                _ => None,
            }),
            (When::Exit | When::Signal, What::Event(Event::Exit(exit))) if exit.group_dead => {
                let code = if exit.group_code != 0 { exit.group_code } else { exit.code };
                let by_signal = code & 0x7f != 0;
                let wanted = match self {
                    When::Signal => by_signal,
                    _ => !by_signal && code != 0,
                };
                wanted.then(|| format!("process {} {}", exit.tgid, ending(code)))
            }
            _ => None,
        }
    }
}

/// Chunks of the last seconds.
#[derive(Debug, Default)]
pub struct Flight {
    chunks: VecDeque<(u64, Vec<u8>)>,
    before_ns: u64,
}

impl Flight {
    /// Keeps what is younger than `before_ns`.
    pub fn new(before_ns: u64) -> Self {
        Flight { chunks: VecDeque::new(), before_ns }
    }

    /// Keeps a chunk whose last event was at `last_ns`, and drops those that are too old by then.
    pub fn keep(&mut self, last_ns: u64, chunk: Vec<u8>) {
        self.chunks.push_back((last_ns, chunk));
        while self.chunks.front().is_some_and(|(at, _)| at.saturating_add(self.before_ns) < last_ns) {
            self.chunks.pop_front();
        }
    }

    /// The chunks that are kept, oldest first.
    pub fn take(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.chunks.drain(..).map(|(_, chunk)| chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::events::{Context, State as TaskState};
    use trace::model::{Leave, Model};
    use trace::state::State;

    fn first(model: &Model, when: &str) -> Option<(u64, String)> {
        let when: When = when.parse().unwrap();
        let mut state = State::new();
        model.events.iter().find_map(|timed| {
            let mut facts = vec![];
            state.apply(timed, &mut facts);
            when.happened(timed, &facts).map(|what| (timed.ns, what))
        })
    }

    #[test]
    fn conditions_are_seen_when_they_come_true() {
        const SLEEP: Leave = Leave::Sleep(TaskState::Sleeping);
        let mut model = Model::new(1, 0);
        model.existing(1, 1, "a").existing(2, 2, "b").snapshot();
        model.wake(0, Context::HardIrq, 1).pass(5_000_000).switch(0, SLEEP, 1).spawn(0, 9, 9).pass(1_000_000);
        model.wake(0, Context::Task, 2).pass(30_000_000).switch(0, SLEEP, 2).switch(0, SLEEP, 9).exit(0, 2 << 8);
        model.switch(0, Leave::Dead, 0).wake(0, Context::HardIrq, 2).switch(0, SLEEP, 2).pass(7).exit(0, 11);
        assert_eq!(first(&model, "latency > 20ms"), Some((36_000_000, "thread 2 waited for 30.000 ms".into())));
        assert_eq!(
            first(&model, "latency>31ms"),
            Some((36_000_000, "thread 9 waited for 31.000 ms".into())).filter(|_| false)
        );
        assert_eq!(first(&model, "exit").unwrap().1, "process 9 exited with status 2");
        assert_eq!(first(&model, "signal").unwrap().1, "process 2 was ended by signal 11");
    }

    #[test]
    fn other_conditions_are_refused() {
        for text in ["", "latency", "latency < 5ms", "latency > x", "exits"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn old_chunks_are_dropped() {
        let mut flight = Flight::new(10);
        for at in 0..30 {
            flight.keep(at, vec![at as u8]);
        }
        let kept: Vec<u8> = flight.take().flatten().collect();
        assert_eq!(kept, (19..30).collect::<Vec<u8>>());
    }
}
