// SPDX-License-Identifier: GPL-2.0

//! A writer at HZ, and readers that do what readers should not.

use super::seconds;
use crate::shared::Shared;
use crate::test::Outcome;
use abi::classic::CLASSIC_BYTES;
use abi::device::{PAGE_BYTES, SAMPLES_OFFSET};
use abi::header::word;
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::signal::Signal;
use std::sync::atomic::Ordering;
use std::time::Instant;
use testkit::child::{exit, Child};
use testkit::device::{self, Mapping, Samples};
use testkit::module::Module;
use testkit::status;
use work::random::SplitMix64;

const RECORDS: u64 = 8192;
const PROCESSES: usize = 8;

/// What the bad readers have done, in the shared words.
const KILLED: usize = 0;
const FORKED: usize = 1;
const TORN: usize = 2;

pub fn readers_that_tear_stop_and_die_do_no_harm() -> Outcome {
    let duration = seconds()?;
    let hz = {
        let _module = Module::load("")?;
        let samples = Samples::at(0)?;
        samples.header.hz
    };
    let module = Module::load(&format!("rate_hz={hz} ring_records={RECORDS}"))?;
    let shared = Shared::new()?;
    let mut good = Samples::from_here()?;
    let processes = (0..PROCESSES).map(|_| Child::idle()).collect::<Result<Vec<_>>>()?;
    for process in &processes {
        status::register(process.pid())?;
    }

    // It reads once, stops, and goes on when the writer has passed it.
    let mut stopped = Child::spawn(|parent| {
        let mut samples = Samples::from_here().expect("a reader");
        let begin = samples.reader.position();
        let mut seen = samples.read().expect("records").len() as u64;
        parent.done();
        parent.wait();
        let end = samples.memory.load_acquire(word::COMMITTED);
        while samples.reader.position() < end {
            seen += samples.read().expect("records").len() as u64;
        }
        let right = seen + samples.reader.lost() == samples.reader.position() - begin && samples.reader.lost() > 0;
        exit(i32::from(!right));
    })?;
    stopped.wait_done()?;
    stopped.kill(Signal::SIGSTOP)?;

    let tearers: Vec<_> = (0..2).map(|n| Child::spawn(|_| tear(n, &shared))).collect::<Result<_>>()?;
    let forker = Child::spawn(|_| loop {
        let mut samples = Samples::from_here().expect("a reader");
        // Two who read through the same mapping and the same open file.
        // Without waiting: it would stay when its parent is killed.
        let child = Child::spawn(|_| drop(samples.read().expect("records")));
        samples.wait().expect("records");
        assert_eq!(child.and_then(Child::wait).expect("a child").status, 0);
        shared[FORKED].fetch_add(1, Ordering::Relaxed);
    })?;

    let begun = Instant::now();
    let first = good.reader.position();
    let mut seen = 0;
    while begun.elapsed() < duration || good.reader.position() < first + 2 * RECORDS + 1 {
        // One that dies in the middle of reading.
        let mut killed = Child::spawn(|parent| {
            let mut samples = Samples::at(0).expect("a reader");
            parent.done();
            loop {
                samples.reader = abi::ring::Reader::at_oldest(&samples.header, &samples.memory);
                samples.read().expect("records");
            }
        })?;
        killed.wait_done()?;
        for record in good.wait()? {
            ensure!(record.sequence == first + seen, "record {} after {seen} from {first}", record.sequence);
            seen += 1;
        }
        killed.kill(Signal::SIGKILL)?;
        ensure!(killed.wait()?.status == 128 + Signal::SIGKILL as i32, "the reader ended before it was killed");
        shared[KILLED].fetch_add(1, Ordering::Relaxed);
    }
    ensure!(good.reader.lost() == 0, "the good reader lost {} records", good.reader.lost());
    stopped.kill(Signal::SIGCONT)?;
    stopped.go()?;
    ensure!(stopped.wait()?.status == 0, "the stopped reader's records and losses do not add up");
    for bad in tearers.into_iter().chain([forker]) {
        bad.kill(Signal::SIGKILL)?;
        let status = bad.wait()?.status;
        ensure!(status == 128 + Signal::SIGKILL as i32, "a reader ended by itself: {status}");
    }
    for process in &processes {
        status::unregister(process.pid())?;
    }
    // They were forked with the device open.
    drop(processes);
    drop(good);
    module.unload().context("the device is not open any more")?;
    let [killed, forked, torn] = [KILLED, FORKED, TORN].map(|index| shared[index].load(Ordering::Relaxed));
    println!(
        "    {seen} records at {hz} Hz in {:.0} s, none lost; {killed} readers killed, {forked} forked, {torn} mappings torn",
        begun.elapsed().as_secs_f64()
    );
    ensure!(forked > 0 && torn > 0);
    Ok(())
}

/// Maps the ring or the classic buffer, takes the mapping apart, and lets go of what is left, for ever.
fn tear(seed: u64, shared: &Shared) -> ! {
    let mut random = SplitMix64::new(seed);
    loop {
        let (offset, bytes) = if random.below(2) == 0 {
            (SAMPLES_OFFSET, abi::header::HEADER_BYTES + RECORDS as usize * abi::record::SAMPLE_BYTES)
        } else {
            (0, CLASSIC_BYTES)
        };
        let pages = bytes / PAGE_BYTES;
        let file = device::open(false).expect("the device");
        let mapping =
            Mapping::new(&file, offset, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED).expect("a mapping");
        drop(file);
        for index in (0..mapping.word_count()).step_by(512 * 7) {
            mapping.load_relaxed(index);
        }
        for _ in 0..20 {
            let first = random.below(pages as u64) as usize;
            let count = 1 + random.below((pages - first) as u64) as usize;
            let start = mapping.address().as_ptr().wrapping_byte_add(first * PAGE_BYTES);
            let length = count.min(40) * PAGE_BYTES;
            // What fails because an earlier call made a hole is as good as what succeeds.
            match random.below(5) {
                // SAFETY: Pages of the mapping or of a hole in it; they are not used again, and the process has one thread
                // that maps nothing meanwhile.
                0 => drop(unsafe { libc::munmap(start, length) }),
                // SAFETY: As above.
                1 => drop(unsafe { libc::mprotect(start, length, libc::PROT_NONE) }),
                // SAFETY: As above.
                2 => drop(unsafe { libc::mprotect(start, length, libc::PROT_READ) }),
                // SAFETY: As above; in place, only smaller.
                3 => drop(unsafe { libc::mremap(start, length, PAGE_BYTES, 0) }),
                // SAFETY: As above; onto a page of the same mapping that lies before it.
                _ => drop(unsafe {
                    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                    libc::mremap(start, PAGE_BYTES, PAGE_BYTES, flags, mapping.address().as_ptr())
                }),
            }
        }
        // Whatever is left of it.
        drop(mapping);
        shared[TORN].fetch_add(1, Ordering::Relaxed);
    }
}
