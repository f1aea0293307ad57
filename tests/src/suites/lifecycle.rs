// SPDX-License-Identifier: GPL-2.0

//! Loading, unloading, and being idle.

use crate::test::Outcome;
use crate::tests;
use abi::classic::CLASSIC_BYTES;
use abi::device::{DEVICE_PATH, SAMPLES_OFFSET, STATUS_PATH};
use abi::header::{word, HEADER_BYTES};
use abi::words::ReadWords;
use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use testkit::child::Child;
use testkit::device::{self, Mapping, Samples};
use testkit::kernel;
use testkit::log::Log;
use testkit::module::Module;
use testkit::status;

tests![
    one_line_at_load_and_one_at_unload,
    bad_parameters_are_refused_and_explained,
    unload_is_refused_while_the_device_is_open,
    unload_is_refused_while_it_is_mapped,
    unload_with_the_status_file_open,
    unload_with_processes_registered,
    an_idle_module_does_not_tick,
    a_hundred_rounds_leave_nothing_behind,
];

fn ours(log: &mut Log) -> Vec<String> {
    log.lines().into_iter().filter(|line| line.starts_with("mp3: ")).collect()
}

fn one_line_at_load_and_one_at_unload() -> Outcome {
    let mut log = Log::here();
    let module = Module::load("")?;
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    status::register(child.pid())?;
    while samples.wait()?.iter().all(|record| record.sequence < 10) {}
    status::unregister(child.pid())?;
    let _ = status::write(b"nonsense");
    drop(samples);
    drop(module);
    let lines = ours(&mut log);
    ensure!(lines.len() == 2, "{lines:#?}");
    ensure!(lines[0].contains("20 Hz") && lines[0].contains("65536"), "{}", lines[0]);
    ensure!(lines[1].contains("unloaded"), "{}", lines[1]);
    ensure!(!Path::new(STATUS_PATH).exists() && !Path::new(DEVICE_PATH).exists());
    Ok(())
}

fn bad_parameters_are_refused_and_explained() -> Outcome {
    for (parameters, word) in [
        ("rate_hz=0", "rate_hz=0: must be from 1 to"),
        ("rate_hz=100000", "rate_hz=100000: must be from 1 to"),
        ("ring_records=0", "ring_records=0: must be a power of two"),
        ("ring_records=100", "ring_records=100: must be a power of two"),
        ("ring_records=32", "ring_records=32: must be a power of two from 64"),
        ("ring_records=2147483648", "must be a power of two"),
        ("max_processes=0", "max_processes=0: must be from 1 to"),
    ] {
        let mut log = Log::here();
        let error = Module::try_load(parameters)?.expect_err("refused");
        ensure!(error == Errno::EINVAL, "{parameters}: {error}");
        let lines = ours(&mut log);
        ensure!(lines.len() == 1 && lines[0].contains(word), "{parameters}: {lines:#?}");
        ensure!(!Path::new(STATUS_PATH).exists() && !Path::new(DEVICE_PATH).exists());
    }
    // Not numbers: the kernel refuses them before the module sees them.
    for parameters in ["rate_hz=fast", "rate_hz=-1", "ring_records=99999999999"] {
        Module::try_load(parameters)?.expect_err("refused");
    }
    Ok(())
}

fn unload_is_refused_while_the_device_is_open() -> Outcome {
    let module = Module::load("")?;
    let file = device::open(false)?;
    module.refuses_to_unload()?;
    // Not harmed by it.
    ensure!(Mapping::new(&file, SAMPLES_OFFSET, HEADER_BYTES, ProtFlags::PROT_READ, MapFlags::MAP_SHARED).is_ok());
    drop(file);
    module.unload().context("after close")
}

fn unload_is_refused_while_it_is_mapped() -> Outcome {
    for (offset, bytes) in [(0, CLASSIC_BYTES), (SAMPLES_OFFSET, HEADER_BYTES)] {
        let module = Module::load("")?;
        let file = device::open(false)?;
        let mapping = Mapping::new(&file, offset, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
        drop(file);
        module.refuses_to_unload()?;
        mapping.load_acquire(0);
        drop(mapping);
        module.unload().context("after munmap")?;
    }
    Ok(())
}

fn unload_with_the_status_file_open() -> Outcome {
    let module = Module::load("")?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let mut reading = File::open(STATUS_PATH)?;
    ensure!(reading.read(&mut [0; 1])? == 1);
    let mut writing = File::options().write(true).open(STATUS_PATH)?;
    module.unload()?;
    // procfs has cut the files off; they lead nowhere, and do no harm.
    ensure!(reading.read(&mut [0; 4096]).is_err());
    ensure!(writing.write(b"R 1").is_err());
    Ok(())
}

fn unload_with_processes_registered() -> Outcome {
    let children = (0..100).map(|_| Child::idle()).collect::<Result<Vec<_>, _>>()?;
    let module = Module::load("")?;
    for child in &children {
        status::register(child.pid())?;
    }
    module.unload()?;
    // The processes do not know that they were profiled.
    for mut child in children {
        child.go()?;
        ensure!(child.wait()?.status == 0);
    }
    Ok(())
}

fn an_idle_module_does_not_tick() -> Outcome {
    let _module = Module::load("rate_hz=100")?;
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    status::register(child.pid())?;
    samples.wait()?;
    samples.wait()?;
    status::unregister(child.pid())?;
    samples.read()?;
    let state = |samples: &Samples| {
        [word::COMMITTED, word::COMPLETED_TICK, word::SAMPLING_NS, word::MISSED_TICKS]
            .map(|index| samples.memory.load_acquire(index))
    };
    let before = state(&samples);
    samples.set_position(samples.reader.position())?;
    // Nothing wakes a reader for a second, and nothing has changed after it.
    ensure!(!samples.readable(1000_u16.into())?);
    ensure!(state(&samples) == before);
    Ok(())
}

fn a_hundred_rounds_leave_nothing_behind() -> Outcome {
    let round = || -> Outcome {
        let module = Module::load("")?;
        let children = [Child::idle()?, Child::idle()?, Child::idle()?];
        for child in &children {
            status::register(child.pid())?;
        }
        let mapping = map_both()?;
        // One of them dies, and no tick has seen it when the module is unloaded.
        drop(children);
        drop(mapping);
        module.unload()
    };
    // The first rounds fill caches of the kernel's own.
    for _ in 0..20 {
        round()?;
    }
    let measure = || -> anyhow::Result<[u64; 4]> {
        // Freed tasks and pages are really free after a grace period and a drain.
        kernel::drain()?;
        Ok([
            kernel::meminfo("MemFree:")?,
            kernel::meminfo("VmallocUsed:")?,
            kernel::slab_objects("task_struct")?,
            kernel::slab_objects("mm_struct")?,
        ])
    };
    let before = measure()?;
    for _ in 0..100 {
        round()?;
    }
    let after = measure()?;
    // A ring that was not freed would be 12 MiB a round, a process three task_structs.
    ensure!(before[0].saturating_sub(after[0]) < 8 * 1024, "MemFree fell from {} to {} KiB", before[0], after[0]);
    ensure!(after[1].saturating_sub(before[1]) < 1024, "VmallocUsed rose from {} to {} KiB", before[1], after[1]);
    ensure!(after[2].saturating_sub(before[2]) < 100, "task_struct: {} to {}", before[2], after[2]);
    ensure!(after[3].saturating_sub(before[3]) < 100, "mm_struct: {} to {}", before[3], after[3]);
    Ok(())
}

fn map_both() -> anyhow::Result<[Mapping; 2]> {
    let file = device::open(true)?;
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    Ok([
        Mapping::new(&file, 0, CLASSIC_BYTES, prot, MapFlags::MAP_SHARED)?,
        Mapping::new(&file, SAMPLES_OFFSET, HEADER_BYTES, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?,
    ])
}
