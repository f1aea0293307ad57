// SPDX-License-Identifier: GPL-2.0

//! Starting, stopping and snapshots: ioctls of `/dev/mp3`.
//!
//! A session belongs to the open file that started it and ends with `STOP`, with the last close of that file, or with the
//! death of its owner. The opener of the file needs `CAP_PERFMON` in the initial user namespace: events tell of
//! every process.
//!
//! The structures have fields of fixed width and no padding that is not named. A field that is named `reserved` is 0.

use super::super::device::MP3_IOC_TYPE;

/// `_IOWR('p', 0x34, struct TraceStart)`: begins a session.
///
/// Errors: `EPERM` without `CAP_PERFMON`; `EBUSY` where one of the sessions is exclusive, or where an exclusive one is
/// asked for while there is another (`owner` says whose); `EALREADY` where this file has a session; `ESRCH` for a process
/// that is not there; `EINVAL` for anything that is not described below; `EOPNOTSUPP` where this kernel lacks a tracepoint
/// that is needed; `ENOMEM`; `EFAULT`. Nothing has changed then.
pub const MP3_IOC_TRACE_START: u32 = ioc::<TraceStart>(READ | WRITE, MP3_IOC_TRACE_START_NR);

/// `_IO('p', 0x35)`: ends this file's session. `ENODATA` without one.
///
/// When it returns, the last record of the session is complete.
pub const MP3_IOC_TRACE_STOP: u32 = ioc::<()>(0, MP3_IOC_TRACE_STOP_NR);

/// `_IOWR('p', 0x36, struct TraceSnapshot)`: what every thread is and has counted, into the caller's memory.
///
/// No session is needed. Errors: `EPERM` without `CAP_PERFMON`; `EINVAL` for less than
/// [`SNAPSHOT_CAPACITY_MIN`] records of room; `EFAULT`.
pub const MP3_IOC_TRACE_SNAPSHOT: u32 = ioc::<TraceSnapshot>(READ | WRITE, MP3_IOC_TRACE_SNAPSHOT_NR);

/// The `nr` byte of [`MP3_IOC_TRACE_START`].
pub const MP3_IOC_TRACE_START_NR: u8 = 0x34;
/// The `nr` byte of [`MP3_IOC_TRACE_STOP`].
pub const MP3_IOC_TRACE_STOP_NR: u8 = 0x35;
/// The `nr` byte of [`MP3_IOC_TRACE_SNAPSHOT`].
pub const MP3_IOC_TRACE_SNAPSHOT_NR: u8 = 0x36;

/// The oldest records make room for new ones. Any number of sessions share the rings.
pub const MODE_OVERWRITE: u32 = 0;
/// New records are dropped, and counted, while the ring is full: the owner's positions say how far it has read. One session
/// only.
pub const MODE_DISCARD: u32 = 1;

/// Only the processes whose IDs are given.
pub const FILTER_PIDS: u32 = 1 << 0;
/// Only processes whose name contains `name`, now or later.
pub const FILTER_NAME: u32 = 1 << 1;
/// Also the descendants that such processes have, and will have. Only with one of the other two.
pub const FILTER_FOLLOW: u32 = 1 << 2;

/// Records of each ring where 0 is asked for.
pub const RING_RECORDS_DEFAULT: u32 = 65_536;
/// Fewest records of a ring.
pub const RING_RECORDS_MIN: u32 = 256;
/// Most records of a ring: 512 MiB a CPU.
pub const RING_RECORDS_MAX: u32 = 1 << 24;

/// Most IDs in [`TraceStart::pids`].
pub const PIDS_MAX: u32 = 4096;

/// Records for each thread in a snapshot.
pub const SNAPSHOT_RECORDS_PER_THREAD: usize = 5;

/// Least room for a call of [`MP3_IOC_TRACE_SNAPSHOT`]: one thread and the end.
pub const SNAPSHOT_CAPACITY_MIN: u32 = SNAPSHOT_RECORDS_PER_THREAD as u32 + 1;

/// The argument of [`MP3_IOC_TRACE_START`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TraceStart {
    /// [`super::Kinds`]: a subset of [`super::Kinds::TRACEABLE`], and not empty.
    pub kinds: u64,
    /// Address of `pid_count` numbers of 32 bits, in the caller's PID namespace; each stands for its thread group.
    pub pids: u64,
    /// Out: `CLOCK_BOOTTIME`, ns, at the start of the rings.
    pub start_boottime_ns: u64,
    /// `MODE_*`.
    pub mode: u32,
    /// `FILTER_*`, 0 for everything.
    pub filter: u32,
    /// Records of each ring, a power of two; 0 for [`RING_RECORDS_DEFAULT`]. The first of several sessions decides.
    /// Out: what it is.
    pub ring_records: u32,
    /// Readers are woken when a ring has this many records more; 0 for an eighth of the ring. Out: what it is.
    pub watermark: u32,
    /// How many numbers are at `pids`, with [`FILTER_PIDS`]; else 0.
    pub pid_count: u32,
    /// Out: the rings are those of the CPUs below this number, as far as these are there.
    pub cpus: u32,
    /// With [`FILTER_NAME`]: 1 to 15 bytes, padded with NUL. Else all 0.
    pub name: [u8; 16],
    /// Out, with `EBUSY`: the process that has the session, in the caller's PID namespace; 0 where it is not seen there.
    pub owner: i32,
    /// 0.
    pub reserved: u32,
}

/// The argument of [`MP3_IOC_TRACE_SNAPSHOT`].
///
/// A call fills the buffer with whole threads. `next` is 0 in the first call; a call that leaves it 0 was the last one, and
/// has written a [`super::SnapshotEnd`]. Else call again with the structure as it is, and the buffer emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TraceSnapshot {
    /// Address of room for `capacity` records of 32 bytes.
    pub buffer: u64,
    /// When the snapshot began, `CLOCK_BOOTTIME`, ns: the time of all its records. Set by the first call.
    pub began_ns: u64,
    /// Where to go on.
    pub next: u32,
    /// Records that the buffer has room for, at least [`SNAPSHOT_CAPACITY_MIN`].
    pub capacity: u32,
    /// Out: records that this call has written.
    pub written: u32,
    /// Threads so far. Set by the first call.
    pub threads: u32,
}

const _: () = assert!(core::mem::size_of::<TraceStart>() == 72 && core::mem::align_of::<TraceStart>() == 8);
const _: () = assert!(core::mem::size_of::<TraceSnapshot>() == 32 && core::mem::align_of::<TraceSnapshot>() == 8);

/// `_IOC_WRITE`: the kernel reads the argument.
const WRITE: u32 = 1;
/// `_IOC_READ`: the kernel writes the argument.
const READ: u32 = 2;

/// `_IOC(direction, MP3_IOC_TYPE, number, sizeof(T))` of `asm-generic/ioctl.h`.
const fn ioc<T>(direction: u32, number: u8) -> u32 {
    (direction << 30) | ((core::mem::size_of::<T>() as u32) << 16) | ((MP3_IOC_TYPE as u32) << 8) | number as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;

    #[test]
    fn ioctl_numbers_are_what_the_c_macros_give() {
        // printf("%#x", _IOWR('p', 0x34, char[72])) and so on, on x86-64.
        assert_eq!(MP3_IOC_TRACE_START, 0xc048_7034);
        assert_eq!(MP3_IOC_TRACE_STOP, 0x0000_7035);
        assert_eq!(MP3_IOC_TRACE_SNAPSHOT, 0xc020_7036);
    }

    #[test]
    fn the_structures_have_no_padding() {
        let offsets = [
            offset_of!(TraceStart, kinds),
            offset_of!(TraceStart, pids),
            offset_of!(TraceStart, start_boottime_ns),
            offset_of!(TraceStart, mode),
            offset_of!(TraceStart, filter),
            offset_of!(TraceStart, ring_records),
            offset_of!(TraceStart, watermark),
            offset_of!(TraceStart, pid_count),
            offset_of!(TraceStart, cpus),
            offset_of!(TraceStart, name),
            offset_of!(TraceStart, owner),
            offset_of!(TraceStart, reserved),
        ];
        assert_eq!(offsets, [0, 8, 16, 24, 28, 32, 36, 40, 44, 48, 64, 68]);
        let offsets = [
            offset_of!(TraceSnapshot, buffer),
            offset_of!(TraceSnapshot, began_ns),
            offset_of!(TraceSnapshot, next),
            offset_of!(TraceSnapshot, capacity),
            offset_of!(TraceSnapshot, written),
            offset_of!(TraceSnapshot, threads),
        ];
        assert_eq!(offsets, [0, 8, 16, 20, 24, 28]);
    }
}
