// SPDX-License-Identifier: GPL-2.0

//! Reads chunks.

use super::varint::Input;
use super::{ChunkError, Family, Span, CHUNK, CHUNK_HEADER, CHUNK_MAX, FLAG_LAST, HEADER_MAX};
use serde::de::DeserializeOwned;
use std::io::{self, Read, Seek, SeekFrom};

/// How a recording ended.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Whole,
    /// In the middle: the program that wrote it did not come to its end.
    CutOff,
    /// With a chunk that cannot be read.
    Damaged(ChunkError),
}

/// A chunk as it came out of the file.
#[derive(Debug)]
pub struct Chunk {
    /// What its header says.
    pub span: Span,
    raw: Vec<u8>,
}

impl Chunk {
    /// Its sections, `(tag, bytes)`, in the order of the file. Tags that a reader does not know are to be skipped.
    ///
    /// # Errors
    ///
    /// A section is shorter than it says.
    pub fn sections(&self) -> Result<Vec<(u8, &[u8])>, ChunkError> {
        sections(&self.raw)
    }
}

/// The sections of a payload.
///
/// # Errors
///
/// A section is shorter than it says.
pub fn sections(raw: &[u8]) -> Result<Vec<(u8, &[u8])>, ChunkError> {
    let mut input = Input::new(raw);
    let mut sections = vec![];
    while !input.is_empty() {
        let tag = input.byte()?;
        let length = input.number()?;
        sections.push((tag, input.take(length)?));
    }
    Ok(sections)
}

/// Reads a recording.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    end: Option<End>,
}

/// Reads until `bytes` is full or the file ends; how many there were.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl<R: Read> Reader<R> {
    /// Reads the header of a file of this family.
    ///
    /// # Errors
    ///
    /// The file is of another family or version, or `H` is not what its header says.
    pub fn new<H: DeserializeOwned>(mut from: R, family: &'static Family) -> Result<(Self, H), ChunkError> {
        let mut start = [0; 16];
        let filled = fill(&mut from, &mut start)?;
        if !start.starts_with(&family.magic) {
            return Err(ChunkError::Magic(family));
        }
        if filled < start.len() {
            return Err(ChunkError::Header);
        }
        let (version, length) = (number32(&start, 8), number32(&start, 12));
        if version != family.version {
            return Err(ChunkError::Version { found: version, family });
        }
        if length > HEADER_MAX {
            return Err(ChunkError::Header);
        }
        let mut json = vec![0; length as usize];
        if fill(&mut from, &mut json)? < json.len() {
            return Err(ChunkError::Header);
        }
        let header = serde_json::from_slice(&json).map_err(|_| ChunkError::Header)?;
        Ok((Reader { from, end: None }, header))
    }

    /// How the file ended, once [`Reader::next_chunk`] has given the last chunk.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// How the file ended, to keep; given once.
    pub fn take_end(&mut self) -> Option<End> {
        self.end.replace(End::CutOff)
    }

    /// The next chunk; none after the last that can be read.
    ///
    /// # Errors
    ///
    /// Only those of reading the file. What is wrong with the file itself is its [`End`].
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.chunk() {
            Ok(Some(chunk)) => {
                if chunk.span.is_last {
                    self.end = Some(End::Whole);
                }
                Ok(Some(chunk))
            }
            Ok(None) => {
                self.end = Some(End::CutOff);
                Ok(None)
            }
            Err(ChunkError::Io(error)) => Err(error),
            Err(error) => {
                self.end = Some(End::Damaged(error));
                Ok(None)
            }
        }
    }

    /// The next chunk's own header.
    fn head(&mut self) -> Result<Option<Head>, ChunkError> {
        let mut header = [0; CHUNK_HEADER];
        if fill(&mut self.from, &mut header)? < header.len() {
            return Ok(None);
        }
        if !header.starts_with(&CHUNK) {
            return Err(ChunkError::Chunk);
        }
        let (flags, packed, raw) = (number32(&header, 4), number32(&header, 8), number32(&header, 12));
        if packed > CHUNK_MAX || raw > CHUNK_MAX {
            return Err(ChunkError::Number);
        }
        let span = Span {
            records: number32(&header, 16),
            first_ns: number64(&header, 24),
            last_ns: number64(&header, 32),
            is_last: flags & FLAG_LAST != 0,
        };
        Ok(Some(Head { span, packed, raw }))
    }

    fn chunk(&mut self) -> Result<Option<Chunk>, ChunkError> {
        let Some(Head { span, packed, raw }) = self.head()? else { return Ok(None) };
        // As much memory as there are bytes, whatever the header claims.
        let mut bytes = vec![];
        self.from.by_ref().take(packed.into()).read_to_end(&mut bytes)?;
        if bytes.len() < packed as usize {
            return Ok(None);
        }
        let raw = zstd::bulk::decompress(&bytes, raw as usize).map_err(|error| ChunkError::Frame(error.to_string()))?;
        Ok(Some(Chunk { span, raw }))
    }
}

/// A chunk's own header.
struct Head {
    span: Span,
    packed: u32,
    raw: u32,
}

impl<R: Read + Seek> Reader<R> {
    /// Where the whole chunks of the rest of the file are, `(offset, span)`, by their headers alone: nothing is
    /// decompressed, so a chunk may turn out to be damaged when it is read. The position stays where it was.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn index(&mut self) -> io::Result<Vec<(u64, Span)>> {
        let begin = self.from.stream_position()?;
        let length = self.from.seek(SeekFrom::End(0))?;
        let (mut at, mut chunks) = (begin, vec![]);
        while at < length {
            self.from.seek(SeekFrom::Start(at))?;
            let head = match self.head() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(ChunkError::Io(error)) => return Err(error),
                Err(_) => break,
            };
            let next = at + CHUNK_HEADER as u64 + u64::from(head.packed);
            if next > length {
                break;
            }
            chunks.push((at, head.span));
            at = next;
        }
        self.from.seek(SeekFrom::Start(begin))?;
        Ok(chunks)
    }

    /// Reads on from a chunk that [`Reader::index`] has found.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.from.seek(SeekFrom::Start(offset))?;
        self.end = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Packer;
    use super::*;
    use serde::{Deserialize, Serialize};
    use std::io::Cursor;

    const FAMILY: Family = Family { magic: *b"mp3tests", version: 3, name: "a recording of tests" };
    const LATER: Family = Family { version: 4, ..FAMILY };
    static THIS: Family = FAMILY;
    static OTHER: Family = LATER;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Header {
        host: String,
    }

    /// Chunks of sections that do not compress well, and where each begins.
    fn file() -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut begins, mut packer) = (vec![], vec![], Packer::new().unwrap());
        THIS.write_header(&Header { host: "here".into() }, &mut file).unwrap();
        let mut seed = 1_u64;
        for n in 0..5_u32 {
            let bytes: Vec<u8> = (0..200)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 56) as u8
                })
                .collect();
            let span = Span { records: n, first_ns: n.into(), last_ns: u64::from(n) + 9, is_last: n == 4 };
            begins.push(file.len());
            file.extend(packer.pack(&span, &[(1, &bytes), (2, &[]), (9, &[n as u8])]).unwrap());
        }
        (file, begins)
    }

    fn read(file: &[u8]) -> (Vec<Chunk>, End) {
        let (mut reader, header) = Reader::new::<Header>(file, &THIS).unwrap();
        assert_eq!(header.host, "here");
        let mut chunks = vec![];
        while let Some(chunk) = reader.next_chunk().unwrap() {
            chunks.push(chunk);
        }
        (chunks, reader.end.unwrap())
    }

    #[test]
    fn chunks_come_back_whole() {
        let (chunks, end) = read(&file().0);
        assert!(matches!(end, End::Whole));
        assert_eq!(chunks.len(), 5);
        for (n, chunk) in chunks.iter().enumerate() {
            let sections = chunk.sections().unwrap();
            let tags: Vec<u8> = sections.iter().map(|(tag, _)| *tag).collect();
            assert_eq!((tags, sections[1].1), (vec![1, 9], &[n as u8][..]));
            assert_eq!((chunk.span.records, chunk.span.last_ns), (n as u32, n as u64 + 9));
        }
    }

    #[test]
    fn a_file_that_was_cut_off_anywhere_has_the_chunks_before() {
        let (file, begins) = file();
        for end in begins[0]..file.len() {
            let (chunks, how) = read(&file[..end]);
            let whole = begins.iter().skip(1).filter(|begin| **begin <= end).count();
            assert!(matches!(how, End::CutOff), "cut at {end}");
            assert_eq!(chunks.len(), whole, "cut at {end}");
        }
    }

    #[test]
    fn an_index_finds_the_whole_chunks_and_leads_to_each() {
        let (file, begins) = file();
        for end in [file.len(), file.len() - 1, begins[3] + 7] {
            let (mut reader, _) = Reader::new::<Header>(Cursor::new(&file[..end]), &THIS).unwrap();
            let index = reader.index().unwrap();
            let whole = begins.iter().skip(1).chain([&file.len()]).filter(|next| **next <= end).count();
            assert_eq!(index.iter().map(|(at, _)| *at as usize).collect::<Vec<_>>(), begins[..whole]);
            assert_eq!(reader.next_chunk().unwrap().unwrap().span, index[0].1);
            while reader.next_chunk().unwrap().is_some() {}
            reader.seek(index[2].0).unwrap();
            assert_eq!(reader.next_chunk().unwrap().unwrap().span, index[2].1);
        }
    }

    #[test]
    fn a_changed_bit_of_a_frame_is_noticed_and_what_stands_before_it_is_read() {
        let (file, begins) = file();
        let mut unnoticed = 0;
        for at in begins[2] + CHUNK_HEADER..begins[3] {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let (chunks, how) = read(&changed);
            if matches!(how, End::Whole) {
                // A bit of a frame's header that means nothing.
                unnoticed += 1;
                assert!(chunks.iter().zip(read(&file).0).all(|(one, other)| one.raw == other.raw), "changed at {at}");
                continue;
            }
            assert!(matches!(how, End::Damaged(_)), "changed at {at}: {how:?}");
            assert_eq!(chunks.len(), 2, "changed at {at}");
        }
        assert!(unnoticed <= 1, "{unnoticed}");
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let error = |bytes: &[u8], family| Reader::new::<Header>(bytes, family).unwrap_err().to_string();
        let (file, _) = file();
        assert!(error(b"#!/bin/sh\nexit 0 # more bytes", &THIS).contains("\"mp3tests\""));
        assert!(error(b"", &THIS).starts_with("not a recording of tests"));
        assert!(error(&file, &OTHER).contains("version 3"));
        for length in [8, 15, 16, 20] {
            assert!(error(&file[..length], &THIS).contains("header"), "{length}");
        }
    }

    #[test]
    fn a_file_has_these_bytes() {
        let mut file = vec![];
        THIS.write_header(&Header { host: "h".into() }, &mut file).unwrap();
        assert_eq!(file, b"mp3tests\x03\0\0\0\x0c\0\0\0{\"host\":\"h\"}");
        let span = Span { records: 2, first_ns: 3, last_ns: 0x0102_0304_0506_0708, is_last: true };
        let pack = |span| Packer::new().unwrap().pack(&span, &[(7, b"ab"), (8, b"")]).unwrap();
        let chunk = pack(span);
        let (header, frame) = chunk.split_at(40);
        let numbers = [1, frame.len() as u32, 4, 2, 0].map(u32::to_le_bytes).concat();
        assert_eq!(header, [b"chnk", &numbers[..], b"\x03\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01"].concat());
        assert_eq!(zstd::bulk::decompress(frame, 4).unwrap(), b"\x07\x02ab");
        assert_eq!(pack(Span { is_last: false, ..span })[4..8], [0; 4]);
    }

    /// Reads a byte at a time, each after an interruption, and fails at its end.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match (self.1, self.0) {
                (true, _) => Err(io::ErrorKind::Interrupted.into()),
                (false, [first, rest @ ..]) => {
                    to[0] = *first;
                    self.0 = rest;
                    Ok(1)
                }
                (false, []) => Err(io::ErrorKind::PermissionDenied.into()),
            }
        }
    }

    #[test]
    fn an_interruption_is_no_error_and_an_error_is_no_end() {
        let (file, begins) = file();
        let (mut reader, _) = Reader::new::<Header>(Slow(&file[..begins[1]], false), &THIS).unwrap();
        assert!(reader.next_chunk().unwrap().is_some());
        assert_eq!(reader.next_chunk().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_header_and_a_chunk_have_a_greatest_length() {
        let header = |length: u32| {
            let mut file = [&b"mp3tests\x03\0\0\0"[..], &length.to_le_bytes()].concat();
            // Blanks before it are a part of the JSON.
            file.extend(vec![b' '; length as usize - 12]);
            file.extend(b"{\"host\":\"h\"}");
            Reader::new::<Header>(&file[..], &THIS).map(|(_, header)| header)
        };
        assert_eq!(header(1 << 20).unwrap().host, "h");
        assert!(matches!(header((1 << 20) + 1), Err(ChunkError::Header)));
        let (file, begins) = file();
        let end = |packed: u32, raw: u32| {
            let mut file = file.clone();
            file[begins[1] + 8..][..8].copy_from_slice(&[packed.to_le_bytes(), raw.to_le_bytes()].concat());
            let (chunks, end) = read(&file);
            assert_eq!(chunks.len(), 1);
            end
        };
        assert!(matches!(end(1 << 28, 1), End::CutOff));
        assert!(matches!(end((1 << 28) + 1, 1), End::Damaged(ChunkError::Number)));
        assert!(matches!(end(1, (1 << 28) + 1), End::Damaged(ChunkError::Number)));
    }

    #[test]
    fn claims_of_a_header_cost_no_memory() {
        let (mut file, begins) = file();
        file[begins[0] + 8..begins[0] + 16].copy_from_slice(&[0xff; 8]);
        assert!(matches!(read(&file), (chunks, End::Damaged(ChunkError::Number)) if chunks.is_empty()));
    }
}
