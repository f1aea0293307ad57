// SPDX-License-Identifier: GPL-2.0

//! Allocations and copies from user space that fail on demand: fault injection, one failure at a time.
//!
//! The kernel counts down for one task (`/proc/self/fail-nth`) and fails the N-th thing in it that can fail: an
//! allocation from the slab or of pages, or a copy to or from user space. Other tasks are not affected.

use crate::debugfs;
use crate::test::Skip;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

/// The calling thread's countdown.
pub struct Injector {
    fail_nth: File,
}

/// What [`Injector::each_step`] saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    /// Things that failed, one a call.
    pub injected: u32,
    /// Calls of these that succeeded nevertheless.
    pub survived: u32,
}

impl Injector {
    /// Steps after which something else must be wrong.
    const LIMIT: u32 = 5000;

    /// Sets fault injection up.
    ///
    /// # Errors
    ///
    /// [`Skip`] where the kernel is built without it.
    pub fn new() -> Result<Self> {
        let fail_nth = match OpenOptions::new().read(true).write(true).open("/proc/self/fail-nth") {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Skip("this kernel has no fault injection (CONFIG_FAULT_INJECTION)").into())
            }
            Err(error) => return Err(error).context("/proc/self/fail-nth"),
        };
        let settings = debugfs::mount()?;
        for (kind, setting, value) in [
            // By default, only those that must not sleep fail.
            ("failslab", "ignore-gfp-wait", "N"),
            ("fail_page_alloc", "ignore-gfp-wait", "N"),
            ("fail_page_alloc", "ignore-gfp-highmem", "N"),
            ("fail_page_alloc", "min-order", "0"),
            // No stack trace for each: a trace in the log is a complaint.
            ("failslab", "verbose", "0"),
            ("fail_page_alloc", "verbose", "0"),
            ("fail_usercopy", "verbose", "0"),
        ] {
            let file = settings.join(kind).join(setting);
            fs::write(&file, value).with_context(|| file.display().to_string())?;
        }
        Ok(Injector { fail_nth })
    }

    /// Calls `call` with its `nth` step failing. The second value says whether it came to that step.
    fn fail<T>(&self, nth: u32, call: impl FnOnce() -> T) -> Result<(T, bool)> {
        self.set(nth)?;
        let value = call();
        let mut left = [0; 16];
        // Reading copies to user space, which is a step too; if that fails, the call did not come to its own.
        let injected = match self.fail_nth.read_at(&mut left, 0) {
            Ok(length) => left[..length].trim_ascii() == b"0",
            Err(error) => {
                ensure!(error.raw_os_error() == Some(Errno::EFAULT as i32), "reading fail-nth: {error}");
                false
            }
        };
        self.set(0)?;
        Ok((value, injected))
    }

    fn set(&self, nth: u32) -> Result<()> {
        self.fail_nth.write_all_at(nth.to_string().as_bytes(), 0).context("writing fail-nth")
    }

    /// Calls `call` again and again: with its first step failing, with its second, until a call has no more steps. After
    /// each, `check` is told the step and what came out of it. The last call, with nothing failing, must succeed.
    ///
    /// `call` should be little more than one system call: a page that it touches for the first time is a step as well.
    pub fn each_step<T>(
        &self,
        mut call: impl FnMut() -> Result<T, Errno>,
        mut check: impl FnMut(u32, Result<T, Errno>) -> Result<()>,
    ) -> Result<Steps> {
        let mut steps = Steps::default();
        for nth in 1..=Self::LIMIT {
            let (outcome, injected) = self.fail(nth, &mut call)?;
            if injected {
                steps.injected += 1;
                steps.survived += u32::from(outcome.is_ok());
                if let Err(error) = outcome {
                    ensure!(matches!(error, Errno::ENOMEM | Errno::EFAULT), "step {nth} failed with {error}");
                }
            } else {
                ensure!(outcome.is_ok(), "with nothing failing: {:?}", outcome.err());
            }
            check(nth, outcome).with_context(|| format!("after step {nth} of the call had failed"))?;
            if !injected {
                ensure!(steps.injected > 0, "the call has no step that can fail: is fault injection at work?");
                return Ok(steps);
            }
        }
        anyhow::bail!("still failing after {} steps", Self::LIMIT)
    }
}
