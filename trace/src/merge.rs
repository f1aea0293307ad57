// SPDX-License-Identifier: GPL-2.0

//! The events of all CPUs in one order of time.
//!
//! A record is in its ring a moment after its time was taken, and the clocks of two CPUs may differ a little. So events are
//! held back for [`SLACK_NS`]. What comes later all the same is let through at once and counted.

use crate::event::Timed;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// How long events are held back, ns.
pub const SLACK_NS: u64 = 1_000_000;

/// Merges the streams of the CPUs.
#[derive(Debug, Default)]
pub struct Merger {
    queues: Vec<VecDeque<Timed>>,
    heads: BinaryHeap<Reverse<(u64, u32)>>,
    released: u64,
    late: u64,
    held: usize,
}

impl Merger {
    /// Of nothing yet.
    pub fn new() -> Self {
        Merger::default()
    }

    /// Events that came later than they were waited for.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Events that are held back.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes the next event of its CPU. Its time is not before that of the one before.
    pub fn push(&mut self, timed: Timed) {
        let cpu = timed.cpu as usize;
        if self.queues.len() <= cpu {
            self.queues.resize_with(cpu + 1, VecDeque::new);
        }
        if timed.ns < self.released {
            self.late += 1;
        }
        let queue = &mut self.queues[cpu];
        if queue.is_empty() {
            self.heads.push(Reverse((timed.ns, timed.cpu)));
        }
        queue.push_back(timed);
        self.held += 1;
    }

    /// The next event older than `until` (ns), in the order of time; of the same time, in that of the CPUs.
    pub fn pop_before(&mut self, until: u64) -> Option<Timed> {
        let Reverse((ns, cpu)) = *self.heads.peek()?;
        if ns >= until {
            self.released = self.released.max(until);
            return None;
        }
        self.heads.pop();
        let queue = &mut self.queues[cpu as usize];
        let timed = queue.pop_front()?;
        if let Some(next) = queue.front() {
            self.heads.push(Reverse((next.ns, cpu)));
        }
        self.held -= 1;
        self.released = self.released.max(timed.ns);
        Some(timed)
    }

    /// The next event, however young.
    pub fn pop(&mut self) -> Option<Timed> {
        self.pop_before(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use abi::events::{Event, Switch};

    fn event(cpu: u32, ns: u64) -> Timed {
        Timed { ns, cpu, what: What::Event(Event::Switch(Switch::default())) }
    }

    fn drain(merger: &mut Merger, until: u64) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| merger.pop_before(until)).map(|timed| (timed.ns, timed.cpu)).collect()
    }

    #[test]
    fn streams_come_out_in_the_order_of_time_up_to_the_limit() {
        let mut merger = Merger::new();
        for (cpu, ns) in [(0, 10), (0, 40), (1, 20), (1, 30), (2, 10)] {
            merger.push(event(cpu, ns));
        }
        assert_eq!(drain(&mut merger, 40), [(10, 0), (10, 2), (20, 1), (30, 1)]);
        assert_eq!(merger.held(), 1);
        merger.push(event(1, 39));
        // Older than what could have come out: out of order only if something later had.
        assert_eq!(drain(&mut merger, 41), [(39, 1), (40, 0)]);
    }

    #[test]
    fn what_comes_late_is_counted_and_not_lost() {
        let mut merger = Merger::new();
        merger.push(event(0, 100));
        assert_eq!(drain(&mut merger, 200), [(100, 0)]);
        merger.push(event(1, 50));
        merger.push(event(1, 250));
        assert_eq!(drain(&mut merger, u64::MAX), [(50, 1), (250, 1)]);
        assert_eq!(merger.late(), 1);
    }

    #[test]
    fn a_silent_cpu_holds_nothing_up() {
        let mut merger = Merger::new();
        merger.push(event(3, 5));
        assert_eq!(drain(&mut merger, 10), [(5, 3)]);
        assert_eq!(drain(&mut merger, 20), []);
    }
}
