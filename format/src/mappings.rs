// SPDX-License-Identifier: GPL-2.0

//! What is mapped where in the address spaces of processes, and how that changes: a section of a recording.
//!
//! ```text
//! section = *change
//! change  = kind:u8 time:signed-varint pid:varint rest     ; ns since the change before, from 0
//! rest    = mapping                                        ; 1 mapped
//!         / parent:varint                                  ; 2 forked: it has what its parent has
//!         /                                                ; 3 executed: nothing is mapped any more
//!         / count:varint *mapping                          ; 4 listed: this is all that is mapped
//!         / count:varint                                   ; 5 lost: so many changes are missing, of any process
//! mapping = start:varint length:varint offset:varint flags:u8 name [device:varint inode:varint] [build-id]
//! name    = build-id = length:varint bytes
//! flags   = 1 readable / 2 writable / 4 executable / 8 shared / 16 has a file / 32 has a build id
//!
//! names   = *( pid:varint length:varint bytes )            ; section of names: what a JIT wrote to /tmp/perf-PID.map
//! ```

use crate::chunked::varint::{put, put_signed, Input};
use crate::chunked::ChunkError;
use std::sync::Arc;

/// The tag of a section of changes.
pub const TAG_MAPPINGS: u8 = 16;
/// The tag of a section of names that JITs gave to their code.
pub const TAG_NAMES: u8 = 17;

/// A mapping: a range of addresses with one meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// Where in the file it begins, bytes.
    pub offset: u64,
    /// What may be done with it.
    pub protection: Protection,
    /// Writes are seen by all who map it.
    pub is_shared: bool,
    /// Path of the file; `[heap]`, `[stack]`, `[vdso]` and so on; empty for anonymous memory.
    pub name: Arc<str>,
    /// The file.
    pub file: Option<FileId>,
    /// The ELF file's GNU build ID; empty where there is none, or none is known.
    pub build_id: Box<[u8]>,
}

/// What a mapping allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protection {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
    /// Executing.
    pub execute: bool,
}

/// A file, as the kernel names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// Major number of the device.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
    /// The inode.
    pub inode: u64,
}

/// A change of an address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, CLOCK_BOOTTIME, ns.
    pub ns: u64,
    /// The process.
    pub pid: u32,
    /// What happened.
    pub what: What,
}

/// What a [`Change`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// This is mapped, in the place of what was there.
    Mapped(Arc<Mapping>),
    /// The process is new, and has what this other process has.
    Forked(u32),
    /// The process executes another program: nothing of before is mapped.
    Executed,
    /// All that is mapped at that time.
    Listed(Vec<Arc<Mapping>>),
    /// So many changes, of any processes, are not known.
    Lost(u64),
}

const MAPPED: u8 = 1;
const FORKED: u8 = 2;
const EXECUTED: u8 = 3;
const LISTED: u8 = 4;
const LOST: u8 = 5;

const READ: u8 = 1;
const WRITE: u8 = 2;
const EXECUTE: u8 = 4;
const SHARED: u8 = 8;
const FILE: u8 = 16;
const BUILD_ID: u8 = 32;

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_mapping(to: &mut Vec<u8>, mapping: &Mapping) {
    put(to, mapping.start);
    put(to, mapping.end.saturating_sub(mapping.start));
    put(to, mapping.offset);
    let Protection { read, write, execute } = mapping.protection;
    let flags = [
        (read, READ),
        (write, WRITE),
        (execute, EXECUTE),
        (mapping.is_shared, SHARED),
        (mapping.file.is_some(), FILE),
        (!mapping.build_id.is_empty(), BUILD_ID),
    ];
    to.push(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum());
    put_bytes(to, mapping.name.as_bytes());
    if let Some(file) = mapping.file {
        put(to, u64::from(file.major) << 32 | u64::from(file.minor));
        put(to, file.inode);
    }
    if !mapping.build_id.is_empty() {
        put_bytes(to, &mapping.build_id);
    }
}

fn mapping(input: &mut Input<'_>) -> Result<Arc<Mapping>, ChunkError> {
    let start = input.number()?;
    let end = start.saturating_add(input.number()?);
    let offset = input.number()?;
    let flags = input.byte()?;
    let has = |flag: u8| flags & flag != 0;
    let length = input.number()?;
    let name = String::from_utf8_lossy(input.take(length)?).into();
    let mut file = None;
    if has(FILE) {
        let device = input.number()?;
        file = Some(FileId { major: (device >> 32) as u32, minor: device as u32, inode: input.number()? });
    }
    let mut build_id = vec![];
    if has(BUILD_ID) {
        let length = input.number()?;
        build_id.extend_from_slice(input.take(length)?);
    }
    let protection = Protection { read: has(READ), write: has(WRITE), execute: has(EXECUTE) };
    let build_id = build_id.into();
    Ok(Arc::new(Mapping { start, end, offset, protection, is_shared: has(SHARED), name, file, build_id }))
}

/// Writes the changes of one section, one after the other.
#[derive(Debug, Default)]
pub struct Section {
    bytes: Vec<u8>,
    last_ns: u64,
}

impl Section {
    /// Adds a change.
    pub fn push(&mut self, change: &Change) {
        let to = &mut self.bytes;
        to.push(match change.what {
            What::Mapped(_) => MAPPED,
            What::Forked(_) => FORKED,
            What::Executed => EXECUTED,
            What::Listed(_) => LISTED,
            What::Lost(_) => LOST,
        });
        put_signed(to, change.ns.wrapping_sub(self.last_ns));
        self.last_ns = change.ns;
        put(to, change.pid.into());
        match &change.what {
            What::Mapped(mapping) => put_mapping(to, mapping),
            What::Forked(parent) => put(to, (*parent).into()),
            What::Executed => {}
            What::Listed(mappings) => {
                put(to, mappings.len() as u64);
                mappings.iter().for_each(|mapping| put_mapping(to, mapping));
            }
            What::Lost(count) => put(to, *count),
        }
    }

    /// The bytes so far; the next section begins anew.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self).bytes
    }
}

/// Reads a section.
///
/// # Errors
///
/// Bytes that no [`Section`] has.
pub fn read(bytes: &[u8]) -> Result<Vec<Change>, ChunkError> {
    let mut input = Input::new(bytes);
    let (mut changes, mut last_ns) = (vec![], 0_u64);
    while !input.is_empty() {
        let kind = input.byte()?;
        last_ns = last_ns.wrapping_add(input.signed()?);
        let pid = input.small()?;
        let what = match kind {
            MAPPED => What::Mapped(mapping(&mut input)?),
            FORKED => What::Forked(input.small()?),
            EXECUTED => What::Executed,
            LISTED => {
                let count = input.number()?;
                // No more memory than there are bytes, whatever is claimed.
                What::Listed((0..count).map(|_| mapping(&mut input)).collect::<Result<_, _>>()?)
            }
            LOST => What::Lost(input.number()?),
            _ => return Err(ChunkError::Number),
        };
        changes.push(Change { ns: last_ns, pid, what });
    }
    Ok(changes)
}

/// Appends what a process's JIT wrote to `/tmp/perf-PID.map` to a section of names.
pub fn put_names(section: &mut Vec<u8>, pid: u32, text: &[u8]) {
    put(section, pid.into());
    put_bytes(section, text);
}

/// Reads a section of names: each process with the text of its file.
///
/// # Errors
///
/// Bytes that [`put_names`] does not write.
pub fn read_names(bytes: &[u8]) -> Result<Vec<(u32, &[u8])>, ChunkError> {
    let mut input = Input::new(bytes);
    let mut names = vec![];
    while !input.is_empty() {
        let pid = input.small()?;
        let length = input.number()?;
        names.push((pid, input.take(length)?));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Arc<Mapping> {
        Arc::new(Mapping {
            start: 0x7f00_0000_0000,
            end: 0x7f00_0002_1000,
            offset: 0x3000,
            protection: Protection { read: true, write: false, execute: true },
            is_shared: false,
            name: "/usr/lib/x86_64-linux-gnu/libc.so.6".into(),
            file: Some(FileId { major: 254, minor: 1, inode: 1 << 40 }),
            build_id: (0..20).collect::<Vec<u8>>().into(),
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let anonymous = Arc::new(Mapping { start: u64::MAX - 1, end: u64::MAX, is_shared: true, ..Mapping::default() });
        let changes = [
            Change { ns: 1 << 60, pid: 7, what: What::Listed(vec![some(), Arc::clone(&anonymous)]) },
            Change { ns: 5, pid: u32::MAX, what: What::Mapped(anonymous) },
            Change { ns: 6, pid: 8, what: What::Forked(7) },
            Change { ns: 6, pid: 8, what: What::Executed },
            Change { ns: 9, pid: 0, what: What::Lost(12) },
            Change { ns: 9, pid: 8, what: What::Listed(vec![]) },
        ];
        let mut section = Section::default();
        changes.iter().for_each(|change| section.push(change));
        let bytes = section.take();
        assert_eq!(read(&bytes).unwrap(), changes);
        assert!(section.take().is_empty());
        for cut in 1..bytes.len() {
            // Any part of it is read up to some change, or refused; never is anything invented.
            if let Ok(read) = read(&bytes[..cut]) {
                assert_eq!(read, changes[..read.len()]);
            }
        }
    }

    #[test]
    fn names_are_kept_as_they_were_written() {
        let mut section = vec![];
        put_names(&mut section, 7, b"1000 20 f\n");
        put_names(&mut section, u32::MAX, b"");
        assert_eq!(read_names(&section).unwrap(), [(7, &b"1000 20 f\n"[..]), (u32::MAX, &b""[..])]);
        assert!(read_names(&section[..4]).is_err());
    }

    #[test]
    fn a_count_that_is_not_there_is_refused_at_once() {
        let mut bytes = vec![LISTED, 0, 1];
        put(&mut bytes, u64::MAX);
        assert!(read(&bytes).is_err());
    }
}
