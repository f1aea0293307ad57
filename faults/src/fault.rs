// SPDX-License-Identifier: GPL-2.0

//! A page fault, as views see it.

pub use abi::events::fault::kind::FaultKind;

/// Bytes of a page are 2 to this: x86-64's.
pub const PAGE_BITS: u32 = abi::events::fault::map::PAGE_SHIFT;

/// What a fault was for, as far as the records tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// The kind, of a fault whose end was seen; else the likelier of two that only the end tells apart.
    pub kind: FaultKind,
    /// Whether its end was seen (`--no-latency` records beginnings only).
    pub is_ended: bool,
}

impl Kind {
    /// Of a fault whose end was seen.
    pub const fn ended(kind: FaultKind) -> Self {
        Kind { kind, is_ended: true }
    }

    /// Its name in output. Where only the beginning was seen, kinds that the end would tell apart share one.
    pub const fn name(self) -> &'static str {
        match self.kind {
            FaultKind::FileMinor | FaultKind::FileMajor if !self.is_ended => "file",
            FaultKind::SwapCache | FaultKind::SwapDisk if !self.is_ended => "swap",
            FaultKind::ZeroPage if !self.is_ended => "first-read",
            kind => kind.name(),
        }
    }

    /// Whether a second fault of this kind on a page brings back what was there before: mostly it was evicted.
    pub const fn brings_back(self) -> bool {
        matches!(
            self.kind,
            FaultKind::FileMinor
                | FaultKind::FileMajor
                | FaultKind::SwapCache
                | FaultKind::SwapDisk
                | FaultKind::SharedMemory
                | FaultKind::HugePage
        )
    }

    /// Whether the page was mapped or made: not of an access that failed, nor of one for which there was nothing to do.
    pub const fn is_use(self) -> bool {
        !matches!(
            self.kind,
            FaultKind::Protection
                | FaultKind::Failed
                | FaultKind::Spurious
                | FaultKind::NumaHint
                | FaultKind::Migration
        )
    }
}

/// What the thread wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// It read.
    Read,
    /// It wrote.
    Write,
    /// It fetched an instruction.
    Execute,
}

impl Access {
    /// Its name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Execute => "execute",
        }
    }
}

/// Which of the thread's counters the kernel raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// `min_flt`.
    Minor,
    /// `maj_flt`.
    Major,
    /// None: it failed, or a signal came while it waited and it was given up.
    Not,
    /// The record was written before the kernel counted.
    Unknown,
}

/// A page fault with all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it began, CLOCK_BOOTTIME, ns.
    pub from: u64,
    /// How long it took, ns; none where latency was not recorded.
    pub took: Option<u64>,
    /// The CPU on which it ended.
    pub cpu: u32,
    /// The thread that was charged.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// The address that was wanted.
    pub address: u64,
    /// The instruction in user space; of a fault in the kernel, the system call's. None of a thread that has none.
    pub ip: Option<u64>,
    /// The kernel wanted the page on the process's behalf: a system call's buffer, `get_user_pages`.
    pub by_kernel: bool,
    /// The page is another process's: a debugger's.
    pub is_remote: bool,
    /// What was wanted of it.
    pub access: Access,
    /// What it was for.
    pub kind: Kind,
    /// How the kernel counted it.
    pub counted: Counted,
    /// How often it was tried (`VM_FAULT_RETRY`): the time is that of all attempts.
    pub attempts: u32,
    /// The mapping's number in its process; 0 where it is not known.
    pub mapping: u32,
}

impl Fault {
    /// When it ended, ns.
    pub fn to(&self) -> u64 {
        self.from.saturating_add(self.took.unwrap_or(0))
    }

    /// The number of the page.
    pub fn page(&self) -> u64 {
        self.address >> PAGE_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_end_tells_apart_is_not_told_apart_without_it() {
        for kind in FaultKind::ALL {
            let ended = Kind::ended(kind);
            assert_eq!(ended.name(), kind.name());
            let begun = Kind { is_ended: false, ..ended };
            assert!(!["file-minor", "file-major", "swap-cache", "swap-disk", "zero-page"].contains(&begun.name()));
        }
    }
}
