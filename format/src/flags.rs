// SPDX-License-Identifier: GPL-2.0

//! Names of a record's flags.

use abi::samples::Flags;

/// Every flag and its name. Several are separated by `|`.
pub const NAMES: [(Flags, &str); 6] = [
    (Flags::FIRST, "first"),
    (Flags::FINAL, "final"),
    (Flags::EXITED, "exited"),
    (Flags::EXECED, "execed"),
    (Flags::DELAYS, "delays"),
    (Flags::REVOKED, "revoked"),
];

/// Appends the names of `flags`.
pub fn write(out: &mut Vec<u8>, flags: Flags) {
    let mut separator: &[u8] = b"";
    for (flag, name) in NAMES {
        if flags.contains(flag) {
            out.extend_from_slice(separator);
            out.extend_from_slice(name.as_bytes());
            separator = b"|";
        }
    }
}

/// The flags that `names` lists. Names that are not known are left out: a newer monitor may write more.
pub fn read(names: &str) -> Flags {
    let mut flags = Flags::default();
    for name in names.split('|') {
        for (flag, known) in NAMES {
            if name == known {
                flags |= flag;
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_read_as_it_was_written() {
        for bits in 0..1 << NAMES.len() {
            let mut out = vec![];
            write(&mut out, Flags(bits));
            assert_eq!(read(std::str::from_utf8(&out).unwrap()), Flags(bits));
        }
        assert_eq!(read("first|novel"), Flags::FIRST);
    }
}
