// SPDX-License-Identifier: GPL-2.0

//! Random histories for several tests.

use abi::events::{Context, Prio, State};
use trace::model::{Doing, Leave, Model};

/// xorshift64*: the same histories in every run.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A history with forks, ends, sleeps, wake-ups, preemptions, migrations and priorities. No PID is used twice, so that the
/// truth about each stays.
pub fn history(seed: u64, cpus: usize, steps: usize) -> Model {
    let mut random = Random(seed | 1);
    let mut model = Model::new(cpus, 5_000_000_000);
    for tid in 1..=4 {
        model.existing(tid, tid, &format!("old{tid}"));
        model.set(tid, |truth| truth.cpu = tid % cpus as u32);
    }
    model.snapshot().count();
    let mut next_tid = 1_000;
    for _ in 0..steps {
        model.pass(1 + random.next() % 3_000_000);
        let cpu = random.below(cpus) as u32;
        let current = model.cpus[cpu as usize].0;
        let waiting: Vec<u32> = model
            .threads
            .iter()
            .filter(|(_, truth)| matches!(truth.now, Doing::Waits(_)) && truth.cpu == cpu)
            .map(|(tid, _)| *tid)
            .collect();
        let sleeping: Vec<u32> = model
            .threads
            .iter()
            .filter(|(_, truth)| matches!(truth.now, Doing::Sleeps(_)))
            .map(|(tid, _)| *tid)
            .collect();
        let next = if waiting.is_empty() { 0 } else { waiting[random.below(waiting.len())] };
        match random.below(12) {
            0..=2 if !sleeping.is_empty() => {
                let tid = sleeping[random.below(sleeping.len())];
                let context = [Context::Task, Context::SoftIrq, Context::HardIrq][random.below(3)];
                model.wake(cpu, context, tid);
                if random.below(3) == 0 {
                    let to = random.below(cpus) as u32;
                    model.migrate(cpu, tid, to, random.below(4) == 0);
                }
            }
            3 if current != 0 => {
                let own_group = random.below(2) == 0;
                let tgid = if own_group { next_tid } else { model.threads[&current].tgid };
                model.spawn(cpu, next_tid, tgid);
                next_tid += 1;
            }
            4 if current >= 1_000 => {
                model.exit(cpu, 0).pass(2_000).switch(cpu, Leave::Dead, next);
            }
            5 if !waiting.is_empty() => {
                let to = random.below(cpus) as u32;
                model.migrate(cpu, waiting[0], to, false);
            }
            6 if current != 0 => {
                let prio = Prio([120, 139, 98, 10][random.below(4)]);
                model.boost(cpu, current, prio, 0);
            }
            7 | 8 if current != 0 && next != 0 => {
                model.switch(cpu, Leave::Preempted, next);
            }
            9 if current != 0 => {
                model.switch(cpu, Leave::BlockIo, next);
            }
            _ if current != next => {
                let state = [State::Sleeping, State::Uninterruptible, State::Stopped][random.below(3)];
                model.switch(cpu, Leave::Sleep(state), next);
            }
            _ => {}
        }
    }
    // Everything leaves its CPU, so that nothing is extrapolated.
    for cpu in 0..cpus as u32 {
        model.pass(1_000);
        if model.cpus[cpu as usize].0 != 0 {
            model.switch(cpu, Leave::Sleep(State::Sleeping), 0);
        }
    }
    model.count();
    model
}
