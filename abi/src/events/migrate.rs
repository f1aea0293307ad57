// SPDX-License-Identifier: GPL-2.0

//! A thread is given another CPU.
//!
//! ```text
//! word 1  thread (bits 0-21), thread group (22-43), forced (44), Context (45-46), priority (56-63)
//!      2  from CPU (0-15), to CPU (16-31), CPUs that its mask allows (32-47)
//!      3  thread that ran on this CPU (0-21), the thread's migrations before this one modulo 2^32 (32-63)
//! ```

use super::bits::{get, put};
use super::task::{Context, Prio, Tid, TID_BITS};

/// `tid` goes from one CPU to another. Where both are the same, nothing has moved and the kernel counts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Migrate {
    /// The thread that is moved.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// The thread that ran on the CPU that moved it.
    pub by: Tid,
    /// Where that CPU was.
    pub context: Context,
    /// The CPU it ran on last.
    pub from: u16,
    /// The CPU it will run on.
    pub to: u16,
    /// Its priority.
    pub prio: Prio,
    /// Its mask does not allow `from` any more.
    pub forced: bool,
    /// CPUs that its mask allows.
    pub allowed_cpus: u16,
    /// Its migrations before this one (`se.nr_migrations`), modulo 2^32.
    pub migrations: u32,
}

impl Migrate {
    /// Words 1 to 3.
    #[inline(always)]
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, TID_BITS>(self.tid as u64)
                | put::<22, TID_BITS>(self.tgid as u64)
                | put::<44, 1>(self.forced as u64)
                | put::<45, 2>(self.context as u64)
                | put::<56, 8>(self.prio.field()),
            put::<0, 16>(self.from as u64) | put::<16, 16>(self.to as u64) | put::<32, 16>(self.allowed_cpus as u64),
            put::<0, TID_BITS>(self.by as u64) | put::<32, 32>(self.migrations as u64),
        ]
    }

    /// The inverse of [`Migrate::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Migrate {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            by: get::<0, TID_BITS>(w3) as Tid,
            context: Context::from_bits(get::<45, 2>(w1) as u8),
            from: get::<0, 16>(w2) as u16,
            to: get::<16, 16>(w2) as u16,
            prio: Prio::from_field(get::<56, 8>(w1)),
            forced: get::<44, 1>(w1) != 0,
            allowed_cpus: get::<32, 16>(w2) as u16,
            migrations: get::<32, 32>(w3) as u32,
        }
    }
}
