// SPDX-License-Identifier: GPL-2.0

//! Code that a program made while it ran: `/tmp/perf-PID.map`, which says what is where.

use std::io::{self, Read};
use std::path::PathBuf;

/// Most bytes of such a file that are read.
const BYTES_MAX: u64 = 64 << 20;

/// The names of one process's code.
#[derive(Clone, Debug, Default)]
pub struct JitMap {
    /// Start, end, name; by start.
    symbols: Vec<(u64, u64, Box<str>)>,
}

impl JitMap {
    /// Reads a file's text: `START SIZE NAME` a line, both numbers hexadecimal. Lines that are none are left out.
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let line = |line: &str| {
            let (start, rest) = line.split_once(char::is_whitespace)?;
            let (size, name) = rest.trim_start().split_once(char::is_whitespace)?;
            let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
            let (start, size) = (hex(start)?, hex(size)?);
            let name = name.trim();
            (!name.is_empty()).then(|| (start, start.saturating_add(size), name.into()))
        };
        let mut symbols: Vec<_> = text.lines().filter_map(line).collect();
        // Of two at the same place the later one is in force: stable, so it stays behind.
        symbols.sort_by_key(|(start, ..)| *start);
        JitMap { symbols }
    }

    /// The name of what is at `address`.
    pub fn at(&self, address: u64) -> Option<&str> {
        let behind = self.symbols.partition_point(|(start, ..)| *start <= address);
        let (_, end, name) = self.symbols.get(behind.checked_sub(1)?)?;
        (address < *end).then_some(name)
    }
}

/// Reads the file of a process: as the process sees it while it lives, else in this `/tmp`.
///
/// # Errors
///
/// There is none, or it cannot be read.
pub fn read(pid: u32) -> io::Result<Vec<u8>> {
    let name = format!("tmp/perf-{pid}.map");
    let paths = [PathBuf::from(format!("/proc/{pid}/root")).join(&name), PathBuf::from("/").join(&name)];
    let [inside, outside] = paths.map(std::fs::File::open);
    let mut bytes = vec![];
    inside.or(outside)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_named_by_where_it_is() {
        let map = JitMap::parse(b"2000 10 second one\nnot a line\n1000 20 first\n0x3000 0x8 third\n2000 10 again\n");
        assert_eq!(
            (map.at(0x0fff), map.at(0x1000), map.at(0x101f), map.at(0x1020)),
            (None, Some("first"), Some("first"), None)
        );
        assert_eq!((map.at(0x2008), map.at(0x3007), map.at(0x3008)), (Some("again"), Some("third"), None));
        assert_eq!(JitMap::parse(b"").at(0), None);
        assert_eq!(JitMap::parse(b"ffffffffffffffff ffffffffffffffff x\n\xff \xff \xff").at(5), None);
    }
}
