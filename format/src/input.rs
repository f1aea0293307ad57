// SPDX-License-Identifier: GPL-2.0

//! A file, a gzip file or standard input as numbered lines of bounded length.

use crate::error::{Error, LineError};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The longest line that is read, in bytes. Longer ones come from files that are no text at all, and must not be
/// gathered in memory to find that out.
pub const LONGEST_LINE: usize = 64 * 1024;

const BUFFER: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its text.
    pub text: &'a str,
    /// Whether the line's end was there. The last line of an interrupted writer has none.
    pub complete: bool,
}

/// Lines of one input, with the name and the number that messages need.
pub struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    buffer: Vec<u8>,
    number: u64,
    is_cut: bool,
}

impl Lines {
    /// Opens `path`; `-` is standard input. What is compressed with gzip is decompressed, and a recording of samples is read as the
    /// text of its records (with the feature `chunked`).
    pub fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let raw: Box<dyn Read> = if name == "-" {
            Box::new(io::stdin())
        } else {
            let failed = |why| Error::Io { path: name.clone(), why };
            let file = File::open(path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_dir() {
                return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            Box::new(file)
        };
        Self::new(name, raw)
    }

    /// Lines of `raw`, called `name` in messages.
    pub fn new(name: String, raw: impl Read + 'static) -> Result<Self, Error> {
        let mut plain = BufReader::with_capacity(BUFFER, raw);
        let start = plain.fill_buf().map_err(|why| Error::Io { path: name.clone(), why })?;
        let reader: Box<dyn BufRead> = if start.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain)))
        } else if is_recording(start) {
            rows_of(plain).map_err(|why| Error::Io { path: name.clone(), why })?
        } else {
            Box::new(plain)
        };
        Ok(Self {
            name: if name == "-" { "standard input".into() } else { name },
            reader,
            buffer: Vec::new(),
            number: 0,
            is_cut: false,
        })
    }

    /// What the user called this input.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of the line last returned, from 1; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the input is compressed and has no end.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Wraps what is wrong with the line last returned.
    pub fn wrong(&self, why: LineError) -> Error {
        Error::Line { path: self.name.clone(), line: self.number, why }
    }

    /// The next line, or `None` at the end.
    ///
    /// # Errors
    /// Reading failed, or the line is longer than [`LONGEST_LINE`] or no UTF-8.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, Error> {
        self.buffer.clear();
        let mut bounded = (&mut self.reader).take(LONGEST_LINE as u64 + 1);
        match bounded.read_until(b'\n', &mut self.buffer) {
            Ok(_) => {}
            // A compressed file that was not written to its end: what is there is as good as a file that was not.
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => self.is_cut = true,
            Err(why) => return Err(Error::Io { path: self.name.clone(), why }),
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let complete = self.buffer.last() == Some(&b'\n');
        if !complete && self.buffer.len() > LONGEST_LINE {
            return Err(self.wrong(LineError::TooLong { limit: LONGEST_LINE }));
        }
        let mut end = self.buffer.len();
        if complete {
            end -= 1;
            if end > 0 && self.buffer[end - 1] == b'\r' {
                end -= 1;
            }
        }
        match std::str::from_utf8(&self.buffer[..end]) {
            Ok(text) if !text.contains('\0') => Ok(Some(Line { text, complete })),
            // A character cut in two by an interrupted writer is a cut line, not a file that is no text.
            Err(error) if !complete && error.error_len().is_none() => {
                let text = std::str::from_utf8(&self.buffer[..error.valid_up_to()]).unwrap_or_default();
                Ok(Some(Line { text, complete }))
            }
            _ => Err(Error::Line { path: self.name.clone(), line: self.number, why: LineError::NotText }),
        }
    }
}

#[cfg(feature = "chunked")]
use crate::recording::is_recording;

#[cfg(not(feature = "chunked"))]
fn is_recording(_start: &[u8]) -> bool {
    false
}

/// The records of a recording as lines.
#[cfg(feature = "chunked")]
fn rows_of(recording: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let rows = crate::recording::Rows::new(recording).map_err(|why| match why {
        crate::chunked::ChunkError::Io(why) => why,
        why => io::Error::new(io::ErrorKind::InvalidData, why),
    })?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, rows)))
}

#[cfg(not(feature = "chunked"))]
fn rows_of(_recording: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: &[u8]) -> Lines {
        Lines::new("x".into(), io::Cursor::new(bytes.to_vec())).unwrap()
    }

    #[test]
    fn says_whether_the_last_line_is_complete() {
        let mut lines = lines(b"one\r\ntwo");
        assert_eq!(lines.next_line().unwrap(), Some(Line { text: "one", complete: true }));
        assert_eq!(lines.next_line().unwrap(), Some(Line { text: "two", complete: false }));
        assert_eq!(lines.next_line().unwrap(), None);
        assert_eq!(lines.number(), 2);
    }

    #[test]
    fn decompresses_gzip() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"1 2 3 4\n").unwrap();
        let mut lines = lines(&encoder.finish().unwrap());
        assert_eq!(lines.next_line().unwrap(), Some(Line { text: "1 2 3 4", complete: true }));
    }

    #[test]
    fn a_compressed_file_without_its_end_is_read_as_far_as_it_goes() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        for line in 0..10_000u32 {
            writeln!(encoder, "{line} {} 3 4", line.wrapping_mul(2_654_435_761)).unwrap();
        }
        let mut bytes = encoder.finish().unwrap();
        bytes.truncate(bytes.len() / 2);
        let mut lines = lines(&bytes);
        let mut complete = 0;
        while let Some(line) = lines.next_line().unwrap() {
            complete += u32::from(line.complete);
        }
        assert!((1000..9000).contains(&complete), "{complete}");
        assert!(lines.is_cut());
    }

    #[test]
    fn refuses_what_is_no_text_without_gathering_it() {
        let error = lines(&vec![b'x'; 1 << 20]).next_line().unwrap_err();
        assert!(error.to_string().contains("line 1: longer than 65536 bytes"), "{error}");
        let error = lines(b"a\nb\0c\n");
        let mut error_lines = error;
        error_lines.next_line().unwrap();
        assert!(error_lines.next_line().unwrap_err().to_string().contains("x: line 2: not text"));
    }

    #[test]
    fn a_character_that_was_cut_off_is_a_cut_line_at_the_end_alone() {
        assert_eq!(lines(b"ab\xc3").next_line().unwrap(), Some(Line { text: "ab", complete: false }));
        for bytes in [&b"ab\xc3\n"[..], b"a\xffb", b"a\xff\xc3"] {
            let error = lines(bytes).next_line().unwrap_err();
            assert!(error.to_string().contains("x: line 1: not text"), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn a_line_has_a_greatest_length() {
        for end in ["", "\n", "\r\n"] {
            let longest = [&vec![b'x'; LONGEST_LINE + 1 - end.len().max(1)][..], end.as_bytes()].concat();
            let length = lines(&longest).next_line().unwrap().unwrap().text.len();
            assert_eq!(length, longest.len() - end.len());
            let error = lines(&[b"x", &longest[..]].concat()).next_line().unwrap_err();
            assert!(error.to_string().contains("longer than"), "{error}");
        }
    }
}
