// SPDX-License-Identifier: GPL-2.0

//! The program in a real terminal: keys are sent to it, and its screen is read. From `/proc` and from recordings; with the module,
//! it is tested in the guest.
//!
//! Needs tmux (Debian: `apt-get install tmux`). Without it the tests are skipped; where `CI` is set, they fail.

use abi::samples::{Flags, Levels, SampleRecord, Totals};
use anyhow::{ensure, Context, Result};
use format::recording::{Header, Writer};
use libtest_mimic::{Arguments, Completion, Trial};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use terminal::Terminal;

const TOP: &str = env!("CARGO_BIN_EXE_top");

/// What a test does. Its panics and errors fail it.
type Test = fn() -> Result<()>;

/// libtest cannot skip a test when it runs, libtest-mimic can.
fn main() {
    let tests: [(&str, Test); 9] = [
        ("a_recording_is_sorted_by_any_column_both_ways", a_recording_is_sorted_by_any_column_both_ways),
        ("a_recording_is_sought_in_both_directions", a_recording_is_sought_in_both_directions),
        ("details_show_history_and_threads_and_are_left_again", details_show_history_and_threads_and_are_left_again),
        ("a_filter_shows_the_processes_that_match", a_filter_shows_the_processes_that_match),
        ("a_frozen_screen_keeps_what_is_gone", a_frozen_screen_keeps_what_is_gone),
        ("a_terminal_of_another_size_shows_other_columns", a_terminal_of_another_size_shows_other_columns),
        ("colours_are_there_unless_no_color_is_set", colours_are_there_unless_no_color_is_set),
        ("the_terminal_is_as_it_was_after_every_end", the_terminal_is_as_it_was_after_every_end),
        ("it_ends_when_the_terminal_goes_away", it_ends_when_the_terminal_goes_away),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::ignorable_test(name, move || {
            if !terminal::is_there() {
                let why = "no tmux on this machine (Debian: apt-get install tmux)";
                return if std::env::var_os("CI").is_some() {
                    Err(why.into())
                } else {
                    Ok(Completion::ignored_with(why))
                };
            }
            test().map_err(|error| format!("{error:?}"))?;
            Ok(Completion::Completed)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

/// A file that is removed with its owner.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Two minutes of three processes: `steady` has 200 faults a second and 10 % of a CPU; `spiky` is there in the second minute, with
/// 20,000 faults a second and 5 %; `idle` does nothing.
fn recording() -> Result<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("mp3-top-{}-{}.mp3", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let file = File(std::env::temp_dir().join(name));
    let about = Header { abi: abi::header::ABI_VERSION, hz: 250, rate_hz: 20, host: "box".into(), ..Header::default() };
    let mut writer = Writer::new(fs::File::create(&file.0)?, &about)?;
    // PID and registration, name, first tick, faults a tick, CPU time a tick in ms.
    let processes = [(101, "steady", 0, 10, 5.0), (102, "spiky", 1_200, 1_000, 2.5), (103, "idle", 0, 0, 0.0)];
    for tick in 0..=2_400_u64 {
        for (pid, name, first, faults, cpu_ms) in processes {
            let Some(age) = tick.checked_sub(first) else { continue };
            let mut comm = [0; 16];
            comm[..name.len()].copy_from_slice(name.as_bytes());
            let record = SampleRecord {
                time_ns: 1_000_000_000 + tick * 50_000_000,
                tick,
                pid,
                registration: pid as u64,
                flags: if age == 0 { Flags::FIRST } else { Flags::default() },
                threads: 1,
                comm,
                totals: Totals {
                    minor_faults: age * faults,
                    user_ns: age * (cpu_ms * 1e6) as u64,
                    ..Totals::default()
                },
                levels: Levels { resident_pages: 256 * pid as u64, swapped_pages: 0 },
                ..SampleRecord::default()
            };
            writer.push(&record.to_words());
        }
        writer.write_due()?;
    }
    writer.finish()?;
    Ok(file)
}

/// A terminal of 80 x 24 in which a recording is shown, standing still at its beginning.
fn replay(file: &File) -> Result<Terminal> {
    let terminal = Terminal::start(80, 24, &[])?;
    terminal.line(&format!("{TOP} --replay {}", file.0.display()))?;
    terminal.shows("mp3-top  box  recording")?;
    terminal.text(" ")?;
    terminal.shows("FROZEN")?;
    terminal.text("0")?;
    terminal.shows("recording 00:00:00 of 00:02:00")?;
    Ok(terminal)
}

/// The cells of a column, from the top row on.
fn cells(screen: &[String], title: &str) -> Vec<String> {
    let Some(head) = screen.iter().position(|line| line.contains("PID COMMAND")) else { return vec![] };
    let place = screen[head].split_whitespace().position(|word| word == title);
    let rows = screen[head + 1..].iter().take_while(|line| !line.is_empty());
    rows.filter_map(|line| line.split_whitespace().nth(place?).map(str::to_owned)).collect()
}

fn a_recording_is_sorted_by_any_column_both_ways() -> Result<()> {
    let file = recording()?;
    let terminal = replay(&file)?;
    terminal.text("}]")?;
    let screen = terminal.shows("recording 00:01:10 of 00:02:00")?;
    ensure!(cells(&screen, "COMMAND") == ["spiky", "steady", "idle"], "{screen:?}");
    ensure!(cells(&screen, "MINOR/s") == ["20000", "200", "0"], "{screen:?}");
    ensure!(cells(&screen, "CPU%") == ["5.0", "10.0", "0.0"], "{screen:?}");
    ensure!(screen[1].starts_with("CPU 15.0 %  faults 20200/s, 0 major"), "{screen:?}");
    let sorted = |what: &str, names: [&str; 3]| terminal.wait(what, |screen| cells(screen, "COMMAND") == names);
    terminal.key("Left")?;
    sorted("processes by CPU time", ["steady", "spiky", "idle"])?;
    terminal.text("r")?;
    sorted("the same the other way round", ["idle", "spiky", "steady"])?;
    terminal.text("r")?;
    terminal.key("Left")?;
    sorted("processes by name", ["idle", "spiky", "steady"])?;
    terminal.key("Left")?;
    sorted("processes by PID", ["steady", "spiky", "idle"])?;
    terminal.text("?")?;
    let help = terminal.shows("sort by another column")?;
    ensure!(help.iter().any(|line| line.contains("minor faults a second")), "{help:?}");
    terminal.key("Escape")?;
    sorted("the table again", ["steady", "spiky", "idle"])?;
    Ok(())
}

fn a_recording_is_sought_in_both_directions() -> Result<()> {
    let file = recording()?;
    let terminal = replay(&file)?;
    for (key, place, processes) in [
        ("]", "00:00:10", 2),
        ("}", "00:01:10", 3),
        ("[", "00:01:00", 3),
        ("{", "00:00:00", 2),
        ("[", "00:00:00", 2),
        ("}", "00:01:00", 3),
        // The end is the end.
        ("}", "00:02:00", 3),
        ("]", "00:02:00", 3),
        ("0", "00:00:00", 2),
    ] {
        terminal.text(key)?;
        terminal.shows(&format!("recording {place} of 00:02:00  {processes} processes"))?;
    }
    // It goes on by itself, at its own pace.
    terminal.text(" ")?;
    terminal.shows("recording 00:00:02 of 00:02:00")?;
    terminal.text("a")?;
    terminal.shows("a recording cannot be changed")?;
    Ok(())
}

/// A shell that has a name and waits; ended when it is dropped.
struct Named(Child);

impl Named {
    fn start(name: &str) -> Result<Self> {
        let script = format!("printf {name} >/proc/$$/comm; echo; read line");
        let mut child =
            Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // It has its name when it has said something.
        let mut byte = [0];
        std::io::Read::read_exact(child.stdout.as_mut().context("stdout")?, &mut byte)?;
        Ok(Named(child))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A terminal in which this machine's processes are shown, from `/proc`.
fn live(columns: u16, rows: u16, options: &str) -> Result<Terminal> {
    let terminal = Terminal::start(columns, rows, &[])?;
    terminal.line(&format!("{TOP} --source proc --delay 0.2 {options}"))?;
    terminal.shows("/proc  ")?;
    Ok(terminal)
}

fn details_show_history_and_threads_and_are_left_again() -> Result<()> {
    let named = Named::start("mp3t-shown")?;
    let terminal = live(80, 24, "--filter mp3t-shown")?;
    terminal.wait("its row", |screen| cells(screen, "COMMAND") == ["mp3t-shown"])?;
    terminal.key("Enter")?;
    let screen = terminal.shows(&format!("PID {}  mp3t-shown", named.0.id()))?;
    for text in ["faults      ", "switches    ", "block I/O n/a", "faults/s: ", "CPU: 0.0 %"] {
        ensure!(screen.iter().any(|line| line.contains(text)), "{text}: {screen:?}");
    }
    // Its thread, which sleeps.
    terminal.shows(&format!("{} S mp3t-shown", named.0.id()))?;
    terminal.key("Escape")?;
    terminal.wait("the table", |screen| cells(screen, "PID") == [named.0.id().to_string()])?;
    Ok(())
}

fn a_filter_shows_the_processes_that_match() -> Result<()> {
    let named = ["mp3t-one", "mp3t-two", "mp3t-other"].map(Named::start);
    let terminal = live(80, 24, "")?;
    let shown = |names: &[&str]| {
        terminal.wait(&format!("{names:?}"), |screen| {
            let mut found = cells(screen, "COMMAND");
            found.sort();
            found == names
        })
    };
    terminal.text("/MP3T-O")?;
    let screen = shown(&["mp3t-one", "mp3t-other"])?;
    ensure!(screen[23] == "filter: MP3T-O_", "{screen:?}");
    terminal.text("n")?;
    terminal.key("Enter")?;
    shown(&["mp3t-one"])?;
    terminal.wait("the filter in the heading", |screen| screen[0].ends_with("filter: MP3T-On"))?;
    // A part of a PID does as well.
    terminal.text("/")?;
    (0..7).try_for_each(|_| terminal.key("BSpace"))?;
    terminal.text(&named[1].as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?.0.id().to_string())?;
    shown(&["mp3t-two"])?;
    terminal.key("Escape")?;
    shown(&["mp3t-one"])?;
    terminal.key("Escape")?;
    terminal.wait("all processes", |screen| cells(screen, "PID").len() > 3 && !screen[0].contains("filter"))?;
    Ok(())
}

fn a_frozen_screen_keeps_what_is_gone() -> Result<()> {
    let named = Named::start("mp3t-gone")?;
    let terminal = live(80, 24, "--filter mp3t-gone")?;
    terminal.wait("its row", |screen| cells(screen, "COMMAND") == ["mp3t-gone"])?;
    terminal.text(" ")?;
    terminal.shows("FROZEN")?;
    drop(named);
    // Help and back: the screen is drawn anew, and nothing moves.
    for _ in 0..3 {
        terminal.text("?")?;
        terminal.shows("freeze the screen")?;
        terminal.key("Escape")?;
        terminal.wait("its row", |screen| cells(screen, "COMMAND") == ["mp3t-gone"])?;
    }
    terminal.text(" ")?;
    terminal.shows("No process matches the filter")?;
    Ok(())
}

fn a_terminal_of_another_size_shows_other_columns() -> Result<()> {
    let terminal = live(80, 24, "")?;
    let screen = terminal.shows("PID COMMAND           CPU%  MINOR/s  MAJOR/s")?;
    ensure!(screen.len() == 24 && !screen[23].is_empty(), "{screen:?}");
    terminal.resize(160, 40)?;
    let screen = terminal.shows("INVOL/s")?;
    ensure!(screen.iter().any(|line| line.contains("BLKIO%") && line.ends_with("FAULTS")), "{screen:?}");
    terminal.text("r")?;
    terminal.wait("the keys in the last row", |screen| screen.len() == 40 && screen[39].starts_with("? keys"))?;
    terminal.resize(40, 10)?;
    terminal.wait("few columns", |screen| {
        screen.len() == 10 && screen.iter().any(|line| line.ends_with("CPU%  MINOR/s"))
    })?;
    terminal.resize(20, 4)?;
    terminal.shows("20 x 4 is too small")?;
    terminal.resize(80, 24)?;
    terminal.shows("PID COMMAND           CPU%  MINOR/s  MAJOR/s")?;
    Ok(())
}

fn colours_are_there_unless_no_color_is_set() -> Result<()> {
    let file = recording()?;
    let coloured = |variables: &[(&str, &str)]| {
        let terminal = Terminal::start(80, 24, variables)?;
        terminal.line(&format!("clear; {TOP} --replay {}", file.0.display()))?;
        terminal.shows("steady")?;
        terminal.coloured()
    };
    let is_coloured = |screen: &str| screen.contains("\x1b[38;5;") || screen.contains(";38;5;");
    let screen = coloured(&[])?;
    ensure!(is_coloured(&screen), "{screen:?}");
    let screen = coloured(&[("NO_COLOR", "1")])?;
    // Bold and reversed stay.
    ensure!(!is_coloured(&screen) && screen.contains("\x1b[1m"), "{screen:?}");
    Ok(())
}

/// A screen that is to come back.
fn before(terminal: &Terminal) -> Result<()> {
    terminal.line("clear; echo before")?;
    terminal.wait("before", |screen| screen[..2] == ["before", "$"]).map(drop)
}

/// The terminal takes and shows lines again, and the screen is the one from before.
fn is_restored(terminal: &Terminal) -> Result<()> {
    terminal.wait("the screen from before", |screen| screen.first().is_some_and(|line| line == "before"))?;
    terminal.line("case $(stty -a) in *-icanon* | *-echo\\ *) echo raw ;; *) echo sane ;; esac")?;
    terminal.wait("sane", |screen| screen.iter().any(|line| line == "sane"))?;
    let state = terminal.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"])?;
    ensure!(state == "0 1\n", "{state}");
    Ok(())
}

/// The process of the terminal, which is the shell's until it executes another program.
fn pid(terminal: &Terminal) -> Result<i32> {
    Ok(terminal.tmux(&["display-message", "-p", "#{pane_pid}"])?.trim().parse()?)
}

/// The child of a process.
fn child(parent: i32) -> Result<i32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    Ok(children.split_whitespace().next().with_context(|| format!("{parent} has no child"))?.parse()?)
}

fn the_terminal_is_as_it_was_after_every_end() -> Result<()> {
    let terminal = Terminal::start(80, 24, &[])?;
    before(&terminal)?;
    let begin = |terminal: &Terminal| {
        terminal.line(&format!("{TOP} --source proc; echo ended $?"))?;
        terminal.shows("/proc  ")?;
        child(pid(terminal)?)
    };
    for key in ["q", "C-c"] {
        begin(&terminal)?;
        terminal.key(key)?;
        terminal.wait("its exit status", |screen| screen.iter().any(|line| line == "ended 0"))?;
        is_restored(&terminal)?;
        before(&terminal)?;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(Pid::from_raw(begin(&terminal)?), signal)?;
        terminal.wait("its exit status", |screen| screen.iter().any(|line| line == "ended 0"))?;
        is_restored(&terminal)?;
        before(&terminal)?;
    }
    // Stopped, it gives the terminal back, and takes it again.
    begin(&terminal)?;
    terminal.key("C-z")?;
    terminal.shows("Stopped")?;
    is_restored(&terminal)?;
    terminal.line("fg")?;
    terminal.shows("/proc  ")?;
    terminal.text("q")?;
    terminal.shows("ended")?;
    is_restored(&terminal)?;
    // What cannot be shown is said, with the terminal as it was.
    before(&terminal)?;
    terminal.line(&format!("{TOP} --replay /dev/null"))?;
    terminal.shows("mp3-top: /dev/null: ")?;
    is_restored(&terminal)
}

/// Whether there is no such process any more, or only what its parent has not waited for.
fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

fn it_ends_when_the_terminal_goes_away() -> Result<()> {
    // With the signal that says so, and, where that is ignored, because nothing can be read and written any more.
    for before in ["", "trap '' HUP; "] {
        let terminal = Terminal::start(80, 24, &[])?;
        terminal.line(&format!("{before}exec {TOP} --source proc"))?;
        terminal.shows("/proc  ")?;
        let pid = pid(&terminal)?;
        ensure!(!has_ended(pid));
        drop(terminal);
        let begun = std::time::Instant::now();
        while !has_ended(pid) {
            ensure!(begun.elapsed().as_secs() < 60, "it goes on without a terminal ({before:?})");
            std::thread::yield_now();
        }
    }
    Ok(())
}
