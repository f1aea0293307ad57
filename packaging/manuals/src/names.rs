// SPDX-License-Identifier: GPL-2.0

//! Installed names in examples: `monitor > profile.data` becomes `mp3-monitor > profile.data`.

use crate::programs::PROGRAMS;

/// What stands before a command: the indentation of an example, or a word that introduces it.
const BEFORE: [&str; 5] = ["\n  ", "-- ", ": ", ", or ", "| "];

/// `text` with the installed names of commands. An explanation beside a command stays in its column where there is room.
pub fn installed(text: &str) -> String {
    let mut text = format!("\n{text}");
    for program in &PROGRAMS {
        for before in BEFORE {
            text = replaced(&text, before, program.name, program.installed);
        }
    }
    text.split_off(1)
}

fn replaced(text: &str, before: &str, name: &str, installed: &str) -> String {
    let wanted = format!("{before}{name} ");
    let grown = installed.len().saturating_sub(name.len());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once(&wanted) {
        out.push_str(head);
        out.push_str(before);
        out.push_str(installed);
        out.push(' ');
        rest = tail;
        let line = tail.find('\n').unwrap_or(tail.len());
        if let Some(gap) = tail[..line].find(&" ".repeat(grown + 2)) {
            out.push_str(&tail[..gap]);
            rest = &tail[gap + grown..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_renamed_and_their_explanations_stay_in_their_column() {
        assert_eq!(
            installed("Examples:\n  monitor > profile.data      what it saw\n  userapp run -- work 200 R 10000"),
            "Examples:\n  mp3-monitor > profile.data  what it saw\n  mp3-userapp run -- mp3-work 200 R 10000"
        );
        assert_eq!(
            installed("while it runs: userapp 1 R 1, or work 1 R 1"),
            "while it runs: mp3-userapp 1 R 1, or mp3-work 1 R 1"
        );
    }

    #[test]
    fn words_of_a_sentence_stay() {
        let text = "What the work does, the plot shows; plots of work.";
        assert_eq!(installed(text), text);
    }
}
