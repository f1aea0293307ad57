// SPDX-License-Identifier: GPL-2.0

//! Programs written for the original MP3, as its interface describes them.

use crate::test::Outcome;
use crate::tests;
use abi::classic::{CLASSIC_BYTES, EMPTY, RING_LONGS};
use abi::header::word;
use abi::words::ReadWords;
use anyhow::{ensure, Result};
use nix::sys::mman::{MapFlags, ProtFlags};
use std::fs;
use std::process::Command;
use testkit::child::{Child, Pages};
use testkit::device::{self, Mapping, Samples};
use testkit::module::Module;
use testkit::{kernel, status};

tests![a_classic_work_process_and_reader, nothing_is_lost_between_the_sums];

/// The classic reader: the first long that is not -1, then record after record, -1 over each, until a record begins so.
pub fn read(buffer: &Mapping) -> Vec<[u64; 4]> {
    let mut records = vec![];
    let Some(mut at) = (0..RING_LONGS).find(|&index| buffer.load_acquire(index) != EMPTY) else { return records };
    while buffer.load_acquire(at) != EMPTY {
        let mut record = [0; 4];
        for (offset, long) in record.iter_mut().enumerate() {
            *long = buffer.load_acquire(at + offset);
            buffer.store(at + offset, EMPTY);
        }
        records.push(record);
        at = (at + 4) % RING_LONGS;
    }
    records
}

/// Maps the buffer the classic way: a node in the current directory, for reading and writing.
pub fn map() -> Result<Mapping> {
    let directory = std::env::temp_dir().join("classic");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    std::os::unix::fs::symlink(abi::device::DEVICE_PATH, directory.join("node"))?;
    std::env::set_current_dir(&directory)?;
    let node = fs::OpenOptions::new().read(true).write(true).open("node")?;
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    Ok(Mapping::new(&node, 0, CLASSIC_BYTES, prot, MapFlags::MAP_SHARED)?)
}

fn a_classic_work_process_and_reader() -> Outcome {
    let _module = Module::load("")?;
    // It registers by its own shell, and does not look at the result.
    let script = r"
        echo R $$ > /proc/mp3/status
        n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done
        echo U $$ > /proc/mp3/status
    ";
    let status = Command::new("/bin/busybox").args(["sh", "-c", script]).status()?;
    ensure!(status.success());

    let buffer = map()?;
    let records = read(&buffer);
    ensure!(!records.is_empty());
    for pair in records.windows(2) {
        ensure!(pair[0][0] <= pair[1][0], "jiffies go forward");
    }
    let cpu_ns: u64 = records.iter().map(|record| record[3]).sum();
    ensure!(cpu_ns > 1_000_000, "a shell's loop of 20,000 in {cpu_ns} ns");
    // Taken is taken.
    ensure!(read(&buffer).is_empty());
    ensure!((0..buffer.word_count()).all(|index| buffer.load_relaxed(index) == EMPTY));

    // And goes on where it was.
    let child = Child::idle()?;
    status::register(child.pid())?;
    status::unregister(child.pid())?;
    ensure!(buffer.load_acquire(records.len() * 4) != EMPTY);
    // At least one: a tick may have come between the two.
    ensure!(!read(&buffer).is_empty());
    Ok(())
}

fn nothing_is_lost_between_the_sums() -> Outcome {
    let _module = Module::load("")?;
    let samples = Samples::from_here()?;
    let file = device::open(true)?;
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let buffer = Mapping::new(&file, 0, CLASSIC_BYTES, prot, MapFlags::MAP_SHARED)?;
    // One dies, one is unregistered, one is there to the end: their last intervals go into the sums too.
    let mut children = (1..=3)
        .map(|n| {
            Child::spawn(move |parent| {
                let pages = Pages::new(n * 1000);
                parent.wait();
                pages.touch(0..n * 1000);
                if n > 1 {
                    parent.done();
                    parent.wait();
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut before = 0;
    for child in &children {
        kernel::wait_until_asleep(child.pid())?;
        before += kernel::faults(child.pid())?.0;
        status::register(child.pid())?;
    }
    let mut after = 0;
    for child in &mut children {
        child.go()?;
    }
    for child in &mut children[1..] {
        child.wait_done()?;
        kernel::wait_until_asleep(child.pid())?;
        after += kernel::faults(child.pid())?.0;
    }
    let first = children.remove(0);
    after += first.wait()?.minor_faults;
    status::unregister(children[0].pid())?;
    status::unregister(children[1].pid())?;
    // The first one's final record may come with the next tick. No process is registered after it.
    while samples.memory.load_acquire(word::REGISTERED) > 0 {
        std::thread::yield_now();
    }
    let sum: u64 = read(&buffer).iter().map(|record| record[1]).sum();
    ensure!(sum == after - before, "{sum} in the buffer, {} faults", after - before);
    Ok(())
}
