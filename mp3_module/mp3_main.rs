// SPDX-License-Identifier: GPL-2.0

//! mp3: profiles page faults and CPU time of chosen processes from inside the kernel.
//!
//! ```text
//! procfs        "R 123"            -> profiler  the registry and both buffers, under one mutex
//! delayed_work  20 times a second  ->     |-- registry   the processes, side by side
//!                                         |     `-- entry      one of them, and its last record
//!                                         |           `-- process    its threads and counters
//!                                         `-- memory     vmalloc'ed pages, shared with user space
//! chardev       open, mmap, poll   -> regions     `-- abi        what the pages mean
//! ```
//!
//! Unsafe code stands in the files that own an interface to C: `process/`, `memory`, `delayed_work`, `procfs`, `chardev`,
//! `time`, `compat`, `reclaim`, `follower`.

mod abi;
mod chardev;
mod compat;
mod delayed_work;
mod entry;
mod ffi;
mod follower;
mod interval;
mod memory;
mod params;
#[cfg(mp3_planted)]
mod planted;
mod positions;
mod process;
mod procfs;
mod profiler;
mod reclaim;
mod regions;
mod registry;
mod time;
mod tracer;
mod users;

use crate::chardev::Device;
use crate::params::Params;
use crate::procfs::StatusFile;
use crate::profiler::{Profiler, Ticking};
use crate::regions::Regions;
use crate::tracer::Tracer;
use kernel::prelude::*;

module! {
    type: Mp3,
    name: "mp3",
    authors: ["The mp3 authors"],
    description: "Profiles page faults and CPU time of chosen processes",
    license: "GPL",
    params: {
        rate_hz: u32 {
            default: 20,
            description: "Samples a second of every registered process, 1 to HZ",
        },
        ring_records: u32 {
            default: 65536,
            description: "Records of 192 bytes in the sample ring, a power of two",
        },
        max_processes: u32 {
            default: 32768,
            description: "Most processes registered at a time",
        },
    },
}

/// The loaded module.
///
/// Fields are dropped in this order, and the order matters: first no more commands arrive, then no tick follows and
/// all registrations are dropped, then the device cannot be opened any more. The buffers are freed with the last reference
/// to the profiler, which each of the three holds.
struct Mp3 {
    _status: StatusFile,
    _ticking: Ticking,
    _device: Pin<KBox<Device>>,
}

impl kernel::Module for Mp3 {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let params = Params::check(
            compat::parameter(module_parameters::rate_hz.value()),
            compat::parameter(module_parameters::ring_records.value()),
            compat::parameter(module_parameters::max_processes.value()),
        )?;
        #[cfg(mp3_planted)]
        planted::plant()?;
        let profiler = Profiler::new(&params)?;
        let ticking = Ticking::new(profiler.clone());
        let tracer = Tracer::new()?;
        let status = StatusFile::new(profiler.clone())?;
        // Last, so that nothing can fail after it: a module whose init fails is freed, also while a program has its
        // device open. procfs waits for its callers; the VFS does not.
        let device = KBox::pin_init(Device::new(Regions::new(profiler, tracer)), GFP_KERNEL)?;
        pr_info!(
            "loaded: {} Hz, a ring of {} records, at most {} processes\n",
            params.rate_hz,
            params.ring_records,
            params.max_processes
        );
        Ok(Mp3 { _status: status, _ticking: ticking, _device: device })
    }
}

impl Drop for Mp3 {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}
