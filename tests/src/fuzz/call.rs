// SPDX-License-Identifier: GPL-2.0

//! The calls, and drawing them.

use abi::classic::CLASSIC_BYTES;
use abi::device::{MP3_IOC_SET_POSITION, PAGE_BYTES, SAMPLES_OFFSET};
use abi::regions::Region;
use work::random::SplitMix64;

/// Number of an open file, taken modulo how many a process has.
pub type FileSlot = u8;
/// Number of a place in the arena.
pub type Place = u8;
/// Number of a child, likewise.
pub type ChildSlot = u8;

/// One of the module's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// `/proc/mp3/status`.
    Status,
    /// `/dev/mp3`.
    Device,
}

/// The process that a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The calling process.
    Caller,
    /// A child of its.
    Child(ChildSlot),
    /// Any number, whichever process that is.
    Number(i64),
}

/// What is written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// `R <pid>`.
    Register(Who),
    /// `F <pid>`.
    Follow(Who),
    /// `U <pid>`.
    Unregister(Who),
    /// Both, again and again, in one write.
    Both(Who, u8),
    /// Random bytes of the commands' alphabet, of this length.
    Noise(u64, u16),
    /// Memory of the arena: what is mapped there, or nothing.
    Arena(Place, u16),
}

/// A system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `open`.
    Open(FileSlot, Node, i32),
    /// `close`.
    Close(FileSlot),
    /// `dup2`.
    Dup(FileSlot, FileSlot),
    /// `write`.
    Write(FileSlot, Input),
    /// `pwrite`.
    PWrite(FileSlot, Input, i64),
    /// `read`, as many bytes, into a buffer of the thread's or into the arena.
    Read(FileSlot, u16, Option<Place>),
    /// `pread`.
    PRead(FileSlot, u16, i64),
    /// `lseek`.
    Seek(FileSlot, i64, i32),
    /// `mmap` to a place: offset, length, protection, flags.
    Map(FileSlot, Place, u64, u64, i32, i32),
    /// `munmap` from a page of a place on.
    Unmap(Place, u16, u16),
    /// `mprotect`, likewise.
    Protect(Place, u16, u16, i32),
    /// `mremap`: page and old length, new length, flags, new place.
    Remap(Place, u16, u16, u16, i32, Place),
    /// `madvise`.
    Advise(Place, u16, u16, i32),
    /// Has the kernel read a page of a place: `write` of it to a pipe.
    Touch(Place, u16),
    /// `ioctl` with a number and an argument that is a value or points to it.
    Ioctl(FileSlot, u32, u64, bool),
    /// Starts a session of the tracer, with arguments of which a seed makes most right.
    Start(FileSlot, u64),
    /// Ends it.
    Stop(FileSlot),
    /// Takes a snapshot into the arena: room for so many records, from which thread on.
    Snapshot(FileSlot, Place, u16, u64),
    /// Sets the position in the events of a CPU.
    Position(FileSlot, u8, u64),
    /// `poll`, for at most so many ms.
    Poll(FileSlot, i16, u8),
    /// `fork` of a child that waits for its end, executes a program, or lets go of everything and ends.
    Fork(ChildSlot, u8),
    /// `kill` of a child.
    Kill(ChildSlot, i32),
    /// `unshare` in a new child, or with `true` `setns` to the first process' namespaces.
    Namespace(ChildSlot, i32, bool),
    /// `sched_yield`.
    Yield,
    /// `kill` of the calling process, with all its threads, files and mappings.
    Die,
}

/// Where the events of the first CPU are mapped from.
const EVENTS: u64 = Region::events(0).offset();

const FILES: u64 = 6;
const PLACES: u64 = super::arena::PLACES as u64;
const CHILDREN: u64 = 4;

/// Draws the next call.
pub fn draw(random: &mut SplitMix64) -> Call {
    let file = random.below(FILES) as FileSlot;
    let place = random.below(PLACES) as Place;
    let child = random.below(CHILDREN) as ChildSlot;
    match random.below(100) {
        0..=13 => {
            let node = if random.below(2) == 0 { Node::Status } else { Node::Device };
            let mode = pick(random, &[libc::O_RDWR, libc::O_RDWR, libc::O_RDONLY, libc::O_WRONLY, libc::O_PATH]);
            let more =
                pick(random, &[0, 0, libc::O_NONBLOCK, libc::O_SYNC, libc::O_APPEND, libc::O_TRUNC, libc::O_DIRECT]);
            Call::Open(file, node, mode | more)
        }
        14..=17 => Call::Close(file),
        18..=20 => Call::Dup(file, random.below(FILES) as FileSlot),
        21..=38 => Call::Write(file, input(random)),
        39..=40 => Call::PWrite(file, input(random), offset(random) as i64),
        41..=46 => {
            let into = (random.below(4) == 0).then_some(place);
            Call::Read(file, length(random), into)
        }
        47..=49 => Call::PRead(file, length(random), offset(random) as i64),
        50..=51 => {
            let whence =
                pick(random, &[libc::SEEK_SET, libc::SEEK_SET, libc::SEEK_CUR, libc::SEEK_END, libc::SEEK_DATA, 99]);
            Call::Seek(file, offset(random) as i64, whence)
        }
        52..=63 => {
            let bytes = map_bytes(random);
            let flags =
                pick(random, &[libc::MAP_SHARED, libc::MAP_SHARED, libc::MAP_SHARED_VALIDATE, libc::MAP_PRIVATE]);
            let more =
                pick(random, &[0, 0, 0, libc::MAP_POPULATE, libc::MAP_NORESERVE, libc::MAP_LOCKED, libc::MAP_SYNC]);
            let offset = if random.below(4) == 0 {
                offset(random)
            } else {
                pick(random, &[0, SAMPLES_OFFSET, SAMPLES_OFFSET, EVENTS])
            };
            Call::Map(file, place, offset, bytes, protection(random), flags | more)
        }
        64..=66 => Call::Unmap(place, page(random), page(random)),
        67..=69 => Call::Protect(place, page(random), page(random), protection(random)),
        70..=73 => {
            let flags = random.below(8) as i32;
            Call::Remap(place, page(random), page(random), page(random), flags, random.below(PLACES) as Place)
        }
        74 => {
            let advice = pick(
                random,
                &[
                    libc::MADV_DONTNEED,
                    libc::MADV_DONTFORK,
                    libc::MADV_PAGEOUT,
                    libc::MADV_COLD,
                    libc::MADV_POPULATE_READ,
                    libc::MADV_POPULATE_WRITE,
                    libc::MADV_REMOVE,
                    libc::MADV_HUGEPAGE,
                    libc::MADV_MERGEABLE,
                    libc::MADV_WIPEONFORK,
                ],
            );
            Call::Advise(place, page(random), page(random), advice)
        }
        75..=81 => Call::Touch(place, page(random)),
        82 => Call::Start(file, random.next_u64()),
        83 => match random.below(3) {
            0 => Call::Stop(file),
            1 => Call::Snapshot(file, place, random.below(200) as u16, edge(random)),
            _ => Call::Position(file, random.below(4) as u8, edge(random)),
        },
        84..=87 => {
            let number = if random.below(3) > 0 { MP3_IOC_SET_POSITION } else { ioctl_number(random) };
            Call::Ioctl(file, number, edge(random), random.below(5) > 0)
        }
        88..=90 => Call::Poll(file, random.next_u64() as i16, random.below(4) as u8),
        91..=93 => Call::Fork(child, random.below(4) as u8),
        94..=96 => {
            let signal = pick(
                random,
                &[libc::SIGKILL, libc::SIGTERM, libc::SIGSTOP, libc::SIGCONT, libc::SIGSEGV, libc::SIGCHLD, 0, 99],
            );
            Call::Kill(child, signal)
        }
        97 => {
            let kind = pick(
                random,
                &[
                    libc::CLONE_NEWPID,
                    libc::CLONE_NEWUSER,
                    libc::CLONE_NEWUSER | libc::CLONE_NEWPID,
                    libc::CLONE_NEWNS,
                    libc::CLONE_NEWIPC,
                ],
            );
            Call::Namespace(child, kind, random.below(2) == 0)
        }
        _ if random.below(40) == 0 => Call::Die,
        _ => Call::Yield,
    }
}

fn pick<T: Copy>(random: &mut SplitMix64, choices: &[T]) -> T {
    choices[random.below(choices.len() as u64) as usize]
}

fn input(random: &mut SplitMix64) -> Input {
    match random.below(10) {
        0..=3 => Input::Register(who(random)),
        4 => Input::Follow(who(random)),
        5 => Input::Unregister(who(random)),
        6 => Input::Both(who(random), random.below(200) as u8),
        7..=8 => Input::Noise(random.next_u64(), length(random)),
        _ => Input::Arena(random.below(PLACES) as Place, length(random)),
    }
}

fn who(random: &mut SplitMix64) -> Who {
    match random.below(8) {
        0..=2 => Who::Caller,
        3..=6 => Who::Child(random.below(CHILDREN) as ChildSlot),
        _ => Who::Number(pick(random, &[0, 1, 2, 3, -1, 999, 4_194_303, 2_147_483_647, 2_147_483_648, i64::MAX])),
    }
}

/// Lengths around those at which something changes.
fn length(random: &mut SplitMix64) -> u16 {
    match random.below(4) {
        0 => random.below(16) as u16,
        1 => 4090 + random.below(12) as u16,
        _ => random.below(5000) as u16,
    }
}

fn page(random: &mut SplitMix64) -> u16 {
    match random.below(3) {
        0 => random.below(3) as u16,
        1 => random.below(super::arena::PLACE_PAGES as u64 + 2) as u16,
        _ => random.below(16) as u16,
    }
}

fn offset(random: &mut SplitMix64) -> u64 {
    let base =
        pick(random, &[0, 0, CLASSIC_BYTES as u64, SAMPLES_OFFSET, 2 * SAMPLES_OFFSET, 1 << 63, u64::MAX - 4095]);
    match random.below(3) {
        0 => base,
        1 => base.wrapping_add(random.below(8) * PAGE_BYTES as u64),
        _ => base.wrapping_sub(random.below(8)),
    }
}

fn map_bytes(random: &mut SplitMix64) -> u64 {
    let page = PAGE_BYTES as u64;
    pick(
        random,
        &[
            page,
            page,
            CLASSIC_BYTES as u64,
            CLASSIC_BYTES as u64 + 1,
            4096 + 1024 * 192,
            4096 + 1024 * 192 + 1,
            0,
            1,
            3 * page,
            u64::MAX,
            1 << 32,
        ],
    )
}

fn protection(random: &mut SplitMix64) -> i32 {
    let choices = [
        libc::PROT_READ,
        libc::PROT_READ,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::PROT_WRITE,
        libc::PROT_NONE,
        libc::PROT_READ | libc::PROT_EXEC,
        libc::PROT_READ | libc::PROT_GROWSDOWN,
        -1,
    ];
    pick(random, &choices)
}

fn ioctl_number(random: &mut SplitMix64) -> u32 {
    match random.below(3) {
        0 => MP3_IOC_SET_POSITION ^ (1 << random.below(32)),
        // The VFS' own: FIONBIO and its like.
        1 => 0x5400 + random.below(0x80) as u32,
        _ => random.next_u64() as u32,
    }
}

/// Positions and other numbers at which something changes.
fn edge(random: &mut SplitMix64) -> u64 {
    match random.below(4) {
        0 => random.below(8),
        1 => random.below(100_000),
        2 => u64::MAX.wrapping_sub(random.below(8)),
        _ => random.next_u64(),
    }
}
