// SPDX-License-Identifier: GPL-2.0

//! A real terminal: tmux without a user. Keys are sent to it, and its screen is read.

use anyhow::{ensure, Context, Result};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a screen may take to show what is expected.
const LIMIT: Duration = Duration::from_secs(60);

/// A terminal with a shell in it. Dropping it takes it away from what runs there.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

/// Whether there is a tmux.
pub fn is_there() -> bool {
    Command::new("tmux").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Terminal {
    /// A terminal of `columns` by `rows` cells with a shell that has `variables` in its environment.
    ///
    /// # Errors
    ///
    /// tmux does not start.
    pub fn start(columns: u16, rows: u16, variables: &[(&str, &str)]) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mp3-terminal-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let terminal = Terminal { socket: std::env::temp_dir().join(name) };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut command = terminal.command();
        command.args(["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, "env", "PS1=$ ", "ENV="]);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg("sh").env_remove("TMUX").env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
        done(&mut command)?;
        terminal.wait("a prompt", |screen| screen.iter().any(|line| line.starts_with('$')))?;
        Ok(terminal)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).stdin(Stdio::null());
        command
    }

    /// Carries out a command of tmux, and returns what it prints.
    ///
    /// # Errors
    ///
    /// tmux refuses.
    pub fn tmux<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        let output = done(self.command().args(arguments))?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Types a text.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn text(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", "--", text]).map(drop)
    }

    /// Types a line for the shell.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn line(&self, line: &str) -> Result<()> {
        self.text(line)?;
        self.key("Enter")
    }

    /// Presses a key by its name in tmux, such as `Enter`, `Down`, `C-c`.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn key(&self, name: &str) -> Result<()> {
        self.tmux(&["send-keys", name]).map(drop)
    }

    /// The rows of the screen, without blanks at their ends.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn screen(&self) -> Result<Vec<String>> {
        Ok(self.tmux(&["capture-pane", "-p"])?.lines().map(|line| line.trim_end().to_owned()).collect())
    }

    /// The screen with the sequences that colour it.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn coloured(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Waits until the screen shows `what`, and returns it.
    ///
    /// # Errors
    ///
    /// It does not for a minute.
    pub fn wait(&self, what: &str, is_shown: impl Fn(&[String]) -> bool) -> Result<Vec<String>> {
        let begun = Instant::now();
        loop {
            let screen = self.screen()?;
            if is_shown(&screen) {
                return Ok(screen);
            }
            ensure!(begun.elapsed() < LIMIT, "the screen does not show {what}:\n{}", screen.join("\n"));
        }
    }

    /// Waits until a row of the screen contains `text`, and returns the screen.
    ///
    /// # Errors
    ///
    /// None does for a minute.
    pub fn shows(&self, text: &str) -> Result<Vec<String>> {
        self.wait(&format!("'{text}'"), |screen| screen.iter().any(|line| line.contains(text)))
    }

    /// Gives it another size, of which what runs there is told.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with its shell.
        let _ = self.command().arg("kill-server").stderr(Stdio::null()).status();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn done(command: &mut Command) -> Result<Output> {
    let output = command.output().context("tmux")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}
