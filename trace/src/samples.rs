// SPDX-License-Identifier: GPL-2.0

//! The sampler's records of the same time.

use abi::ring::Reader;
use abi::samples::SAMPLE_WORDS;
use client::device::{Device, DeviceError};
use client::ring::Ring;
use std::io;

/// Samples copied at a time.
const BATCH: usize = 1_024;

/// Reads the samples that come.
pub struct Samples {
    ring: Ring<SAMPLE_WORDS>,
    reader: Reader<SAMPLE_WORDS>,
    buffer: Vec<[u64; SAMPLE_WORDS]>,
}

impl Samples {
    /// Begins with the next sample.
    ///
    /// # Errors
    ///
    /// The ring cannot be mapped.
    pub fn new(device: &Device) -> Result<Self, DeviceError> {
        use abi::words::ReadWords;
        let ring = device.samples()?;
        let position = ring.memory().load_acquire(abi::header::word::COMMITTED);
        let reader = ring.reader_at(position);
        Ok(Samples { ring, reader, buffer: vec![[0; SAMPLE_WORDS]; BATCH] })
    }

    /// Gives every sample that has come to `take`. Their numbers are totals: one that was lost costs resolution only.
    ///
    /// # Errors
    ///
    /// This is not the ring any more.
    pub fn read(&mut self, mut take: impl FnMut(&[u64; SAMPLE_WORDS])) -> io::Result<()> {
        loop {
            let records = self.reader.read(self.ring.memory(), &mut self.buffer).map_err(io::Error::other)?;
            if records.is_empty() && self.reader.pending(self.ring.memory()) == 0 {
                return Ok(());
            }
            records.iter().for_each(&mut take);
        }
    }
}
