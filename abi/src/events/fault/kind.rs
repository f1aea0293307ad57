// SPDX-License-Identifier: GPL-2.0

//! What kind of fault it was, as far as that can be told without guessing.

use super::class::Backing;
use super::state::PageState;
use super::{Fault, FaultFlags, FaultResult};

/// The kinds. What is counted as major, and how a fault ended, stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// A page of anonymous memory is written for the first time.
    FirstTouch,
    /// A page of anonymous memory is read before it was ever written: it is the zero page.
    ZeroPage,
    /// A page is written that others share: it is copied, or taken over where the others are gone. A write to a private
    /// mapping of a file whose page was not there is one, too.
    CopyOnWrite,
    /// A page of a file that was in memory; its neighbours are mapped with it (fault-around).
    FileMinor,
    /// A page of a file that had to be read.
    FileMajor,
    /// A page that was swapped out, and still or already in memory.
    SwapCache,
    /// A page that had to be read from swap.
    SwapDisk,
    /// A page of shared memory.
    SharedMemory,
    /// A huge page, where nothing was.
    HugePage,
    /// userfaultfd: a program was asked for the page, or for the right to write it.
    Userfaultfd,
    /// The mapping allows the access and something else does not: a protection key, a guard page.
    Protection,
    /// The page was hidden to learn which node uses it.
    NumaHint,
    /// The page was there already, and open to the access: another thread was quicker, or the processor remembered what was
    /// before.
    Spurious,
    /// The page was being moved to another page frame.
    Migration,
    /// The first write to a page of a shared mapping since it was written back: the file system is told.
    WriteNotify,
    /// It has failed: no memory, no such page (`SIGBUS`), broken memory.
    Failed,
    /// Not told.
    #[default]
    Unknown,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [FaultKind; 17] = [
        FaultKind::FirstTouch,
        FaultKind::ZeroPage,
        FaultKind::CopyOnWrite,
        FaultKind::FileMinor,
        FaultKind::FileMajor,
        FaultKind::SwapCache,
        FaultKind::SwapDisk,
        FaultKind::SharedMemory,
        FaultKind::HugePage,
        FaultKind::Userfaultfd,
        FaultKind::Protection,
        FaultKind::NumaHint,
        FaultKind::Spurious,
        FaultKind::Migration,
        FaultKind::WriteNotify,
        FaultKind::Failed,
        FaultKind::Unknown,
    ];

    /// A short name, in lower case and without spaces.
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::FirstTouch => "first-touch",
            FaultKind::ZeroPage => "zero-page",
            FaultKind::CopyOnWrite => "copy-on-write",
            FaultKind::FileMinor => "file-minor",
            FaultKind::FileMajor => "file-major",
            FaultKind::SwapCache => "swap-cache",
            FaultKind::SwapDisk => "swap-disk",
            FaultKind::SharedMemory => "shared-memory",
            FaultKind::HugePage => "huge-page",
            FaultKind::Userfaultfd => "userfaultfd",
            FaultKind::Protection => "protection",
            FaultKind::NumaHint => "numa-hint",
            FaultKind::Spurious => "spurious",
            FaultKind::Migration => "migration",
            FaultKind::WriteNotify => "write-notify",
            FaultKind::Failed => "failed",
            FaultKind::Unknown => "unknown",
        }
    }

    /// The kind of a fault whose first attempt is `first`. `results` are those of all attempts, and `last` the result of the
    /// last one; `after` is what that one has left.
    ///
    /// | before | and | kind |
    /// |---|---|---|
    /// | | the result is `SIGSEGV` | protection |
    /// | | another error | failed |
    /// | nothing | userfaultfd is asked and the fault was tried again | userfaultfd |
    /// | nothing | a huge page afterwards, or of the pool of huge pages | huge page |
    /// | nothing, anonymous | written, or another page than the zero page afterwards | first touch |
    /// | nothing, anonymous | else | zero page |
    /// | nothing, a file | read from disk | file major |
    /// | nothing, a file | a write to a private mapping | copy-on-write |
    /// | nothing, a file | else | file minor |
    /// | a swap entry | read from disk, or not | swap from disk, or from the cache |
    /// | read-only, or the zero page | a write; private, or shared | copy-on-write, or write-notify |
    /// | a page | it allows the access | spurious |
    pub const fn of(first: &Fault, after: PageState, results: FaultResult, last: FaultResult) -> FaultKind {
        if last.contains(FaultResult::SIGSEGV) {
            return FaultKind::Protection;
        }
        if last.intersects(FaultResult::ERROR) {
            return FaultKind::Failed;
        }
        let class = first.class;
        let major = results.contains(FaultResult::MAJOR);
        let writes = first.flags.contains(FaultFlags::WRITE);
        match first.before {
            PageState::NoTable | PageState::None => {
                if class.is_userfaultfd() && results.contains(FaultResult::RETRY) {
                    return FaultKind::Userfaultfd;
                }
                if after.is_huge_page() && !major {
                    return FaultKind::HugePage;
                }
                match class.backing() {
                    Backing::HugeTlb => FaultKind::HugePage,
                    Backing::SharedMemory => FaultKind::SharedMemory,
                    Backing::Anonymous => match after {
                        _ if writes => FaultKind::FirstTouch,
                        PageState::ReadOnly | PageState::Writable => FaultKind::FirstTouch,
                        _ => FaultKind::ZeroPage,
                    },
                    Backing::File if major => FaultKind::FileMajor,
                    Backing::File if writes && !class.is_shared() => FaultKind::CopyOnWrite,
                    Backing::File => FaultKind::FileMinor,
                    Backing::Special | Backing::Other => FaultKind::Unknown,
                }
            }
            PageState::Swapped if major => FaultKind::SwapDisk,
            PageState::Swapped => FaultKind::SwapCache,
            PageState::Migrating | PageState::HugeEntry => FaultKind::Migration,
            PageState::Marker if class.is_userfaultfd() => FaultKind::Userfaultfd,
            PageState::UserfaultfdProtected => FaultKind::Userfaultfd,
            PageState::ZeroPage | PageState::ReadOnly | PageState::HugeReadOnly => {
                if !writes && !first.flags.contains(FaultFlags::UNSHARE) {
                    FaultKind::Spurious
                } else if class.is_shared() {
                    FaultKind::WriteNotify
                } else {
                    FaultKind::CopyOnWrite
                }
            }
            PageState::Writable | PageState::HugeWritable => FaultKind::Spurious,
            PageState::NumaHint | PageState::HugeNumaHint => FaultKind::NumaHint,
            PageState::Unknown | PageState::Marker | PageState::OtherEntry => FaultKind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::MappingClass;
    use super::*;

    const ANON: MappingClass = MappingClass::of(Backing::Anonymous);
    const FILE: MappingClass = MappingClass::of(Backing::File);
    const R: FaultFlags = FaultFlags::NONE;
    const W: FaultFlags = FaultFlags::WRITE;

    fn kind(class: MappingClass, before: PageState, flags: FaultFlags, after: PageState, result: u16) -> FaultKind {
        let first = Fault { class, before, flags, ..Fault::default() };
        FaultKind::of(&first, after, FaultResult(result), FaultResult(result & !FaultResult::RETRY.0))
    }

    #[test]
    fn each_row_of_the_table_gives_its_kind() {
        use FaultKind as K;
        use PageState as S;
        let major = FaultResult::MAJOR.0;
        let retry = FaultResult::RETRY.0;
        let armed = ANON.with(MappingClass::USERFAULTFD);
        let shared = FILE.with(MappingClass::SHARED);
        for (expected, got) in [
            (K::Protection, kind(ANON, S::None, R, S::Unknown, FaultResult::SIGSEGV.0)),
            (K::Failed, kind(FILE, S::None, R, S::Unknown, FaultResult::SIGBUS.0)),
            (K::Failed, kind(ANON, S::None, W, S::Unknown, FaultResult::OOM.0)),
            (K::Userfaultfd, kind(armed, S::None, W, S::Unknown, retry | major)),
            (K::FirstTouch, kind(armed, S::None, W, S::Unknown, 0)),
            (K::Userfaultfd, kind(armed, S::UserfaultfdProtected, W, S::Unknown, 0)),
            (K::Userfaultfd, kind(shared.with(MappingClass::USERFAULTFD), S::Marker, W, S::Unknown, 0)),
            (K::HugePage, kind(ANON, S::NoTable, W, S::HugeWritable, 0)),
            (K::HugePage, kind(ANON, S::NoTable, R, S::HugeReadOnly, 0)),
            (K::HugePage, kind(MappingClass::of(Backing::HugeTlb), S::None, W, S::Unknown, 0)),
            (K::FirstTouch, kind(ANON, S::None, W, S::Unknown, 0)),
            (K::FirstTouch, kind(ANON, S::NoTable, W, S::Writable, 0)),
            (K::FirstTouch, kind(ANON, S::None, R, S::Writable, 0)),
            (K::ZeroPage, kind(ANON, S::None, R, S::ZeroPage, 0)),
            (K::ZeroPage, kind(ANON, S::None, R, S::Unknown, 0)),
            (K::FileMajor, kind(FILE, S::None, R, S::Unknown, major)),
            (K::FileMajor, kind(FILE, S::NoTable, W, S::Unknown, major | retry)),
            (K::CopyOnWrite, kind(FILE, S::None, W, S::Unknown, 0)),
            (K::FileMinor, kind(FILE, S::None, R, S::Unknown, 0x100)),
            (K::FileMinor, kind(shared, S::None, W, S::Unknown, 0)),
            (K::SharedMemory, kind(MappingClass::of(Backing::SharedMemory), S::None, W, S::Unknown, 0)),
            (K::SwapDisk, kind(ANON, S::Swapped, R, S::Unknown, major)),
            (K::SwapCache, kind(ANON, S::Swapped, W, S::Unknown, retry)),
            (K::CopyOnWrite, kind(ANON, S::ZeroPage, W, S::Writable, 0)),
            (K::CopyOnWrite, kind(ANON, S::ReadOnly, W, S::Writable, 0)),
            (K::CopyOnWrite, kind(ANON, S::ReadOnly, FaultFlags::UNSHARE, S::ReadOnly, 0)),
            (K::CopyOnWrite, kind(ANON, S::HugeReadOnly, W, S::HugeWritable, 0)),
            (K::WriteNotify, kind(shared, S::ReadOnly, W, S::Writable, 0)),
            (K::Spurious, kind(ANON, S::ReadOnly, R, S::ReadOnly, 0)),
            (K::Spurious, kind(ANON, S::Writable, W, S::Unknown, 0)),
            (K::NumaHint, kind(ANON, S::NumaHint, R, S::Unknown, 0)),
            (K::Migration, kind(ANON, S::Migrating, R, S::Unknown, 0)),
            (K::Unknown, kind(ANON, S::Unknown, R, S::Unknown, 0)),
            (K::Unknown, kind(MappingClass::of(Backing::Special), S::None, R, S::Unknown, 0)),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let mut names: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FaultKind::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }
}
