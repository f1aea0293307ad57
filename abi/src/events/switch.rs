// SPDX-License-Identifier: GPL-2.0

//! A CPU goes from one thread to another.
//!
//! ```text
//! word 1  previous thread (bits 0-21), next thread (22-43), State of the previous one (44-47), SwitchFlags (48-55),
//!         previous thread's involuntary switches modulo 2^8 (56-63)
//!      2  previous thread's voluntary switches modulo 2^16 (0-15), its run time, ns modulo 2^48 (16-63)
//!      3  priority of the previous thread (0-7), of the next one (8-15); previous thread's run-queue delay, ns modulo 2^48
//!         (16-63)
//! ```

use super::bits::{get, put, tids};
use super::task::{Prio, State, Tid, TID_BITS};
use core::ops::{BitOr, BitOrAssign};

/// What a [`Switch`] says beside its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SwitchFlags(pub u8);

impl SwitchFlags {
    /// No flag.
    pub const NONE: SwitchFlags = SwitchFlags(0);
    /// The previous thread was preempted inside the kernel: it stays runnable, whatever its state says.
    pub const PREEMPTED: SwitchFlags = SwitchFlags(1 << 0);
    /// The kernel counted this switch as voluntary (`nvcsw`). Never set where the idle task leaves.
    pub const VOLUNTARY: SwitchFlags = SwitchFlags(1 << 1);
    /// The previous thread waits for block I/O (`in_iowait`).
    pub const IO_WAIT: SwitchFlags = SwitchFlags(1 << 2);
    /// The previous thread's group has used up its CFS bandwidth.
    pub const THROTTLED: SwitchFlags = SwitchFlags(1 << 3);
    /// The next thread runs on time that the deadline server keeps for fair threads.
    pub const FAIR_SERVER: SwitchFlags = SwitchFlags(1 << 4);
    /// The previous thread may run on this CPU only: by its mask, or since it has migration disabled.
    pub const PINNED: SwitchFlags = SwitchFlags(1 << 5);
    /// The previous thread is dead. Its totals are final.
    pub const DEAD: SwitchFlags = SwitchFlags(1 << 6);

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: SwitchFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for SwitchFlags {
    type Output = SwitchFlags;

    #[inline(always)]
    fn bitor(self, other: SwitchFlags) -> SwitchFlags {
        SwitchFlags(self.0 | other.0)
    }
}

impl BitOrAssign for SwitchFlags {
    #[inline(always)]
    fn bitor_assign(&mut self, other: SwitchFlags) {
        self.0 |= other.0;
    }
}

/// A CPU goes from `prev` to `next`. All counters are `prev`'s, with this switch in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// The thread that leaves the CPU; 0 is its idle task.
    pub prev: Tid,
    /// The thread that comes; 0 is the CPU's idle task.
    pub next: Tid,
    /// What `prev` is after this. See [`Switch::still_runnable`].
    pub state: State,
    /// What else there is to say.
    pub flags: SwitchFlags,
    /// Involuntary switches (`nivcsw`), modulo 2^8.
    pub involuntary: u8,
    /// Run time (`sum_exec_runtime`), ns modulo 2^48.
    pub run_ns: u64,
    /// Voluntary switches (`nvcsw`), modulo 2^16.
    pub voluntary: u16,
    /// Time runnable and not running (`run_delay`), ns modulo 2^48.
    pub delay_ns: u64,
    /// The priority with which `prev` ran.
    pub prev_prio: Prio,
    /// The priority with which `next` runs.
    pub next_prio: Prio,
}

impl Switch {
    /// Whether `prev` waits for a CPU after this, and not for anything else.
    pub const fn still_runnable(&self) -> bool {
        self.flags.contains(SwitchFlags::PREEMPTED) || matches!(self.state, State::Running)
    }

    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        self.encode_with(self.state as u64)
    }

    /// As [`Switch::encode`], with the state's index in place of `state`.
    #[inline(always)]
    pub const fn encode_with(&self, state_index: u64) -> [u64; 3] {
        [
            tids(self.prev, self.next)
                | put::<44, 4>(state_index)
                | put::<48, 8>(self.flags.0 as u64)
                | put::<56, 8>(self.involuntary as u64),
            put::<0, 16>(self.voluntary as u64) | put::<16, 48>(self.run_ns),
            put::<0, 8>(self.prev_prio.field()) | put::<8, 8>(self.next_prio.field()) | put::<16, 48>(self.delay_ns),
        ]
    }

    /// The inverse of [`Switch::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Switch {
            prev: get::<0, TID_BITS>(w1) as Tid,
            next: get::<22, TID_BITS>(w1) as Tid,
            state: State::from_index(get::<44, 4>(w1) as u8),
            flags: SwitchFlags(get::<48, 8>(w1) as u8),
            involuntary: get::<56, 8>(w1) as u8,
            run_ns: get::<16, 48>(w2),
            voluntary: get::<0, 16>(w2) as u16,
            delay_ns: get::<16, 48>(w3),
            prev_prio: Prio::from_field(get::<0, 8>(w3)),
            next_prio: Prio::from_field(get::<8, 8>(w3)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_runnable_if_it_was_preempted_or_runs() {
        let runnable = |state, flags| Switch { state, flags, ..Switch::default() }.still_runnable();
        assert!(runnable(State::Running, SwitchFlags::NONE));
        assert!(runnable(State::Sleeping, SwitchFlags::PREEMPTED));
        assert!(!runnable(State::Sleeping, SwitchFlags::VOLUNTARY | SwitchFlags::IO_WAIT));
    }
}
