// SPDX-License-Identifier: GPL-2.0

//! The module is loaded and unloaded while other processes use it.

use super::rounds;
use crate::shared::Shared;
use crate::test::Outcome;
use abi::classic::CLASSIC_BYTES;
use abi::words::ReadWords;
use anyhow::{bail, ensure, Result};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::unistd::{execv, fork, getpid, ForkResult};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use testkit::child::{exit, Child};
use testkit::device::{self, Mapping, Samples};
use testkit::kernel;
use testkit::module::Module;
use testkit::status;
use work::random::SplitMix64;

/// Word 0 ends the workers; the others count what each of them has done.
const STOP: usize = 0;

/// What a worker does, again and again, with the module there or not.
type Work = fn(&mut SplitMix64) -> Result<(), Errno>;

const WORKERS: [Work; 6] = [write, write, map, map, breed, list];

pub fn reload_under_load() -> Outcome {
    let rounds = rounds()?;
    // The first rounds fill caches of the kernel's own.
    cycle(2)?;
    let before = measure()?;
    let begun = Instant::now();
    let done = cycle(rounds)?;
    println!(
        "    {rounds} times loaded and unloaded in {:.0} s; the workers' rounds: {done:?}",
        begun.elapsed().as_secs_f64()
    );
    // The last objects are freed only after a grace period.
    let begun = Instant::now();
    loop {
        let after = measure()?;
        let grown =
            after.map(|(_, count)| count).iter().zip(before).any(|(after, (limit, before))| *after > before + limit);
        if !grown {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(20), "left behind: {before:?} became {after:?} (limit, count)");
    }
}

/// What must not grow with the rounds, and by how much it may: KiB used, KiB of vmalloc, tasks, memory maps.
fn measure() -> Result<[(u64, u64); 4]> {
    kernel::drain()?;
    Ok([
        (8 * 1024, kernel::meminfo("MemTotal:")? - kernel::meminfo("MemFree:")?),
        (1024, kernel::meminfo("VmallocUsed:")?),
        (100, kernel::slab_objects("task_struct")?),
        (100, kernel::slab_objects("mm_struct")?),
    ])
}

/// Loads and unloads `rounds` times with all workers at work, and returns what each of them did.
fn cycle(rounds: u64) -> Result<Vec<u64>> {
    let shared = Shared::new()?;
    let mut workers = vec![];
    for (n, work) in WORKERS.into_iter().enumerate() {
        let shared = &shared;
        workers.push(Child::spawn(move |_| {
            let mut random = SplitMix64::new(n as u64);
            while shared[STOP].load(Ordering::Acquire) == 0 {
                if let Err(errno) = work(&mut random) {
                    eprintln!("worker {n}: {errno}");
                    exit(1);
                }
                shared[n + 1].fetch_add(1, Ordering::Relaxed);
                // The other workers, and the process that unloads, get their turn.
                std::thread::sleep(Duration::from_micros(random.below(3000)));
            }
        })?);
    }
    let counts = || -> Vec<u64> { shared[1..=WORKERS.len()].iter().map(|word| word.load(Ordering::Relaxed)).collect() };
    let mut result = Ok(());
    for round in 0..rounds {
        // A small ring: the time is for the load, not for clearing memory.
        let module = Module::load("rate_hz=250 ring_records=1024")?;
        let before = counts();
        let begun = Instant::now();
        // Every worker twice: at least one of its rounds began and ended with the module loaded.
        while counts().iter().zip(&before).any(|(now, before)| *now < before + 2) {
            if begun.elapsed() > Duration::from_secs(60) {
                result = result.and_then(|()| bail!("round {round}: a worker stands still: {:?}", counts()));
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        module.unload()?;
        if result.is_err() {
            break;
        }
    }
    shared[STOP].store(1, Ordering::Release);
    for worker in workers {
        let status = worker.wait()?.status;
        ensure!(status == 0, "a worker ended with {status}");
    }
    result.map(|()| counts())
}

/// Errors that a call may return while the module is being unloaded or is not loaded.
fn gone(errno: Errno) -> bool {
    // procfs says EIO for a file whose entry was removed; a misc device without a driver is ENODEV or ENXIO.
    matches!(errno, Errno::ENOENT | Errno::EIO | Errno::ENODEV | Errno::ENXIO)
}

/// Registers and unregisters itself and others.
fn write(random: &mut SplitMix64) -> Result<(), Errno> {
    let verb = if random.below(2) == 0 { 'R' } else { 'U' };
    let me = getpid().as_raw() as u64;
    // Itself, its neighbours, their children.
    let pid = if random.below(2) == 0 { me } else { me.saturating_sub(6) + random.below(64) };
    match status::write(format!("{verb} {pid}\n").as_bytes()) {
        Ok(_) | Err(Errno::ESRCH | Errno::EEXIST) => Ok(()),
        Err(errno) if gone(errno) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Opens, maps, reads, and lets go.
fn map(_: &mut SplitMix64) -> Result<(), Errno> {
    let file = match device::open(true) {
        Ok(file) => file,
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
            return if gone(errno) { Ok(()) } else { Err(errno) };
        }
    };
    // From here on the module stays.
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let classic = Mapping::new(&file, 0, CLASSIC_BYTES, prot, MapFlags::MAP_SHARED)?;
    for index in (0..classic.word_count()).step_by(512) {
        classic.store(index, u64::MAX);
    }
    let mut samples = Samples::at(0).map_err(|_| Errno::EPROTO)?;
    let records = samples.read().map_err(|_| Errno::EBADMSG)?;
    samples.set_position(samples.reader.position())?;
    if records.windows(2).any(|pair| pair[1].sequence != pair[0].sequence + 1 && samples.reader.lost() == 0) {
        return Err(Errno::EILSEQ);
    }
    Ok(())
}

/// Forks a child that is registered, executes another program, and dies.
fn breed(random: &mut SplitMix64) -> Result<(), Errno> {
    let exec = random.below(2) == 0;
    // SAFETY: One thread.
    match unsafe { fork()? } {
        ForkResult::Parent { child } => nix::sys::wait::waitpid(child, None).map(drop),
        ForkResult::Child => {
            let _ = status::write(format!("R {}\n", getpid()).as_bytes());
            if exec {
                let _ = execv(c"/bin/true", &[c"true"]);
            }
            exit(0);
        }
    }
}

/// Reads the list, slowly, through a file that may outlive the module.
fn list(_: &mut SplitMix64) -> Result<(), Errno> {
    use std::io::Read;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_CLOEXEC).open(abi::device::STATUS_PATH);
    let Ok(mut file) = file else { return Ok(()) };
    let mut text = vec![];
    let mut piece = [0; 7];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&piece[..length]),
            // The module went: what was read so far need not end with a line.
            Err(_) => return Ok(()),
        }
    }
    let text = String::from_utf8(text).map_err(|_| Errno::EILSEQ)?;
    status::parse(&text).map(drop).map_err(|_| Errno::EBADMSG)
}
