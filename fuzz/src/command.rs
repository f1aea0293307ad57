// SPDX-License-Identifier: GPL-2.0

//! The grammar of `/proc/mp3/status`, beside another reading of it.

use abi::command::{Command, NotACommand, Script};

/// The grammar once more, with the standard library and without care for what it costs.
fn reference_line(line: &[u8]) -> Option<Command> {
    let line = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t']);
    // A letter and a separator of one byte each, or it is none.
    let (letter, separator, digits) = (line.get(..1)?, line.get(1..2)?, line.get(2..)?);
    if !separator.contains([' ', '\t', ',']) || digits.len() > 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let pid = digits.parse::<i32>().ok().filter(|pid| *pid > 0)?;
    match letter {
        "R" => Some(Command::Register(pid)),
        "F" => Some(Command::Follow(pid)),
        "U" => Some(Command::Unregister(pid)),
        _ => None,
    }
}

/// The commands of a write, each with the bytes that it and those before it take up.
fn reference(input: &[u8]) -> Option<Vec<(Command, usize)>> {
    let mut consumed = 0;
    input
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            consumed += line.len();
            let command = reference_line(line.strip_suffix(b"\n").unwrap_or(line))?;
            Some((command, consumed))
        })
        .collect()
}

/// Both readings agree: on what is a script, on its commands, and on where each ends.
pub fn check(input: &[u8]) {
    let commands = |input| {
        Script::parse(input).ok().map(|mut script| {
            let mut commands = vec![];
            while let Some(command) = script.next() {
                commands.push((command, script.consumed()));
            }
            commands
        })
    };
    let expected = reference(input);
    assert_eq!(commands(input), expected);
    if !input.contains(&b'\n') {
        assert_eq!(Command::parse(input), reference_line(input).ok_or(NotACommand));
    }
    // A short write ends behind a command, and what is left is a script again: the same commands.
    let Some(all) = expected else { return };
    for (n, (_, consumed)) in all.iter().enumerate() {
        let rest = commands(&input[*consumed..]).expect("the rest of a script");
        assert!(rest.iter().map(|(command, _)| command).eq(all[n + 1..].iter().map(|(command, _)| command)));
    }
}
