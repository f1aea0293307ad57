// SPDX-License-Identifier: GPL-2.0

//! Threads as the scheduler knows them: identity, name, rank.

use abi::events::Prio;
use std::fmt;

/// A thread. The idle task of each CPU has PID 0; it is told apart by its CPU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u32);

impl TaskId {
    const IDLE: u32 = 1 << 31;

    /// The thread with this PID on this CPU: PID 0 is the CPU's idle task.
    pub fn new(pid: u32, cpu: u32) -> Self {
        if pid == 0 {
            TaskId(Self::IDLE | cpu)
        } else {
            TaskId(pid & !Self::IDLE)
        }
    }

    /// The idle task of `cpu`.
    pub fn idle(cpu: u32) -> Self {
        Self::new(0, cpu)
    }

    /// Its PID (of the thread, in the initial namespace); 0 for an idle task.
    pub fn pid(self) -> u32 {
        if self.is_idle() {
            0
        } else {
            self.0
        }
    }

    /// Whether it is a CPU's idle task.
    pub fn is_idle(self) -> bool {
        self.0 & Self::IDLE != 0
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_idle() {
            write!(f, "idle/{}", self.0 & !Self::IDLE)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// A thread's name: at most 15 bytes, any of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Comm([u8; 16]);

impl Comm {
    /// The bytes up to the first NUL, at most 15.
    pub fn new(bytes: &[u8]) -> Self {
        let mut comm = [0; 16];
        for (to, from) in comm.iter_mut().zip(bytes.iter().take(15).take_while(|byte| **byte != 0)) {
            *to = *from;
        }
        Comm(comm)
    }

    /// The name without its padding.
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// Whether nothing is known of the name.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// Whether `part` occurs in the name.
    pub fn contains(&self, part: &[u8]) -> bool {
        part.is_empty() || self.bytes().windows(part.len()).any(|window| window == part)
    }
}

impl fmt::Display for Comm {
    /// Bytes that are not UTF-8 become U+FFFD; control characters a question mark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.bytes());
        let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        f.pad(&text)
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Ranks; a higher one takes the CPU from a lower one: stop, deadline, real time by priority, all others, idle.
///
/// Nice levels share a rank: they divide time and do not preempt by right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u16);

impl Rank {
    /// The idle task.
    pub const IDLE: Rank = Rank(0);
    /// The fair classes: SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_EXT.
    pub const FAIR: Rank = Rank(1);
    /// SCHED_DEADLINE.
    pub const DEADLINE: Rank = Rank(200);
    /// The stopper threads, `migration/N`.
    pub const STOP: Rank = Rank(201);

    /// The rank of a priority. A stopper thread has real-time priority 99 to look at: its name tells it apart.
    pub fn of(prio: Prio, is_stopper: bool) -> Self {
        match prio.0 {
            _ if is_stopper => Rank::STOP,
            i16::MIN..=-1 => Rank::DEADLINE,
            real_time @ 0..=99 => Rank(101 - real_time.unsigned_abs()),
            140.. => Rank::IDLE,
            _ => Rank::FAIR,
        }
    }

    /// Deadline or real time.
    pub fn is_real_time(self) -> bool {
        self > Rank::FAIR && self < Rank::STOP
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Rank::IDLE => f.pad("idle"),
            Rank::FAIR => f.pad("fair"),
            Rank::DEADLINE => f.pad("deadline"),
            Rank::STOP => f.pad("stop"),
            // What chrt(1) and sched_setscheduler(2) call the priority: 1 to 99.
            Rank(rank) => f.pad(&format!("rt {}", rank - 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_tasks_of_two_cpus_are_two_tasks() {
        assert_ne!(TaskId::new(0, 0), TaskId::new(0, 1));
        assert_eq!(TaskId::new(7, 0), TaskId::new(7, 1));
        assert_eq!((TaskId::idle(3).pid(), TaskId::new(9, 3).pid()), (0, 9));
        assert!(TaskId::idle(0).is_idle() && !TaskId::new(1, 0).is_idle());
    }

    #[test]
    fn a_name_ends_at_its_first_nul_and_after_15_bytes() {
        assert_eq!(Comm::new(b"cat\0stale").bytes(), b"cat");
        assert_eq!(Comm::new(b"0123456789abcdefgh").bytes(), b"0123456789abcde");
        assert_eq!(Comm::new(b"a\nb").to_string(), "a?b");
        assert!(Comm::new(b"stress-ng").contains(b"ess-") && !Comm::new(b"cat").contains(b"cats"));
    }

    #[test]
    fn ranks_are_those_of_the_scheduling_classes() {
        let order = [
            Rank::IDLE,
            Rank::of(Prio(139), false),
            Rank::of(Prio(98), false),
            Rank::of(Prio(0), false),
            Rank::of(Prio(-1), false),
            Rank::of(Prio(0), true),
        ];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
        assert_eq!(Rank::of(Prio(100), false), Rank::of(Prio(139), false));
        // sched_setscheduler's 99 is the kernel's 0, its 1 the kernel's 98.
        assert_eq!(
            (Rank::of(Prio(0), false).to_string(), Rank::of(Prio(98), false).to_string()),
            ("rt 99".into(), "rt 1".into())
        );
    }
}
