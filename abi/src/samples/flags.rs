// SPDX-License-Identifier: GPL-2.0

//! What a record says besides its numbers.

use core::ops::{BitOr, BitOrAssign};

/// A set of flags, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Written by the registration itself: every total is 0.
    pub const FIRST: Flags = Flags(1 << 0);
    /// No record of this registration follows.
    pub const FINAL: Flags = Flags(1 << 1);
    /// The process is dead; the totals are what its parent's `wait4` reports. Only with [`Flags::FINAL`].
    pub const EXITED: Flags = Flags(1 << 2);
    /// The process has called `execve` since the record before.
    pub const EXECED: Flags = Flags(1 << 3);
    /// The kernel counts delays for this process (`kernel.task_delayacct` was on when it was forked).
    pub const DELAYS: Flags = Flags(1 << 4);

    /// The process has gained rights by `execve` that its registrar does not have (a set-user-ID program, capabilities, a
    /// program that may not be read), and is not profiled any more. The totals are those of the record before. Only with
    /// [`Flags::FINAL`].
    pub const REVOKED: Flags = Flags(1 << 5);

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}
