// SPDX-License-Identifier: GPL-2.0

//! Recordings of events: a file that can be read from the beginning of any chunk, up to where it was cut off.
//!
//! ```text
//! file    = header *chunk
//! header  = "mp3sched" version:u32 length:u32 JSON            ; machine, kernel, start times
//! chunk   = "chnk" flags:u32 packed:u32 raw:u32 events:u32 0:u32 first_ns:u64 last_ns:u64 zstd-frame
//! payload = *( tag:u8 length:varint bytes )                   ; what the frame holds: `raw` bytes
//! tag     = 1 checkpoint / 2 events / 3 samples               ; others are skipped
//! ```
//!
//! Numbers are little endian. A checkpoint is what the state machine knew when the chunk began, so that a file may begin
//! with any chunk: the flight recorder drops old ones. The last chunk of a whole file has flag 1. A chunk that is not
//! whole, or whose checksum is wrong, ends the file; what stands before it is read.

mod checkpoint;
mod columns;
mod file;
mod varint;

pub use file::{payload, Chunk, Chunker, End, FormatError, Header, Reader, VERSION};
