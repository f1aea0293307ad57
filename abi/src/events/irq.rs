// SPDX-License-Identifier: GPL-2.0

//! Time taken by an interrupt. The record is written at its end, which is the record's time.
//!
//! ```text
//! word 1  IrqClass (bits 0-1), number (8-23), thread that was interrupted (24-45)
//!      2  duration, ns
//!      3  of it in interrupts that were recorded meanwhile, ns
//! ```

use super::bits::{get, put};
use super::task::{Tid, TID_BITS};

/// What kind of interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum IrqClass {
    /// The CPU's own timer, with the hrtimers that it runs; the number is the vector.
    #[default]
    Timer = 0,
    /// A device's; the number is that of `/proc/interrupts`.
    Hard = 1,
    /// A softirq; the number is the line of `/proc/softirqs`, from 0.
    Soft = 2,
    /// A class that this version has no name for.
    Other = 3,
}

impl IrqClass {
    /// From its two bits.
    pub const fn from_bits(bits: u8) -> IrqClass {
        match bits & 3 {
            0 => IrqClass::Timer,
            1 => IrqClass::Hard,
            2 => IrqClass::Soft,
            _ => IrqClass::Other,
        }
    }
}

/// An interrupt has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Irq {
    /// What kind of interrupt.
    pub class: IrqClass,
    /// Which one.
    pub number: u16,
    /// The thread that it interrupted; 0 for the idle task. A softirq may run in a thread of its own, which is then named.
    pub tid: Tid,
    /// From its beginning to its end, ns.
    pub duration_ns: u64,
    /// The part of `duration_ns` that interrupts inside of it took and recorded themselves.
    pub nested_ns: u64,
}

impl Irq {
    /// Words 1 to 3.
    #[inline(always)]
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, 2>(self.class as u64) | put::<8, 16>(self.number as u64) | put::<24, TID_BITS>(self.tid as u64),
            self.duration_ns,
            self.nested_ns,
        ]
    }

    /// The inverse of [`Irq::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Irq {
            class: IrqClass::from_bits(get::<0, 2>(w1) as u8),
            number: get::<8, 16>(w1) as u16,
            tid: get::<24, TID_BITS>(w1) as Tid,
            duration_ns: w2,
            nested_ns: w3,
        }
    }

    /// Time in this interrupt and in none inside of it, ns.
    pub const fn own_ns(&self) -> u64 {
        self.duration_ns.saturating_sub(self.nested_ns)
    }
}
