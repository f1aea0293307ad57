// SPDX-License-Identifier: GPL-2.0

//! Which threads and CPUs are asked about.

use crate::state::State;
use crate::task::{Comm, TaskId};
use crate::thread::Thread;

/// Which threads and CPUs a view is about.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Processes and threads with these PIDs; all if there are none.
    pub pids: Vec<u32>,
    /// Processes and threads with one of these in their names; all if there are none.
    pub names: Vec<String>,
    /// These CPUs; all if there are none.
    pub cpus: Vec<u32>,
    /// Also the processes that were started by those with one of the PIDs, theirs, and so on.
    pub follow: bool,
}

/// Generations that are looked up for an ancestor.
const ANCESTORS: usize = 64;

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty() && self.names.is_empty() && self.cpus.is_empty()
    }

    /// Whether the view is about this thread.
    pub fn wants(&self, state: &State, id: TaskId) -> bool {
        if self.pids.is_empty() && self.names.is_empty() {
            return true;
        }
        if id.is_idle() {
            return false;
        }
        match state.thread(id) {
            Some(thread) => self.wants_thread(state, thread),
            None => self.pids.contains(&id.pid()),
        }
    }

    fn wants_thread(&self, state: &State, thread: &Thread) -> bool {
        let (pid, group) = (thread.id.pid(), thread.group());
        if self.pids.contains(&pid) || self.pids.contains(&group) {
            return true;
        }
        let named = |comm: Comm| self.names.iter().any(|name| comm.contains(name.as_bytes()));
        if named(thread.comm) || state.process(group).is_some_and(|process| named(process.comm)) {
            return true;
        }
        self.follow && ancestors(state, group).any(|tgid| self.pids.contains(&tgid))
    }

    /// Whether the view is about this CPU.
    pub fn wants_cpu(&self, cpu: u32) -> bool {
        self.cpus.is_empty() || self.cpus.contains(&cpu)
    }
}

/// The process that started this one, the one that started that, and so on, as far as known.
pub fn ancestors(state: &State, tgid: u32) -> impl Iterator<Item = u32> + '_ {
    std::iter::successors(Some(tgid), |tgid| state.process(*tgid).map(|process| process.parent))
        .skip(1)
        .take_while(|tgid| *tgid != 0)
        .take(ANCESTORS)
}
