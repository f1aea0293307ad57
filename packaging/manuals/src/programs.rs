// SPDX-License-Identifier: GPL-2.0

//! The programs under their installed names: with the project's name in front, since `work` or `plot` alone in everybody's path could be
//! anything.

use crate::names;
use clap::{Command, CommandFactory};

/// A program, and its name where it is installed.
pub struct Program {
    /// In the checkout: `monitor`.
    pub name: &'static str,
    /// In `/usr/bin`: `mp3-monitor`.
    pub installed: &'static str,
    parsed: fn() -> Command,
}

/// What is installed.
pub const PROGRAMS: [Program; 8] = [
    Program { name: "exporter", installed: "mp3-exporter", parsed: exporter::cli::Cli::command },
    Program { name: "faults", installed: "mp3-faults", parsed: faults::cli::Cli::command },
    Program { name: "monitor", installed: "mp3-monitor", parsed: monitor::cli::Cli::command },
    Program { name: "plot", installed: "mp3-plot", parsed: plot::cli::Arguments::command },
    Program { name: "sched", installed: "mp3-sched", parsed: sched::cli::Cli::command },
    Program { name: "top", installed: "mp3-top", parsed: top::cli::Cli::command },
    Program { name: "userapp", installed: "mp3-userapp", parsed: userapp::cli::Cli::command },
    Program { name: "work", installed: "mp3-work", parsed: work::cli::Cli::command },
];

impl Program {
    /// The command line, under the installed name, also where its texts give examples.
    pub fn command(&self) -> Command {
        let mut command =
            renamed((self.parsed)()).name(self.installed).bin_name(self.installed).disable_help_subcommand(true);
        command.build();
        command
    }
}

fn renamed(mut command: Command) -> Command {
    if let Some(text) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(names::installed(&text));
    }
    command.mut_subcommands(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_and_version_give_the_installed_name() {
        for program in &PROGRAMS {
            let mut command = program.command();
            assert!(command.render_version().starts_with(program.installed));
            assert!(command.render_usage().to_string().contains(&format!("Usage: {} ", program.installed)));
        }
    }

    #[test]
    fn examples_give_the_installed_names() {
        for program in &PROGRAMS {
            let text = program.command().get_after_help().unwrap().to_string();
            assert!(text.contains(&format!("\n  {} ", program.installed)), "{text}");
            assert!(!text.contains(&format!("\n  {} ", program.name)), "{text}");
        }
    }
}
