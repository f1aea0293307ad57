// SPDX-License-Identifier: GPL-2.0

//! A switch: a thread leaves its CPU, another comes.

use super::cpu::HISTORY;
use super::{Span, State};
use crate::fact::{Ended, Fact, Sleep, Slice, Wait};
use crate::task::TaskId;
use crate::thread::{Blocked, Cause, Mode};
use abi::events::{Switch, SwitchFlags};

/// After how many lost records the low bits of a thread's involuntary switches may have wrapped.
const INVOLUNTARY_CERTAIN: u64 = 200;

impl State {
    pub(super) fn switch(&mut self, ns: u64, cpu: u32, switch: &Switch, facts: &mut Vec<Fact>) {
        let (prev, next) = (TaskId::new(switch.prev, cpu), TaskId::new(switch.next, cpu));
        let flags = switch.flags;
        let has = |flag: SwitchFlags| flags.contains(flag);
        let (epoch, lost) = (self.epoch_at(ns), self.losses.records);
        let here = &mut self.cpus[cpu as usize];
        let since_here = here.since;
        let old = here.current.replace(next);
        here.since = Some(ns);
        here.fair_server = has(SwitchFlags::FAIR_SERVER);
        // With a filter, or after a loss, the thread that leaves is not the one that came last.
        if let Some(old) = old.filter(|old| *old != prev) {
            if let Some(thread) = self.threads.get_mut(&old).filter(|thread| thread.mode == Mode::Running) {
                if thread.cpu == cpu {
                    thread.mode = Mode::Unknown;
                }
            }
        }

        let thread = self.thread_mut(prev, ns);
        let from = match thread.mode {
            Mode::Running if thread.cpu == cpu || prev.is_idle() => Some(thread.since),
            _ => None,
        };
        let from = from.or(since_here.filter(|_| old == Some(prev)));
        let length = from.map_or(0, |from| ns.saturating_sub(from));
        thread.cpu = cpu;
        thread.prio = Some(switch.prev_prio);
        let voluntary = has(SwitchFlags::VOLUNTARY);
        let (mut run_ns, mut delay_ns, mut left, mut pushed) = (0, 0, 0, 0);
        if !prev.is_idle() {
            run_ns = thread.run.learn_low(switch.run_ns, 48, length);
            if thread.was_running {
                // The snapshot's run time was as of the scheduler's last look at it, before the snapshot: that part
                // belongs to the time before.
                run_ns = thread.run.cut(run_ns, length);
            }
            delay_ns = thread.delay.learn_low(switch.delay_ns, 48, 0);
            if lost.saturating_sub(thread.lost_before) > INVOLUNTARY_CERTAIN {
                thread.involuntary_uncertain = true;
            }
            left = thread.voluntary.learn_low(u64::from(switch.voluntary), 16, u64::from(voluntary));
            pushed = thread.involuntary.learn_low(u64::from(switch.involuntary), 8, u64::from(!voluntary));
        }
        thread.lost_before = lost;
        thread.was_running = false;
        let still_runnable = switch.still_runnable();
        let dead = has(SwitchFlags::DEAD);
        thread.mode = if dead {
            Mode::Dead
        } else if prev.is_idle() {
            Mode::Blocked(Blocked { state: switch.state, io_wait: false })
        } else if still_runnable {
            Mode::Waiting(if has(SwitchFlags::THROTTLED) { Cause::Throttled } else { Cause::Preempted })
        } else {
            Mode::Blocked(Blocked { state: switch.state, io_wait: has(SwitchFlags::IO_WAIT) })
        };
        (thread.since, thread.epoch) = (ns, epoch);
        if still_runnable {
            thread.pending = None;
        }
        let (serial, comm, rank) = (thread.serial, thread.name(), thread.rank());
        facts.push(Fact::Slice(Slice {
            task: prev,
            serial,
            cpu,
            from,
            to: ns,
            run_ns,
            delay_ns,
            voluntary: left,
            involuntary: pushed,
            state: switch.state,
            still_runnable,
            next,
        }));
        if let Some(from) = from {
            let history = &mut self.cpus[cpu as usize].history;
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(Span { task: prev, comm, rank, from, to: ns });
        }
        if dead {
            facts.push(Fact::Ended(Ended { task: prev, serial, ns }));
            self.buried.push(prev);
        }

        let now_epoch = self.epoch;
        let thread = self.thread_mut(next, ns);
        let (mode, since) = (thread.mode, thread.since);
        let certain = thread.epoch == now_epoch;
        let pending = thread.pending.take();
        thread.cpu = cpu;
        thread.prio = Some(switch.next_prio);
        let serial = thread.serial;
        if !next.is_idle() {
            match (mode, pending) {
                (Mode::Waiting(cause), _) if certain => {
                    let waker = thread.waker.filter(|_| cause == Cause::Woken);
                    facts.push(Fact::Wait(Wait { task: next, serial, cpu, from: since, to: ns, cause, waker }));
                }
                (Mode::Blocked(blocked), Some(waker)) if certain => {
                    // Woken before its own switch was recorded: it never slept, and waited from the switch on.
                    let Blocked { state, io_wait } = blocked;
                    facts.push(Fact::Sleep(Sleep {
                        task: next,
                        serial,
                        from: since,
                        to: since,
                        state,
                        io_wait,
                        waker,
                    }));
                    let cause = Cause::Woken;
                    let waker = Some(waker);
                    facts.push(Fact::Wait(Wait { task: next, serial, cpu, from: since, to: ns, cause, waker }));
                    thread.waker = waker;
                }
                _ => {}
            }
        }
        (thread.mode, thread.since, thread.epoch) = (Mode::Running, ns, epoch);
    }
}
