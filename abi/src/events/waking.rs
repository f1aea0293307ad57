// SPDX-License-Identifier: GPL-2.0

//! A thread is woken.
//!
//! ```text
//! word 1  wakee (bits 0-21), waker (22-43), flags (44-51): Context (44-45), wakee waited for block I/O (46),
//!         waker's (47) and wakee's (48) call is one of the 32-bit table; State of the wakee (52-55), its priority (56-63)
//!      2  CPU that the wakee ran on last (0-15), waker's priority (16-23),
//!         waker's system call (32-47), wakee's (48-63): 0xffff outside of one
//!      3  first argument of the wakee's system call: a futex's address, a file descriptor; anything outside of one
//! ```

use super::bits::{get, put, tids};
use super::task::{Context, Prio, State, Tid, TID_BITS};

/// The number in place of a system call's where there is none.
const NO_CALL: u16 = u16::MAX;

/// `waker` wakes `wakee`. The CPU on which it will run is not chosen yet.
///
/// Where `context` is not [`Context::Task`], an interrupt woke it, and `waker` only happened to run there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waking {
    /// The thread that slept.
    pub wakee: Tid,
    /// The thread that ran on this CPU.
    pub waker: Tid,
    /// Where the wake-up came from.
    pub context: Context,
    /// The wakee waited for block I/O (`in_iowait`).
    pub io_wait: bool,
    /// The waker's system call is one of the 32-bit table.
    pub waker_compat: bool,
    /// The wakee's system call is one of the 32-bit table.
    pub wakee_compat: bool,
    /// How the wakee slept.
    pub wakee_state: State,
    /// The wakee's priority.
    pub wakee_prio: Prio,
    /// The waker's priority.
    pub waker_prio: Prio,
    /// The CPU that the wakee ran on last.
    pub previous_cpu: u16,
    /// The system call that the waker is in.
    pub waker_call: Option<u16>,
    /// The system call that the wakee sleeps in.
    pub wakee_call: Option<u16>,
    /// That call's first argument, 0 without a call.
    pub argument: u64,
}

const fn call_field(call: Option<u16>) -> u64 {
    match call {
        Some(call) => call as u64,
        None => NO_CALL as u64,
    }
}

const fn call_from_field(field: u64) -> Option<u16> {
    match field as u16 {
        NO_CALL => None,
        call => Some(call),
    }
}

impl Waking {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        let flags = self.context as u64
            | put::<2, 1>(self.io_wait as u64)
            | put::<3, 1>(self.waker_compat as u64)
            | put::<4, 1>(self.wakee_compat as u64);
        let calls = put::<32, 16>(call_field(self.waker_call)) | put::<48, 16>(call_field(self.wakee_call));
        self.encode_with(self.wakee_state as u64, flags, calls)
    }

    /// As [`Waking::encode`], with the state's index in place of `wakee_state`, and with all flags (bits 0 to 4, as they
    /// stand from bit 44 on) and both system calls (as they stand in word 2, with nothing below) as they are.
    #[inline(always)]
    pub const fn encode_with(&self, state_index: u64, flags: u64, calls: u64) -> [u64; 3] {
        [
            tids(self.wakee, self.waker)
                | put::<44, 8>(flags)
                | put::<52, 4>(state_index)
                | put::<56, 8>(self.wakee_prio.field()),
            put::<0, 16>(self.previous_cpu as u64) | put::<16, 8>(self.waker_prio.field()) | calls,
            self.argument,
        ]
    }

    /// The inverse of [`Waking::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Waking {
            wakee: get::<0, TID_BITS>(w1) as Tid,
            waker: get::<22, TID_BITS>(w1) as Tid,
            context: Context::from_bits(get::<44, 2>(w1) as u8),
            io_wait: get::<46, 1>(w1) != 0,
            waker_compat: get::<47, 1>(w1) != 0,
            wakee_compat: get::<48, 1>(w1) != 0,
            wakee_state: State::from_index(get::<52, 4>(w1) as u8),
            wakee_prio: Prio::from_field(get::<56, 8>(w1)),
            waker_prio: Prio::from_field(get::<16, 8>(w2)),
            previous_cpu: get::<0, 16>(w2) as u16,
            waker_call: call_from_field(get::<32, 16>(w2)),
            wakee_call: call_from_field(get::<48, 16>(w2)),
            // The writer does not look whether there is a call before it takes the register.
            argument: if get::<48, 16>(w2) as u16 == NO_CALL { 0 } else { w3 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_without_a_system_call_is_none() {
        for (call, argument) in [(None, 0), (Some(202), 0x7fff_1234)] {
            let waking = Waking { wakee_call: call, argument: 0x7fff_1234, ..Waking::default() };
            assert_eq!(Waking::decode(waking.encode()).argument, argument, "{call:?}");
        }
    }
}
