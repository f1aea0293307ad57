// SPDX-License-Identifier: GPL-2.0

//! What a checkpoint says.

use super::{Cpu, State};
use crate::task::Comm;
use crate::thread::{Mode, Thread};

/// What a checkpoint says.
#[derive(Debug, Default)]
pub struct Known {
    /// Its time, ns.
    pub now: u64,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Processes: thread group, parent's thread group, name.
    pub processes: Vec<(u32, u32, Comm)>,
}

impl State {
    /// Begins with what a checkpoint says. Totals count from there.
    pub fn from_known(known: Known) -> Self {
        let mut state = State { now: known.now, ..State::default() };
        for (tgid, parent, comm) in known.processes {
            let process = state.process_mut(tgid);
            (process.parent, process.comm) = (parent, comm);
        }
        for mut thread in known.threads {
            state.serials += 1;
            thread.serial = state.serials;
            let (id, cpu, group) = (thread.id, thread.cpu as usize, thread.tgid);
            if thread.mode == Mode::Running {
                if state.cpus.len() <= cpu {
                    state.cpus.resize_with(cpu + 1, Cpu::default);
                }
                (state.cpus[cpu].current, state.cpus[cpu].since) = (Some(id), Some(thread.since));
            }
            if group != 0 {
                state.process_mut(group).threads += 1;
            }
            state.threads.insert(id, thread);
        }
        state
    }
}
