// SPDX-License-Identifier: GPL-2.0

//! What threads slept for: block I/O, a futex, another system call, or the kernel itself.
//!
//! Block I/O is taken from the state in which the sleeping thread itself left its CPU. The kernel's own count charges the
//! thread that happens to be current when a delayed thread is taken off its run queue.

use super::latency::who_woke;
use super::{Filter, View};
use crate::syscall;
use abi::events::{Context, State as TaskState};
use rustc_hash::FxHashMap;
use trace::event::Timed;
use trace::fact::{Fact, Sleep};
use trace::state::State;
use trace::table::{column, Out, Schema, Table, Unit};
use trace::task::Comm;
use trace::thread::Mode;

/// A row a process and reason.
pub const BLOCKED: Schema = Schema {
    name: "blocked",
    columns: &[
        column("pid", "PID", Unit::Id),
        column("comm", "command", Unit::Text),
        column("state", "state", Unit::Text),
        column("reason", "for", Unit::Text),
        column("address", "address", Unit::Text),
        column("count", "count", Unit::Count),
        column("sum_ns", "sum ms", Unit::Time),
        column("max_ns", "max ms", Unit::Time),
        column("woken_by", "mostly woken by", Unit::Text),
        column("woken_by_share", "%", Unit::Share),
    ],
};

/// A row a thread that still sleeps.
pub const STILL: Schema = Schema {
    name: "still_blocked",
    columns: &[
        column("pid", "PID", Unit::Id),
        column("tid", "TID", Unit::Id),
        column("state", "state", Unit::Text),
        column("block_io", "block I/O", Unit::Text),
        column("for_ns", "so far ms", Unit::Time),
        column("comm", "command", Unit::Text),
    ],
};

/// Rows that are kept.
const KEPT: usize = 65_536;

/// Different wakers that are told apart for each row.
const WAKERS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Reason {
    BlockIo,
    Futex(u64),
    Call(u16),
    Stop,
    Kernel,
}

impl Reason {
    fn of(sleep: &Sleep) -> Self {
        match sleep.waker.wakee_call {
            _ if sleep.io_wait => Reason::BlockIo,
            _ if matches!(sleep.state, TaskState::Stopped | TaskState::Traced) => Reason::Stop,
            Some(call) if syscall::is_futex(call) => Reason::Futex(sleep.waker.argument),
            Some(call) => Reason::Call(call),
            None => Reason::Kernel,
        }
    }

    fn name(self) -> String {
        match self {
            Reason::BlockIo => "block I/O".into(),
            Reason::Futex(_) => "futex".into(),
            Reason::Call(call) => syscall::name(call),
            Reason::Stop => "stop".into(),
            Reason::Kernel => "(kernel)".into(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Row {
    comm: Comm,
    count: u64,
    sum: u64,
    max: u64,
    wakers: Vec<(String, u64)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct BlockedView {
    filter: Filter,
    rows_max: usize,
    rows: FxHashMap<(u32, TaskState, Reason), Row>,
    dropped: u64,
}

impl BlockedView {
    /// The first `rows_max` of the threads that `filter` wants.
    pub fn new(filter: Filter, rows_max: usize) -> Self {
        BlockedView { filter, rows_max, ..BlockedView::default() }
    }
}

impl View for BlockedView {
    fn event(&mut self, _timed: &Timed, facts: &[Fact], state: &State, _out: &mut dyn Out) {
        for fact in facts {
            let Fact::Sleep(sleep) = fact else { continue };
            if !self.filter.wants(state, sleep.task) || !self.filter.wants_cpu(sleep.waker.cpu) {
                continue;
            }
            let Some(thread) = state.thread(sleep.task) else { continue };
            let key = (thread.group(), sleep.state, Reason::of(sleep));
            if self.rows.len() >= KEPT && !self.rows.contains_key(&key) {
                self.dropped += 1;
                continue;
            }
            let row = self.rows.entry(key).or_default();
            row.comm = thread.name();
            row.count += 1;
            row.sum = row.sum.saturating_add(sleep.length());
            row.max = row.max.max(sleep.length());
            // In an interrupt, which CPU took it matters less than that it was one.
            let who = match sleep.waker.context {
                Context::Task => who_woke(&sleep.waker),
                Context::SoftIrq => "softirq".into(),
                Context::HardIrq => "interrupt".into(),
                Context::Nmi => "NMI".into(),
            };
            match row.wakers.iter().position(|(name, _)| *name == who) {
                Some(at) => row.wakers[at].1 += 1,
                None if row.wakers.len() < WAKERS => row.wakers.push((who, 1)),
                None => {}
            }
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(key, row)| (std::cmp::Reverse(row.sum), key_order(key)));
        let mut table = Table::new(&BLOCKED);
        for ((pid, how, reason), row) in rows.iter().take(self.rows_max) {
            let most = row.wakers.iter().max_by_key(|(_, count)| *count);
            let address = match reason {
                Reason::Futex(address) => Some(format!("{address:#x}")),
                _ => None,
            };
            table.rows.push(vec![
                (*pid).into(),
                row.comm.into(),
                how.letter().to_string().into(),
                reason.name().into(),
                address.into(),
                row.count.into(),
                row.sum.into(),
                row.max.into(),
                most.map(|(name, _)| name.clone()).into(),
                most.map(|(_, count)| *count as f64 / row.count as f64).into(),
            ]);
        }
        out.table(&table);
        if rows.len() > self.rows_max {
            out.note(&format!("{} more rows not shown (-n)", rows.len() - self.rows_max));
        }
        if self.dropped > 0 {
            out.note(&format!("{} sleeps left out: more than {KEPT} different reasons", self.dropped));
        }
        let mut still: Vec<_> = state
            .threads()
            .filter(|thread| !thread.id.is_idle() && self.filter.wants(state, thread.id))
            .filter_map(|thread| match thread.mode {
                Mode::Blocked(blocked) => Some((thread, blocked, state.age(thread)?)),
                _ => None,
            })
            .collect();
        still.sort_by_key(|(thread, _, age)| (std::cmp::Reverse(*age), thread.id));
        if !still.is_empty() {
            let mut table = Table::new(&STILL);
            for (thread, blocked, age) in still.iter().take(self.rows_max) {
                table.rows.push(vec![
                    thread.group().into(),
                    thread.id.pid().into(),
                    blocked.state.letter().to_string().into(),
                    if blocked.io_wait { "yes" } else { "no" }.into(),
                    (*age).into(),
                    thread.name().into(),
                ]);
            }
            out.note("");
            out.note(&format!("{} threads that went to sleep meanwhile sleep still", still.len()));
            out.table(&table);
        }
    }

    fn restart(&mut self, _state: &State) {
        self.rows.clear();
        self.dropped = 0;
    }
}

fn key_order(key: &(u32, TaskState, Reason)) -> (u32, Reason) {
    (key.0, key.2)
}
