// SPDX-License-Identifier: GPL-2.0

//! The registered processes.
//!
//! A tick passes over all of them twenty times a second, so they lie side by side in slots; a tree finds the slot of one.
//! A slot keeps its process until that is removed, so a pass can be interrupted between any two slots and go on later.

use crate::entry::Entry;
use crate::process::ProcessKey;
use kernel::prelude::*;
use kernel::rbtree::RBTree;

/// The slots and the way to them.
pub(crate) struct Registry {
    slots: KVVec<Option<Entry>>,
    free: KVVec<usize>,
    by_key: RBTree<ProcessKey, usize>,
    limit: usize,
    /// How many of them follow their children.
    following: usize,
}

impl Registry {
    /// An empty registry for at most `limit` processes.
    pub(crate) fn new(limit: usize) -> Self {
        Registry { slots: KVVec::new(), free: KVVec::new(), by_key: RBTree::new(), limit, following: 0 }
    }

    /// How many are registered.
    pub(crate) fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many follow their children.
    pub(crate) fn following(&self) -> usize {
        self.following
    }

    /// Has the process in `slot` follow its children. False where it does already.
    pub(crate) fn follow(&mut self, slot: usize) -> bool {
        let Some(entry) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return false };
        if entry.follows() {
            return false;
        }
        entry.follow();
        self.following = self.following.saturating_add(1);
        true
    }

    /// Slots in use or used before: where a pass ends.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a process.
    pub(crate) fn find(&self, key: ProcessKey) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    /// The process in `slot`, if one is.
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Entry> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// The processes in at most `count` slots from `first` on, and how far each is from there.
    pub(crate) fn range_mut(&mut self, first: usize, count: usize) -> impl Iterator<Item = (usize, &mut Entry)> {
        let end = self.slots.len().min(first.saturating_add(count));
        self.slots
            .get_mut(first..end)
            .unwrap_or_default()
            .iter_mut()
            .enumerate()
            .filter_map(|(offset, entry)| Some((offset, entry.as_mut()?)))
    }

    /// The first slot from `slot` on that has a process in it.
    pub(crate) fn next_occupied(&self, slot: usize) -> Option<usize> {
        self.slots.iter().enumerate().skip(slot).find(|(_, entry)| entry.is_some()).map(|(slot, _)| slot)
    }

    /// Makes room for one more, so that [`Registry::insert`] cannot fail half-way.
    ///
    /// # Errors
    ///
    /// `ENOSPC` at the limit, `ENOMEM` without memory. Nothing has changed then.
    pub(crate) fn reserve(&mut self) -> Result {
        if self.len() >= self.limit {
            return Err(ENOSPC);
        }
        if self.free.is_empty() {
            self.slots.reserve(1, GFP_KERNEL)?;
            // The list of free slots has room for every slot: removing must not need memory.
            let room = self.slots.len().saturating_add(1).saturating_sub(self.free.len());
            self.free.reserve(room, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Registers `entry`, which is not registered.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. Nothing has changed then.
    pub(crate) fn insert(&mut self, entry: Entry) -> Result {
        self.reserve()?;
        let key = entry.key();
        let follows = entry.follows();
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        self.by_key.try_create_and_insert(key, slot, GFP_KERNEL)?;
        match self.free.pop().and_then(|slot| self.slots.get_mut(slot)) {
            Some(vacant) => *vacant = Some(entry),
            // Has room since `reserve`.
            None => self.slots.push(Some(entry), GFP_KERNEL)?,
        }
        self.following = self.following.saturating_add(usize::from(follows));
        Ok(())
    }

    /// Forgets the process in `slot`.
    pub(crate) fn remove(&mut self, slot: usize) -> Option<Entry> {
        let entry = self.slots.get_mut(slot)?.take()?;
        self.by_key.remove(&entry.key());
        self.following = self.following.saturating_sub(usize::from(entry.follows()));
        // Has room since `reserve`.
        let _ = self.free.push_within_capacity(slot);
        if self.is_empty() {
            // An idle module holds no memory for processes that were, and a registry of one has one slot to pass over.
            self.slots = KVVec::new();
            self.free = KVVec::new();
        }
        Some(entry)
    }
}
