// SPDX-License-Identifier: GPL-2.0

//! The grammar of a write to `/proc/mp3/status`.
//!
//! ```text
//! write     = line *( LF line ) [ LF ]
//! line      = *blank verb separator pid *blank
//! verb      = "R" / "U" / "F"             ; register, unregister, register and follow
//! separator = blank / ","                 ; exactly one
//! pid       = 1*10DIGIT                   ; 1 to 2147483647
//! blank     = SPACE / TAB
//! ```
//!
//! Nothing else is a command: no sign, no second separator, no NUL, no empty line.

use core::fmt;

/// A process ID as user space writes it: in the writer's PID namespace, always positive.
pub type Pid = i32;

/// One line of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `R <PID>`: profile the thread group that this task belongs to.
    Register(Pid),
    /// `F <PID>`: as `R`, and each child that the process has from now on is registered before its first instruction, and so
    /// are that child's children. Programs of the original MP3 do not know it.
    Follow(Pid),
    /// `U <PID>`: write its final record and forget it.
    Unregister(Pid),
}

/// The line is not a command (`EINVAL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACommand;

impl Command {
    /// Parses one line, without its line feed.
    pub fn parse(line: &[u8]) -> Result<Self, NotACommand> {
        let (verb, rest) = trim(line).split_first().ok_or(NotACommand)?;
        let (separator, digits) = rest.split_first().ok_or(NotACommand)?;
        if !is_blank(*separator) && *separator != b',' {
            return Err(NotACommand);
        }
        let pid = parse_pid(digits)?;
        match verb {
            b'R' => Ok(Command::Register(pid)),
            b'F' => Ok(Command::Follow(pid)),
            b'U' => Ok(Command::Unregister(pid)),
            _ => Err(NotACommand),
        }
    }
}

impl fmt::Display for Command {
    /// The line, without a line feed: what [`Command::parse`] takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Register(pid) => write!(f, "R {pid}"),
            Command::Follow(pid) => write!(f, "F {pid}"),
            Command::Unregister(pid) => write!(f, "U {pid}"),
        }
    }
}

/// A line that a read of `/proc/mp3/status` returns: `<pid>: <user CPU time in ns>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// The process, in the reader's PID namespace.
    pub pid: Pid,
    /// Time in user mode since the process was forked, ns.
    pub user_ns: u64,
}

impl StatusLine {
    /// Parses a line, without its line feed; `None` for anything else.
    pub fn parse(line: &str) -> Option<Self> {
        let (pid, user_ns) = line.split_once(": ")?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(pid) || !is_number(user_ns) {
            return None;
        }
        Some(StatusLine { pid: pid.parse().ok()?, user_ns: user_ns.parse().ok()? })
    }
}

impl fmt::Display for StatusLine {
    /// The line, without a line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pid, self.user_ns)
    }
}

/// A whole write, known to hold nothing but commands.
///
/// Checking all lines before the first is carried out is what lets a malformed write change nothing.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    rest: Option<&'a [u8]>,
    consumed: usize,
}

impl<'a> Script<'a> {
    /// Checks every line of `input`. An empty input is a script of no commands.
    pub fn parse(input: &'a [u8]) -> Result<Self, NotACommand> {
        let script = Script { rest: (!input.is_empty()).then_some(input), consumed: 0 };
        let mut lines = script;
        while let Some(line) = lines.next_line() {
            Command::parse(line)?;
        }
        Ok(script)
    }

    /// Bytes of the input that the commands returned so far took up, line feeds included.
    ///
    /// A write whose third command fails reports the length of the first two, as any short write does; the caller's next
    /// write then begins with the command that failed.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = rest.iter().position(|&byte| byte == b'\n');
        let (line, rest, taken) = match end {
            Some(end) => {
                let (line, rest) = rest.split_at(end);
                // Past the line feed itself, which is there.
                (line, rest.get(1..).unwrap_or(&[]), end.saturating_add(1))
            }
            None => (rest, &[][..], rest.len()),
        };
        self.rest = (!rest.is_empty()).then_some(rest);
        self.consumed = self.consumed.saturating_add(taken);
        Some(line)
    }
}

impl Iterator for Script<'_> {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        // Every line parsed once already; one that did not would end the script early rather than be skipped.
        self.next_line().and_then(|line| Command::parse(line).ok())
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line {
        if !is_blank(*first) {
            break;
        }
        line = rest;
    }
    while let [rest @ .., last] = line {
        if !is_blank(*last) {
            break;
        }
        line = rest;
    }
    line
}

fn parse_pid(digits: &[u8]) -> Result<Pid, NotACommand> {
    if digits.is_empty() || digits.len() > 10 {
        return Err(NotACommand);
    }
    let mut pid: Pid = 0;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return Err(NotACommand);
        }
        let digit = Pid::from(byte.wrapping_sub(b'0'));
        pid = pid.checked_mul(10).and_then(|pid| pid.checked_add(digit)).ok_or(NotACommand)?;
    }
    if pid == 0 {
        return Err(NotACommand);
    }
    Ok(pid)
}

#[cfg(test)]
mod tests {
    use super::Command::{Follow, Register, Unregister};
    use super::*;

    #[test]
    fn lines_that_are_commands() {
        for (line, command) in [
            (&b"R 1"[..], Register(1)),
            (b"U 1", Unregister(1)),
            (b"F 1", Follow(1)),
            (b"F,22", Follow(22)),
            (b"R,4194304", Register(4_194_304)),
            (b"U\t22", Unregister(22)),
            (b"  R 7 \t", Register(7)),
            (b"R 2147483647", Register(i32::MAX)),
            (b"R 0000000012", Register(12)),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn lines_that_are_not() {
        for line in [
            &b""[..],
            b" ",
            b"R",
            b"R ",
            b"R1",
            b"r 1",
            b"f 1",
            b"F",
            b"FR 1",
            b"F  1",
            b"RU 1",
            b"R  1",
            b"R, 1",
            b"R ,1",
            b"R 1 2",
            b"R 1,",
            b"R +1",
            b"R -1",
            b"R 0",
            b"R 0x10",
            b"R 1.0",
            b"R 2147483648",
            b"R 00000000012",
            b"R 99999999999999999999",
            b"R 1\0",
            b"R 1\r",
            b"\xffR 1",
        ] {
            assert_eq!(Command::parse(line), Err(NotACommand), "{line:?}");
        }
    }

    #[test]
    fn what_is_written_is_parsed() {
        for pid in [1, 22, i32::MAX] {
            for command in [Register(pid), Unregister(pid)] {
                assert_eq!(Command::parse(command.to_string().as_bytes()), Ok(command));
            }
            for user_ns in [0, u64::MAX] {
                let line = StatusLine { pid, user_ns };
                assert_eq!(StatusLine::parse(&line.to_string()), Some(line));
            }
        }
    }

    #[test]
    fn lines_are_pid_and_time() {
        assert_eq!(StatusLine::parse("12: 3400"), Some(StatusLine { pid: 12, user_ns: 3400 }));
        for line in ["", "12", "12:3400", "x: 1", "12: 1 2", "12: -1", "+1: 2", "1: 99999999999999999999"] {
            assert_eq!(StatusLine::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn several_lines_are_taken_in_order() {
        let commands: Vec<_> = Script::parse(b"R 1\nU 2\n R,3").unwrap().collect();
        assert_eq!(commands, [Register(1), Unregister(2), Register(3)]);
        assert_eq!(Script::parse(b"R 1\n").unwrap().count(), 1);
        assert_eq!(Script::parse(b"").unwrap().count(), 0);
    }

    #[test]
    fn one_bad_line_refuses_the_whole_write() {
        for input in [&b"R 1\nnonsense\nU 1\n"[..], b"\n", b"R 1\n\n", b"\nR 1", b"R 1\n\nU 1"] {
            assert!(Script::parse(input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn consumed_counts_whole_lines() {
        let mut script = Script::parse(b"R 1\nU 22\nR 3").unwrap();
        let mut consumed = vec![];
        while script.next().is_some() {
            consumed.push(script.consumed());
        }
        assert_eq!(consumed, [4, 9, 12]);
    }
}
