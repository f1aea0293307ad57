// SPDX-License-Identifier: GPL-2.0

//! `top`: processes on a live screen.

mod live;
mod tty;

use anyhow::Context;
use clap::Parser;
use client::output::say;
use client::signals::Signals;
use live::{Live, Module};
use nix::sys::signal::{raise, Signal};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::DefaultTerminal;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use top::app::{Action, View};
use top::cli::Cli;
use top::palette::Palette;
use top::{screen, threads};
use tty::Tty;

/// A signal is seen at most so long after it.
const SIGNAL: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("mp3-top: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let signals = Signals::block(&[Signal::SIGHUP]).context("cannot take signals")?;
    // Without the module, /proc may do.
    let module = Module::open(&cli.device);
    let mut live = Live::open(cli, &module)?;
    let tty = Tty::open().context("no terminal to take keys from")?;
    let mut terminal = ratatui::try_init().context("no terminal to draw on")?;
    let ended = show(cli, &mut live, &mut terminal, &signals, &tty);
    // A terminal that went away cannot be put back.
    let restored = restore(&mut terminal);
    match ended {
        Err(error) if signals.arrived().is_none() && restored.is_ok() && !tty.is_gone() => Err(error),
        _ => Ok(()),
    }
}

fn show(
    cli: &Cli,
    live: &mut Live,
    terminal: &mut DefaultTerminal,
    signals: &Signals,
    tty: &Tty,
) -> anyhow::Result<()> {
    let palette = Palette::new(std::env::var_os("NO_COLOR").as_deref());
    let mut app = live.app(cli);
    let mut last = Instant::now();
    let mut next_picture = last;
    let mut is_stale = true;
    loop {
        let now = Instant::now();
        if live.advance(now - last, &mut app, now >= next_picture)? {
            is_stale = true;
            if now >= next_picture {
                next_picture = now + cli.delay;
            }
            app.arrange(live.model());
            if let View::Details(registration) = app.view {
                let pid = live.model().process(registration).map(|process| process.last.pid);
                app.threads = pid.filter(|_| live.is_here()).map_or(vec![], |pid| threads::of(live.kernel(), pid));
            }
        }
        last = now;
        if is_stale {
            terminal.draw(|frame| screen::draw(frame, &mut app, live.model(), palette))?;
            is_stale = false;
        }
        let wait = live.due().min(SIGNAL);
        let has_event = event::poll(wait)?;
        if signals.arrived().is_some() || tty.is_gone() {
            return Ok(());
        }
        if !has_event {
            continue;
        }
        is_stale = true;
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match app.key(key, live.model()) {
            Action::Draw => {}
            Action::Quit => return Ok(()),
            Action::Suspend => suspend(terminal)?,
            action => app.message = live.act(action, &mut app).err().map(|error| format!("{error:#}")).or(app.message),
        }
        // A process whose details are asked for has its threads at once.
        if matches!(app.view, View::Details(_)) && app.threads.is_empty() {
            next_picture = Instant::now();
        }
        app.arrange(live.model());
    }
}

/// The terminal as it was. Its cursor was hidden by the first picture.
fn restore(terminal: &mut DefaultTerminal) -> io::Result<()> {
    terminal.show_cursor()?;
    ratatui::try_restore()
}

/// What Ctrl-Z does to other programs.
fn suspend(terminal: &mut DefaultTerminal) -> io::Result<()> {
    restore(terminal)?;
    raise(Signal::SIGSTOP)?;
    *terminal = ratatui::try_init()?;
    terminal.clear()
}
