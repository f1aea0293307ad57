// SPDX-License-Identifier: GPL-2.0

//! The kernel's own account of mappings, of all processes: perf events that count nothing and tell every mmap, fork and
//! execution, with build IDs.

use super::{perf, proc};
use format::mappings::{Change, What};
use nix::errno::Errno;
use perf_event::events::Software;
use perf_event::{Builder, Clock, SampleFlag, Sampler};
use std::io;

/// Bytes of each CPU's buffer.
const BUFFER: usize = 1 << 20;

/// One buffer for each CPU.
pub struct Watch {
    samplers: Vec<Sampler>,
}

impl Watch {
    /// Begins to watch on CPUs 0 to `cpus` - 1.
    ///
    /// # Errors
    ///
    /// What perf_event_open(2) or mmap(2) returns for a CPU that is there.
    pub fn start(cpus: u32) -> io::Result<Self> {
        let mut samplers = vec![];
        for cpu in 0..cpus as usize {
            // Build IDs since Linux 5.12.
            let is = |error: &io::Error, errno: Errno| error.raw_os_error() == Some(errno as i32);
            let sampler = match sampler(cpu, true) {
                Err(error) if is(&error, Errno::EINVAL) => sampler(cpu, false),
                sampler => sampler,
            };
            match sampler {
                Ok(sampler) => samplers.push(sampler),
                // A CPU that is not online.
                Err(error) if is(&error, Errno::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Watch { samplers })
    }

    /// Appends what has come, in the order of time of each CPU.
    pub fn read(&mut self, changes: &mut Vec<Change>) {
        for sampler in &mut self.samplers {
            while let Some(record) = sampler.next_record() {
                changes.extend(perf::change(record.ty(), record.misc(), &record.to_contiguous()));
            }
        }
    }
}

fn sampler(cpu: usize, build_id: bool) -> io::Result<Sampler> {
    Builder::new(Software::DUMMY)
        .any_pid()
        .one_cpu(cpu)
        .mmap(true)
        .mmap2(true)
        .mmap_data(true)
        .build_id(build_id)
        .comm(true)
        .comm_exec(true)
        .task(true)
        .sample(SampleFlag::TIME)
        .sample_id_all(true)
        .clockid(Clock::BOOTTIME)
        .enabled(true)
        .build()?
        .sampled(BUFFER)
}

/// What is mapped now, in all processes: for those that were there before [`Watch::start`]. `now` is the time, ns.
pub fn existing(now: u64) -> impl Iterator<Item = Change> {
    proc::processes().into_iter().filter_map(move |pid| {
        let mappings = proc::of(pid).ok()?;
        (!mappings.is_empty()).then_some(Change { ns: now, pid, what: What::Listed(mappings) })
    })
}
