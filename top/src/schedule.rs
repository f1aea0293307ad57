// SPDX-License-Identifier: GPL-2.0

//! What the tracer's events say of each process, from one picture to the next.

use rustc_hash::FxHashMap;
use trace::event::Timed;
use trace::fact::Fact;
use trace::state::State;
use trace::task::TaskId;
use trace::thread::{Cause, Thread};

/// A process from one picture to the next, as its switches and wake-ups were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Switches a second, voluntary and involuntary.
    pub switches: f64,
    /// Time runnable and not running, percent: the sum over the threads.
    pub run_delay: f64,
    /// Wake-ups that led to a CPU.
    pub wakeups: u64,
    /// From a wake-up to the CPU, on average, us.
    pub wakeup_us: f64,
    /// The longest of these, us.
    pub longest_us: f64,
}

/// Sums of a process.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    switches: u64,
    delay_ns: u64,
    wakeups: u64,
    wakeup_ns: u64,
    longest_ns: u64,
}

/// All processes. Memory depends on how many there are: the sums begin anew with each picture.
#[derive(Debug, Default)]
pub struct Schedules {
    state: State,
    facts: Vec<Fact>,
    sums: FxHashMap<u32, Sums>,
    /// The time of the last picture, ns.
    pictured_ns: Option<u64>,
}

impl Schedules {
    /// Takes the next event.
    pub fn take(&mut self, timed: &Timed) {
        self.facts.clear();
        self.state.apply(timed, &mut self.facts);
        self.pictured_ns.get_or_insert(timed.ns);
        let group = |task: TaskId| self.state.thread(task).filter(|_| !task.is_idle()).map(Thread::group);
        for fact in &self.facts {
            match fact {
                Fact::Slice(slice) => {
                    let Some(group) = group(slice.task) else { continue };
                    let sums = self.sums.entry(group).or_default();
                    sums.switches += slice.voluntary + slice.involuntary;
                    sums.delay_ns = sums.delay_ns.saturating_add(slice.delay_ns);
                }
                Fact::Wait(wait) if wait.cause == Cause::Woken => {
                    let Some(group) = group(wait.task) else { continue };
                    let sums = self.sums.entry(group).or_default();
                    sums.wakeups += 1;
                    sums.wakeup_ns = sums.wakeup_ns.saturating_add(wait.length());
                    sums.longest_ns = sums.longest_ns.max(wait.length());
                }
                _ => {}
            }
        }
    }

    /// Time has come to `ns`, with or without an event.
    pub fn advance(&mut self, ns: u64) {
        self.state.advance(ns);
    }

    /// Records that were lost so far.
    pub fn lost(&self) -> u64 {
        self.state.losses.records
    }

    /// What was counted since the last picture, by PID.
    pub fn picture(&mut self) -> FxHashMap<u32, Schedule> {
        let now_ns = self.state.now;
        let ns = now_ns.saturating_sub(self.pictured_ns.replace(now_ns).unwrap_or(now_ns)).max(1) as f64;
        let schedule = |sums: Sums| Schedule {
            switches: sums.switches as f64 * 1e9 / ns,
            run_delay: sums.delay_ns as f64 * 100.0 / ns,
            wakeups: sums.wakeups,
            wakeup_us: sums.wakeup_ns as f64 / 1e3 / sums.wakeups.max(1) as f64,
            longest_us: sums.longest_ns as f64 / 1e3,
        };
        self.sums.drain().map(|(pid, sums)| (pid, schedule(sums))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::events::{Context, State as Left};
    use trace::model::{Leave, Model};

    const SLEEP: Leave = Leave::Sleep(Left::Sleeping);

    #[test]
    fn switches_delays_and_wake_ups_are_those_of_the_processes() {
        let mut model = Model::new(1, 1_000);
        // Two threads of process 10, and process 20.
        model.existing(10, 10, "ten").existing(11, 10, "ten").existing(20, 20, "twenty").snapshot();
        let mut schedules = Schedules::default();
        // 20 runs and is interrupted by two wake-ups: 10 gets the CPU 3 us after its own, 11 gets it 9 us after.
        model.pass(1_000).wake(0, Context::Task, 20).switch(0, SLEEP, 20);
        model.pass(10_000).wake(0, Context::Task, 10).pass(3_000).switch(0, Leave::Preempted, 10);
        model.pass(1_000).wake(0, Context::Task, 11).pass(9_000).switch(0, SLEEP, 11);
        model.pass(5_000).switch(0, SLEEP, 20).pass(970_000).switch(0, SLEEP, 0);
        model.events.iter().for_each(|timed| schedules.take(timed));
        let (first, last) = (model.events.first().unwrap().ns, model.events.last().unwrap().ns);
        let pictured = schedules.picture();
        let second = 1e9 / (last - first) as f64;
        let ten = pictured[&10];
        assert_eq!(ten.switches, 2.0 * second);
        assert_eq!((ten.wakeups, ten.wakeup_us, ten.longest_us), (2, 6.0, 9.0));
        assert!((ten.run_delay - 12_000.0 * 100.0 / (last - first) as f64).abs() < 1e-9, "{ten:?}");
        let twenty = pictured[&20];
        assert_eq!((twenty.switches, twenty.longest_us), (2.0 * second, 0.0));
        assert!(!pictured.contains_key(&0) && schedules.picture().is_empty());
    }
}
