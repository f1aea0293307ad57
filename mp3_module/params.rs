// SPDX-License-Identifier: GPL-2.0

//! The module's parameters, checked.

use crate::abi::samples::SAMPLE_BYTES;
use kernel::prelude::*;
use kernel::time::msecs_to_jiffies;

/// Fewest records a ring may have: one batch of the sampler.
const RING_RECORDS_MIN: u32 = 64;
/// Most records: 768 MiB of them.
const RING_RECORDS_MAX: u32 = 1 << 22;
/// Most processes: as many as `kernel.pid_max` can ever be.
const MAX_PROCESSES_MAX: u32 = 1 << 22;

/// What the module was loaded with.
#[derive(Clone, Copy)]
pub(crate) struct Params {
    /// Jiffies a second.
    pub(crate) hz: u64,
    /// Ticks a second, 1 to `hz`.
    pub(crate) rate_hz: u64,
    /// Records in the sample ring, a power of two.
    pub(crate) ring_records: usize,
    /// Most processes registered at a time.
    pub(crate) max_processes: usize,
}

impl Params {
    /// Checks what the user gave. The log says what is wrong and what would be right.
    pub(crate) fn check(rate_hz: u32, ring_records: u32, max_processes: u32) -> Result<Self> {
        // The bindings' own `HZ` is the user-space constant of asm-generic/param.h, not this kernel's.
        let hz = msecs_to_jiffies(1000);

        if rate_hz == 0 || u64::from(rate_hz) > hz as u64 {
            pr_err!("rate_hz={rate_hz}: must be from 1 to {hz}, this kernel's HZ\n");
            return Err(EINVAL);
        }
        if !ring_records.is_power_of_two() || !(RING_RECORDS_MIN..=RING_RECORDS_MAX).contains(&ring_records) {
            pr_err!(
                "ring_records={ring_records}: must be a power of two from {RING_RECORDS_MIN} to {RING_RECORDS_MAX} ({SAMPLE_BYTES} bytes each)\n"
            );
            return Err(EINVAL);
        }
        if max_processes == 0 || max_processes > MAX_PROCESSES_MAX {
            pr_err!("max_processes={max_processes}: must be from 1 to {MAX_PROCESSES_MAX}\n");
            return Err(EINVAL);
        }
        Ok(Params {
            hz: hz as u64,
            rate_hz: u64::from(rate_hz),
            ring_records: ring_records as usize,
            max_processes: max_processes as usize,
        })
    }
}
