// SPDX-License-Identifier: GPL-2.0

//! Births, programs, names and ends of threads, and what snapshots say of them.

use super::{Cpu, State};
use crate::fact::Fact;
use crate::task::{Comm, TaskId};
use crate::thread::{Cause, Mode};
use crate::total::Total;
use abi::events::life::CLONE_THREAD;
use abi::events::{Event, TotalsPart};

impl State {
    pub(super) fn event(&mut self, ns: u64, cpu: u32, event: &Event, facts: &mut Vec<Fact>) {
        match event {
            Event::Switch(switch) => self.switch(ns, cpu, switch, facts),
            Event::Waking(waking) => self.waking(ns, cpu, waking, facts),
            Event::Migrate(migrate) => {
                let thread = self.thread_mut(TaskId::new(migrate.tid, cpu), ns);
                thread.prio = Some(migrate.prio);
                thread.allowed_cpus = migrate.allowed_cpus;
                if migrate.from != migrate.to {
                    thread.migrations += 1;
                }
                thread.cpu = u32::from(migrate.to);
                self.set_group(TaskId::new(migrate.tid, cpu), migrate.tgid, ns);
            }
            Event::Priority(priority) => {
                let thread = self.thread_mut(TaskId::new(priority.tid, cpu), ns);
                thread.prio = Some(priority.new);
                thread.boosted_by = (priority.donor != 0).then_some(priority.donor);
                self.set_group(TaskId::new(priority.tid, cpu), priority.tgid, ns);
            }
            Event::NewTask(new) => {
                let id = TaskId::new(new.tid, cpu);
                let epoch = self.epoch_at(ns);
                let lost = self.losses.records;
                self.forget(id);
                let thread = self.thread_mut(id, ns);
                thread.kernel = new.kernel;
                thread.prio = Some(new.prio);
                thread.cpu = cpu;
                thread.lost_before = lost;
                (thread.run, thread.delay) = (Total::zero(), Total::zero());
                (thread.voluntary, thread.involuntary) = (Total::zero(), Total::zero());
                (thread.mode, thread.since, thread.epoch) = (Mode::Waiting(Cause::New), ns, epoch);
                if new.clone_flags & CLONE_THREAD == 0 {
                    // A process of its own, whatever had this number before.
                    self.processes.remove(&new.tgid);
                    self.process_mut(new.tgid).parent = new.parent_tgid;
                }
                self.set_group(id, new.tgid, ns);
            }
            Event::Exec(exec) => {
                if exec.old_tid != exec.tid {
                    self.take_over(exec.old_tid, exec.tid, cpu);
                }
                self.set_group(TaskId::new(exec.tid, cpu), exec.tgid, ns);
            }
            Event::Exit(exit) => {
                let id = TaskId::new(exit.tid, cpu);
                self.set_group(id, exit.tgid, ns);
                if exit.group_dead {
                    let process = self.process_mut(exit.tgid);
                    process.code = Some(exit.group_code);
                    if process.parent == 0 {
                        process.parent = exit.parent_tgid;
                    }
                }
            }
            Event::Name(name) => {
                let id = TaskId::new(name.tid, cpu);
                self.thread_mut(id, ns).kernel = name.kernel;
                self.set_group(id, name.tgid, ns);
                self.set_name(id, Comm::new(&name.comm), ns);
            }
            Event::Task(task) => {
                let id = TaskId::new(task.tid, cpu);
                let epoch = self.epoch_at(ns);
                let thread = self.thread_mut(id, ns);
                thread.kernel = task.kernel;
                thread.allowed_cpus = task.allowed_cpus;
                thread.cgroup = task.cgroup;
                if thread.mode == Mode::Unknown {
                    thread.prio = Some(task.prio);
                    thread.cpu = u32::from(task.cpu);
                    if task.running {
                        (thread.mode, thread.since, thread.epoch) = (Mode::Running, ns, epoch);
                        thread.was_running = true;
                        let (on, since) = (thread.cpu, thread.since);
                        if self.cpus.len() <= on as usize {
                            self.cpus.resize_with(on as usize + 1, Cpu::default);
                        }
                        let on = &mut self.cpus[on as usize];
                        if on.current.is_none() {
                            (on.current, on.since) = (Some(id), Some(since));
                        }
                    }
                }
                self.set_group(id, task.tgid, ns);
                let process = self.process_mut(task.tgid);
                if process.parent == 0 {
                    process.parent = task.parent_tgid;
                }
            }
            Event::Totals(totals) => {
                let id = TaskId::new(totals.tid, cpu);
                let lost = self.losses.records;
                let thread = self.thread_mut(id, ns);
                match totals.part {
                    TotalsPart::Times { run_ns, delay_ns } => {
                        thread.run.learn(run_ns);
                        thread.delay.learn(delay_ns);
                    }
                    TotalsPart::Switches { voluntary, involuntary } => {
                        thread.voluntary.learn(voluntary);
                        thread.involuntary.learn(involuntary);
                        thread.involuntary_uncertain = false;
                        thread.lost_before = lost;
                    }
                    _ => {}
                }
                self.set_group(id, totals.tgid, ns);
            }
            // Page faults are others' matter, and whatever later versions add.
            _ => {}
        }
    }

    /// What had this PID is gone, whether or not its end was seen.
    fn forget(&mut self, id: TaskId) {
        if let Some(thread) = self.threads.remove(&id) {
            if let Some(process) = self.processes.get_mut(&thread.group()) {
                process.threads = process.threads.saturating_sub(1);
            }
        }
    }

    /// execve by a thread that is not the leader: it takes the leader's PID.
    fn take_over(&mut self, old: u32, new: u32, cpu: u32) {
        let (old, new) = (TaskId::new(old, cpu), TaskId::new(new, cpu));
        let Some(mut thread) = self.threads.remove(&old) else { return };
        thread.id = new;
        // The leader has ended before. If a switch under its PID was seen between its end and this event, it was of the
        // thread that has the PID now.
        if let Some(other) = self.threads.remove(&new) {
            if !matches!(other.mode, Mode::Dead | Mode::Unknown) {
                (thread.mode, thread.since, thread.epoch) = (other.mode, other.since, other.epoch);
                (thread.waker, thread.pending, thread.cpu) = (other.waker, other.pending, other.cpu);
                for (ours, theirs, bits) in [
                    (&mut thread.run, &other.run, 48),
                    (&mut thread.delay, &other.delay, 48),
                    (&mut thread.voluntary, &other.voluntary, 16),
                    (&mut thread.involuntary, &other.involuntary, 8),
                ] {
                    if theirs.is_known() {
                        ours.learn_low(theirs.value(), bits, 0);
                    }
                }
            }
            // The new name comes before this event.
            if other.mode != Mode::Dead && other.comm_ns > thread.comm_ns {
                (thread.comm, thread.comm_ns) = (other.comm, other.comm_ns);
            }
            if let Some(process) = self.processes.get_mut(&thread.group()) {
                process.threads = process.threads.saturating_sub(1);
            }
        }
        for cpu in &mut self.cpus {
            if cpu.current == Some(old) {
                cpu.current = Some(new);
            }
        }
        self.threads.insert(new, thread);
    }
}
