// SPDX-License-Identifier: GPL-2.0

//! A manual page: clap_mangen's sections, and those that it lacks, made from the text after the options.

use anyhow::Result;
use clap::Command;
use clap_mangen::Man;
use roff::{roman, Roff};

/// A command or subcommand to describe.
pub struct Page {
    command: Command,
    /// The pages of its program, for SEE ALSO.
    related: Vec<String>,
}

/// The pages of a built command: its own, and one for each subcommand.
pub fn pages(command: &Command) -> Vec<Page> {
    let described: Vec<Command> = [command]
        .into_iter()
        .chain(command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()))
        .cloned()
        .collect();
    let related: Vec<String> = described.iter().map(display_name).collect();
    described.into_iter().map(|command| Page { command, related: related.clone() }).collect()
}

fn display_name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

impl Page {
    /// `mp3-userapp-run.1`
    pub fn file_name(&self) -> String {
        format!("{}.1", display_name(&self.command))
    }

    /// The page in roff.
    pub fn render(&self) -> Result<Vec<u8>> {
        let name = display_name(&self.command);
        let man = Man::new(self.command.clone())
            .title(name.to_uppercase())
            .section("1")
            .date("")
            .source(format!("mp3 {}", env!("CARGO_PKG_VERSION")))
            .manual("User Commands");
        let mut out = Vec::new();
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        man.render_synopsis_section(&mut out)?;
        man.render_description_section(&mut out)?;
        man.render_options_section(&mut out)?;
        if self.command.get_subcommands().next().is_some() {
            man.render_subcommands_section(&mut out)?;
        }
        let mut rest = Roff::new();
        if let Some(text) = self.command.get_after_help() {
            for section in sections(&text.to_string()) {
                section.write(&mut rest);
            }
        }
        rest.control("SH", ["FILES"]);
        rest.text([roman("/dev/mp3 and /proc/mp3/status, described in /usr/share/doc/mp3/interfaces.md")]);
        rest.control("SH", ["SEE ALSO"]);
        let mut others: Vec<String> = self.related.iter().filter(|other| **other != name).cloned().collect();
        others.push("getrusage".to_owned());
        let reference =
            |other: &String| if other == "getrusage" { "getrusage(2)".to_owned() } else { format!("{other}(1)") };
        rest.text([roman(others.iter().map(reference).collect::<Vec<_>>().join(", "))]);
        rest.to_writer(&mut out)?;
        Ok(out)
    }
}

/// A part of the text after the options.
#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    title: &'static str,
    text: &'a str,
}

/// The paragraphs of `text`: examples, exit status, and what else there is.
fn sections(text: &str) -> Vec<Section<'_>> {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs
        .map(|paragraph| match paragraph.split_once(':') {
            Some(("Example" | "Examples", rest)) => Section { title: "EXAMPLES", text: rest.trim_start_matches('\n') },
            Some(("Exit status", rest)) => Section { title: "EXIT STATUS", text: rest.trim() },
            _ => Section { title: "NOTES", text: paragraph },
        })
        .collect()
}

impl Section<'_> {
    fn write(&self, roff: &mut Roff) {
        roff.control("SH", [self.title]);
        if self.title != "EXAMPLES" {
            roff.text([roman(self.text.replace('\n', " "))]);
            return;
        }
        // No filling: columns stay columns.
        roff.control("nf", []);
        for line in self.text.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::PROGRAMS;

    #[test]
    fn examples_and_exit_status_are_sections() {
        assert_eq!(
            sections("Examples:\n  a b\n  c d\n\nA remark.\n\nExit status: 0 done, 1 failed"),
            [
                Section { title: "EXAMPLES", text: "  a b\n  c d" },
                Section { title: "NOTES", text: "A remark." },
                Section { title: "EXIT STATUS", text: "0 done, 1 failed" },
            ]
        );
    }

    #[test]
    fn every_option_is_on_its_page() {
        for program in &PROGRAMS {
            for page in pages(&program.command()) {
                let text = String::from_utf8(page.render().unwrap()).unwrap().replace("\\-", "-");
                for option in page.command.get_arguments().filter_map(|argument| argument.get_long()) {
                    assert!(text.contains(&format!("--{option}")), "{}: --{option}", page.file_name());
                }
                for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "SEE ALSO"] {
                    assert!(text.contains(section), "{}: {section}", page.file_name());
                }
            }
        }
    }
}
