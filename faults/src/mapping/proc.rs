// SPDX-License-Identifier: GPL-2.0

//! `/proc/PID/maps`.

use format::mappings::{FileId, Mapping, Protection};
use std::io;
use std::sync::Arc;

/// Reads a line of `/proc/PID/maps`.
pub fn line(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.trim_start_matches(' ').split_once(' ').unwrap_or((rest.trim_start_matches(' '), ""));
        rest = after;
        word
    };
    let (start, end) = word().split_once('-')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = word();
    let offset = hex(word())?;
    let (major, minor) = word().split_once(':')?;
    let (major, minor) = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = word().parse().ok()?;
    let has = |letter| permissions.contains(letter);
    Some(Mapping {
        start,
        end,
        offset,
        protection: Protection { read: has('r'), write: has('w'), execute: has('x') },
        is_shared: has('s'),
        // A newline in a name is written as \012 there.
        name: rest.trim_start_matches(' ').into(),
        file: (inode != 0).then_some(FileId { major, minor, inode }),
        build_id: Box::default(),
    })
}

/// Reads the text of `/proc/PID/maps`; lines that are none are left out.
pub fn maps(text: &str) -> Vec<Arc<Mapping>> {
    text.lines().filter_map(line).map(Arc::new).collect()
}

/// What is mapped in a process now.
///
/// # Errors
///
/// It is gone, or may not be looked at.
pub fn of(pid: u32) -> io::Result<Vec<Arc<Mapping>>> {
    // File names are bytes; those of mappings that are looked up are words.
    let bytes = std::fs::read(format!("/proc/{pid}/maps"))?;
    Ok(maps(&String::from_utf8_lossy(&bytes)))
}

/// The processes that there are.
pub fn processes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return vec![] };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_sort_are_read() {
        let file = line("7f1c2d400000-7f1c2d428000 r-xp 00028000 fd:01 1835 /usr/lib/a b.so").unwrap();
        assert_eq!((file.start, file.end, file.offset), (0x7f1c_2d40_0000, 0x7f1c_2d42_8000, 0x28000));
        assert_eq!(file.file, Some(FileId { major: 0xfd, minor: 1, inode: 1835 }));
        assert_eq!(&*file.name, "/usr/lib/a b.so");
        assert_eq!(file.protection, Protection { read: true, write: false, execute: true });
        let anonymous = line("7ffd5a5e8000-7ffd5a609000 rw-p 00000000 00:00 0 ").unwrap();
        assert_eq!((&*anonymous.name, anonymous.file), ("", None));
        let shared = line("7f0-7f1 rw-s 00000000 00:01 2049                       /dev/zero (deleted)").unwrap();
        assert!(shared.is_shared && &*shared.name == "/dev/zero (deleted)");
        for text in ["", "x", "1-2", "1-2 r", "1-2 r-xp 0 0:0", "1-2 r-xp 0 0:0 x", "zz-2 r-xp 0 0:0 1"] {
            assert_eq!(line(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_found_in_its_own_list() {
        let here = this_function as *const () as usize as u64;
        let mappings = of(std::process::id()).unwrap();
        let own = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&here)).unwrap();
        assert!(own.protection.execute && own.file.is_some());
        assert!(mappings.iter().any(|mapping| &*mapping.name == "[stack]"));
        assert!(processes().contains(&std::process::id()));
    }

    fn this_function() {}
}
