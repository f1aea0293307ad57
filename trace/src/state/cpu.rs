// SPDX-License-Identifier: GPL-2.0

//! A CPU, and who had it.

use super::State;
use crate::task::{Comm, Rank, TaskId};
use abi::events::header::Counts;
use std::collections::VecDeque;

/// Slices that each CPU's history holds.
pub(super) const HISTORY: usize = 4096;

/// One CPU.
#[derive(Debug, Default)]
pub struct Cpu {
    /// Who has it, where that is known.
    pub current: Option<TaskId>,
    /// Since when, ns.
    pub since: Option<u64>,
    /// The thread that has it was let in by the fair server.
    pub fair_server: bool,
    /// The first counts of its ring's header, and the last.
    pub counts: Option<(Counts, Counts)>,
    /// When these were read, ns.
    pub counted: Option<(u64, u64)>,
    /// Slices of the past, oldest first.
    pub history: VecDeque<Span>,
}

/// A slice in a CPU's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Who had the CPU.
    pub task: TaskId,
    /// Its name.
    pub comm: Comm,
    /// Its rank.
    pub rank: Rank,
    /// From, ns.
    pub from: u64,
    /// To, ns.
    pub to: u64,
}

impl State {
    /// Who had `cpu` between `from` and `to`, oldest first, cut to these limits; the running one included.
    pub fn meanwhile(&self, cpu: u32, from: u64, to: u64) -> Vec<Span> {
        let Some(here) = self.cpus.get(cpu as usize) else { return vec![] };
        let begin = here.history.partition_point(|span| span.to <= from);
        let current = here.current.zip(here.since).and_then(|(id, since)| {
            let thread = self.threads.get(&id)?;
            let (comm, rank) = (thread.name(), thread.rank());
            (since < to).then_some(Span { task: id, comm, rank, from: since, to })
        });
        here.history
            .range(begin..)
            .copied()
            .chain(current)
            .filter(|span| span.from < to && span.to > from)
            .map(|span| Span { from: span.from.max(from), to: span.to.min(to), ..span })
            .collect()
    }
}
