// SPDX-License-Identifier: GPL-2.0

//! Sections that must not wait for memory, since what they do is part of getting it back.

use crate::ffi;
use core::marker::PhantomData;

/// Such a section of this thread, until this is dropped.
///
/// Lockdep then knows of every lock that is taken in it, and reports the first allocation that may wait for reclaim with
/// one of them held, wherever that is. Without lockdep this does nothing.
pub(crate) struct Reclaim(PhantomData<*mut ()>);

impl Reclaim {
    /// Begins it.
    #[must_use]
    pub(crate) fn enter() -> Self {
        // SAFETY: Callable anywhere; `drop` calls its counterpart in the same thread, since this is not `Send`.
        unsafe { ffi::mp3_fs_reclaim_acquire() };
        Reclaim(PhantomData)
    }
}

impl Drop for Reclaim {
    fn drop(&mut self) {
        // SAFETY: `enter` has called its counterpart in this thread.
        unsafe { ffi::mp3_fs_reclaim_release() };
    }
}
