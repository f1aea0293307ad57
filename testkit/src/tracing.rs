// SPDX-License-Identifier: GPL-2.0

//! The tracer by its raw system calls: sessions, event rings and snapshots.

use crate::device::{self, Mapping};
use abi::device::{MP3_IOC_SET_REGION_POSITION_NR, MP3_IOC_TYPE};
use abi::events::header::{word as event_word, Counts};
use abi::events::ioctl::{
    TraceSnapshot, TraceStart, FILTER_FOLLOW, FILTER_NAME, FILTER_PIDS, MP3_IOC_TRACE_SNAPSHOT_NR,
    MP3_IOC_TRACE_START_NR, MP3_IOC_TRACE_STOP_NR,
};
use abi::events::{modular, Event, Kinds, Record, Words, EVENT_WORDS};
use abi::header::{word, Header, HEADER_BYTES};
use abi::regions::Region;
use abi::ring::Reader;
use abi::stream::Stream;
use abi::words::ReadWords;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::mman::{MapFlags, ProtFlags};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

nix::ioctl_readwrite!(
    /// Begins a session.
    trace_start, MP3_IOC_TYPE, MP3_IOC_TRACE_START_NR, TraceStart
);
nix::ioctl_none!(
    /// Ends it.
    trace_stop, MP3_IOC_TYPE, MP3_IOC_TRACE_STOP_NR
);
nix::ioctl_readwrite!(
    /// Takes a part of a snapshot.
    trace_snapshot, MP3_IOC_TYPE, MP3_IOC_TRACE_SNAPSHOT_NR, TraceSnapshot
);
nix::ioctl_write_ptr!(
    /// Tells the device how far this file has read a ring.
    set_region_position, MP3_IOC_TYPE, MP3_IOC_SET_REGION_POSITION_NR, [u64; 2]
);

/// What to ask START for, a piece at a time.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The ioctl's argument.
    pub start: TraceStart,
    pids: Vec<i32>,
}

impl Ask {
    /// For these kinds, of everything.
    pub fn for_kinds(kinds: Kinds) -> Self {
        Ask { start: TraceStart { kinds: kinds.0, ..TraceStart::default() }, pids: vec![] }
    }

    /// Only these processes.
    pub fn pids(mut self, pids: &[i32]) -> Self {
        self.pids = pids.to_vec();
        self.start.filter |= FILTER_PIDS;
        self.start.pid_count = pids.len() as u32;
        self
    }

    /// Only processes whose name contains this.
    pub fn name(mut self, name: &str) -> Self {
        self.start.name[..name.len()].copy_from_slice(name.as_bytes());
        self.start.filter |= FILTER_NAME;
        self
    }

    /// Their descendants, too.
    pub fn follow(mut self) -> Self {
        self.start.filter |= FILTER_FOLLOW;
        self
    }

    /// `MODE_*`.
    pub fn mode(mut self, mode: u32) -> Self {
        self.start.mode = mode;
        self
    }

    /// Records of each ring.
    pub fn records(mut self, records: u32) -> Self {
        self.start.ring_records = records;
        self
    }

    /// Records after which poll wakes.
    pub fn watermark(mut self, watermark: u32) -> Self {
        self.start.watermark = watermark;
        self
    }

    /// Calls START on `file`. With the error, the process that has the session.
    pub fn start(mut self, file: &File) -> Result<TraceStart, (Errno, i32)> {
        self.start.pids = if self.pids.is_empty() { 0 } else { self.pids.as_ptr() as u64 };
        // SAFETY: The argument is of the right type, and names memory that lives during the call.
        match unsafe { trace_start(file.as_raw_fd(), &mut self.start) } {
            Ok(_) => Ok(self.start),
            Err(error) => Err((error, self.start.owner)),
        }
    }
}

/// An event, where and when it happened.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// The ring's CPU.
    pub cpu: u32,
    /// `CLOCK_BOOTTIME`, ns.
    pub ns: u64,
    /// What.
    pub event: Event,
}

/// The mapped ring of one CPU.
#[derive(Debug)]
pub struct Ring {
    /// Whose it is.
    pub cpu: u32,
    /// Header and records.
    pub memory: Mapping,
    /// What never changes.
    pub header: Header,
    /// Position and losses.
    pub reader: Reader<EVENT_WORDS>,
}

impl Ring {
    /// Maps the ring of `cpu`, and begins with its oldest record.
    pub fn map(file: &File, cpu: u32) -> Result<Self, Errno> {
        let offset = Region::events(cpu).offset();
        let page = Mapping::new(file, offset, HEADER_BYTES, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
        let header = Header::read(&page, Stream::Events { cpu }).expect("the header of an event ring");
        let bytes = header.region_bytes().expect("a size");
        let memory = Mapping::new(file, offset, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
        let reader = Reader::at(&header, 0);
        Ok(Ring { cpu, memory, header, reader })
    }

    /// What the header counts.
    pub fn counts(&self) -> Counts {
        Counts::read(&self.memory)
    }

    /// A word of the header.
    pub fn word(&self, index: usize) -> u64 {
        self.memory.load_acquire(index)
    }

    /// All words that are there and were not read yet.
    pub fn read_words(&mut self) -> Result<Vec<Words>> {
        let mut records = vec![];
        let mut buffer = vec![[0; EVENT_WORDS]; 1024];
        while self.reader.pending(&self.memory) > 0 {
            records.extend_from_slice(self.reader.read(&self.memory, &mut buffer)?);
        }
        Ok(records)
    }

    /// All events that are there and were not read yet.
    pub fn read(&mut self) -> Result<Vec<Happened>> {
        let start = self.word(event_word::START_BOOTTIME_NS);
        self.read_words()?
            .iter()
            .map(|words| {
                let record = Record::decode(words)?;
                Ok(Happened { cpu: self.cpu, ns: modular::time(start, record.time), event: record.event })
            })
            .collect()
    }
}

/// A session and all of its rings.
#[derive(Debug)]
pub struct Tracing {
    /// The open device.
    pub file: File,
    /// What START has answered.
    pub started: TraceStart,
    /// The rings that there are.
    pub rings: Vec<Ring>,
}

impl Tracing {
    /// Starts a session and maps its rings.
    pub fn start(ask: Ask) -> Result<Self> {
        let file = device::open(false).context("opening the device")?;
        let started = ask.start(&file).map_err(|(error, owner)| anyhow::anyhow!("START: {error}, owner {owner}"))?;
        let mut tracing = Tracing { file, started, rings: vec![] };
        tracing.map_new()?;
        ensure!(!tracing.rings.is_empty(), "no ring");
        Ok(tracing)
    }

    /// Maps the rings that there are now and were not before.
    pub fn map_new(&mut self) -> Result<()> {
        for cpu in 0..self.started.cpus {
            if self.rings.iter().any(|ring| ring.cpu == cpu) {
                continue;
            }
            match Ring::map(&self.file, cpu) {
                Ok(ring) => self.rings.push(ring),
                Err(Errno::ENXIO) => {}
                Err(error) => bail!("mapping the ring of CPU {cpu}: {error}"),
            }
        }
        Ok(())
    }

    /// Ends the session. What has been recorded stays readable.
    pub fn stop(&self) -> Result<(), Errno> {
        stop(&self.file)
    }

    /// All events that were not read yet, in the order of their times; those of one CPU in its ring's order.
    pub fn read(&mut self) -> Result<Vec<Happened>> {
        let mut all = vec![];
        for ring in &mut self.rings {
            all.extend(ring.read()?);
        }
        all.sort_by_key(|happened| happened.ns);
        Ok(all)
    }

    /// The counts of all CPUs, summed.
    pub fn counts(&self) -> Counts {
        self.rings.iter().map(Ring::counts).fold(Counts::default(), |all, one| Counts {
            switches: all.switches + one.switches,
            voluntary: all.voluntary + one.voluntary,
            from_idle: all.from_idle + one.from_idle,
            wakings: all.wakings + one.wakings,
            dropped: all.dropped + one.dropped,
            migrations: all.migrations + one.migrations,
            interrupts: all.interrupts + one.interrupts,
        })
    }

    /// Records that were overwritten before they were read.
    pub fn lost(&self) -> u64 {
        self.rings.iter().map(|ring| ring.reader.lost()).sum()
    }

    /// Records that were written, in all rings.
    pub fn committed(&self) -> u64 {
        self.rings.iter().map(|ring| ring.memory.load_acquire(word::COMMITTED)).sum()
    }

    /// Tells the device how far each ring has been read.
    pub fn set_positions(&self) -> Result<(), Errno> {
        for ring in &self.rings {
            set_position(&self.file, ring.cpu, ring.reader.position())?;
        }
        Ok(())
    }

    /// What `poll` says within the time.
    pub fn poll(&self, timeout: PollTimeout) -> Result<PollFlags> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, timeout)?;
        Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
    }
}

/// Ends the session of `file`.
pub fn stop(file: &File) -> Result<(), Errno> {
    // SAFETY: No argument.
    unsafe { trace_stop(file.as_raw_fd()) }.map(drop)
}

/// Tells the device how far `file` has read the ring of `cpu`.
pub fn set_position(file: &File, cpu: u32, position: u64) -> Result<(), Errno> {
    // SAFETY: The argument is two words, as the ioctl wants them.
    unsafe { set_region_position(file.as_raw_fd(), &[Region::events(cpu).offset(), position]) }.map(drop)
}

/// A thread in a snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadState {
    /// Its name.
    pub name: Option<abi::events::Name>,
    /// What it is.
    pub task: Option<abi::events::Task>,
    /// Run time and run-queue delay, ns.
    pub times: (u64, u64),
    /// Voluntary and involuntary switches.
    pub switches: (u64, u64),
    /// Migrations, and when it was born.
    pub placement: (u64, u64),
}

/// Takes a snapshot, with a buffer of `capacity` records: the threads, and the time at which it began.
pub fn snapshot(file: &File, capacity: u32) -> Result<(HashMap<u32, ThreadState>, u64)> {
    use abi::events::TotalsPart;
    let mut buffer = vec![[0_u64; EVENT_WORDS]; capacity as usize];
    let mut request = TraceSnapshot { buffer: buffer.as_mut_ptr() as u64, capacity, ..TraceSnapshot::default() };
    let mut threads: HashMap<u32, ThreadState> = HashMap::new();
    let mut end = None;
    loop {
        // SAFETY: The argument is of the right type and names a buffer of `capacity` records.
        unsafe { trace_snapshot(file.as_raw_fd(), &mut request) }.context("SNAPSHOT")?;
        ensure!(request.written <= capacity, "{request:?}");
        for words in &buffer[..request.written as usize] {
            ensure!(end.is_none(), "a record after the end");
            let record = Record::decode(words)?;
            ensure!(record.time == request.began_ns & ((1 << 56) - 1), "{record:?} in a snapshot of {request:?}");
            match record.event {
                Event::Name(name) => threads.entry(name.tid).or_default().name = Some(name),
                Event::Task(task) => threads.entry(task.tid).or_default().task = Some(task),
                Event::Totals(totals) => {
                    let thread = threads.entry(totals.tid).or_default();
                    match totals.part {
                        TotalsPart::Times { run_ns, delay_ns } => thread.times = (run_ns, delay_ns),
                        TotalsPart::Switches { voluntary, involuntary } => thread.switches = (voluntary, involuntary),
                        TotalsPart::Placement { migrations, started_ns } => thread.placement = (migrations, started_ns),
                        TotalsPart::Other { .. } => bail!("{totals:?}"),
                    }
                }
                Event::SnapshotEnd(written) => end = Some(written),
                other => bail!("{other:?} in a snapshot"),
            }
        }
        if request.next == 0 {
            break;
        }
    }
    let end = end.context("no end")?;
    ensure!(end.threads as usize == threads.len(), "{end:?}, but {} threads", threads.len());
    Ok((threads, request.began_ns))
}

/// Waits until the process sleeps, off its CPU.
pub fn wait_asleep(pid: i32) -> Result<()> {
    let begun = std::time::Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let after_name = stat.rsplit_once(") ").context("a state")?.1;
        // /proc has no event for it. The state is set a little before the thread leaves its CPU; /proc/PID/syscall says
        // "running" until then.
        let syscall = std::fs::read_to_string(format!("/proc/{pid}/syscall"))?;
        if after_name.starts_with('S') && !syscall.starts_with("running") {
            return Ok(());
        }
        ensure!(begun.elapsed().as_secs() < 60, "{pid} does not go to sleep: {stat}");
        std::thread::yield_now();
    }
}
