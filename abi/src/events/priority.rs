// SPDX-License-Identifier: GPL-2.0

//! Priority inheritance: a thread is boosted since one of higher priority waits for its lock, or the boost ends.
//!
//! ```text
//! word 1  thread (bits 0-21), thread group (22-43), Context (45-46)
//!      2  priority before (0-7) and after (8-15), donor (16-37)
//!      3  thread that ran on this CPU (0-21)
//! ```

use super::bits::{get, put};
use super::task::{Context, Prio, Tid, TID_BITS};

/// `tid`'s priority goes from `old` to `new`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// The thread that holds, or held, the lock.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// The thread that ran on the CPU that changed it.
    pub by: Tid,
    /// Where that CPU was.
    pub context: Context,
    /// The priority before.
    pub old: Prio,
    /// The priority after.
    pub new: Prio,
    /// The waiting thread of highest priority; 0 where none is left and the boost ends.
    pub donor: Tid,
}

impl Priority {
    /// Words 1 to 3.
    #[inline(always)]
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, TID_BITS>(self.tid as u64)
                | put::<22, TID_BITS>(self.tgid as u64)
                | put::<45, 2>(self.context as u64),
            put::<0, 8>(self.old.field()) | put::<8, 8>(self.new.field()) | put::<16, TID_BITS>(self.donor as u64),
            put::<0, TID_BITS>(self.by as u64),
        ]
    }

    /// The inverse of [`Priority::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Priority {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            by: get::<0, TID_BITS>(w3) as Tid,
            context: Context::from_bits(get::<45, 2>(w1) as u8),
            old: Prio::from_field(get::<0, 8>(w2)),
            new: Prio::from_field(get::<8, 8>(w2)),
            donor: get::<16, TID_BITS>(w2) as Tid,
        }
    }
}
