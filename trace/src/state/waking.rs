// SPDX-License-Identifier: GPL-2.0

//! A wake-up.

use super::State;
use crate::fact::{Fact, Sleep};
use crate::task::TaskId;
use crate::thread::{Blocked, Cause, Mode, Waker};
use abi::events::Waking;

impl State {
    pub(super) fn waking(&mut self, ns: u64, cpu: u32, waking: &Waking, facts: &mut Vec<Fact>) {
        let (wakee, task) = (TaskId::new(waking.wakee, cpu), TaskId::new(waking.waker, cpu));
        let waker = Waker {
            ns,
            cpu,
            task,
            comm: self.name(task),
            context: waking.context,
            prio: waking.waker_prio,
            call: waking.waker_call,
            wakee_call: waking.wakee_call,
            argument: waking.argument,
        };
        let (epoch, now_epoch) = (self.epoch_at(ns), self.epoch);
        let thread = self.thread_mut(wakee, ns);
        thread.prio = Some(waking.wakee_prio);
        let certain = thread.epoch == now_epoch;
        match thread.mode {
            Mode::Running => {
                thread.pending = Some(waker);
                return;
            }
            Mode::Waiting(_) if certain => {
                // Preempted on its way to sleep: it kept its place in the run queue, and its wait.
                thread.waker = Some(waker);
                return;
            }
            Mode::Blocked(blocked) if certain => {
                let Blocked { state, io_wait } = blocked;
                let (serial, from) = (thread.serial, thread.since);
                facts.push(Fact::Sleep(Sleep { task: wakee, serial, from, to: ns, state, io_wait, waker }));
            }
            _ => {}
        }
        thread.pending = None;
        thread.waker = Some(waker);
        thread.cpu = u32::from(waking.previous_cpu);
        (thread.mode, thread.since, thread.epoch) = (Mode::Waiting(Cause::Woken), ns, epoch);
    }
}
