// SPDX-License-Identifier: GPL-2.0

//! The workload's memory.

use crate::workload::{Workload, MAX_MEGABYTES};
use nix::sys::mman::{madvise, mmap_anonymous, munmap, MapFlags, MmapAdvise, ProtFlags};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

/// Anonymous memory in pages of 4 KiB, each of which is allocated when it is first stored to.
///
/// # Invariants
///
/// `start` is the first of `bytes` bytes that were mapped readable and writable by [`Buffer::new`]. The
/// address is known to this value only, and they stay mapped until it is dropped.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<c_void>,
    bytes: usize,
}

/// The memory could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// A size that no workload has.
    #[error("{0} MB: a workload has 1 to {MAX_MEGABYTES} MB")]
    Size(u32),
    /// `mmap` failed.
    #[error("cannot map {megabytes} MB")]
    Map {
        /// What was asked for.
        megabytes: u32,
        /// Why not.
        source: nix::Error,
    },
    /// `madvise` failed.
    #[error("cannot have pages of 4 KiB (MADV_NOHUGEPAGE)")]
    Pages(#[source] nix::Error),
}

impl Buffer {
    /// Maps the memory of `workload`. Takes no page fault and no memory yet.
    ///
    /// # Errors
    ///
    /// [`BufferError`].
    pub fn new(workload: &Workload) -> Result<Self, BufferError> {
        let megabytes = workload.megabytes;
        let bytes = usize::try_from(workload.bytes())
            .ok()
            .and_then(NonZeroUsize::new)
            .filter(|_| megabytes <= MAX_MEGABYTES)
            .ok_or(BufferError::Size(megabytes))?;
        // Not reserved: random accesses use a part of it, and a machine that is to swap has less than all copies ask for.
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: without an address and MAP_FIXED, nothing that exists is replaced.
        let start = unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags) }
            .map_err(|source| BufferError::Map { megabytes, source })?;
        // INVARIANT: just mapped, and the address is known only here.
        let buffer = Buffer { start, bytes: bytes.get() };
        // SAFETY: by the invariant these bytes are mapped; the advice does not change what they hold.
        match unsafe { madvise(buffer.start, buffer.bytes, MmapAdvise::MADV_NOHUGEPAGE) } {
            // EINVAL: a kernel built without huge pages, which has none to refuse.
            Ok(()) | Err(nix::Error::EINVAL) => Ok(buffer),
            Err(error) => Err(BufferError::Pages(error)),
        }
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Stores one byte at `place`.
    ///
    /// # Panics
    ///
    /// If `place` is not below [`Buffer::bytes`].
    #[inline]
    pub fn store(&mut self, place: u64, byte: u8) {
        let place = place as usize;
        assert!(place < self.bytes, "place {place} in a buffer of {} bytes", self.bytes);
        // SAFETY: `place` is below `bytes`, so that by the invariant it is mapped and writable, and nothing else refers to
        // it. Volatile, since the compiler could otherwise drop a store that is never read.
        unsafe { self.start.cast::<u8>().add(place).write_volatile(byte) };
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: by the invariant exactly these bytes were mapped, and no reference to them is left. Unmapping what is
        // mapped does not fail.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Locality;

    #[test]
    fn has_the_size_that_was_asked_for() {
        let mut buffer = Buffer::new(&Workload::classic(3, Locality::Random, 1)).unwrap();
        assert_eq!(buffer.bytes(), 3 << 20);
        buffer.store((3 << 20) - 1, 1);
        for megabytes in [0, 1025] {
            assert!(matches!(
                Buffer::new(&Workload::classic(megabytes, Locality::Random, 1)),
                Err(BufferError::Size(_))
            ));
        }
    }

    #[test]
    #[should_panic(expected = "place 1048576")]
    fn nothing_is_stored_outside() {
        Buffer::new(&Workload::classic(1, Locality::Random, 1)).unwrap().store(1 << 20, 1);
    }
}
