// SPDX-License-Identifier: GPL-2.0

//! Parameters of a workload.

use std::fmt;
use std::time::Duration;

/// Bytes in a megabyte, as the workload's sizes mean it.
pub const MEGABYTE: u64 = 1 << 20;

/// Bytes in a page. [`crate::Buffer`] asks for pages of this size.
pub const PAGE_BYTES: u64 = 4096;

/// The largest workload, in megabytes.
pub const MAX_MEGABYTES: u32 = 1024;

/// Iterations of the classic workload.
pub const CLASSIC_ITERATIONS: u32 = 20;

/// The classic workload's pause after each iteration.
pub const CLASSIC_PAUSE: Duration = Duration::from_secs(1);

/// Where the accesses go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// `R`: every access is at a uniformly random place.
    Random,
    /// `L`: a fifth of the accesses is at a uniformly random place, the others walk on from the last one.
    Local,
}

impl fmt::Display for Locality {
    /// The letter of the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Locality::Random => "R",
            Locality::Local => "L",
        })
    }
}

/// A workload. The same values make the same accesses, in every version of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Memory, in megabytes of 2^20 bytes: 1 to [`MAX_MEGABYTES`].
    pub megabytes: u32,
    /// Where the accesses go.
    pub locality: Locality,
    /// Accesses in each iteration.
    pub accesses: u64,
    /// Iterations.
    pub iterations: u32,
    /// Pause after each iteration, the last included.
    pub pause: Duration,
    /// What the places are computed from.
    pub seed: u64,
}

impl Workload {
    /// The classic workload: [`CLASSIC_ITERATIONS`] iterations, [`CLASSIC_PAUSE`] after each, seed 1.
    pub fn classic(megabytes: u32, locality: Locality, accesses: u64) -> Self {
        Workload { megabytes, locality, accesses, iterations: CLASSIC_ITERATIONS, pause: CLASSIC_PAUSE, seed: 1 }
    }

    /// Its memory in bytes.
    pub fn bytes(&self) -> u64 {
        u64::from(self.megabytes) * MEGABYTE
    }

    /// Its memory in pages.
    pub fn pages(&self) -> u64 {
        self.bytes() / PAGE_BYTES
    }
}
