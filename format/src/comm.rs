// SPDX-License-Identifier: GPL-2.0

//! Command names. A process may call itself any 15 bytes without NUL: line feeds, quotes, half a character.

use abi::samples::COMM_BYTES;

/// A command name as printable UTF-8.
///
/// Control characters and bytes that are no UTF-8 become `\xNN`, and a backslash becomes two, so that the original bytes
/// can be recovered.
#[derive(Clone, Copy, Debug)]
pub struct Printable {
    bytes: [u8; 4 * COMM_BYTES],
    len: usize,
}

impl Printable {
    /// `comm`, of which no more than the [`COMM_BYTES`] that a name has are taken.
    pub fn new(comm: &[u8]) -> Self {
        let mut printable = Printable { bytes: [0; 4 * COMM_BYTES], len: 0 };
        let comm = comm.get(..COMM_BYTES).unwrap_or(comm);
        for chunk in comm.utf8_chunks() {
            for character in chunk.valid().chars() {
                let mut utf8 = [0; 4];
                let utf8 = character.encode_utf8(&mut utf8).as_bytes();
                if character == '\\' {
                    printable.push(b"\\\\");
                } else if character.is_control() {
                    printable.push_escaped(utf8);
                } else {
                    printable.push(utf8);
                }
            }
            printable.push_escaped(chunk.invalid());
        }
        printable
    }

    /// Its bytes: UTF-8 without control characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        // Every byte of a name becomes 4 at most.
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_escaped(&mut self, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for &byte in bytes {
            self.push(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printable(comm: &[u8]) -> String {
        String::from_utf8(Printable::new(comm).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn names_that_can_be_printed_stay_as_they_are() {
        for name in ["userapp", "a b", "größe", "\"q\",'x'", "日本語", ""] {
            assert_eq!(printable(name.as_bytes()), name);
        }
    }

    #[test]
    fn everything_else_is_escaped() {
        assert_eq!(printable(b"a\nb"), r"a\x0ab");
        assert_eq!(printable(b"\xff\xfe"), r"\xff\xfe");
        assert_eq!(printable(b"gr\xc3"), r"gr\xc3");
        assert_eq!(printable(b"a\\x0ab"), r"a\\x0ab");
        assert_eq!(printable("\u{85}".as_bytes()), r"\xc2\x85");
        assert_eq!(printable(&[b'\x1b'; 20]), r"\x1b".repeat(16));
    }
}
