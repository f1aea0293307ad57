// SPDX-License-Identifier: GPL-2.0

//! Makes chunks.

use super::varint::put;
use super::{Span, CHUNK, CHUNK_HEADER, CHUNK_MAX, FLAG_LAST};
use std::io;

/// zstd's level: higher ones cost several times as much for little.
const LEVEL: i32 = 3;

/// Compresses sections into chunks, with the same memory each time.
pub struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
}

impl Packer {
    /// Prepares the compressor.
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn new() -> io::Result<Self> {
        Self::with_level(LEVEL)
    }

    /// With another level of zstd's: for columns that are small before, a lower one costs less.
    ///
    /// # Errors
    ///
    /// zstd has no memory.
    pub fn with_level(level: i32) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(level)?;
        compressor.include_checksum(true)?;
        Ok(Packer { compressor, raw: vec![] })
    }

    /// A whole chunk of these sections, `(tag, bytes)`, as it stands in the file. Empty sections are left out.
    ///
    /// Write it with a single call: what a crash leaves of it is then the least.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where the sections are larger than a chunk can be (256 MiB); zstd has no memory.
    pub fn pack(&mut self, span: &Span, sections: &[(u8, &[u8])]) -> io::Result<Vec<u8>> {
        self.raw.clear();
        for (tag, section) in sections.iter().filter(|(_, section)| !section.is_empty()) {
            self.raw.push(*tag);
            put(&mut self.raw, section.len() as u64);
            self.raw.extend_from_slice(section);
        }
        if self.raw.len() > CHUNK_MAX as usize {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more bytes than a chunk can hold"));
        }
        let mut chunk = vec![0; CHUNK_HEADER + zstd::zstd_safe::compress_bound(self.raw.len())];
        let packed = self.compressor.compress_to_buffer(&self.raw, &mut chunk[CHUNK_HEADER..])?;
        chunk.truncate(CHUNK_HEADER + packed);
        let flags = u32::from(span.is_last) * FLAG_LAST;
        let mut header = Vec::with_capacity(CHUNK_HEADER);
        header.extend_from_slice(&CHUNK);
        for number in [flags, packed as u32, self.raw.len() as u32, span.records, 0] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        for number in [span.first_ns, span.last_ns] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        chunk[..CHUNK_HEADER].copy_from_slice(&header);
        Ok(chunk)
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Packer").finish_non_exhaustive()
    }
}
