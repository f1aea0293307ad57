// SPDX-License-Identifier: GPL-2.0

//! A mapping in which a fault was.
//!
//! ```text
//!          word 1                                       word 2                        word 3
//! Map      group (0-21), ID (22-53), bytes of           first page (0-51), bytes of   pages (0-43), MappingClass (44-51),
//!          Text (54-61)                                 the path (52-63)              protection (52-54)
//! MapFile  inode                                        device (0-31)                 first page's number in it (0-51)
//! ```
//!
//! A [`Map`] and its [`MapFile`] come before the first fault in the mapping that a CPU sees, in one commit with the path as
//! [`super::super::Text`]. They come again when the mapping has changed, and now and then: at least once in a quarter of a
//! ring, so that a reader that has lost the first ones is not left without.
//!
//! The ID is made of what the mapping is: its range, its file and offset, its protection, its process. The same mapping has the same ID on all CPUs,
//! and a different one for the same addresses has another. So a fault is never ascribed to the mapping that came after or was
//! before, whatever the order in which rings are read.

use super::super::bits::{get, put};
use super::super::task::{Tid, TID_BITS};
use super::class::MappingClass;

/// Bits by which an address is shifted to give the number of its page.
pub const PAGE_SHIFT: u32 = 12;

/// What a mapping allows: bits as `mmap` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protection(pub u8);

impl Protection {
    /// Reading.
    pub const READ: Protection = Protection(1);
    /// Writing.
    pub const WRITE: Protection = Protection(2);
    /// Execution.
    pub const EXECUTE: Protection = Protection(4);

    /// Whether all of `other` is allowed.
    pub const fn contains(self, other: Protection) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A mapping. [`MapFile`] follows, and the path as `Text` records, all with the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// The thread group whose fault is to come; where that is on another process' memory, that process.
    pub tgid: Tid,
    /// What faults call it. Never 0.
    pub id: u32,
    /// Bytes in the `Text` records that follow, at most [`super::super::PATH_BYTES_MAX`]: the path, or the name that the
    /// program has given to anonymous memory (`PR_SET_VMA_ANON_NAME`).
    pub text_bytes: u8,
    /// Bytes of the whole path. Where it has more than `text_bytes`, its beginning is missing. 4095 stands for more.
    pub path_bytes: u16,
    /// Its first page's address shifted by [`PAGE_SHIFT`].
    pub first_page: u64,
    /// Its length in pages.
    pub pages: u64,
    /// What sort it is.
    pub class: MappingClass,
    /// What it allows.
    pub protection: Protection,
}

/// What is mapped there. All 0 but `offset` where that is no file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapFile {
    /// The inode's number, as `stat` has it.
    pub inode: u64,
    /// The file system's device: major number in bits 20 to 31, minor in 0 to 19. As in `/proc/PID/maps`; `stat` may tell
    /// another one, as on btrfs.
    pub device: u32,
    /// The number of the page in the file that is mapped first.
    pub offset: u64,
}

impl Map {
    /// How many `Text` records follow the [`MapFile`].
    pub const fn text_records(&self) -> usize {
        (self.text_bytes as usize).div_ceil(super::super::TEXT_BYTES)
    }

    /// The address of its first byte.
    pub const fn start(&self) -> u64 {
        self.first_page << PAGE_SHIFT
    }

    /// The address behind its last byte.
    pub const fn end(&self) -> u64 {
        self.first_page.wrapping_add(self.pages) << PAGE_SHIFT
    }

    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [
            put::<0, TID_BITS>(self.tgid as u64) | put::<22, 32>(self.id as u64) | put::<54, 8>(self.text_bytes as u64),
            put::<0, 52>(self.first_page) | put::<52, 12>(self.path_bytes as u64),
            put::<0, 44>(self.pages) | put::<44, 8>(self.class.0 as u64) | put::<52, 3>(self.protection.0 as u64),
        ]
    }

    /// The inverse of [`Map::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Map {
            tgid: get::<0, TID_BITS>(w1) as Tid,
            id: get::<22, 32>(w1) as u32,
            text_bytes: get::<54, 8>(w1) as u8,
            path_bytes: get::<52, 12>(w2) as u16,
            first_page: get::<0, 52>(w2),
            pages: get::<0, 44>(w3),
            class: MappingClass(get::<44, 8>(w3) as u8),
            protection: Protection(get::<52, 3>(w3) as u8),
        }
    }
}

impl MapFile {
    /// The device's major number.
    pub const fn major(&self) -> u32 {
        self.device >> 20
    }

    /// The device's minor number.
    pub const fn minor(&self) -> u32 {
        self.device & 0xf_ffff
    }

    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [self.inode, put::<0, 32>(self.device as u64), put::<0, 52>(self.offset)]
    }

    /// The inverse of [`MapFile::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        MapFile { inode: w1, device: get::<0, 32>(w2) as u32, offset: get::<0, 52>(w3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_says_where_it_is() {
        let map = Map { first_page: 0x7f_fff0_1234, pages: 2, text_bytes: 25, ..Map::default() };
        assert_eq!((map.start(), map.end(), map.text_records()), (0x7_ffff_0123_4000, 0x7_ffff_0123_6000, 2));
        let file = MapFile { device: 0xfe << 20 | 1, ..MapFile::default() };
        assert_eq!((file.major(), file.minor()), (0xfe, 1));
    }
}
