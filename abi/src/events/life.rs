// SPDX-License-Identifier: GPL-2.0

//! How threads begin, change their program and their name, and end.
//!
//! ```text
//!          word 1                                        word 2                          word 3
//! NewTask  thread (0-21), group (22-43), kernel (44),    clone flags                     parent (0-21), its group (22-43)
//!          priority (56-63)
//! Exec     thread (0-21), group (22-43)                  TID before (0-21),              0
//!                                                        bytes of Text (24-31), of the path (32-47)
//! Text     bytes 0-7                                     bytes 8-15                      bytes 16-23
//! Exit     thread (0-21), group (22-43), dead (44)       code (0-31), group's (32-63)    parent's group (0-21)
//! Name     thread (0-21), group (22-43), kernel (44)     bytes 0-7                       bytes 8-15
//! ```
//!
//! Bytes are in memory's order: the first one is the lowest of a little-endian word.

use super::bits::{get, put};
use super::task::{Prio, Tid, TID_BITS};

/// Bytes of a command name, with its NUL (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;

/// Bytes in one [`Text`].
pub const TEXT_BYTES: usize = 24;

/// Bytes of a path that the records of an [`Exec`] hold at most: its last ones.
pub const PATH_BYTES_MAX: usize = 240;

/// A thread begins, or a process with its first thread. A [`Name`] of the new thread follows in the same commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewTask {
    /// The new thread.
    pub tid: Tid,
    /// Its thread group: itself where a process begins.
    pub tgid: Tid,
    /// The thread that called clone; for a kernel thread, the one that makes them.
    pub parent: Tid,
    /// That thread's group.
    pub parent_tgid: Tid,
    /// `CLONE_*`, as the kernel was called.
    pub clone_flags: u64,
    /// Its priority.
    pub prio: Prio,
    /// It is a kernel thread.
    pub kernel: bool,
}

/// `CLONE_THREAD`: the new thread joins its parent's group.
pub const CLONE_THREAD: u64 = 0x0001_0000;

/// A process executes another program. Its path follows as [`Text`] records in the same commit, with the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The thread, which now leads its group.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// The thread's ID before: another one where a thread that did not lead its group called `execve`.
    pub old_tid: Tid,
    /// Bytes in the [`Text`] records that follow, at most [`PATH_BYTES_MAX`].
    pub text_bytes: u8,
    /// Bytes of the whole path. Where it has more than `text_bytes`, its beginning is missing.
    pub path_bytes: u16,
}

impl Exec {
    /// How many [`Text`] records follow.
    pub const fn text_records(&self) -> usize {
        (self.text_bytes as usize).div_ceil(TEXT_BYTES)
    }
}

/// Bytes that belong to the record before. What does not follow an [`Exec`] or a [`super::MapFile`] of the same time has lost
/// its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Padded with NUL.
    pub bytes: [u8; TEXT_BYTES],
}

/// A thread ends. It still runs a while: its totals are in the [`super::Switch`] that has the flag for dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The thread.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// The thread group of its parent.
    pub parent_tgid: Tid,
    /// It was the last of its group.
    pub group_dead: bool,
    /// Its own code, as `wait` has it: the exit status in bits 8 to 15, or a signal in bits 0 to 6.
    pub code: i32,
    /// The group's code, where `exit_group` or a signal ended it; 0 before.
    pub group_code: i32,
}

/// A thread is called `comm` from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The thread.
    pub tid: Tid,
    /// Its thread group.
    pub tgid: Tid,
    /// It is a kernel thread.
    pub kernel: bool,
    /// At most 15 bytes of any value but NUL, padded with NUL.
    pub comm: [u8; COMM_BYTES],
}

impl Name {
    /// The name without its padding.
    pub fn bytes(&self) -> &[u8] {
        until_nul(&self.comm)
    }
}

/// What stands before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[inline(always)]
const fn who(tid: Tid, tgid: Tid) -> u64 {
    put::<0, TID_BITS>(tid as u64) | put::<22, TID_BITS>(tgid as u64)
}

impl NewTask {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [
            who(self.tid, self.tgid) | put::<44, 1>(self.kernel as u64) | put::<56, 8>(self.prio.field()),
            self.clone_flags,
            who(self.parent, self.parent_tgid),
        ]
    }

    /// The inverse of [`NewTask::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        NewTask {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            parent: get::<0, TID_BITS>(w3) as Tid,
            parent_tgid: get::<22, TID_BITS>(w3) as Tid,
            clone_flags: w2,
            prio: Prio::from_field(get::<56, 8>(w1)),
            kernel: get::<44, 1>(w1) != 0,
        }
    }
}

impl Exec {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [
            who(self.tid, self.tgid),
            put::<0, TID_BITS>(self.old_tid as u64)
                | put::<24, 8>(self.text_bytes as u64)
                | put::<32, 16>(self.path_bytes as u64),
            0,
        ]
    }

    /// The inverse of [`Exec::encode`].
    pub const fn decode([w1, w2, _]: [u64; 3]) -> Self {
        Exec {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            old_tid: get::<0, TID_BITS>(w2) as Tid,
            text_bytes: get::<24, 8>(w2) as u8,
            path_bytes: get::<32, 16>(w2) as u16,
        }
    }
}

impl Text {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        let [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5, c6, c7] =
            self.bytes;
        [
            u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
            u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
        ]
    }

    /// The inverse of [`Text::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = w1.to_le_bytes();
        let [b0, b1, b2, b3, b4, b5, b6, b7] = w2.to_le_bytes();
        let [c0, c1, c2, c3, c4, c5, c6, c7] = w3.to_le_bytes();
        Text { bytes: [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4, c5, c6, c7] }
    }
}

impl Exit {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        [
            who(self.tid, self.tgid) | put::<44, 1>(self.group_dead as u64),
            put::<0, 32>(self.code as u32 as u64) | put::<32, 32>(self.group_code as u32 as u64),
            put::<0, TID_BITS>(self.parent_tgid as u64),
        ]
    }

    /// The inverse of [`Exit::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        Exit {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            parent_tgid: get::<0, TID_BITS>(w3) as Tid,
            group_dead: get::<44, 1>(w1) != 0,
            code: get::<0, 32>(w2) as u32 as i32,
            group_code: get::<32, 32>(w2) as u32 as i32,
        }
    }
}

impl Name {
    /// Words 1 to 3.
    pub const fn encode(&self) -> [u64; 3] {
        let [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7] = self.comm;
        [
            who(self.tid, self.tgid) | put::<44, 1>(self.kernel as u64),
            u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
        ]
    }

    /// The inverse of [`Name::encode`].
    pub const fn decode([w1, w2, w3]: [u64; 3]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = w2.to_le_bytes();
        let [b0, b1, b2, b3, b4, b5, b6, b7] = w3.to_le_bytes();
        Name {
            tid: get::<0, TID_BITS>(w1) as Tid,
            tgid: get::<22, TID_BITS>(w1) as Tid,
            kernel: get::<44, 1>(w1) != 0,
            comm: [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_as_many_records_as_it_fills() {
        for (bytes, records) in [(0, 0), (1, 1), (24, 1), (25, 2), (240, 10)] {
            assert_eq!(Exec { text_bytes: bytes, ..Exec::default() }.text_records(), records);
        }
    }

    #[test]
    fn a_name_ends_at_its_first_nul() {
        let mut name = Name { comm: *b"0123456789abcde\0", ..Name::default() };
        assert_eq!(name.bytes(), b"0123456789abcde");
        name.comm = *b"sh\0deadbeef\0\0\0\0\0";
        assert_eq!(name.bytes(), b"sh");
        name.comm = [0; COMM_BYTES];
        assert_eq!(name.bytes(), b"");
    }
}
