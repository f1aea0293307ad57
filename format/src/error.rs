// SPDX-License-Identifier: GPL-2.0

//! Errors of files of samples.

use std::io;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A format version that this program does not read.
    #[error("format version {found}: this program reads version 1")]
    Version {
        /// The version as written in the file.
        found: String,
    },
    /// Not an object of `monitor --json`.
    #[error("not an object of monitor --json: '{line}'")]
    Json {
        /// The line, shortened.
        line: String,
    },
    /// A header value that the time axis needs and that makes no sense.
    #[error("{key}: '{value}' is not a positive number")]
    Header {
        /// The key of the header line.
        key: &'static str,
        /// Its value as written.
        value: String,
    },
    /// Not four columns.
    #[error(
        "{found} column{} where 4 are expected (jiffies minor major cpu_ns): '{line}'",
        if *found == 1 { "" } else { "s" }
    )]
    Columns {
        /// Columns counted.
        found: usize,
        /// The line, shortened.
        line: String,
    },
    /// A field that is no whole decimal number.
    #[error("{column}: '{text}' is not a whole decimal number")]
    NotANumber {
        /// Name of the column.
        column: String,
        /// The field as written, shortened.
        text: String,
    },
    /// A field below zero.
    #[error("{column}: {text} is negative; the counters never are")]
    Negative {
        /// Name of the column.
        column: String,
        /// The field as written, shortened.
        text: String,
    },
    /// A field beyond 64 bits.
    #[error("{column}: {text} does not fit into 64 bits")]
    TooLarge {
        /// Name of the column.
        column: String,
        /// The field as written, shortened.
        text: String,
    },
    /// The sum of a column left 64 bits.
    #[error("{column}: the sum up to this line does not fit into 64 bits")]
    SumTooLarge {
        /// Name of the column.
        column: &'static str,
    },
    /// The time stamp is earlier than the one before.
    #[error(
        "jiffies go backwards ({now} after {before}): two profiles in one file, or the ring of a \
         classic reader printed after it wrapped (`grep '^[0-9]' FILE | sort -n` puts that in order)"
    )]
    JiffiesBackwards {
        /// Jiffies of the line before.
        before: u64,
        /// Jiffies of this line.
        now: u64,
    },
    /// The time stamp is much later than the one before, where a counter of 32 bits would have wrapped.
    #[error(
        "jiffies leap from {before} to {now}: a 32-bit counter that wrapped, sorted by number? Then the lines from here on \
         belong before the first"
    )]
    JiffiesLeap {
        /// Jiffies of the line before.
        before: u64,
        /// Jiffies of this line.
        now: u64,
    },
    /// A sample behind the classic reader's closing line.
    #[error("samples go on after 'read … profiled data': two profiles in one file?")]
    AfterEnd,
    /// Bytes that are no text.
    #[error("not text: is this a profile?")]
    NotText,
    /// A line longer than any that monitor writes.
    #[error("longer than {limit} bytes: is this a profile?")]
    TooLong {
        /// The longest line that is read, in bytes.
        limit: usize,
    },
    /// A column that the file must have.
    #[error("the header row has no column '{column}'")]
    NoColumn {
        /// Name of the missing column.
        column: String,
    },
    /// A row that does not fit its header row.
    #[error("{found} fields where the header row names {expected}")]
    Fields {
        /// Fields counted.
        found: usize,
        /// Columns of the header row.
        expected: usize,
    },
    /// A counter that never falls, fell.
    #[error("{column} of process {pid} falls from {before} to {now}, but counts since registration")]
    CounterBackwards {
        /// Name of the column.
        column: String,
        /// The process.
        pid: u64,
        /// Its value before.
        before: u64,
        /// Its value in this row.
        now: u64,
    },
    /// Broken CSV.
    #[error("{0}")]
    Csv(String),
}

/// Why a file could not be read as samples.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{path}: {why}")]
    Io {
        /// The file, as the user named it.
        path: String,
        /// What the system said.
        why: io::Error,
    },
    /// A line is wrong.
    #[error("{path}: line {line}: {why}")]
    Line {
        /// The file, as the user named it.
        path: String,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        why: LineError,
    },
    /// The file holds nothing at all.
    #[error("{path}: empty: no samples")]
    Empty {
        /// The file, as the user named it.
        path: String,
    },
    /// The file holds comments and no sample.
    #[error("{path}: no samples (lines read: {lines}): was a process registered while monitor ran?")]
    NoSamples {
        /// The file, as the user named it.
        path: String,
        /// Lines read.
        lines: u64,
    },
}

/// `text` for a message: printable, and short.
pub fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
