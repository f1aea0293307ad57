// SPDX-License-Identifier: GPL-2.0

//! Page faults: two records for each attempt to handle one.
//!
//! An attempt is one call of the kernel's `handle_mm_fault`. A fault that waits may take several: the kernel gives the lock
//! of the address space back, waits, and begins again. [`join::Join`] makes one [`join::Whole`] fault of them.
//!
//! ```text
//!              word 1                                   word 2                        word 3
//! Fault        thread (0-21), group (22-43),            address (0-55),               latency, ns, at most 2^40-1 (0-39),
//! FaultEntry   Counted (44-45), PageState               MappingClass (56-63)          minor (40-51) and major (52-63)
//!              before (46-49) and after (50-53),                                      faults of the thread modulo 2^12
//!              FaultFlags (54-63)
//! FaultPlace   user's instruction pointer (0-55)        FaultResult (0-15),           page in the file (0-51)
//!                                                       mapping's ID (32-63)
//! ```
//!
//! [`FaultPlace`] follows in the same commit and has the same time. The time of a [`Fault`] is that of its end, and its
//! latency says when it began. Of a `FaultEntry` only the beginning was seen: its time is that, `after`, `counted` and
//! the result are not known, latency is 0, and the counts are those before the fault.

pub mod class;
pub mod join;
pub mod kind;
pub mod map;
pub mod signal;
pub mod state;

use super::bits::{get, put};
use super::task::{Tid, TID_BITS};
use class::MappingClass;
use core::ops::{BitOr, BitOrAssign};
use state::PageState;

/// Bits of an address in user space: no processor that Linux runs on has more.
pub const ADDRESS_BITS: u32 = 56;

/// The longest latency that a record can say, ns: 18 minutes. What took longer says this.
pub const LATENCY_MAX_NS: u64 = (1 << 40) - 1;

/// Bits of the minor and the major faults that a record has.
pub const COUNT_BITS: u32 = 12;

/// What the kernel has counted this attempt as, in the current thread's `min_flt` and `maj_flt` (`getrusage`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Counted {
    /// As nothing: it failed, or it is to be tried again, or its end was not seen.
    #[default]
    Nothing = 0,
    /// As a minor fault.
    Minor = 1,
    /// As a major fault.
    Major = 2,
    /// More than one count has moved: other faults were handled inside of this one.
    Several = 3,
}

impl Counted {
    const fn from_bits(bits: u64) -> Counted {
        match bits & 3 {
            0 => Counted::Nothing,
            1 => Counted::Minor,
            2 => Counted::Major,
            _ => Counted::Several,
        }
    }
}

/// What kind of access it was, and where it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultFlags(pub u16);

impl FaultFlags {
    /// A read from the program's own code.
    pub const NONE: FaultFlags = FaultFlags(0);
    /// The access is a write.
    pub const WRITE: FaultFlags = FaultFlags(1 << 0);
    /// The access is the fetch of an instruction.
    pub const EXECUTE: FaultFlags = FaultFlags(1 << 1);
    /// Kernel code touched the page on the process' behalf, as in `read(2)`. The instruction pointer is where the program
    /// went into the kernel.
    pub const KERNEL: FaultFlags = FaultFlags(1 << 2);
    /// There was no access: the kernel wanted the page itself (`get_user_pages`), as for direct I/O or `mlock`. The
    /// instruction pointer is as with [`FaultFlags::KERNEL`], which is set too.
    pub const NO_ACCESS: FaultFlags = FaultFlags(1 << 3);
    /// The page is another process': a debugger's write, `process_vm_readv`. The kernel counts the fault for the thread
    /// that wants the page, and this record is that thread's; the mapping is of the other one.
    pub const REMOTE: FaultFlags = FaultFlags(1 << 4);
    /// The kernel wants a page of its own for the process, without a write.
    pub const UNSHARE: FaultFlags = FaultFlags(1 << 5);
    /// The attempt holds the lock of one mapping, and not of the address space: it is a fault's first.
    pub const FIRST: FaultFlags = FaultFlags(1 << 6);
    /// The attempt is not a fault's first (`FAULT_FLAG_TRIED`). If it succeeds, the kernel counts it as major.
    pub const TRIED: FaultFlags = FaultFlags(1 << 7);
    /// A signal was pending at the end of the attempt that makes the kernel give up where it would try again.
    pub const SIGNAL: FaultFlags = FaultFlags(1 << 8);
    /// The page frame is the same before and after: a write made it writable without a copy.
    pub const SAME_PAGE: FaultFlags = FaultFlags(1 << 9);

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: FaultFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for FaultFlags {
    type Output = FaultFlags;

    fn bitor(self, other: FaultFlags) -> FaultFlags {
        FaultFlags(self.0 | other.0)
    }
}

impl BitOrAssign for FaultFlags {
    fn bitor_assign(&mut self, other: FaultFlags) {
        self.0 |= other.0;
    }
}

/// What `handle_mm_fault` has returned: the kernel's `VM_FAULT_*` bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultResult(pub u16);

impl FaultResult {
    /// The page was mapped, and that is all.
    pub const NONE: FaultResult = FaultResult(0);
    /// No memory.
    pub const OOM: FaultResult = FaultResult(0x1);
    /// There is no such page, as beyond the end of a file; or it cannot be read.
    pub const SIGBUS: FaultResult = FaultResult(0x2);
    /// The page had to be read from a disk.
    pub const MAJOR: FaultResult = FaultResult(0x4);
    /// The page's memory is broken.
    pub const HWPOISON: FaultResult = FaultResult(0x10);
    /// The memory of a huge page is broken.
    pub const HWPOISON_LARGE: FaultResult = FaultResult(0x20);
    /// The access is not allowed.
    pub const SIGSEGV: FaultResult = FaultResult(0x40);
    /// The handler has mapped the page itself.
    pub const NOPAGE: FaultResult = FaultResult(0x100);
    /// The page came locked.
    pub const LOCKED: FaultResult = FaultResult(0x200);
    /// To be tried again: what it needs was not there yet.
    pub const RETRY: FaultResult = FaultResult(0x400);
    /// A huge page could not be had.
    pub const FALLBACK: FaultResult = FaultResult(0x800);
    /// The handler has copied the page itself.
    pub const DONE_COW: FaultResult = FaultResult(0x1000);
    /// `MAP_SYNC`.
    pub const NEEDDSYNC: FaultResult = FaultResult(0x2000);
    /// Done, and the lock of the address space is released.
    pub const COMPLETED: FaultResult = FaultResult(0x4000);
    /// The results with which the kernel counts nothing.
    pub const ERROR: FaultResult = FaultResult(0x873);

    /// Whether all of `other`'s bits are set.
    pub const fn contains(self, other: FaultResult) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other`'s bits is set.
    pub const fn intersects(self, other: FaultResult) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for FaultResult {
    type Output = FaultResult;

    fn bitor(self, other: FaultResult) -> FaultResult {
        FaultResult(self.0 | other.0)
    }
}

/// An attempt: who, where, how long. See [`FaultPlace`] for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The thread for which the kernel counts it.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// What the kernel has counted it as.
    pub counted: Counted,
    /// What was there before.
    pub before: PageState,
    /// What was there afterwards, where that tells more than the result does; else unknown.
    pub after: PageState,
    /// The access.
    pub flags: FaultFlags,
    /// The address, to the byte as far as the processor says it; with [`FaultFlags::NO_ACCESS`] it may be the page's.
    pub address: u64,
    /// What sort of mapping the address is in.
    pub class: MappingClass,
    /// From the beginning of this attempt to its end, ns; at most [`LATENCY_MAX_NS`].
    pub latency_ns: u64,
    /// The thread's minor faults, this one included, modulo 2^12.
    pub minor: u16,
    /// The thread's major faults, this one included, modulo 2^12.
    pub major: u16,
}

/// The second record of an attempt: the code, the mapping and the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlace {
    /// The instruction in user space that made the access, or that went into the kernel; 0 for a thread without one.
    pub ip: u64,
    /// What the kernel says of it.
    pub result: FaultResult,
    /// The ID of a [`map::Map`] of the same thread group, whose record came before, in this ring or in another one. 0: unknown.
    pub mapping: u32,
    /// The page's number in the mapped file; in anonymous memory, as the kernel numbers it.
    pub page: u64,
}

impl Fault {
    /// Words 1 to 3.
    #[inline(always)]
    pub const fn encode(&self) -> [u64; 3] {
        let latency = if self.latency_ns > LATENCY_MAX_NS { LATENCY_MAX_NS } else { self.latency_ns };
        [
            self.tid as u64
                | put::<22, TID_BITS>(self.tgid as u64)
                | put::<44, 2>(self.counted as u64)
                | put::<46, 4>(self.before as u64)
                | put::<50, 4>(self.after as u64)
                | put::<54, 10>(self.flags.0 as u64),
            put::<0, ADDRESS_BITS>(self.address) | put::<56, 8>(self.class.0 as u64),
            latency | put::<40, COUNT_BITS>(self.minor as u64) | put::<52, COUNT_BITS>(self.major as u64),
        ]
    }

    /// The inverse of [`Fault::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Fault {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            counted: Counted::from_bits(get::<44, 2>(w1)),
            before: PageState::from_index(get::<46, 4>(w1) as u8),
            after: PageState::from_index(get::<50, 4>(w1) as u8),
            flags: FaultFlags(get::<54, 10>(w1) as u16),
            address: get::<0, ADDRESS_BITS>(w2),
            class: MappingClass(get::<56, 8>(w2) as u8),
            latency_ns: get::<0, 40>(w3),
            minor: get::<40, COUNT_BITS>(w3) as u16,
            major: get::<52, COUNT_BITS>(w3) as u16,
        }
    }
}

impl FaultPlace {
    /// Words 1 to 3.
    #[inline(always)]
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, ADDRESS_BITS>(self.ip),
            put::<0, 16>(self.result.0 as u64) | put::<32, 32>(self.mapping as u64),
            put::<0, 52>(self.page),
        ]
    }

    /// The inverse of [`FaultPlace::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        FaultPlace {
            ip: get::<0, ADDRESS_BITS>(w1),
            result: FaultResult(get::<0, 16>(w2) as u16),
            mapping: get::<32, 32>(w2) as u32,
            page: get::<0, 52>(w3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_that_has_no_room_says_the_longest() {
        let long = Fault { latency_ns: 1 << 41, minor: 1, ..Fault::default() };
        let decoded = Fault::decode(long.encode());
        assert_eq!((decoded.latency_ns, decoded.minor), (LATENCY_MAX_NS, 1));
    }

    #[test]
    fn errors_are_what_the_kernel_counts_as_nothing() {
        let errors = [
            FaultResult::OOM,
            FaultResult::SIGBUS,
            FaultResult::SIGSEGV,
            FaultResult::HWPOISON,
            FaultResult::HWPOISON_LARGE,
            FaultResult::FALLBACK,
        ];
        assert_eq!(errors.iter().fold(0, |all, error| all | error.0), FaultResult::ERROR.0);
        assert!(!FaultResult::ERROR.intersects(FaultResult::RETRY));
    }
}
