// SPDX-License-Identifier: GPL-2.0

//! What people ask of page faults: a view each.
//!
//! A view takes faults one after the other, from a live ring or from a recording: it cannot tell which. It counts by small
//! numbers and asks for names at the end.

pub mod latency;
pub mod map;
pub mod top;
pub mod wss;

use crate::fault::Fault;
use crate::mapping;
use crate::session::{Known, Seen};
use rustc_hash::FxHashSet;
use std::sync::Arc;
use trace::state::State;
use trace::table::Out;

/// A view of the faults.
pub trait View {
    /// The next fault.
    fn fault(&mut self, seen: &Seen<'_>, state: &State, out: &mut dyn Out);

    /// The tables, of the time since the beginning or the last [`View::restart`].
    ///
    /// # Errors
    ///
    /// A picture cannot be written.
    fn report(&mut self, known: &mut Known<'_>, out: &mut dyn Out) -> anyhow::Result<()>;

    /// Begins a new interval.
    fn restart(&mut self, state: &State);
}

/// What the mapping of a fault is called.
pub fn mapping_name<'a>(seen: &Seen<'a>) -> &'a str {
    seen.mapping.map_or("[unknown]", |mapping| mapping::name(mapping))
}

/// Where the mapping of a fault begins, if it is memory of its process alone; 0 of a file.
pub fn private_start(seen: &Seen<'_>) -> u64 {
    seen.mapping.filter(|mapping| mapping::is_private(mapping)).map_or(0, |mapping| mapping.start)
}

/// How long a fault took, ns; 0 where that was not recorded.
pub fn took(fault: &Fault) -> u64 {
    fault.took.unwrap_or(0)
}

/// A count of faults and their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub count: u64,
    /// Their time, ns.
    pub ns: u64,
    /// The longest, ns.
    pub max: u64,
    /// Those that were counted as major.
    pub major: u64,
}

impl Sums {
    /// Counts a fault.
    pub fn add(&mut self, fault: &Fault) {
        let ns = took(fault);
        self.count += 1;
        self.ns = self.ns.saturating_add(ns);
        self.max = self.max.max(ns);
        self.major += u64::from(fault.counted == crate::fault::Counted::Major);
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Sums) {
        self.count += other.count;
        self.ns = self.ns.saturating_add(other.ns);
        self.max = self.max.max(other.max);
        self.major += other.major;
    }

    /// Their mean, ns; none of none.
    pub fn mean(&self) -> Option<u64> {
        self.ns.checked_div(self.count)
    }
}

/// Names, each once.
#[derive(Debug, Default)]
pub struct Names(FxHashSet<Arc<str>>);

impl Names {
    /// The name, shared with all that have it.
    pub fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}
