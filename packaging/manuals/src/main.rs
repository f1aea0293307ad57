// SPDX-License-Identifier: GPL-2.0

//! `manuals DIR`: writes the manual pages and shell completions of the installed programs.
//!
//! ```text
//! DIR/man/mp3-monitor.1                  and a page for each subcommand: mp3-userapp-run.1
//! DIR/bash/mp3-monitor  DIR/zsh/_mp3-monitor  DIR/fish/mp3-monitor.fish
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`programs`] | which programs are installed, and under which names |
//! | [`names`] | those names where a text speaks of commands |
//! | [`page`] | a manual page |

mod names;
mod page;
mod programs;

use anyhow::{Context, Result};
use clap::Parser;
use clap_complete::Shell;
use programs::PROGRAMS;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the manual pages and shell completions of mp3's programs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to: man/, bash/, zsh/ and fish/ are made there
    dir: PathBuf,
}

fn main() -> Result<()> {
    write(&Arguments::parse().dir)
}

/// Writes everything below `dir`.
fn write(dir: &Path) -> Result<()> {
    let man = directory(dir, "man")?;
    for program in &PROGRAMS {
        let command = program.command();
        for page in page::pages(&command) {
            let path = man.join(page.file_name());
            fs::write(&path, page.render()?).with_context(|| path.display().to_string())?;
        }
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let into = directory(dir, &shell.to_string())?;
            clap_complete::generate_to(shell, &mut command.clone(), program.installed, &into)
                .with_context(|| into.display().to_string())?;
        }
        // bash finds a program's completions by the program's name.
        let bash = dir.join("bash");
        fs::rename(bash.join(format!("{}.bash", program.installed)), bash.join(program.installed))?;
    }
    Ok(())
}

fn directory(dir: &Path, name: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_page_and_completions_for_three_shells() {
        let dir = std::env::temp_dir().join(format!("mp3-manuals-{}", std::process::id()));
        write(&dir).unwrap();
        for program in &PROGRAMS {
            for file in [
                format!("man/{}.1", program.installed),
                format!("bash/{}", program.installed),
                format!("zsh/_{}", program.installed),
                format!("fish/{}.fish", program.installed),
            ] {
                let text = fs::read_to_string(dir.join(&file)).unwrap().replace("\\-", "-").to_lowercase();
                assert!(text.contains(program.installed), "{file}");
            }
        }
        assert!(dir.join("man/mp3-userapp-run.1").exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
