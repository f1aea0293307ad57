// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a recording.

use super::Family;
use std::io;

/// Bytes that are no recording, or none that this program can read.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// Another magic.
    #[error("not {}: it does not begin with \"{}\"", .0.name, .0.magic.escape_ascii())]
    Magic(&'static Family),
    /// A later version.
    #[error("version {found} of the format, and this program reads version {}: take a newer mp3", .family.version)]
    Version {
        /// The file's.
        found: u32,
        /// What was expected.
        family: &'static Family,
    },
    /// The header cannot be read.
    #[error("damaged in its header")]
    Header,
    /// Fewer bytes than are announced.
    #[error("damaged: a part is shorter than it says")]
    Short,
    /// A number out of its range.
    #[error("damaged: a number that no record has")]
    Number,
    /// Bytes between the chunks.
    #[error("damaged: a chunk that does not begin as one")]
    Chunk,
    /// A frame that zstd cannot read, or whose checksum is wrong.
    #[error("damaged: {0}")]
    Frame(String),
    /// The file could not be read.
    #[error("cannot read")]
    Io(#[from] io::Error),
}
