// SPDX-License-Identifier: GPL-2.0

//! What must hold after every batch.

use super::call::Call;
use abi::device::{DEVICE_PATH, SAMPLES_OFFSET};
use abi::header::{word, HEADER_WORDS};
use abi::record::Flags;
use abi::words::ReadWords;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::poll::PollTimeout;
use std::collections::HashMap;
use std::fs;
use std::os::unix::process::parent_id;
use std::time::{Duration, Instant};
use testkit::device::Samples;
use testkit::log::Log;
use testkit::status;

/// Whether a system call of a file may answer so: not with the kernel's inner numbers, nor with an I/O error where no I/O is.
pub fn may_answer(call: Call, errno: Errno) -> bool {
    match errno {
        // procfs' own answer, where a file has no `mmap`.
        Errno::EIO => matches!(call, Call::Map(..)),
        // Events of a CPU that has no ring.
        Errno::ENXIO => matches!(call, Call::Map(..)),
        _ => !matches!(errno, Errno::UnknownErrno | Errno::ENXIO | Errno::ENOSYS),
    }
}

/// No mapping of the ring in `maps`, a `/proc/PID/maps`, is writable or executable.
///
/// # Errors
///
/// One is.
pub fn mappings(maps: &str) -> Result<()> {
    for line in maps.lines().filter(|line| line.ends_with(DEVICE_PATH)) {
        let mut fields = line.split_whitespace().skip(1);
        let (rights, offset) = (fields.next().context("rights")?, fields.next().context("an offset")?);
        let offset = u64::from_str_radix(offset, 16)?;
        let bad = offset >= SAMPLES_OFFSET && rights.contains(['w', 'x']);
        ensure!(!bad && rights.ends_with('s'), "a mapping that must not be: {line}");
    }
    Ok(())
}

/// A reader that has looked on from the beginning.
pub struct Observer {
    samples: Samples,
    constants: Vec<u64>,
    growing: [u64; 6],
    /// Of each registration, whether its final record came.
    registrations: HashMap<u64, bool>,
    log: Option<Log>,
    /// A rule with which to show that a broken rule is found: no process is ever registered.
    pub none_registered: bool,
}

/// The words that never change. The wall clock at the start is not among them: it follows steps of that clock.
fn constants(memory: &impl ReadWords) -> Vec<u64> {
    (0..word::RESERVED)
        .filter(|&index| index != word::START_REALTIME_NS)
        .map(|index| memory.load_acquire(index))
        .collect()
}

/// What only grows, or is where it was.
const GROWING: [usize; 6] =
    [word::RESERVED, word::COMMITTED, word::COMPLETED_TICK, word::SESSION_START, word::MISSED_TICKS, word::SAMPLING_NS];

impl Observer {
    /// Of a module that was loaded a moment ago.
    pub fn new() -> Result<Self> {
        let samples = Samples::at(0)?;
        let constants = constants(&samples.memory);
        let log = Some(Log::here());
        Ok(Observer { samples, constants, growing: [0; 6], registrations: HashMap::new(), log, none_registered: false })
    }

    /// Checks everything, while no other process calls. What is registered is unregistered.
    pub fn check(&mut self) -> Result<()> {
        let complaints = self.log.replace(Log::here()).and_then(Log::complaints);
        if let Some(complaints) = complaints {
            bail!("the kernel complained:\n{complaints}");
        }
        for (pid, _) in status::read()? {
            // The dead go by themselves.
            match status::write(format!("U {pid}").as_bytes()) {
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(error) => bail!("U {pid}: {error}"),
            }
        }
        let begun = Instant::now();
        while self.samples.memory.load_acquire(word::REGISTERED) > 0 {
            ensure!(begun.elapsed() < Duration::from_secs(20), "dead processes stay registered");
            self.records()?;
            self.samples.set_position(self.samples.reader.position())?;
            self.samples.readable(PollTimeout::from(100_u16))?;
        }
        self.records()?;
        self.header()?;
        ensure!(status::read()?.is_empty(), "no process is registered, and one is listed");
        if self.samples.reader.lost() == 0 {
            let open = self.registrations.values().filter(|&&is_final| !is_final).count();
            ensure!(open == 0, "{open} registrations without a final record");
        }
        ensure!(!self.none_registered || self.samples.reader.position() == 0, "a process was registered");
        Ok(())
    }

    fn header(&mut self) -> Result<()> {
        let memory = &self.samples.memory;
        let constants = constants(memory);
        ensure!(constants == self.constants, "constants: {:x?} became {constants:x?}", self.constants);
        let strays = (word::NOT_FOLLOWED + 1..HEADER_WORDS).filter(|&index| memory.load_acquire(index) != 0);
        ensure!(strays.count() == 0, "undefined words of the header are not 0");
        let growing = GROWING.map(|index| memory.load_acquire(index));
        ensure!(
            growing.iter().zip(self.growing).all(|(now, before)| *now >= before),
            "{:?} became {growing:?}",
            self.growing
        );
        let [reserved, committed, _, session_start, ..] = growing;
        ensure!(committed == reserved && session_start <= committed, "{growing:?} with nothing registered");
        self.growing = growing;
        Ok(())
    }

    fn records(&mut self) -> Result<()> {
        let begin = self.samples.reader.position();
        let lost = self.samples.reader.lost();
        let records = self.samples.read()?;
        let read = self.samples.reader.position() - begin - (self.samples.reader.lost() - lost);
        ensure!(read == records.len() as u64, "{} records of {read}", records.len());
        for pair in records.windows(2) {
            // Ticks may fall: R names the upcoming one, and the one before may be late.
            let in_order = pair[0].sequence < pair[1].sequence && pair[0].time_ns <= pair[1].time_ns;
            ensure!(in_order && pair[0].jiffies <= pair[1].jiffies, "{pair:?}");
        }
        for record in records {
            let flags = record.flags;
            ensure!(flags.0 < 1 << 5 && record.pid > 0 && record.registration > 0, "{record:?}");
            ensure!(!flags.contains(Flags::EXITED) || flags.contains(Flags::FINAL), "{record:?}");
            let before = self.registrations.insert(record.registration, flags.contains(Flags::FINAL));
            ensure!(before != Some(true), "a record behind the final one: {record:?}");
            if self.samples.reader.lost() == 0 {
                ensure!(flags.contains(Flags::FIRST) == before.is_none(), "{record:?}");
            }
        }
        Ok(())
    }
}

/// Checks that the processes of a batch are gone, with all that they forked: one that is left may hold the module.
pub fn no_process_is_left() -> Result<()> {
    let begun = Instant::now();
    loop {
        let left = others()?;
        if left.is_empty() {
            return Ok(());
        }
        // The killed are still on their way for some milliseconds.
        ensure!(begun.elapsed() < Duration::from_secs(20), "outlived its batch: {}", left.join("; "));
        std::thread::yield_now();
    }
}

/// Processes of this program but this one and the harness above it, with what they are doing.
fn others() -> Result<Vec<String>> {
    let known = [std::process::id(), parent_id()];
    let own = fs::read_to_string("/proc/self/comm")?;
    let mut others = vec![];
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        let numeric = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
        if numeric.is_none_or(|pid| known.contains(&pid)) || read("comm") != own {
            continue;
        }
        let of = |key: &str| read("status").lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        let what = format!("{} {} {} in {:?}", path.display(), of("State"), of("PPid"), read("syscall").trim());
        others.push(what);
    }
    Ok(others)
}
