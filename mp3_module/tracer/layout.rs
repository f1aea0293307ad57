// SPDX-License-Identifier: GPL-2.0

//! Objects of different sources cannot be linked: the module and `encode` are compiled one by one, share structures, and would
//! take each other's for their own.
//!
//! `encode` defines a symbol that has [`SOURCES`] in its name, and the module refers to the symbol of that name. Where
//! the two differ, modpost ends the build: `"mp3_layout_..." undefined`. Kbuild makes such a pair where a source changes while
//! it is compiled; removing the objects mends it.

/// A hash of the files that define what the two crates share, with every letter of them.
pub(crate) const SOURCES: u64 = {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let files: [&[u8]; 5] = [
        include_bytes!("recorder.rs"),
        include_bytes!("filter.rs"),
        include_bytes!("../../abi/src/header.rs"),
        include_bytes!("../../abi/src/ring.rs"),
        include_bytes!("../../abi/src/events/room.rs"),
    ];
    let mut file = 0;
    while file < files.len() {
        hash = fnv1a(hash, files[file]);
        file = file.wrapping_add(1);
    }
    hash
};

/// The hash of Fowler, Noll and Vo, of 64 bits.
const fn fnv1a(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at = at.wrapping_add(1);
    }
    hash
}
