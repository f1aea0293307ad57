// SPDX-License-Identifier: GPL-2.0

//! How long threads waited for a CPU and page faults took, from the tracer's events.

use crate::buckets::Buckets;
use crate::exposition::Shared;
use abi::events::fault::join::{Attempt, Join, Outcome, Whole};
use abi::events::{Event, Fault, Kinds};
use client::device::Device;
use client::trace::{TraceError, TraceOptions};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::live::{Live, LiveError, Pace};
use trace::state::State;
use trace::thread::Cause;

/// How long the thread that reads events waits for some.
const WAIT: Duration = Duration::from_millis(500);

/// Histograms, and what is missing from them.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From becoming runnable to running, by why the thread waited.
    pub scheduling: BTreeMap<Cause, Buckets>,
    /// From the beginning of a fault to its end, by how it ended.
    pub faults: BTreeMap<&'static str, Buckets>,
    /// Events that were overwritten before they were read.
    pub lost: u64,
    /// Events that came later than they could be put in order.
    pub late: u64,
}

/// Takes events and fills histograms.
#[derive(Debug, Default)]
pub struct Measure {
    state: State,
    facts: Vec<Fact>,
    faults: Faults,
    latencies: Latencies,
}

impl Measure {
    /// Takes the next event.
    pub fn take(&mut self, timed: &Timed) {
        self.facts.clear();
        self.state.apply(timed, &mut self.facts);
        for fact in &self.facts {
            if let Fact::Wait(wait) = fact {
                self.latencies.scheduling.entry(wait.cause).or_default().add(wait.length());
            }
        }
        let histograms = &mut self.latencies.faults;
        self.faults.take(timed, |whole| histograms.entry(outcome(whole.outcome)).or_default().add(whole.latency_ns()));
        self.latencies.lost = self.state.losses.records;
    }

    /// The histograms so far.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Minor => "minor",
        Outcome::Major => "major",
        Outcome::Failed => "failed",
        Outcome::Abandoned => "abandoned",
    }
}

/// Puts the records of faults together.
#[derive(Debug, Default)]
struct Faults {
    /// The first record of an attempt, by CPU: its second one comes next.
    begun: FxHashMap<u32, Fault>,
    threads: FxHashMap<u32, Join>,
}

impl Faults {
    fn take(&mut self, timed: &Timed, mut emit: impl FnMut(Whole)) {
        match &timed.what {
            What::Event(Event::Fault(fault)) => {
                self.begun.insert(timed.cpu, *fault);
            }
            What::Event(Event::FaultPlace(place)) => {
                let Some(fault) = self.begun.remove(&timed.cpu) else { return };
                let join = self.threads.entry(fault.tid).or_default();
                join.push(Attempt { end_ns: timed.ns, fault, place: *place }).into_iter().flatten().for_each(emit);
            }
            // What is missing may be the end of what has begun.
            What::Lost(_) => {
                self.begun.remove(&timed.cpu);
            }
            What::Event(Event::FaultTotals(totals)) => {
                self.threads.remove(&totals.tid).and_then(|mut join| join.finish()).into_iter().for_each(&mut emit);
            }
            What::Event(Event::Exit(exit)) => {
                self.threads.remove(&exit.tid).and_then(|mut join| join.finish()).into_iter().for_each(&mut emit);
            }
            _ => {}
        }
    }
}

/// Begins to trace in a thread of its own, which lives as long as the program and puts histograms into `shared`.
///
/// # Errors
///
/// Why there are none.
pub fn start(path: &Path, shared: Shared) -> Result<(), LiveError> {
    // The trace lives as long as the program.
    let device: &'static Device = Box::leak(Box::new(Device::open(path)?));
    let options = TraceOptions { kinds: Kinds::SCHEDULER.union(Kinds::FAULTS), ..TraceOptions::default() };
    let live = match Live::start(device, path, &options, Pace::Relaxed) {
        // A kernel or a module without records of faults has the scheduler's still.
        Err(LiveError::Trace(TraceError::Kernel | TraceError::Other(_))) => {
            Live::start(device, path, &TraceOptions { kinds: Kinds::SCHEDULER, ..options }, Pace::Relaxed)?
        }
        other => other?,
    };
    shared.lock().latencies = Some(Latencies::default());
    let thread = std::thread::Builder::new().name("latency".into());
    thread.spawn(move || run(live, &shared)).map_err(|error| LiveError::Copier(error.to_string()))?;
    Ok(())
}

fn run(mut live: Live<'static>, shared: &Shared) {
    let mut measure = Measure::default();
    loop {
        let done = live.next(WAIT, |timed| measure.take(timed));
        let mut latencies = measure.latencies().clone();
        latencies.late = live.late();
        match done {
            Ok(_) => shared.lock().latencies = Some(latencies),
            Err(error) => {
                client::output::say(format_args!("exporter: events cannot be read any more: {error}"));
                shared.lock().latencies = None;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::events::{Context, Counted, FaultPlace, State as TaskState};
    use trace::model::{Leave, Model};

    #[test]
    fn every_wait_is_in_the_histogram_of_its_cause() {
        let mut model = Model::new(1, 5_000);
        model.existing(1, 1, "one").snapshot().count();
        for _ in 0..100 {
            model.pass(10).wake(0, Context::SoftIrq, 1).pass(3_000).switch(0, Leave::Sleep(TaskState::Sleeping), 1);
            model.pass(7).switch(0, Leave::Sleep(TaskState::Sleeping), 0);
        }
        let mut measure = Measure::default();
        model.events.iter().for_each(|timed| measure.take(timed));
        let waits = &measure.latencies().scheduling[&Cause::Woken];
        assert_eq!((waits.count(), waits.by_bound()[2]), (100, (5e-6, 100)));
        assert!((waits.sum_seconds() - 100.0 * 3e-6).abs() < 1e-9);
    }

    #[test]
    fn two_records_of_a_cpu_make_a_fault_and_those_of_another_do_not_come_between() {
        let mut measure = Measure::default();
        let mut give = |ns, cpu, event| measure.take(&Timed { ns, cpu, what: What::Event(event) });
        let fault = |tid, counted| Event::Fault(Fault { tid, latency_ns: 700, counted, ..Fault::default() });
        give(1_000, 0, fault(5, Counted::Minor));
        give(1_000, 1, fault(6, Counted::Major));
        give(1_000, 0, Event::FaultPlace(FaultPlace::default()));
        give(1_000, 1, Event::FaultPlace(FaultPlace::default()));
        // Its first record was lost.
        give(2_000, 1, Event::FaultPlace(FaultPlace::default()));
        let counts: Vec<_> =
            measure.latencies().faults.iter().map(|(outcome, buckets)| (*outcome, buckets.count())).collect();
        assert_eq!(counts, [("major", 1), ("minor", 1)]);
    }
}
