// SPDX-License-Identifier: GPL-2.0

//! The registered processes.
//!
//! A tick passes over all of them twenty times a second, so their slots lie side by side, in the order in which they were
//! registered; a tree finds the registration of one. Registrations are numbered and only ever appended, so a pass can be
//! interrupted between any two of them, and continues with the next number. Slots of those that are gone are closed up when
//! they are more than half of all: a pass costs what is registered, not what once was.
//!
//! Memory comes from outside: the registry is used under a mutex that a tick needs, so nothing here waits for memory.

use crate::entry::Entry;
use crate::process::ProcessKey;
use kernel::prelude::*;
use kernel::rbtree::{RBTree, RBTreeNodeReservation};

/// Slots that a registry has room for at first.
const SLOTS_MIN: usize = 64;

/// One registration, or the gap that it left.
struct Slot {
    registration: u64,
    entry: Option<KBox<Entry>>,
}

/// Memory for one more registration, which is charged to the memory cgroup of the caller.
pub(crate) struct Vacancy {
    entry: KBox<core::mem::MaybeUninit<Entry>>,
    node: RBTreeNodeReservation<ProcessKey, u64>,
}

impl Vacancy {
    /// Allocates it. May sleep.
    pub(crate) fn new() -> Result<Self> {
        Ok(Vacancy {
            entry: KBox::new_uninit(GFP_KERNEL_ACCOUNT)?,
            node: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
        })
    }
}

/// Memory for more slots.
pub(crate) struct Room(KVVec<Slot>);

impl Room {
    /// Room for `slots` slots in all. May sleep.
    pub(crate) fn new(slots: usize) -> Result<Self> {
        Ok(Room(KVVec::with_capacity(slots, GFP_KERNEL_ACCOUNT)?))
    }
}

/// The slots and the way to them.
pub(crate) struct Registry {
    /// In ascending order of their registrations.
    slots: KVVec<Slot>,
    /// Slots without an entry.
    gaps: usize,
    by_key: RBTree<ProcessKey, u64>,
    /// How many of them follow their children.
    following: usize,
}

impl Registry {
    /// An empty registry.
    pub(crate) fn new() -> Self {
        Registry { slots: KVVec::new(), gaps: 0, by_key: RBTree::new(), following: 0 }
    }

    /// How many are registered.
    pub(crate) fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.gaps)
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many follow their children.
    pub(crate) fn following(&self) -> usize {
        self.following
    }

    /// Has a registered process follow its children. False where it does already.
    pub(crate) fn follow(&mut self, registration: u64) -> bool {
        let Some(entry) = self.get_mut(registration) else { return false };
        if entry.follows() {
            return false;
        }
        entry.follow();
        self.following = self.following.saturating_add(1);
        true
    }

    /// The registration of a process.
    pub(crate) fn find(&self, key: ProcessKey) -> Option<u64> {
        self.by_key.get(&key).copied()
    }

    /// The process with this registration, if it is still registered.
    pub(crate) fn get_mut(&mut self, registration: u64) -> Option<&mut Entry> {
        let index = self.slots.binary_search_by_key(&registration, |slot| slot.registration).ok()?;
        Some(&mut **self.slots.get_mut(index)?.entry.as_mut()?)
    }

    /// The index of the first slot whose registration is not below `registration`.
    pub(crate) fn index_from(&self, registration: u64) -> usize {
        self.slots.partition_point(|slot| slot.registration < registration)
    }

    /// The processes in the slots from index `first` on, each with the index of its slot.
    #[inline]
    pub(crate) fn iter_mut_from(&mut self, first: usize) -> impl Iterator<Item = (usize, &mut Entry)> {
        self.slots
            .get_mut(first..)
            .unwrap_or_default()
            .iter_mut()
            .zip(first..)
            .filter_map(|(slot, index)| Some((index, &mut **slot.entry.as_mut()?)))
    }

    /// The registration in the slot at `index`, if there is such a slot.
    pub(crate) fn registration_at(&self, index: usize) -> Option<u64> {
        self.slots.get(index).map(|slot| slot.registration)
    }

    /// The lowest registration from `registration` on that is still registered.
    pub(crate) fn next_from(&self, registration: u64) -> Option<u64> {
        let slots = self.slots.get(self.index_from(registration)..)?;
        slots.iter().find(|slot| slot.entry.is_some()).map(|slot| slot.registration)
    }

    /// How many slots the registry should have room for before the next insertion; `None` if it has the room.
    pub(crate) fn room_needed(&self) -> Option<usize> {
        (self.slots.len() >= self.slots.capacity()).then(|| self.slots.len().saturating_mul(2).max(SLOTS_MIN))
    }

    /// Moves to `room`, if that is larger. Returns what is not needed any more, to be freed without the mutex.
    pub(crate) fn move_to(&mut self, mut room: Room) -> Room {
        if room.0.capacity() > self.slots.len() {
            for slot in self.slots.drain_all() {
                // There is room, as was just seen.
                let _ = room.0.push_within_capacity(slot);
            }
            core::mem::swap(&mut self.slots, &mut room.0);
        }
        room
    }

    /// Registers `entry` under a number that is above all others.
    ///
    /// # Errors
    ///
    /// `ENOMEM` without room: see [`Registry::room_needed`]. Nothing has changed then.
    pub(crate) fn insert(&mut self, vacancy: Vacancy, registration: u64, entry: Entry) -> Result {
        let (key, follows) = (entry.key(), entry.follows());
        let entry = Some(KBox::write(vacancy.entry, entry));
        self.slots.push_within_capacity(Slot { registration, entry }).map_err(|_| ENOMEM)?;
        self.by_key.insert(vacancy.node.into_node(key, registration));
        self.following = self.following.saturating_add(usize::from(follows));
        Ok(())
    }

    /// Drops the registration in the slot at `index`. Indices stay as they are until [`Registry::close_up`].
    pub(crate) fn remove_at(&mut self, index: usize) -> Option<KBox<Entry>> {
        let entry = self.slots.get_mut(index)?.entry.take()?;
        self.by_key.remove(&entry.key());
        self.following = self.following.saturating_sub(usize::from(entry.follows()));
        self.gaps = self.gaps.saturating_add(1);
        Some(entry)
    }

    /// Drops a registration.
    pub(crate) fn remove(&mut self, registration: u64) -> Option<KBox<Entry>> {
        let index = self.slots.binary_search_by_key(&registration, |slot| slot.registration).ok()?;
        let entry = self.remove_at(index)?;
        self.close_up();
        Some(entry)
    }

    /// Closes the gaps, if they are many. To be called after [`Registry::remove_at`].
    pub(crate) fn close_up(&mut self) {
        if self.is_empty() {
            // An idle module holds no memory for processes that were.
            self.slots = KVVec::new();
            self.gaps = 0;
        } else if self.gaps > self.len() {
            self.slots.retain(|slot| slot.entry.is_some());
            self.gaps = 0;
        }
    }
}
