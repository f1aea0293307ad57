// SPDX-License-Identifier: GPL-2.0

//! The words in the first page of an event ring: one ring per CPU, which only that CPU writes.
//!
//! ```text
//! word  0 to 12             as in every ring (see [`super::super::header`]); records are 32 bytes long
//!      13 session           a number that no other set of rings has, from 1: all rings of a set have the same
//!      14 start, CLOCK_BOOTTIME, ns  }  the same instant as words 7 and 8, before the first record;
//!                                    }  records' times are extended from it
//!      15 mode              0: the oldest records are overwritten, 1: new ones are dropped while the ring is full
//!      16 reserved          records whose writing has begun   }
//!      17 committed         records that may be read          }
//!      18 switches          all of this CPU since the start   }  one cache line. Counted whatever is filtered, dropped or
//!      19 voluntary         of them, as the kernel counts     }  overwritten, so that they stay exact
//!      20 from idle         of them, out of the idle task     }
//!      21 wakings           wake-ups that this CPU did        }
//!      22 dropped           records that found the ring full  }
//!      23 migrations        of threads, done by this CPU      }
//!      24 ended             CLOCK_BOOTTIME, ns, at which the last record was complete; 0 while the ring lives
//!      25 kinds             what is recorded at the moment: bit n for the kind with number n
//!      26 filtered          1 where only some processes are recorded
//!      27 interrupts        that have ended on this CPU, while they are traced
//!      28 watermark         readers are woken when as many records have come
//!      29 rings             of this set, at the moment: more when a CPU comes online
//!      30 faults            attempts to handle a page fault of a recorded process that have ended on this CPU, or begun
//!                           where ends are not recorded
//! ```
//!
//! Involuntary switches are `switches - voluntary - from idle`. The counts belong to what is traced: `wakings`,
//! `migrations` and `interrupts` stand still while their kind is not in `kinds`.

use super::super::words::ReadWords;

/// Word indices in the header page of an event ring, beside those of every ring.
pub mod word {
    /// The number of the set of rings.
    pub const SESSION: usize = 13;
    /// Start on `CLOCK_BOOTTIME`, ns.
    pub const START_BOOTTIME_NS: usize = 14;
    /// [`super::super::ioctl::MODE_OVERWRITE`] or [`super::super::ioctl::MODE_DISCARD`].
    pub const MODE: usize = 15;
    /// Context switches.
    pub const SWITCHES: usize = 18;
    /// Voluntary ones.
    pub const VOLUNTARY: usize = 19;
    /// Those out of the idle task.
    pub const FROM_IDLE: usize = 20;
    /// Wake-ups.
    pub const WAKINGS: usize = 21;
    /// Records that found the ring full.
    pub const DROPPED: usize = 22;
    /// Migrations from one CPU to another.
    pub const MIGRATIONS: usize = 23;
    /// When the ring ended, `CLOCK_BOOTTIME`, ns; 0 before.
    pub const ENDED: usize = 24;
    /// [`super::super::Kinds`] that are recorded.
    pub const KINDS: usize = 25;
    /// 1 where a filter is set.
    pub const FILTERED: usize = 26;
    /// Interrupts.
    pub const INTERRUPTS: usize = 27;
    /// Records after which readers are woken.
    pub const WATERMARK: usize = 28;
    /// Rings of this set.
    pub const RINGS: usize = 29;
    /// Page faults of recorded processes.
    pub const FAULTS: usize = 30;
}

/// Events of one CPU since its ring began, lost ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Context switches.
    pub switches: u64,
    /// Of them, those that the kernel counts as voluntary.
    pub voluntary: u64,
    /// Of them, those out of the idle task.
    pub from_idle: u64,
    /// Wake-ups that this CPU did.
    pub wakings: u64,
    /// Records that found the ring full.
    pub dropped: u64,
    /// Migrations that this CPU did.
    pub migrations: u64,
    /// Interrupts that ended on this CPU.
    pub interrupts: u64,
}

impl Counts {
    /// Reads them. Each is exact; they may be a few events apart from one another while the ring lives.
    pub fn read<M: ReadWords>(memory: &M) -> Self {
        // The parts before the sum, so that the rest is never negative.
        let (voluntary, from_idle) = (memory.load_acquire(word::VOLUNTARY), memory.load_acquire(word::FROM_IDLE));
        Counts {
            switches: memory.load_relaxed(word::SWITCHES),
            voluntary,
            from_idle,
            wakings: memory.load_relaxed(word::WAKINGS),
            dropped: memory.load_relaxed(word::DROPPED),
            migrations: memory.load_relaxed(word::MIGRATIONS),
            interrupts: memory.load_relaxed(word::INTERRUPTS),
        }
    }

    /// Switches that were forced on a thread.
    pub const fn involuntary(&self) -> u64 {
        self.switches.saturating_sub(self.voluntary).saturating_sub(self.from_idle)
    }
}

/// Attempts to handle a page fault of a recorded process, lost ones included: as many pairs of records as there would be
/// without loss.
pub fn faults<M: ReadWords>(memory: &M) -> u64 {
    memory.load_relaxed(word::FAULTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tests::HeapWords;
    use crate::words::WriteWords;

    #[test]
    fn every_switch_is_of_one_of_three_sorts() {
        let memory = HeapWords::filled(64, 0);
        for (index, value) in [(word::SWITCHES, 100), (word::VOLUNTARY, 60), (word::FROM_IDLE, 30), (word::DROPPED, 7)]
        {
            memory.store_relaxed(index, value);
        }
        let counts = Counts::read(&memory);
        assert_eq!((counts.switches, counts.voluntary, counts.from_idle), (100, 60, 30));
        assert_eq!((counts.involuntary(), counts.dropped), (10, 7));
    }
}
