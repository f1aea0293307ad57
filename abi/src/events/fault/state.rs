// SPDX-License-Identifier: GPL-2.0

//! What the page tables say of a page.

/// The state of a page in the tables of its address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PageState {
    /// It was not looked at.
    #[default]
    Unknown = 0,
    /// There is not even a table: nothing was ever mapped in these 2 MiB.
    NoTable = 1,
    /// Nothing.
    None = 2,
    /// It is in swap, or in the swap cache.
    Swapped = 3,
    /// It is being moved to another page frame.
    Migrating = 4,
    /// A mark without a page: userfaultfd's write protection, a guard, broken memory.
    Marker = 5,
    /// Another entry that is not a page: a device's memory, broken memory.
    OtherEntry = 6,
    /// The zero page, which all share.
    ZeroPage = 7,
    /// A page that may not be written.
    ReadOnly = 8,
    /// A page that may be written.
    Writable = 9,
    /// A page that was hidden to learn which node uses it.
    NumaHint = 10,
    /// A page that userfaultfd protects.
    UserfaultfdProtected = 11,
    /// A huge page that may not be written; the huge zero page, too.
    HugeReadOnly = 12,
    /// A huge page that may be written.
    HugeWritable = 13,
    /// A huge page that was hidden to learn which node uses it.
    HugeNumaHint = 14,
    /// A huge entry that is not a page: it is being moved, or is in swap.
    HugeEntry = 15,
}

impl PageState {
    /// The state with this index.
    pub const fn from_index(index: u8) -> PageState {
        match index & 15 {
            0 => PageState::Unknown,
            1 => PageState::NoTable,
            2 => PageState::None,
            3 => PageState::Swapped,
            4 => PageState::Migrating,
            5 => PageState::Marker,
            6 => PageState::OtherEntry,
            7 => PageState::ZeroPage,
            8 => PageState::ReadOnly,
            9 => PageState::Writable,
            10 => PageState::NumaHint,
            11 => PageState::UserfaultfdProtected,
            12 => PageState::HugeReadOnly,
            13 => PageState::HugeWritable,
            14 => PageState::HugeNumaHint,
            _ => PageState::HugeEntry,
        }
    }

    /// Whether nothing is there.
    pub const fn is_none(self) -> bool {
        matches!(self, PageState::NoTable | PageState::None)
    }

    /// Whether a huge page is there.
    pub const fn is_huge_page(self) -> bool {
        matches!(self, PageState::HugeReadOnly | PageState::HugeWritable | PageState::HugeNumaHint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_their_indices_are_one_to_one() {
        for index in 0..16 {
            assert_eq!(PageState::from_index(index) as u8, index);
        }
    }
}
