// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail, at every step of what the module does, one at a time: a clean error, nothing changed, nothing
//! lost, and the module goes on. Memory that is leaked is found by `leaks`, which runs later.

use crate::injection::Injector;
use crate::test::Outcome;
use crate::tests;
use abi::classic::CLASSIC_BYTES;
use abi::device::{DEVICE_PATH, SAMPLES_OFFSET, STATUS_PATH};
use abi::header::HEADER_BYTES;
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::kmod::{finit_module, ModuleInitFlags};
use nix::poll::PollTimeout;
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};
use std::fs::{self, File};
use std::path::Path;
use testkit::child::Child;
use testkit::device::{self, Mapping, Samples};
use testkit::module::Module;
use testkit::{files, status};

tests![
    loading_fails_cleanly_at_every_step,
    opening_fails_cleanly_at_every_step,
    mapping_fails_cleanly_at_every_step,
    registering_fails_cleanly_at_every_step,
    registering_fails_cleanly_where_the_table_grows,
    unregistering_fails_cleanly_at_every_step,
    reading_the_list_fails_cleanly_at_every_step,
    setting_a_position_fails_cleanly_at_every_step,
];

/// Registers and unregisters a process, with a record of each.
fn module_works() -> Result<()> {
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    status::register(child.pid())?;
    status::unregister(child.pid())?;
    ensure!(samples.read()?.len() >= 2 && status::read()?.is_empty());
    Ok(())
}

fn loading_fails_cleanly_at_every_step() -> Outcome {
    let injector = Injector::new()?;
    let file = File::open(files::module())?;
    let steps = injector.each_step(
        || finit_module(&file, c"", ModuleInitFlags::empty()),
        |nth, outcome| {
            if outcome.is_ok() {
                let module = Module::adopt();
                // Each time would take long, and once it is loaded it does not know how.
                if nth % 16 == 0 {
                    module_works()?;
                }
                return module.unload();
            }
            let modules = fs::read_to_string("/proc/modules")?;
            ensure!(!modules.lines().any(|line| line.starts_with("mp3 ")), "it is loaded nevertheless");
            ensure!(!Path::new(STATUS_PATH).exists() && !Path::new(DEVICE_PATH).exists(), "it has left files");
            ensure!(!Path::new("/sys/module/mp3").exists(), "it has left its directory in sysfs");
            Ok(())
        },
    )?;
    println!("    {steps:?}");
    let module = Module::load("")?;
    module_works()?;
    module.unload()
}

fn opening_fails_cleanly_at_every_step() -> Outcome {
    let injector = Injector::new()?;
    let module = Module::load("")?;
    let steps = injector.each_step(|| open(DEVICE_PATH, OFlag::O_RDONLY, Mode::empty()), |_, _| Ok(()))?;
    println!("    {steps:?}");
    module_works()?;
    // No failed open has kept a reference.
    module.unload()
}

fn mapping_fails_cleanly_at_every_step() -> Outcome {
    let injector = Injector::new()?;
    let module = Module::load("ring_records=64")?;
    let file = device::open(true)?;
    for (offset, bytes) in [(0, CLASSIC_BYTES), (SAMPLES_OFFSET, HEADER_BYTES)] {
        let steps = injector.each_step(
            || Mapping::new(&file, offset, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED),
            |_, outcome| {
                if let Ok(mapping) = outcome {
                    mapping.load_acquire(0);
                }
                Ok(())
            },
        )?;
        println!("    at {offset:#x}: {steps:?}");
    }
    module_works()?;
    drop(file);
    // Nor has a failed mmap.
    module.unload()
}

/// The status file, open for both, for system calls on it alone.
fn open_status() -> Result<File> {
    File::options().read(true).write(true).open(STATUS_PATH).context(STATUS_PATH)
}

/// R at every step, with `others` registered already.
fn register_at_every_step(others: usize) -> Outcome {
    let injector = Injector::new()?;
    let module = Module::load("rate_hz=1")?;
    let children = (0..others).map(|_| Child::idle()).collect::<Result<Vec<_>>>()?;
    let all = |what: fn(i32) -> Result<()>| children.iter().try_for_each(|child| what(child.pid()));
    all(status::register)?;
    let child = Child::idle()?;
    let file = open_status()?;
    let (command, undo) = (format!("R {}\n", child.pid()), format!("U {}\n", child.pid()));
    let steps = injector.each_step(
        || write(&file, command.as_bytes()),
        |_, outcome| {
            let listed = status::read()?;
            ensure!(listed.len() == others + usize::from(outcome.is_ok()), "{} are listed", listed.len());
            ensure!(listed.iter().any(|(pid, _)| *pid == child.pid()) == outcome.is_ok());
            let undone = write(&file, undo.as_bytes());
            ensure!(undone == if outcome.is_ok() { Ok(undo.len()) } else { Err(Errno::ENOENT) }, "U: {undone:?}");
            if outcome.is_ok() {
                // The table has grown, and shrinks only when it is empty. The next step must find it full.
                all(status::unregister)?;
                all(status::register)?;
            }
            Ok(())
        },
    )?;
    println!("    {steps:?}");
    all(status::unregister)?;
    module_works()?;
    module.unload()
}

fn registering_fails_cleanly_at_every_step() -> Outcome {
    register_at_every_step(0)
}

/// The table grows in powers of two; with 64 there, it grows by the next.
fn registering_fails_cleanly_where_the_table_grows() -> Outcome {
    register_at_every_step(64)
}

fn unregistering_fails_cleanly_at_every_step() -> Outcome {
    let injector = Injector::new()?;
    let module = Module::load("")?;
    let child = Child::idle()?;
    let file = open_status()?;
    let command = format!("U {}\n", child.pid());
    status::register(child.pid())?;
    let steps = injector.each_step(
        || write(&file, command.as_bytes()),
        |_, outcome| {
            let listed = status::read()?;
            ensure!(listed.is_empty() == outcome.is_ok(), "{listed:?}");
            if outcome.is_ok() {
                status::register(child.pid())?;
            }
            Ok(())
        },
    )?;
    println!("    {steps:?}");
    status::unregister(child.pid())?;
    module_works()?;
    module.unload()
}

fn reading_the_list_fails_cleanly_at_every_step() -> Outcome {
    let injector = Injector::new()?;
    let module = Module::load("")?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    let steps = injector.each_step(
        || -> Result<usize, Errno> {
            let file = open(STATUS_PATH, OFlag::O_RDONLY, Mode::empty())?;
            read(&file, &mut [0; 256])
        },
        |_, outcome| {
            ensure!(outcome.map_or(true, |length| length > 0), "an empty list");
            ensure!(status::read()?.len() == 1);
            Ok(())
        },
    )?;
    println!("    {steps:?}");
    status::unregister(child.pid())?;
    module_works()?;
    module.unload()
}

fn setting_a_position_fails_cleanly_at_every_step() -> Outcome {
    let injector = Injector::new()?;
    let module = Module::load("")?;
    let child = Child::idle()?;
    let samples = Samples::at(0)?;
    status::register(child.pid())?;
    let steps = injector.each_step(
        || samples.set_position(1),
        |_, outcome| {
            // Whether there is more than one record is the sampler's business.
            ensure!(outcome.is_ok() || samples.readable(PollTimeout::ZERO)?, "a failed ioctl has moved the position");
            Ok(())
        },
    )?;
    println!("    {steps:?}");
    status::unregister(child.pid())?;
    drop(samples);
    module_works()?;
    module.unload()
}
