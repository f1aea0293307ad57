// SPDX-License-Identifier: GPL-2.0

//! perf's records of mappings, forks and executions: their bytes, as `perf_event_open(2)` describes them.

use format::mappings::{Change, FileId, Mapping, Protection, What};
use std::sync::Arc;

/// `PERF_RECORD_*`.
const LOST: u32 = 2;
const COMM: u32 = 3;
const FORK: u32 = 7;
const MMAP2: u32 = 10;

/// `PERF_RECORD_MISC_*`.
const MISC_COMM_EXEC: u16 = 1 << 13;
const MISC_MMAP_BUILD_ID: u16 = 1 << 14;
/// The mapping is of memory that holds the kernel's code.
const MISC_CPUMODE_MASK: u16 = 7;
const MISC_KERNEL: u16 = 1;

const PROT_READ: u32 = 1;
const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;
const MAP_SHARED: u32 = 1;

/// Numbers one after the other, in the machine's order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }
}

/// The change that a record tells, if any. `bytes` is what stands behind the record's header; `sample_id_all` with
/// `PERF_SAMPLE_TIME` alone was asked for, so that the last eight are the time.
pub fn change(kind: u32, misc: u16, bytes: &[u8]) -> Option<Change> {
    let (body, time) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let ns = u64::from_ne_bytes(time.try_into().ok()?);
    let mut fields = Fields(body);
    match kind {
        MMAP2 if misc & MISC_CPUMODE_MASK != MISC_KERNEL => {
            let (pid, _tid) = (fields.word()?, fields.word()?);
            let (start, length, offset) = (fields.long()?, fields.long()?, fields.long()?);
            let identity = fields.take(24)?;
            let (protection, flags) = (fields.word()?, fields.word()?);
            let name = fields.0.split(|byte| *byte == 0).next().unwrap_or_default();
            let (mut file, mut build_id) = (None, Box::default());
            if misc & MISC_MMAP_BUILD_ID != 0 {
                let length = usize::from(*identity.first()?);
                build_id = identity.get(4..4 + length.min(20))?.into();
            } else {
                let mut identity = Fields(identity);
                let (major, minor, inode) = (identity.word()?, identity.word()?, identity.long()?);
                file = (inode != 0).then_some(FileId { major, minor, inode });
            }
            let name = String::from_utf8_lossy(name);
            let mapping = Mapping {
                start,
                end: start.saturating_add(length),
                offset,
                protection: Protection {
                    read: protection & PROT_READ != 0,
                    write: protection & PROT_WRITE != 0,
                    execute: protection & PROT_EXEC != 0,
                },
                is_shared: flags & MAP_SHARED != 0,
                // What /proc leaves empty.
                name: if name == "//anon" { "".into() } else { name.into() },
                file,
                build_id,
            };
            Some(Change { ns, pid, what: What::Mapped(Arc::new(mapping)) })
        }
        FORK => {
            let (pid, parent) = (fields.word()?, fields.word()?);
            // Threads have what their process has.
            (pid != parent).then_some(Change { ns, pid, what: What::Forked(parent) })
        }
        COMM if misc & MISC_COMM_EXEC != 0 => Some(Change { ns, pid: fields.word()?, what: What::Executed }),
        LOST => {
            let (_id, count) = (fields.long()?, fields.long()?);
            Some(Change { ns, pid: 0, what: What::Lost(count) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mmap(pid: u32, identity: [u8; 24], flags: u32, name: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        bytes.extend([pid, pid + 1].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend([0x1000_u64, 0x2000, 0x3000].iter().flat_map(|long| long.to_ne_bytes()));
        bytes.extend(identity);
        bytes.extend([PROT_READ | PROT_EXEC, flags].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(77_u64.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_mapping_has_its_build_id_or_its_inode() {
        let mut identity = [0; 24];
        identity[0] = 20;
        identity[4..].copy_from_slice(&[9; 20]);
        let told = change(MMAP2, MISC_MMAP_BUILD_ID | 2, &mmap(5, identity, 2, b"/bin/sh\0")).unwrap();
        let What::Mapped(mapping) = &told.what else { panic!("{told:?}") };
        assert_eq!((told.ns, told.pid, &*mapping.name), (77, 5, "/bin/sh"));
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x1000, 0x3000, 0x3000));
        assert_eq!((&*mapping.build_id, mapping.file), (&[9_u8; 20][..], None));
        assert!(mapping.protection.execute && !mapping.protection.write && !mapping.is_shared);

        identity[..16].copy_from_slice(&[254_u32.to_ne_bytes(), 3_u32.to_ne_bytes(), [7, 0, 0, 0], [0; 4]].concat());
        let told = change(MMAP2, 2, &mmap(5, identity, MAP_SHARED, b"//anon\0")).unwrap();
        let What::Mapped(mapping) = &told.what else { panic!("{told:?}") };
        assert_eq!(mapping.file, Some(FileId { major: 254, minor: 3, inode: 7 }));
        assert!(mapping.is_shared && mapping.name.is_empty() && mapping.build_id.is_empty());
    }

    #[test]
    fn forks_of_processes_and_executions_are_changes_and_threads_and_names_are_not() {
        let words = |words: [u32; 4]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).chain(9_u64.to_ne_bytes()).collect()
        };
        assert_eq!(change(FORK, 0, &words([6, 5, 6, 5])).unwrap().what, What::Forked(5));
        assert_eq!(change(FORK, 0, &words([5, 5, 7, 5])), None);
        assert_eq!(change(COMM, MISC_COMM_EXEC, &words([6, 6, 0, 0])).unwrap().what, What::Executed);
        assert_eq!(change(COMM, 0, &words([6, 6, 0, 0])), None);
        assert_eq!(change(LOST, 0, &words([0, 0, 4, 0])).unwrap().what, What::Lost(4));
        assert_eq!(change(99, 0, &words([0; 4])), None);
    }

    #[test]
    fn records_that_are_too_short_tell_nothing() {
        let whole = mmap(5, [0; 24], 0, b"/x\0");
        for kind in [LOST, COMM, FORK, MMAP2] {
            for length in 0..if kind == MMAP2 { 64 } else { 12 } {
                let _ = change(kind, MISC_COMM_EXEC, &whole[..length]);
            }
            assert_eq!(change(kind, MISC_COMM_EXEC, &[]), None);
        }
    }
}
