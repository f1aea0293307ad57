// SPDX-License-Identifier: GPL-2.0

//! The container of every recording: compressed chunks behind a header, readable up to where a crash cut the file off.
//!
//! ```text
//! file    = header *chunk
//! header  = magic:8 version:u32 length:u32 JSON               ; the magic says what is recorded
//! chunk   = "chnk" flags:u32 packed:u32 raw:u32 records:u32 0:u32 first_ns:u64 last_ns:u64 zstd-frame
//! payload = *( tag:u8 length:varint bytes )                   ; what the frame holds: `raw` bytes
//! ```
//!
//! Numbers are little endian; a varint has seven bits a byte, the lowest first. The last chunk of a whole file has flag 1.
//! A chunk that is not whole, or whose checksum is wrong, ends the file; everything before it is read. Each chunk is
//! compressed by itself, so that a file may begin with any of them. Which tags there are, and what their bytes mean, is
//! up to the [`Family`].

mod error;
mod packer;
mod reader;
pub mod varint;

pub use error::ChunkError;
pub use packer::Packer;
pub use reader::{sections, Chunk, End, Reader};

use serde::Serialize;
use std::io::{self, Write};

const CHUNK: [u8; 4] = *b"chnk";
/// Bytes before a chunk's frame.
pub const CHUNK_HEADER: usize = 40;
/// The chunk is the file's last.
const FLAG_LAST: u32 = 1;
/// Most bytes of a header's JSON.
const HEADER_MAX: u32 = 1 << 20;
/// Most bytes of a chunk, before and after compression.
const CHUNK_MAX: u32 = 1 << 28;

/// What a recording holds: events, samples. Each has its own version.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The first bytes of the file.
    pub magic: [u8; 8],
    /// The version that is written, and the only one that is read.
    pub version: u32,
    /// What such a file is called in messages: "a recording of sched".
    pub name: &'static str,
}

impl Family {
    /// Writes the beginning of a file: `header` as JSON.
    ///
    /// # Errors
    ///
    /// `to` cannot be written.
    pub fn write_header(&self, header: &impl Serialize, mut to: impl Write) -> io::Result<()> {
        let json = serde_json::to_vec(header)?;
        let mut bytes = Vec::with_capacity(16 + json.len());
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&json);
        to.write_all(&bytes)
    }
}

/// What a chunk's own header says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Records in the chunk.
    pub records: u32,
    /// The time of its first record, ns, on the clock of the family.
    pub first_ns: u64,
    /// The time of its last record, ns.
    pub last_ns: u64,
    /// The chunk is the last of a whole file.
    pub is_last: bool,
}
