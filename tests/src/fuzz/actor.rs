// SPDX-License-Identifier: GPL-2.0

//! Makes the calls of one thread.
//!
//! Nothing here allocates: the process may not map anything but what the calls map (see [`super::arena`]), and a forked
//! child of a process with threads must not touch the heap.

use super::arena;
use super::call::{Call, ChildSlot, FileSlot, Input, Node, Who};
use abi::device::{DEVICE_PATH, MP3_IOC_SET_REGION_POSITION, STATUS_PATH};
use abi::events::ioctl::{
    TraceSnapshot, TraceStart, FILTER_FOLLOW, FILTER_NAME, FILTER_PIDS, MP3_IOC_TRACE_SNAPSHOT, MP3_IOC_TRACE_START,
    MP3_IOC_TRACE_STOP,
};
use abi::events::Kinds;
use abi::regions::Region;
use nix::errno::Errno;
use std::ffi::CStr;
use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};
use testkit::child::exit;
use work::random::SplitMix64;

const STATUS: &CStr = c"/proc/mp3/status";
const DEVICE: &CStr = c"/dev/mp3";

/// What commands are made of, and a little more.
const ALPHABET: &[u8] = b"RRFUU  ,\t\n\n0123456789-\0x";

/// What the threads of a process share: descriptors and children, -1 and 0 where there is none.
pub struct Process {
    files: [AtomicI32; 6],
    children: [AtomicI32; 4],
}

impl Process {
    /// With nothing open.
    pub fn new() -> Self {
        debug_assert!(STATUS.to_bytes() == STATUS_PATH.as_bytes() && DEVICE.to_bytes() == DEVICE_PATH.as_bytes());
        Process { files: [const { AtomicI32::new(-1) }; 6], children: [const { AtomicI32::new(0) }; 4] }
    }

    fn file(&self, slot: FileSlot) -> i32 {
        self.files[usize::from(slot) % self.files.len()].load(Ordering::Relaxed)
    }

    /// Remembers a descriptor, and returns the one that the slot had.
    fn keep(&self, slot: FileSlot, fd: i32) -> i32 {
        self.files[usize::from(slot) % self.files.len()].swap(fd, Ordering::AcqRel)
    }

    fn child(&self, slot: ChildSlot) -> i32 {
        self.children[usize::from(slot) % self.children.len()].load(Ordering::Relaxed)
    }

    /// Puts a child into a slot, and ends the one that was there.
    fn adopt(&self, slot: ChildSlot, pid: i32) {
        let before = self.children[usize::from(slot) % self.children.len()].swap(pid, Ordering::AcqRel);
        if before > 0 {
            // SAFETY: A child of ours that is not reaped, since only who takes it out of its slot does that.
            unsafe {
                libc::kill(before, libc::SIGKILL);
                libc::waitpid(before, std::ptr::null_mut(), 0);
            }
        }
    }

    /// Ends all children.
    pub fn end(&self) {
        for slot in 0..self.children.len() {
            self.adopt(slot as ChildSlot, 0);
        }
    }
}

/// One thread's means.
pub struct Actor<'a> {
    process: &'a Process,
    /// A pipe, for having the kernel read memory: both ends, not blocking.
    pipe: (i32, i32),
    buffer: Box<[u8; 5120]>,
}

impl<'a> Actor<'a> {
    /// Gets everything that the calls will need.
    pub fn new(process: &'a Process) -> Self {
        let mut pipe = [0; 2];
        // SAFETY: Room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_NONBLOCK) }, 0);
        Actor { process, pipe: (pipe[0], pipe[1]), buffer: Box::new([0; 5120]) }
    }

    /// Makes one call. Its answer: the value, or the error.
    pub fn call(&mut self, call: Call) -> Result<i64, Errno> {
        let process = self.process;
        let answer = match call {
            Call::Open(slot, node, flags) => {
                let path = if node == Node::Status { STATUS } else { DEVICE };
                // SAFETY: A path that ends with NUL.
                let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
                let error = Errno::last();
                if fd >= 0 {
                    close(process.keep(slot, fd));
                    return Ok(i64::from(fd));
                }
                return Err(error);
            }
            Call::Close(slot) => i64::from(close(process.keep(slot, -1))),
            Call::Dup(from, to) => {
                let (from, to) = (process.file(from), process.file(to));
                // Only onto a descriptor that is one of ours.
                if to < 0 {
                    return Err(Errno::EBADF);
                }
                // SAFETY: Both are descriptors of this fuzzer's, or closed.
                i64::from(unsafe { libc::dup2(from, to) })
            }
            Call::Write(slot, input) => {
                let (address, length) = self.input(input);
                // SAFETY: The kernel looks at the memory, and checks it.
                unsafe { libc::write(process.file(slot), address, length) as i64 }
            }
            Call::PWrite(slot, input, offset) => {
                let (address, length) = self.input(input);
                // SAFETY: As above.
                unsafe { libc::pwrite(process.file(slot), address, length, offset) as i64 }
            }
            Call::Read(slot, length, place) => {
                let address = place.map_or(self.buffer.as_mut_ptr().cast(), |place| arena::address(place, 0));
                // SAFETY: The buffer has 5120 bytes, and lengths are below that; in the arena there are only mappings of the module's.
                unsafe { libc::read(process.file(slot), address, usize::from(length)) as i64 }
            }
            // SAFETY: As above.
            Call::PRead(slot, length, offset) => unsafe {
                libc::pread(process.file(slot), self.buffer.as_mut_ptr().cast(), usize::from(length), offset) as i64
            },
            // SAFETY: No memory.
            Call::Seek(slot, offset, whence) => unsafe { libc::lseek(process.file(slot), offset, whence) },
            Call::Map(slot, place, offset, bytes, prot, flags) => {
                let address = arena::address(place, 0);
                // Longer ones would reach into the next place, which is as good; none may leave the arena.
                let room = arena::bytes(0, u16::MAX) as u64;
                // A length that no mapping can have is refused before anything is replaced.
                let bytes = if bytes > room && bytes < 1 << 47 { room } else { bytes };
                // SAFETY: In the arena, which holds only such mappings.
                unsafe {
                    libc::mmap(
                        address,
                        bytes as usize,
                        prot,
                        flags | libc::MAP_FIXED,
                        process.file(slot),
                        offset as i64,
                    ) as i64
                }
            }
            // SAFETY: In the arena.
            Call::Unmap(place, first, pages) => unsafe {
                i64::from(libc::munmap(arena::address(place, first), arena::bytes(first, pages)))
            },
            // SAFETY: In the arena.
            Call::Protect(place, first, pages, prot) => unsafe {
                i64::from(libc::mprotect(arena::address(place, first), arena::bytes(first, pages), prot))
            },
            Call::Remap(place, first, old, new, flags, to) => {
                let (from, to) = (arena::address(place, first), arena::address(to, 0));
                // SAFETY: From the arena into the arena, or where the kernel finds room.
                unsafe { libc::mremap(from, arena::bytes(first, old), arena::bytes(0, new), flags, to) as i64 }
            }
            // SAFETY: In the arena.
            Call::Advise(place, first, pages, advice) => unsafe {
                i64::from(libc::madvise(arena::address(place, first), arena::bytes(first, pages), advice))
            },
            Call::Touch(place, page) => {
                let address = arena::address(place, page);
                // SAFETY: The kernel looks at the memory, and checks it.
                let written = unsafe { libc::write(self.pipe.1, address, 4096) as i64 };
                let error = Errno::last();
                // SAFETY: The buffer is longer than that.
                unsafe { libc::read(self.pipe.0, self.buffer.as_mut_ptr().cast(), 4096) };
                return if written < 0 { Err(error) } else { Ok(written) };
            }
            Call::Ioctl(slot, number, argument, points) => {
                let mut memory = [argument; 64];
                let argument = if points { memory.as_mut_ptr().expose_provenance() as u64 } else { argument };
                // SAFETY: The memory has room for what the VFS' own ioctls store; ours only reads.
                unsafe { i64::from(libc::ioctl(process.file(slot), u64::from(number), argument)) }
            }
            Call::Start(slot, seed) => {
                let (mut start, pids) = start_of(seed);
                start.pids = if start.pids == 0 { pids.as_ptr().expose_provenance() as u64 } else { start.pids };
                // SAFETY: The argument is the ioctl's structure.
                unsafe { i64::from(libc::ioctl(process.file(slot), u64::from(MP3_IOC_TRACE_START), &raw mut start)) }
            }
            // SAFETY: No argument.
            Call::Stop(slot) => unsafe { i64::from(libc::ioctl(process.file(slot), u64::from(MP3_IOC_TRACE_STOP), 0)) },
            Call::Snapshot(slot, place, capacity, next) => {
                let mut request = TraceSnapshot {
                    buffer: arena::address(place, 0).expose_provenance() as u64,
                    capacity: capacity.into(),
                    next: next as u32,
                    ..TraceSnapshot::default()
                };
                let number = u64::from(MP3_IOC_TRACE_SNAPSHOT);
                // SAFETY: The argument is the ioctl's structure; what it points to is in the arena, where anything may be.
                unsafe { i64::from(libc::ioctl(process.file(slot), number, &raw mut request)) }
            }
            Call::Position(slot, cpu, position) => {
                let argument = [Region::events(cpu.into()).offset(), position];
                let number = u64::from(MP3_IOC_SET_REGION_POSITION);
                // SAFETY: The argument is two words.
                unsafe { i64::from(libc::ioctl(process.file(slot), number, &raw const argument)) }
            }
            Call::Poll(slot, events, ms) => {
                let mut fd = libc::pollfd { fd: process.file(slot), events, revents: 0 };
                // SAFETY: One element.
                i64::from(unsafe { libc::poll(&mut fd, 1, i32::from(ms)) })
            }
            Call::Fork(slot, what) => {
                // SAFETY: Always callable.
                let parent = unsafe { libc::getpid() };
                // SAFETY: The child makes system calls only.
                let pid = unsafe { libc::fork() };
                if pid == 0 {
                    live(process, what, parent);
                }
                if pid > 0 {
                    process.adopt(slot, pid);
                }
                i64::from(pid)
            }
            Call::Kill(slot, signal) => match process.child(slot) {
                0 => return Err(Errno::ESRCH),
                // Another thread may be reaping it. Its number is free then, and PIDs go round before one is reused.
                // SAFETY: No memory.
                pid => i64::from(unsafe { libc::kill(pid, signal) }),
            },
            Call::Namespace(_, kind, back) => {
                // SAFETY: The child makes system calls only.
                let pid = unsafe { libc::fork() };
                if pid == 0 {
                    enter(kind, back);
                }
                // SAFETY: Our child; no other code knows its number.
                i64::from(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) })
            }
            // SAFETY: Always callable.
            Call::Yield => i64::from(unsafe { libc::sched_yield() }),
            // SAFETY: Ends this process.
            Call::Die => i64::from(unsafe { libc::kill(libc::getpid(), libc::SIGKILL) }),
        };
        if answer == -1 {
            Err(Errno::last())
        } else {
            Ok(answer)
        }
    }

    /// Where the bytes to be written are.
    fn input(&mut self, input: Input) -> (*const libc::c_void, usize) {
        let size = self.buffer.len();
        let (who, verbs, times) = match input {
            Input::Register(who) => (who, "R", 1),
            Input::Follow(who) => (who, "F", 1),
            Input::Unregister(who) => (who, "U", 1),
            Input::Both(who, times) => (who, "RU", times),
            Input::Noise(seed, length) => {
                let mut random = SplitMix64::new(seed);
                let length = usize::from(length);
                for byte in &mut self.buffer[..length] {
                    *byte = ALPHABET[random.below(ALPHABET.len() as u64) as usize];
                }
                return (self.buffer.as_ptr().cast(), length);
            }
            Input::Arena(place, length) => return (arena::address(place, 0), usize::from(length)),
        };
        let pid = match who {
            // SAFETY: Always callable.
            Who::Caller => i64::from(unsafe { libc::getpid() }),
            Who::Child(slot) => i64::from(self.process.child(slot)),
            Who::Number(number) => number,
        };
        let mut rest = &mut self.buffer[..];
        for _ in 0..times {
            for verb in verbs.chars() {
                // What does not fit is left out.
                let _ = writeln!(rest, "{verb} {pid}");
            }
        }
        let length = size - rest.len();
        (self.buffer.as_ptr().cast(), length)
    }
}

fn close(fd: i32) -> i32 {
    // SAFETY: A descriptor of this fuzzer's, or none; who takes it out of its slot closes it.
    unsafe { libc::close(fd) }
}

/// The life of a child, by system calls only.
fn live(process: &Process, what: u8, parent: i32) -> ! {
    // SAFETY: System calls with constant arguments; nothing refers to the arena's mappings, and the memory that `exec` reads is constant.
    unsafe {
        // None outlives who forked it, also if that is killed.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            exit(0);
        }
        match what {
            0 => loop {
                libc::pause();
            },
            1 => {
                let arguments = [c"true".as_ptr(), std::ptr::null()];
                libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr());
            }
            2 => {
                libc::munmap(arena::address(0, 0), arena::bytes(0, u16::MAX) * arena::PLACES);
                for slot in 0..6 {
                    libc::close(process.file(slot));
                }
            }
            _ => register_caller(),
        }
    }
    exit(0)
}

/// Registers the process that calls, under the number that it has in its own namespace.
fn register_caller() {
    let mut text = [0; 32];
    let mut rest = &mut text[..];
    // SAFETY: Always callable.
    let _ = writeln!(rest, "R {}", unsafe { libc::getpid() });
    let length = 32 - rest.len();
    // SAFETY: A path that ends with NUL, and memory of that length.
    unsafe {
        let fd = libc::open(STATUS.as_ptr(), libc::O_RDWR);
        libc::write(fd, text.as_ptr().cast(), length);
        libc::read(fd, text.as_mut_ptr().cast(), text.len());
        libc::close(fd);
    }
}

/// A child that enters new namespaces, registers itself there, and may go back to where it came from.
fn enter(kind: i32, back: bool) -> ! {
    // SAFETY: System calls with constant arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let home = libc::open(c"/proc/self/ns/pid".as_ptr(), libc::O_RDONLY);
        libc::unshare(kind);
        if back {
            libc::setns(home, 0);
        }
        // Only a child is in a new PID namespace.
        let pid = libc::fork();
        if pid > 0 {
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
    }
    register_caller();
    exit(0)
}

/// Arguments of START, right more often than not, and the processes that they name.
fn start_of(seed: u64) -> (TraceStart, [i32; 3]) {
    let mut random = SplitMix64::new(seed);
    // SAFETY: Always callable.
    let pids = [unsafe { libc::getpid() }, 1, random.below(100) as i32];
    let mut start = TraceStart { kinds: random.next_u64() & Kinds::TRACEABLE.0, ..TraceStart::default() };
    start.mode = random.below(8).saturating_sub(6) as u32;
    start.ring_records = [256, 256, 1024, 4096, 0, 3, 1 << 31][random.below(7) as usize];
    start.watermark = [0, 1, 16, 256, u32::MAX][random.below(5) as usize];
    match random.below(5) {
        0 => (start.filter, start.pid_count) = (FILTER_PIDS, random.below(4) as u32),
        1 => (start.filter, start.name[0]) = (FILTER_NAME, b'm'),
        2 => (start.filter, start.pid_count) = (FILTER_PIDS | FILTER_FOLLOW, 1),
        3 if random.below(4) == 0 => {
            (start.filter, start.pid_count) = (random.next_u64() as u32, random.next_u64() as u32);
            start.pids = random.next_u64();
            start.kinds = random.next_u64();
            start.name = [random.next_u64() as u8; 16];
        }
        _ => {}
    }
    (start, pids)
}
