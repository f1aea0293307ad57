// SPDX-License-Identifier: GPL-2.0

//! Pages of a process: resident, and in swap.

use super::thread::Thread;
use crate::abi::samples::Levels;
use crate::ffi;
use core::ptr::{self, NonNull};
use kernel::bindings;
use kernel::mm::Mm;
use kernel::sync::aref::ARef;

/// The address space of a process, held so that its page counters can be read without a lock: the struct, not the pages.
#[derive(Default)]
pub(super) struct AddressSpace(Option<ARef<Mm>>);

impl AddressSpace {
    /// Takes hold of the one that `thread` has, if that is another; of none where there is no thread that has one.
    ///
    /// It is looked up under its lock only when it has changed: it is held by reference, so as long as the thread's pointer
    /// equals the held one, it is the same mm and not another one at its address.
    pub(super) fn follow(&mut self, thread: Option<Thread<'_>>) {
        let Some(thread) = thread else {
            self.0 = None;
            return;
        };
        let current = thread.mm();
        if current != self.as_ptr() {
            // SAFETY: A `Thread` is valid; returns NULL or a reference that is ours.
            let memory = unsafe { ffi::mp3_task_mm_grab(thread.as_ptr()) };
            // SAFETY: As above; `Mm` is a transparent wrapper.
            self.0 = NonNull::new(memory).map(|memory| unsafe { ARef::from_raw(memory.cast()) });
        }
    }

    /// The mm that is held, or NULL.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::mm_struct {
        self.0.as_ref().map_or(ptr::null_mut(), |memory| memory.as_raw())
    }

    /// Its pages; none where nothing is held.
    #[inline]
    pub(super) fn pages(&self) -> Pages {
        self.0.as_ref().map_or(Pages::default(), |memory| Pages::of(memory))
    }
}

/// Pages of an address space, without what CPUs have yet to add: a count can be a little below 0.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pages {
    file: i64,
    anonymous: i64,
    swapped: i64,
    shared: i64,
}

impl Pages {
    #[inline]
    fn of(memory: &Mm) -> Self {
        let memory = memory.as_raw().cast_const();
        let count = |kind: u32| -> i64 {
            // SAFETY: The mm is valid. `kind` is one of the four counters that the array has.
            unsafe { (&raw const (*memory).__bindgen_anon_1.rss_stat[kind as usize].count).read_volatile() }
        };
        Pages {
            file: count(bindings::MM_FILEPAGES),
            anonymous: count(bindings::MM_ANONPAGES),
            swapped: count(bindings::MM_SWAPENTS),
            shared: count(bindings::MM_SHMEMPAGES),
        }
    }

    /// As a record has them.
    #[inline]
    pub(super) fn to_levels(self) -> Levels {
        let count = |pages: i64| u64::try_from(pages).unwrap_or(0);
        let resident = count(self.file).saturating_add(count(self.anonymous)).saturating_add(count(self.shared));
        Levels { resident_pages: resident, swapped_pages: count(self.swapped) }
    }
}
