// SPDX-License-Identifier: GPL-2.0

//! The events of one CPU on their way into a bundle.

use super::proto;
use abi::events::{Context, State, Switch, SwitchFlags, Waking};
use rustc_hash::FxHashMap;
use trace::task::Comm;

/// `TRACE_FLAG_HARDIRQ` and `TRACE_FLAG_SOFTIRQ` of ftrace.
const FLAG_HARDIRQ: u32 = 0x08;
const FLAG_SOFTIRQ: u32 = 0x10;
/// ftrace's state of a thread that was preempted.
const PREEMPTED: i64 = 0x100;

/// The numbers of the states in ftrace's sched_switch.
fn state_number(switch: &Switch) -> i64 {
    if switch.still_runnable() {
        return if switch.flags.contains(SwitchFlags::PREEMPTED) { PREEMPTED } else { 0 };
    }
    match switch.state {
        State::Running => 0,
        State::Sleeping => 0x01,
        State::Uninterruptible | State::Other => 0x02,
        State::Stopped => 0x04,
        State::Traced => 0x08,
        State::Dead => 0x10,
        State::Zombie => 0x20,
        State::Parked => 0x40,
        State::Idle => 0x80,
    }
}

/// Events of one CPU that are not written yet.
#[derive(Default)]
pub(super) struct CpuEvents {
    bundle: proto::Bundle,
    compact: proto::CompactSched,
    names: FxHashMap<Comm, u32>,
    switch_ns: u64,
    waking_ns: u64,
    /// A switch in full has been written since the beginning or the last loss.
    goes_on: bool,
    lost: bool,
}

impl CpuEvents {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.bundle.event.len() + self.compact.switch_timestamp.len() + self.compact.waking_timestamp.len()
    }

    /// Records are missing behind them.
    pub(super) fn lose(&mut self) {
        (self.lost, self.goes_on) = (true, false);
    }

    /// Ends the bundle of `cpu`, if there is anything in it, and begins another.
    pub(super) fn bundle(&mut self, cpu: u32) -> Option<proto::Bundle> {
        if self.len() == 0 && !self.lost {
            return None;
        }
        let goes_on = self.goes_on;
        let CpuEvents { mut bundle, compact, lost, .. } =
            std::mem::replace(self, CpuEvents { goes_on, ..CpuEvents::default() });
        bundle.cpu = Some(cpu);
        bundle.lost_events = lost.then_some(true);
        bundle.compact_sched = (!compact.intern_table.is_empty()).then_some(compact);
        Some(bundle)
    }

    fn name(&mut self, comm: Comm) -> u32 {
        let table = &mut self.compact.intern_table;
        *self.names.entry(comm).or_insert_with(|| {
            table.push(comm.to_string());
            table.len() as u32 - 1
        })
    }

    /// Adds an event in full, which happened in the thread `pid` at `ns`.
    pub(super) fn push(&mut self, ns: u64, pid: u32, event: proto::FtraceEvent) {
        self.bundle.event.push(proto::FtraceEvent { timestamp: Some(ns), pid: Some(pid), ..event });
    }

    /// Adds a switch between threads of these names.
    pub(super) fn switch(&mut self, ns: u64, switch: &Switch, prev_name: Comm, next_name: Comm) {
        if self.goes_on {
            let name = self.name(next_name);
            let compact = &mut self.compact;
            compact.switch_timestamp.push(ns.saturating_sub(self.switch_ns));
            compact.switch_prev_state.push(state_number(switch));
            compact.switch_next_pid.push(switch.next as i32);
            compact.switch_next_prio.push(switch.next_prio.0.into());
            compact.switch_next_comm_index.push(name);
            self.switch_ns = self.switch_ns.max(ns);
            return;
        }
        self.goes_on = true;
        let sched_switch = Some(proto::SchedSwitch {
            prev_comm: Some(prev_name.to_string()),
            prev_pid: Some(switch.prev as i32),
            prev_prio: Some(switch.prev_prio.0.into()),
            prev_state: Some(state_number(switch)),
            next_comm: Some(next_name.to_string()),
            next_pid: Some(switch.next as i32),
            next_prio: Some(switch.next_prio.0.into()),
        });
        self.push(ns, switch.prev, proto::FtraceEvent { sched_switch, ..proto::FtraceEvent::default() });
    }

    /// Adds a wake-up of a thread of this name.
    pub(super) fn waking(&mut self, ns: u64, waking: &Waking, name: Comm) {
        let flags = match waking.context {
            Context::Task => 0,
            Context::SoftIrq => FLAG_SOFTIRQ,
            Context::HardIrq | Context::Nmi => FLAG_HARDIRQ,
        };
        if self.goes_on {
            let name = self.name(name);
            let compact = &mut self.compact;
            compact.waking_timestamp.push(ns.saturating_sub(self.waking_ns));
            compact.waking_pid.push(waking.wakee as i32);
            compact.waking_target_cpu.push(waking.previous_cpu.into());
            compact.waking_prio.push(waking.wakee_prio.0.into());
            compact.waking_comm_index.push(name);
            compact.waking_common_flags.push(flags);
            self.waking_ns = self.waking_ns.max(ns);
            return;
        }
        let sched_waking = Some(proto::SchedWaking {
            comm: Some(name.to_string()),
            pid: Some(waking.wakee as i32),
            prio: Some(waking.wakee_prio.0.into()),
            success: Some(1),
            target_cpu: Some(waking.previous_cpu.into()),
        });
        let common_flags = Some(flags);
        let event = proto::FtraceEvent { common_flags, sched_waking, ..proto::FtraceEvent::default() };
        self.push(ns, waking.waker, event);
    }
}
