// SPDX-License-Identifier: GPL-2.0

//! The tracer: a session of events, and snapshots.

use crate::device::Device;
use abi::device::MP3_IOC_TYPE;
use abi::events::ioctl::{
    TraceSnapshot, TraceStart, FILTER_FOLLOW, FILTER_NAME, FILTER_PIDS, MODE_DISCARD, MODE_OVERWRITE,
    MP3_IOC_TRACE_SNAPSHOT_NR, MP3_IOC_TRACE_START_NR, MP3_IOC_TRACE_STOP_NR, PIDS_MAX, RING_RECORDS_MAX,
    RING_RECORDS_MIN,
};
use abi::events::{Kinds, Words};
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd};

mod ioctl {
    use super::{
        TraceSnapshot, TraceStart, MP3_IOC_TRACE_SNAPSHOT_NR, MP3_IOC_TRACE_START_NR, MP3_IOC_TRACE_STOP_NR,
        MP3_IOC_TYPE,
    };

    nix::ioctl_readwrite! {
        /// [`abi::events::ioctl::MP3_IOC_TRACE_START`].
        trace_start, MP3_IOC_TYPE, MP3_IOC_TRACE_START_NR, TraceStart
    }
    nix::ioctl_none! {
        /// [`abi::events::ioctl::MP3_IOC_TRACE_STOP`].
        trace_stop, MP3_IOC_TYPE, MP3_IOC_TRACE_STOP_NR
    }
    nix::ioctl_readwrite! {
        /// [`abi::events::ioctl::MP3_IOC_TRACE_SNAPSHOT`].
        trace_snapshot, MP3_IOC_TYPE, MP3_IOC_TRACE_SNAPSHOT_NR, TraceSnapshot
    }
}

/// Records that a snapshot is fetched with at a time.
const SNAPSHOT_RECORDS: usize = 5 * 1024 + 1;

/// What to trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceOptions {
    /// Which events.
    pub kinds: Kinds,
    /// Only these processes, by their PIDs here; all if there are none.
    pub pids: Vec<i32>,
    /// Only processes whose name contains this: 1 to 15 bytes.
    pub name: Option<String>,
    /// Also the children that these processes have from now on, theirs, and so on.
    pub follow: bool,
    /// Records of each CPU's ring, a power of two; 0 for the module's default.
    pub ring_records: u32,
    /// Readers are woken after so many records; 0 for the module's default.
    pub watermark: u32,
    /// Drop new records where a ring is full, instead of the oldest; no one else can trace then.
    pub discard: bool,
}

/// A session cannot begin. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Events show every process.
    #[error("tracing needs CAP_PERFMON: run it as root")]
    Permission,
    /// Another has the tracer to himself.
    #[error("the tracer is in use by PID {0}, and not both can have it: one of them is in discard mode")]
    Busy(i32),
    /// The module has no tracer.
    #[error("this mp3.ko has no tracer: take module and programs from the same release")]
    Absent,
    /// The kernel lacks what is needed.
    #[error("this kernel lacks a tracepoint that is needed; the kernel log says which (dmesg)")]
    Kernel,
    /// A PID that is not there.
    #[error("no such process among the PIDs given")]
    Process,
    /// A ring of so many records cannot be.
    #[error("a ring of {0} records: a power of two from {min} to {max} is possible", min = RING_RECORDS_MIN, max = RING_RECORDS_MAX)]
    Ring(u32),
    /// Something else.
    #[error("cannot trace: {}", .0.desc())]
    Other(Errno),
    /// A name or a list that does not fit.
    #[error("{0}")]
    Argument(&'static str),
}

/// A session: it ends when it is dropped.
#[derive(Debug)]
pub struct Trace<'a> {
    device: &'a Device,
    start: TraceStart,
    is_over: bool,
}

impl<'a> Trace<'a> {
    /// Begins to trace.
    ///
    /// # Errors
    ///
    /// [`TraceError`]; nothing has changed then.
    pub fn start(device: &'a Device, options: &TraceOptions) -> Result<Self, TraceError> {
        // Here, so that the module's EINVAL means something else: events that it does not know.
        let records = options.ring_records;
        if records != 0 && !(records.is_power_of_two() && (RING_RECORDS_MIN..=RING_RECORDS_MAX).contains(&records)) {
            return Err(TraceError::Ring(records));
        }
        let mut start = TraceStart {
            kinds: options.kinds.0,
            mode: if options.discard { MODE_DISCARD } else { MODE_OVERWRITE },
            ring_records: records,
            watermark: options.watermark,
            ..TraceStart::default()
        };
        if !options.pids.is_empty() {
            start.filter |= FILTER_PIDS;
            start.pids = options.pids.as_ptr() as u64;
            start.pid_count = u32::try_from(options.pids.len())
                .ok()
                .filter(|count| *count <= PIDS_MAX)
                .ok_or(TraceError::Argument("too many PIDs"))?;
        }
        if let Some(name) = &options.name {
            let bytes = name.as_bytes();
            if bytes.is_empty() || bytes.len() > 15 || bytes.contains(&0) {
                return Err(TraceError::Argument("a name of a process has 1 to 15 bytes"));
            }
            start.filter |= FILTER_NAME;
            start.name[..bytes.len()].copy_from_slice(bytes);
        }
        if options.follow && start.filter != 0 {
            start.filter |= FILTER_FOLLOW;
        }
        // SAFETY: the descriptor is open as long as `device` is; the ioctl reads and writes `start`, whose layout is the
        // module's, and reads `pid_count` numbers at `pids`, which are `options.pids`.
        match unsafe { ioctl::trace_start(device.as_fd().as_raw_fd(), &mut start) } {
            Ok(_) => Ok(Trace { device, start, is_over: false }),
            Err(Errno::EPERM) => Err(TraceError::Permission),
            Err(Errno::EBUSY) => Err(TraceError::Busy(start.owner)),
            Err(Errno::ENOTTY) => Err(TraceError::Absent),
            Err(Errno::EOPNOTSUPP) => Err(TraceError::Kernel),
            Err(Errno::ESRCH) => Err(TraceError::Process),
            Err(errno) => Err(TraceError::Other(errno)),
        }
    }

    /// What the module made of it: CPUs, sizes, the start.
    pub fn started(&self) -> &TraceStart {
        &self.start
    }

    /// Ends the session. After that no record of it comes.
    ///
    /// # Errors
    ///
    /// What the ioctl returns.
    pub fn stop(mut self) -> nix::Result<()> {
        self.end()
    }

    fn end(&mut self) -> nix::Result<()> {
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(());
        }
        // SAFETY: the descriptor is open as long as `device` is; the ioctl has no argument.
        unsafe { ioctl::trace_stop(self.device.as_fd().as_raw_fd()) }.map(drop)
    }
}

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        // Closing the file ends it too.
        let _ = self.end();
    }
}

/// What every thread is and has counted: the records of a snapshot, and the time (CLOCK_BOOTTIME, ns) at which it began.
///
/// # Errors
///
/// `EPERM` without CAP_PERFMON, `ENOTTY` from a module without a tracer.
pub fn snapshot(device: &Device) -> nix::Result<(u64, Vec<Words>)> {
    let mut all: Vec<Words> = vec![];
    let mut buffer = vec![[0_u64; 4]; SNAPSHOT_RECORDS];
    let mut request = TraceSnapshot { capacity: buffer.len() as u32, ..TraceSnapshot::default() };
    loop {
        request.buffer = buffer.as_mut_ptr() as u64;
        // SAFETY: the descriptor is open as long as `device` is; the ioctl reads and writes `request`, whose layout is the
        // module's, and writes at most `capacity` records of 32 bytes at `buffer`, which has that many.
        unsafe { ioctl::trace_snapshot(device.as_fd().as_raw_fd(), &mut request) }?;
        all.extend(buffer.iter().take(request.written as usize));
        if request.next == 0 {
            return Ok((request.began_ns, all));
        }
    }
}
