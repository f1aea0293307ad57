// SPDX-License-Identifier: GPL-2.0

//! What the records say about threads in common terms.

/// A thread ID in the initial PID namespace, below 2^22. 0 is the idle task of the CPU whose ring the record is in.
pub type Tid = u32;

/// Bits of a [`Tid`] (`PID_MAX_LIMIT` is 2^22).
pub(super) const TID_BITS: u32 = 22;

/// The kernel's `task_struct::prio`: lower runs first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prio(pub i16);

/// What a [`Prio`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrioClass {
    /// `SCHED_DEADLINE`.
    Deadline,
    /// `SCHED_FIFO` or `SCHED_RR`.
    RealTime,
    /// Everything else that is scheduled.
    Fair,
    /// A CPU's idle task.
    Idle,
}

impl Prio {
    /// From the kernel's number.
    #[inline(always)]
    pub const fn from_kernel(prio: i32) -> Prio {
        Prio(prio as i16)
    }

    /// The class that this priority belongs to. An inherited priority (`PRIORITY`) counts as the thread's own.
    pub const fn class(self) -> PrioClass {
        match self.0 {
            ..0 => PrioClass::Deadline,
            0..100 => PrioClass::RealTime,
            100..140 => PrioClass::Fair,
            _ => PrioClass::Idle,
        }
    }

    /// `SCHED_FIFO`'s and `SCHED_RR`'s `sched_priority`, 1 to 99.
    pub const fn real_time_priority(self) -> Option<u8> {
        match self.0 {
            0..100 => Some((99_i16.wrapping_sub(self.0)) as u8),
            _ => None,
        }
    }

    /// The nice level of a fair thread, -20 to 19.
    pub const fn nice(self) -> Option<i8> {
        match self.0 {
            100..140 => Some((self.0.wrapping_sub(120)) as i8),
            _ => None,
        }
    }

    /// As a field of 8 bits: -1 is 255.
    #[inline(always)]
    pub(super) const fn field(self) -> u64 {
        self.0 as u8 as u64
    }

    /// From a field of 8 bits: 255 is -1.
    #[inline(always)]
    pub const fn from_field(field: u64) -> Prio {
        match (field & 0xff) as i16 {
            255 => Prio(-1),
            prio => Prio(prio),
        }
    }
}

/// The state of a thread, as `/proc/PID/stat` and `ps` have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// R: running, or waiting for a CPU.
    #[default]
    Running = 0,
    /// S: asleep; signals wake it.
    Sleeping = 1,
    /// D: asleep; signals do not wake it, or only those that kill.
    Uninterruptible = 2,
    /// T: stopped by a signal.
    Stopped = 3,
    /// t: stopped for its tracer.
    Traced = 4,
    /// X: dead.
    Dead = 5,
    /// Z: dead, and its parent has not asked for its status.
    Zombie = 6,
    /// P: a parked kernel thread.
    Parked = 7,
    /// I: a kernel thread that waits for work, and does not count as load.
    Idle = 8,
    /// A state that this version has no name for.
    Other = 15,
}

impl State {
    /// The state with this index.
    pub const fn from_index(index: u8) -> State {
        match index & 15 {
            0 => State::Running,
            1 => State::Sleeping,
            2 => State::Uninterruptible,
            3 => State::Stopped,
            4 => State::Traced,
            5 => State::Dead,
            6 => State::Zombie,
            7 => State::Parked,
            8 => State::Idle,
            _ => State::Other,
        }
    }

    /// Its letter: one of `RSDTtXZPI`, or `?`.
    pub const fn letter(self) -> char {
        match self {
            State::Running => 'R',
            State::Sleeping => 'S',
            State::Uninterruptible => 'D',
            State::Stopped => 'T',
            State::Traced => 't',
            State::Dead => 'X',
            State::Zombie => 'Z',
            State::Parked => 'P',
            State::Idle => 'I',
            State::Other => '?',
        }
    }

    /// From `task_struct::__state` and `exit_state`; see [`State::index_from_kernel`].
    pub const fn from_kernel(bits: u32) -> State {
        State::from_index(State::index_from_kernel(bits) as u8)
    }

    /// The index of the state that `task_struct::__state` and `exit_state` make. All releases of Linux that mp3 knows have
    /// the same bits.
    ///
    /// The highest bit that `ps` has a letter for decides, as in the kernel's own `task_state_index()`.
    #[inline(always)]
    pub const fn index_from_kernel(bits: u32) -> u64 {
        // Interruptible to TASK_PARKED, bits 0 to 6 in the order of the indices 1 to 7.
        const REPORTED: u32 = 0x7f;
        // TASK_DEAD, TASK_NOLOAD, TASK_RTLOCK_WAIT, TASK_FROZEN: where the bits do not say it by themselves.
        const OTHERS: u32 = 0x9480;
        if bits & OTHERS != 0 {
            return State::index_of_others(bits);
        }
        // `fls()`: the bit below stands for "none".
        let reported = ((bits & REPORTED) << 1) | 1;
        u32::BITS.wrapping_sub(1).wrapping_sub(reported.leading_zeros()) as u64
    }

    /// As [`State::index_from_kernel`], for the usual states: running, sleeping and uninterruptible. `None` is for all others.
    #[inline(always)]
    pub const fn usual_index_from_kernel(bits: u32) -> Option<u64> {
        // TASK_INTERRUPTIBLE or TASK_UNINTERRUPTIBLE, of which no task has both.
        const INDEX: u32 = 0x3;
        // TASK_WAKEKILL and TASK_FREEZABLE make no other state of it.
        const SILENT: u32 = 0x2100;
        if bits & !(INDEX | SILENT) != 0 {
            return None;
        }
        Some((bits & INDEX) as u64)
    }

    #[cold]
    const fn index_of_others(bits: u32) -> u64 {
        // TASK_UNINTERRUPTIBLE | TASK_NOLOAD
        const IDLE: u32 = 0x402;
        const DEAD: u32 = 0x80;
        // Both are reported as uninterruptible.
        const RTLOCK_WAIT: u32 = 0x1000;
        const FROZEN: u32 = 0x8000;
        if bits & IDLE == IDLE {
            State::Idle as u64
        } else if bits & DEAD != 0 {
            State::Dead as u64
        } else if bits & (RTLOCK_WAIT | FROZEN) != 0 {
            State::Uninterruptible as u64
        } else {
            // TASK_NOLOAD alone says nothing.
            State::index_from_kernel(bits & 0x7f)
        }
    }
}

/// Where the CPU was when something happened on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Context {
    /// In the current thread: it is the one that acts.
    #[default]
    Task = 0,
    /// In a softirq. The current thread is a bystander.
    SoftIrq = 1,
    /// In a hard interrupt. The current thread is a bystander.
    HardIrq = 2,
    /// In a non-maskable interrupt. The current thread is a bystander.
    Nmi = 3,
}

impl Context {
    /// From its two bits.
    pub const fn from_bits(bits: u8) -> Context {
        match bits & 3 {
            0 => Context::Task,
            1 => Context::SoftIrq,
            2 => Context::HardIrq,
            _ => Context::Nmi,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_says_what_it_means() {
        for (prio, class, rt, nice) in [
            (-1, PrioClass::Deadline, None, None),
            (0, PrioClass::RealTime, Some(99), None),
            (98, PrioClass::RealTime, Some(1), None),
            (100, PrioClass::Fair, None, Some(-20)),
            (120, PrioClass::Fair, None, Some(0)),
            (139, PrioClass::Fair, None, Some(19)),
            (140, PrioClass::Idle, None, None),
        ] {
            let prio = Prio(prio);
            assert_eq!((prio.class(), prio.real_time_priority(), prio.nice()), (class, rt, nice), "{prio:?}");
            assert_eq!(Prio::from_field(prio.field() & 0xff), prio);
        }
    }

    #[test]
    fn the_letters_are_those_of_ps() {
        let letters: String = (0..9).map(|index| State::from_index(index).letter()).collect();
        assert_eq!(letters, "RSDTtXZPI");
        assert_eq!(State::from_index(9), State::Other);
    }

    #[test]
    fn the_kernels_bits_become_states() {
        for (bits, letter) in [
            (0x0, 'R'),
            (0x1, 'S'),
            (0x2, 'D'),
            (0x102, 'D'),
            (0x402, 'I'),
            (0x2001, 'S'),
            (0x104, 'T'),
            (0x8, 't'),
            (0x40, 'P'),
            (0x80, 'X'),
            (0x20, 'Z'),
            (0x10, 'X'),
            (0x1000, 'D'),
            (0x8000, 'D'),
        ] {
            assert_eq!(State::from_kernel(bits).letter(), letter, "{bits:#x}");
            let usual = State::usual_index_from_kernel(bits);
            assert!(usual.is_none_or(|index| index == State::index_from_kernel(bits)), "{bits:#x}");
            assert_eq!(usual.is_some(), [0, 1, 2, 0x102, 0x2001].contains(&bits), "{bits:#x}");
        }
    }
}
