// SPDX-License-Identifier: GPL-2.0

//! Totals by name: of commands, of cgroups. They keep what processes counted that have ended.

use crate::series::labelled;
use abi::samples::Totals;
use format::columns::Counted;
use rustc_hash::FxHashMap;

/// The name of the group of all that has none of its own.
pub const OTHER: &str = "(other)";

/// Which group, in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(usize);

/// Processes of one name.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name, printable.
    pub name: String,
    /// The name as a label.
    pub labels: String,
    /// Counted by its processes, those that have ended included.
    pub totals: Totals,
    /// The counters that any of them had.
    pub counted: Option<Counted>,
    /// Processes that live.
    pub live: usize,
    /// When the last one ended, ns.
    idle_since_ns: u64,
}

impl Group {
    fn new(key: &str, name: &str) -> Self {
        let (name, labels) = (name.to_owned(), labelled(key, name));
        Group { name, labels, totals: Totals::default(), counted: None, live: 0, idle_since_ns: 0 }
    }
}

/// A table of groups, of fixed size: the first one is [`OTHER`].
///
/// A name that comes when the table is full takes the place of the group without processes that has been idle for longest,
/// at least for [`Groups::IDLE_NS`]; what that had counted is [`OTHER`]'s then, so that the sum over all groups never falls.
/// Where there is none, the name's processes are counted as [`OTHER`]'s.
#[derive(Debug)]
pub struct Groups {
    groups: Vec<Group>,
    by_name: FxHashMap<String, GroupId>,
    /// The label that has the name.
    key: &'static str,
    limit: usize,
    merged: u64,
}

impl Groups {
    /// A group without processes keeps its place for so long: a scraper has then seen its last totals.
    pub const IDLE_NS: u64 = 600_000_000_000;

    /// At most `limit` groups beside [`OTHER`]; the label `key` has their names.
    pub fn new(key: &'static str, limit: usize) -> Self {
        Groups { groups: vec![Group::new(key, OTHER)], by_name: FxHashMap::default(), key, limit, merged: 0 }
    }

    /// The group of this name, to which a process is added.
    pub fn join(&mut self, name: &str, now_ns: u64) -> GroupId {
        let id = match self.by_name.get(name) {
            Some(id) => *id,
            None => self.place(name, now_ns),
        };
        self.groups[id.0].live += 1;
        id
    }

    fn place(&mut self, name: &str, now_ns: u64) -> GroupId {
        if name == OTHER {
            return GroupId(0);
        }
        let id = if self.groups.len() <= self.limit {
            self.groups.push(Group::new(self.key, name));
            GroupId(self.groups.len() - 1)
        } else {
            let idle = |group: &Group| group.live == 0 && now_ns.saturating_sub(group.idle_since_ns) >= Self::IDLE_NS;
            let groups = self.groups.iter().enumerate().skip(1);
            let Some((at, _)) = groups.filter(|(_, group)| idle(group)).min_by_key(|(_, group)| group.idle_since_ns)
            else {
                return GroupId(0);
            };
            let old = std::mem::replace(&mut self.groups[at], Group::new(self.key, name));
            self.by_name.remove(&old.name);
            let other = &mut self.groups[0];
            other.totals = other.totals.plus(&old.totals);
            other.counted = union(other.counted, old.counted);
            self.merged += 1;
            GroupId(at)
        };
        self.by_name.insert(name.into(), id);
        id
    }

    /// A process has left the group.
    pub fn leave(&mut self, id: GroupId, now_ns: u64) {
        let group = &mut self.groups[id.0];
        group.live = group.live.saturating_sub(1);
        group.idle_since_ns = now_ns;
    }

    /// One of its processes has counted this.
    pub fn add(&mut self, id: GroupId, interval: &Totals, counted: Counted) {
        let group = &mut self.groups[id.0];
        group.totals = group.totals.plus(interval);
        group.counted = union(group.counted, Some(counted));
    }

    /// All groups in which something was ever counted, in the order of their IDs.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        let groups = self.groups.iter().enumerate().filter(|(_, group)| group.counted.is_some());
        groups.map(|(at, group)| (GroupId(at), group))
    }

    /// Places, [`OTHER`]'s included.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether nothing was ever counted.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Living processes that are counted in [`OTHER`].
    pub fn live_in_other(&self) -> usize {
        self.groups[0].live
    }

    /// Groups whose place was taken by another name so far.
    pub fn merged(&self) -> u64 {
        self.merged
    }
}

impl GroupId {
    /// Its place in the table.
    pub fn index(self) -> usize {
        self.0
    }
}

fn union(one: Option<Counted>, other: Option<Counted>) -> Option<Counted> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.union(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(minor_faults: u64) -> Totals {
        Totals { minor_faults, ..Totals::default() }
    }

    fn sum(groups: &Groups) -> u64 {
        groups.iter().map(|(_, group)| group.totals.minor_faults).sum()
    }

    #[test]
    fn a_group_keeps_what_ended_processes_counted() {
        let mut groups = Groups::new("comm", 2);
        let make = groups.join("make", 0);
        groups.add(make, &faults(5), Counted::ALL);
        groups.leave(make, 1);
        assert_eq!(groups.join("make", 2), make);
        groups.add(make, &faults(2), Counted::ALL);
        let (_, group) = groups.iter().next().unwrap();
        assert_eq!((group.totals.minor_faults, group.live), (7, 1));
    }

    #[test]
    fn a_full_table_counts_new_names_together_and_no_sum_falls() {
        let mut groups = Groups::new("comm", 2);
        for (name, count) in [("a", 1), ("b", 2), ("c", 4), ("d", 8)] {
            let id = groups.join(name, 0);
            groups.add(id, &faults(count), Counted::ALL);
        }
        assert_eq!((groups.len(), groups.live_in_other(), sum(&groups)), (3, 2, 15));
        // "a" ends, and keeps its place as long as a scraper may not have seen it.
        let a = GroupId(1);
        groups.leave(a, 100);
        assert_eq!(groups.join("e", 100 + Groups::IDLE_NS - 1), GroupId(0));
        assert_eq!(groups.join("f", 100 + Groups::IDLE_NS), a);
        assert_eq!((groups.merged(), sum(&groups)), (1, 15));
        // Its name comes back: it begins anew, and no other group had it meanwhile.
        assert_eq!(groups.join("a", 100 + Groups::IDLE_NS), GroupId(0));
    }

    #[test]
    fn a_process_that_calls_itself_other_is_counted_there() {
        let mut groups = Groups::new("comm", 2);
        assert_eq!(groups.join(OTHER, 0), GroupId(0));
        assert!(groups.is_empty());
    }
}
