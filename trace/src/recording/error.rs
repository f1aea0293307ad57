// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a recording.

use format::chunked::ChunkError;

/// Bytes that are no recording, or none that this program can read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file around the events.
    #[error(transparent)]
    Container(#[from] ChunkError),
    /// Records of a later version.
    #[error("records of ABI version {0}, which this program does not know: take a newer sched")]
    Abi(u64),
    /// A number out of its range.
    #[error("damaged: a number that no event has")]
    Number,
    /// A kind of record of a later version.
    #[error("a record of kind {0}, which this program does not know: take a newer sched")]
    Kind(u8),
}
