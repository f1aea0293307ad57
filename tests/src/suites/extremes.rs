// SPDX-License-Identifier: GPL-2.0

//! Parameters at their greatest and smallest.

use crate::test::{Outcome, Skip};
use crate::tests;
use abi::header::word;
use abi::words::ReadWords;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use testkit::child::Child;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::{kernel, status};

tests![the_largest_ring_and_table_work, the_smallest_ring_and_table_work];

/// Registers, waits for a few ticks, unregisters, and checks what was recorded.
fn works(capacity: u64) -> Result<()> {
    let mut samples = Samples::from_here()?;
    ensure!(samples.header.capacity == capacity, "{:?}", samples.header);
    let child = Child::idle()?;
    status::register(child.pid())?;
    let mut records = samples.wait()?;
    while records.len() < 4 {
        records.extend(samples.wait()?);
    }
    status::unregister(child.pid())?;
    records.extend(samples.until_final(child.pid())?);
    ensure!(records.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "{records:?}");
    ensure!(samples.reader.lost() == 0 && samples.memory.load_acquire(word::REGISTERED) == 0);
    Ok(())
}

fn the_largest_ring_and_table_work() -> Outcome {
    const RECORDS: u64 = 1 << 22;
    if kernel::meminfo("MemAvailable:")? < 1 << 20 {
        return Err(Skip("less than a gigabyte is free, and the largest ring takes 768 MiB").into());
    }
    let module = match Module::try_load(&format!("ring_records={RECORDS} max_processes={}", 1 << 22))? {
        Err(Errno::ENOMEM) => return Err(Skip("no memory for the largest ring").into()),
        loaded => loaded?,
    };
    let with = kernel::meminfo("VmallocUsed:")?;
    works(RECORDS)?;
    module.unload()?;
    let without = kernel::meminfo("VmallocUsed:")?;
    ensure!(with - without >= 700 << 10, "{with} KiB of vmalloc with it, {without} without");
    // One more of either is refused.
    for parameters in ["ring_records=8388608", "max_processes=4194305"] {
        ensure!(Module::try_load(parameters)?.is_err_and(|error| error == Errno::EINVAL), "{parameters}");
    }
    Ok(())
}

fn the_smallest_ring_and_table_work() -> Outcome {
    let _module = Module::load("ring_records=64 max_processes=1 rate_hz=1")?;
    works(64)?;
    let (one, other) = (Child::idle()?, Child::idle()?);
    status::register(one.pid())?;
    ensure!(status::write(format!("R {}\n", other.pid()).as_bytes()) == Err(Errno::ENOSPC));
    status::unregister(one.pid())?;
    status::register(other.pid())
}
