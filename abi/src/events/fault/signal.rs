// SPDX-License-Identifier: GPL-2.0

//! What ends or accompanies faults.
//!
//! ```text
//!              word 1                                   word 2                        word 3
//! FaultSignal  thread (0-21), group (22-43),            address                       user's instruction pointer
//!              signal (44-51), code (52-59)
//! FaultTotals  thread (0-21), group (22-43)             minor faults                  major faults
//! ```

use super::super::bits::{get, put};
use super::super::task::{Tid, TID_BITS};

/// An access has no success, and the kernel tells the thread by a signal.
///
/// Most such accesses never become a [`super::Fault`]: the kernel sees that there is no mapping, or that the mapping does not
/// allow the access, before it handles anything. Where one was handled and failed, its records come before this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSignal {
    /// The thread.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// The signal: 7 is `SIGBUS`, 11 is `SIGSEGV`.
    pub signal: u8,
    /// Its `si_code`: with `SIGSEGV` 1 for no mapping and 2 for no right, with `SIGBUS` 2 for no page.
    pub code: u8,
    /// The address of the access.
    pub address: u64,
    /// The instruction in user space.
    pub ip: u64,
}

/// What a thread has counted when it ends, but for faults on its very last steps. With the low bits in [`super::Fault`] it says
/// whether records of the thread are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultTotals {
    /// The thread.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// Minor faults.
    pub minor: u64,
    /// Major faults.
    pub major: u64,
}

impl FaultSignal {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, TID_BITS>(self.tid as u64)
                | put::<22, TID_BITS>(self.tgid as u64)
                | put::<44, 8>(self.signal as u64)
                | put::<52, 8>(self.code as u64),
            self.address,
            self.ip,
        ]
    }

    /// The inverse of [`FaultSignal::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        FaultSignal {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            signal: get::<44, 8>(w1) as u8,
            code: get::<52, 8>(w1) as u8,
            address: w2,
            ip: w3,
        }
    }
}

impl FaultTotals {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [put::<0, TID_BITS>(self.tid as u64) | put::<22, TID_BITS>(self.tgid as u64), self.minor, self.major]
    }

    /// The inverse of [`FaultTotals::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        FaultTotals { tid: get::<0, TID_BITS>(w1) as Tid, tgid: get::<22, TID_BITS>(w1) as Tid, minor: w2, major: w3 }
    }
}
