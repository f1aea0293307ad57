// SPDX-License-Identifier: GPL-2.0

//! Keeping a program's own page faults out of what it measures.

use nix::sys::mman::{mlockall, munlockall, MlockAllFlags};

/// Maps every page that this process has by now: code, data, heap and the stack as far as it reaches. From here on it
/// takes no page fault of its own, as long as it allocates nothing and nothing is evicted. To be called before the
/// workload's [`crate::Buffer`] is made: its pages would be mapped as well.
///
/// Locking the pages maps them. They are unlocked at once, and are then mapped but evictable like those of any program:
/// memory pressure must act on this program as well. Best effort: the return value says whether it
/// worked, but where so much may not be locked (`RLIMIT_MEMLOCK`), a few faults too many are no reason to fail.
pub fn make_resident() -> bool {
    let locked = mlockall(MlockAllFlags::MCL_CURRENT).is_ok();
    // Also after a failure: part of it may have been locked.
    let _ = munlockall();
    // The clock's page belongs to the kernel and cannot be locked.
    let _ = std::time::Instant::now();
    locked
}
