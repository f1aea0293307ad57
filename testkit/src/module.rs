// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading the module.

use crate::files;
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::CString;
use std::fs::File;
use std::time::{Duration, Instant};

/// The loaded module. Dropping it unloads it.
#[derive(Debug)]
pub struct Module(());

impl Module {
    /// Loads it with `parameters`, as in `"rate_hz=250 ring_records=64"`.
    pub fn load(parameters: &str) -> Result<Self> {
        Self::try_load(parameters)?.with_context(|| format!("loading with {parameters:?}"))
    }

    /// As [`Module::load`], with the kernel's error apart from the others.
    pub fn try_load(parameters: &str) -> Result<Result<Self, Errno>> {
        let file = File::open(files::module()).with_context(|| files::module().display().to_string())?;
        Ok(finit_module(&file, &CString::new(parameters)?, ModuleInitFlags::empty()).map(|()| Module(())))
    }

    /// The module that something else has loaded.
    pub fn adopt() -> Self {
        Module(())
    }

    /// Tries to unload it, and expects that the kernel refuses.
    pub fn refuses_to_unload(&self) -> Result<()> {
        match unload() {
            Ok(()) => bail!("the module was unloaded while it was in use"),
            Err(Errno::EAGAIN | Errno::EBUSY) => Ok(()),
            Err(error) => bail!("unloading failed, but with {error}"),
        }
    }

    /// Unloads it.
    pub fn unload(self) -> Result<()> {
        std::mem::forget(self);
        unload_when_free()
    }
}

fn unload() -> Result<(), Errno> {
    delete_module(c"mp3", DeleteModuleFlags::O_NONBLOCK)
}

/// Unloads, once the last file is really closed: those of a process that was killed a moment ago may be closed by a
/// kernel thread a few milliseconds later, and there is no event to wait for.
fn unload_when_free() -> Result<()> {
    let begun = Instant::now();
    loop {
        match unload() {
            Err(Errno::EAGAIN) if begun.elapsed() < Duration::from_secs(20) => std::thread::yield_now(),
            result => return result.context("unloading"),
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Err(error) = unload_when_free() {
            // A test that failed half-way may have left the device open in a child; the next test will say so.
            eprintln!("mp3.ko was not unloaded: {error:#}");
        }
    }
}
