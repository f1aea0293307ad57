// SPDX-License-Identifier: GPL-2.0

//! The picture: a heading, the processes or one of them, and what the keys do.

use crate::app::{App, Origin, Prompt, View};
use crate::column::{bytes, count, Column, NOT_COUNTED};
use crate::model::{Model, Process};
use crate::palette::Palette;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table, TableState};
use ratatui::Frame;

/// The smallest screen with room for anything.
const LEAST: (u16, u16) = (30, 6);

/// Draws everything.
pub fn draw(frame: &mut Frame, app: &mut App, model: &Model, palette: Palette) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget(Paragraph::new(format!("{} x {} is too small", area.width, area.height)), area);
        return;
    }
    let parts = Layout::vertical([Constraint::Length(2), Constraint::Min(1), Constraint::Length(1)]);
    let [head, body, foot] = parts.areas(area);
    frame.render_widget(Paragraph::new(heading(app, model, palette)), head);
    match app.view {
        View::Table => table(frame, body, app, model, palette),
        View::Details(registration) => match model.process(registration) {
            Some(process) => details(frame, body, app, process, palette),
            None => frame.render_widget(Paragraph::new("The process is gone. Esc: back"), body),
        },
        View::Help => frame.render_widget(Paragraph::new(help(app)), body),
    }
    frame.render_widget(Paragraph::new(footer(app, palette)), foot);
}

fn clock(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn heading(app: &App, model: &Model, palette: Palette) -> Text<'static> {
    let origin = match app.origin {
        Origin::Module => "module".to_owned(),
        Origin::Proc => "/proc".to_owned(),
        Origin::Recording(at, length) => format!("recording {} of {}", clock(at), clock(length)),
    };
    let mut first = vec![
        Span::styled("mp3-top", palette.title()),
        Span::raw(format!("  {}  {origin}  {} processes", app.host, model.alive())),
    ];
    if app.frozen {
        first.push(Span::styled("  FROZEN", palette.notice()));
    }
    if !app.filter.is_empty() {
        first.push(Span::styled(format!("  filter: {}", app.filter), palette.notice()));
    }
    if model.lost > 0 {
        first.push(Span::styled(format!("  lost: {} records", model.lost), palette.alarm()));
    }
    let sum = model.sum();
    let mut second = vec![
        Span::raw(format!("CPU {:.1} %  faults {}/s, ", sum.cpu, count(sum.faults()))),
        if sum.major >= 0.05 {
            Span::styled(format!("{} major", count(sum.major)), palette.alarm())
        } else {
            Span::raw("0 major")
        },
    ];
    if app.counted.has_named("run_delay") {
        second.push(Span::raw(format!("  waiting for a CPU {:.1} %", sum.run_delay)));
    }
    if app.counted.has_named("voluntary_switches") {
        second.push(Span::raw(format!("  switches {}/s", count(sum.voluntary + sum.involuntary))));
    }
    Text::from(vec![Line::from(first), Line::from(second)])
}

fn table(frame: &mut Frame, area: Rect, app: &mut App, model: &Model, palette: Palette) {
    let columns = Column::fitting(&Column::all(app.is_traced), area.width);
    app.page = usize::from(area.height.saturating_sub(1)).max(1);
    let head = columns.iter().map(|column| {
        let style = if *column == app.sort { palette.sorted() } else { palette.head() };
        Cell::from(aligned(column.title().to_owned(), *column)).style(style)
    });
    // Only the rows that are seen are made.
    let selected = app.place().unwrap_or(0);
    let from = selected.saturating_sub(app.page.saturating_sub(1)).min(app.rows.len().saturating_sub(app.page));
    let shown = app.rows.iter().skip(from).take(app.page).filter_map(|row| model.process(*row));
    let rows: Vec<Row> = shown
        .map(|process| {
            let cells = columns.iter().map(|column| {
                let cell = Cell::from(aligned(column.text(process, app.counted), *column));
                match column {
                    _ if !column.is_counted(process, app.counted) => cell.style(palette.faint()),
                    Column::Graph => cell.style(palette.bars()),
                    Column::Major if process.rates.major >= 0.05 => cell.style(palette.alarm()),
                    _ => cell,
                }
            });
            let row = Row::new(cells);
            if process.has_ended() {
                row.style(palette.faint())
            } else {
                row
            }
        })
        .collect();
    if rows.is_empty() {
        let why = match (app.origin, app.filter.is_empty()) {
            (_, false) => "No process matches the filter. Esc: all",
            (Origin::Module, _) => "No process is registered. a: register one by its PID, or: userapp run -- COMMAND",
            _ => "No process.",
        };
        frame.render_widget(Paragraph::new(why), area);
        return;
    }
    let widths = columns.iter().map(|column| Constraint::Length(column.width()));
    let mut state = TableState::new().with_selected(selected.saturating_sub(from));
    let table = Table::new(rows, widths).header(Row::new(head)).column_spacing(1);
    frame.render_stateful_widget(table.row_highlight_style(palette.selected()), area, &mut state);
}

fn aligned(text: String, column: Column) -> Text<'static> {
    Text::from(text).alignment(if column.is_text() { Alignment::Left } else { Alignment::Right })
}

fn details(frame: &mut Frame, area: Rect, app: &App, process: &Process, palette: Palette) {
    let traced = u16::from(process.schedule.is_some());
    let parts = Layout::vertical([
        Constraint::Length(6 + traced),
        Constraint::Length(4),
        Constraint::Length(4),
        Constraint::Min(0),
    ]);
    let [facts, faults, cpu, threads] = parts.areas(area);
    let last = &process.last;
    let totals = &last.totals;
    let delay = |ns: u64, name: &str| {
        if app.counted.in_record(last.flags).has_named(name) {
            format!("{:.3} s", ns as f64 / 1e9)
        } else {
            NOT_COUNTED.to_owned()
        }
    };
    let times = |number: u64, name: &str| {
        if app.counted.has_named(name) {
            number.to_string()
        } else {
            NOT_COUNTED.to_owned()
        }
    };
    let mut lines = vec![
        Line::from(vec![
            Span::styled(format!("PID {}  {}", last.pid, process.name()), palette.title()),
            Span::raw(if process.has_ended() { "  (ended)" } else { "" }),
        ]),
        Line::from(format!("faults      {} minor, {} major", totals.minor_faults, totals.major_faults)),
        Line::from(format!(
            "CPU         {:.3} s user, {:.3} s system; waited for a CPU {}",
            totals.user_ns as f64 / 1e9,
            totals.system_ns as f64 / 1e9,
            delay(totals.run_delay_ns, "run_delay"),
        )),
        Line::from(format!(
            "delays      block I/O {}, swap-in {}, reclaim {}, thrashing {}",
            delay(totals.blkio_delay_ns, "blkio_delay"),
            delay(totals.swapin_delay_ns, "swapin_delay"),
            delay(totals.reclaim_delay_ns, "reclaim_delay"),
            delay(totals.thrashing_delay_ns, "thrashing_delay"),
        )),
        Line::from(format!(
            "switches    {} voluntary, {} involuntary",
            times(totals.voluntary_switches, "voluntary_switches"),
            times(totals.involuntary_switches, "involuntary_switches"),
        )),
        Line::from(format!(
            "memory      {} resident, {} in swap; {} threads",
            bytes(last.levels.resident_pages),
            if app.counted.has_named("swapped") { bytes(last.levels.swapped_pages) } else { NOT_COUNTED.into() },
            last.threads
        )),
    ];
    if let Some(schedule) = &process.schedule {
        lines.push(Line::from(format!(
            "traced      {} switches/s, waited for a CPU {:.1} %, from wake-up to CPU {} us, at most {} us",
            count(schedule.switches),
            schedule.run_delay,
            count(schedule.wakeup_us),
            count(schedule.longest_us),
        )));
    }
    frame.render_widget(Paragraph::new(lines), facts);
    let history = |value: fn(&crate::model::Point) -> f32, width: u16| -> Vec<u64> {
        let skipped = process.history.len().saturating_sub(usize::from(width));
        process.history.iter().skip(skipped).map(|point| value(point).ceil() as u64).collect()
    };
    for (area, title, value) in [
        (
            faults,
            format!("faults/s: {}", count(process.rates.faults())),
            (|point: &crate::model::Point| point.faults) as fn(&crate::model::Point) -> f32,
        ),
        (cpu, format!("CPU: {:.1} %", process.rates.cpu), |point: &crate::model::Point| point.cpu),
    ] {
        let [title_area, bars] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
        let data = history(value, bars.width);
        let highest = data.iter().copied().max().unwrap_or(0);
        frame.render_widget(Paragraph::new(format!("{title}, at most {highest}")).style(palette.head()), title_area);
        frame.render_widget(Sparkline::default().data(&data).max(highest.max(1)).style(palette.bars()), bars);
    }
    let head = format!(
        "{:>8} S {:15} {:>10} {:>8} {:>10} {:>10} {:>10}",
        "TID", "NAME", "MINOR", "MAJOR", "CPU ticks", "VOL", "INVOL"
    );
    let mut lines = vec![Line::styled(head, palette.head())];
    lines.extend(app.threads.iter().map(|thread| {
        let (voluntary, involuntary) = match thread.switches {
            Some((voluntary, involuntary)) => (voluntary.to_string(), involuntary.to_string()),
            None => (NOT_COUNTED.into(), NOT_COUNTED.into()),
        };
        Line::from(format!(
            "{:>8} {} {:15} {:>10} {:>8} {:>10} {voluntary:>10} {involuntary:>10}",
            thread.tid, thread.state, thread.name, thread.faults.0, thread.faults.1, thread.cpu_ticks
        ))
    }));
    if app.threads.is_empty() {
        lines.push(Line::styled(
            "(threads are read from /proc of this machine, while the process lives)",
            palette.faint(),
        ));
    }
    frame.render_widget(Paragraph::new(lines), threads);
}

fn help(app: &App) -> Text<'static> {
    let keys = [
        ("up, down, PgUp, PgDn, Home, End", "select a process"),
        ("left, right", "sort by another column;  r: the other way round"),
        ("Enter, Esc", "one process with its history and threads, and back"),
        ("/", "show only names or PIDs that contain a text;  Esc: all"),
        ("space", "freeze the screen; nothing is lost meanwhile"),
        ("a, d", "register a PID; unregister the selected process"),
        ("[ ] { } 0", "in a recording: 10 s or 60 s back and on; its beginning"),
        ("q, Ctrl-C", "end"),
    ];
    let mut lines: Vec<Line> = keys.map(|(key, what)| Line::from(format!("{key:>32}  {what}"))).into();
    lines.push(Line::default());
    let columns = Column::all(app.is_traced).into_iter();
    lines.extend(columns.map(|column| Line::from(format!("{:>32}  {}", column.title(), column.description()))));
    if let Some(remark) = &app.remark {
        lines.push(Line::default());
        lines.push(Line::from(remark.clone()));
    }
    Text::from(lines)
}

fn footer(app: &App, palette: Palette) -> Line<'static> {
    match (&app.prompt, &app.message) {
        (Some(Prompt::Filter(text)), _) => Line::styled(format!("filter: {text}_"), palette.notice()),
        (Some(Prompt::Register(text)), _) => Line::styled(format!("register PID: {text}_"), palette.notice()),
        (None, Some(message)) => Line::styled(message.clone(), palette.notice()),
        (None, None) => {
            let keys = match (app.view, app.origin) {
                (View::Table, Origin::Recording(..)) => {
                    "? keys  / filter  space freeze  [ ] seek  Enter details  q end"
                }
                (View::Table, Origin::Proc) => "? keys  / filter  space freeze  < > sort  Enter details  q end",
                (View::Table, Origin::Module) => {
                    "? keys  / filter  space freeze  < > sort  a register  d unregister  q end"
                }
                _ => "Esc back  q end",
            };
            Line::styled(keys, palette.faint())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::record;
    use abi::record::Flags;
    use format::columns::Counted;
    use ratatui::backend::TestBackend;
    use ratatui::Terminal;

    fn model(processes: i32) -> Model {
        let mut model = Model::default();
        for second in 0..30 {
            for pid in 1..=processes {
                let flags = if second == 0 { Flags::FIRST } else { Flags::default() };
                let faults = 100 * pid as u64 * second * second;
                model.take(&record(pid, 1000 * second, faults, 10 * second * pid as u64, flags));
            }
            model.picture();
        }
        model
    }

    fn app(model: &Model) -> App {
        let mut app = App::new(Origin::Module, "box", Counted::ALL);
        app.arrange(model);
        app
    }

    fn lines(app: &mut App, model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app, model, Palette::new(None))).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_screen_of_80_by_24() {
        let model = model(3);
        let lines = lines(&mut app(&model), &model, 80, 24);
        assert_eq!(lines[0], "mp3-top  box  module  3 processes");
        assert_eq!(lines[1], "CPU 6.0 %  faults 34200/s, 0 major  waiting for a CPU 0.0 %  switches 0/s");
        assert_eq!(
            lines[2..6],
            [
                "    PID COMMAND           CPU%  MINOR/s  MAJOR/s  RUNQ%   VOL/s     RES  THR",
                "      3 work3              3.0    17100        0    0.0       0    4.0M    1",
                "      2 work2              2.0    11400        0    0.0       0    4.0M    1",
                "      1 work1              1.0     5700        0    0.0       0    4.0M    1",
            ]
        );
        assert_eq!(lines[23], "? keys  / filter  space freeze  < > sort  a register  d unregister  q end");
    }

    #[test]
    fn a_wide_screen_has_delays_and_bars() {
        let model = model(1);
        let lines = lines(&mut app(&model), &model, 160, 10);
        assert!(lines[2].ends_with("SWAP  THR FAULTS"), "{}", lines[2]);
        assert!(lines[3].contains(" n/a ") && lines[3].ends_with("▆▇▇▇▇████"), "{}", lines[3]);
    }

    #[test]
    fn the_selected_row_is_always_seen() {
        let model = model(100);
        let mut app = app(&model);
        app.selected = Some(1);
        let lines = lines(&mut app, &model, 80, 24);
        assert!(lines[22].contains(" 1 work1 "), "{}", lines[22]);
        assert!(lines[2].contains("COMMAND"));
    }

    #[test]
    fn details_show_totals_history_and_threads() {
        let model = model(2);
        let mut app = app(&model);
        app.view = View::Details(2);
        app.threads = vec![crate::threads::Thread {
            tid: 7,
            name: "helper".into(),
            state: 'S',
            faults: (5, 1),
            cpu_ticks: 9,
            switches: Some((3, 4)),
        }];
        let lines = lines(&mut app, &model, 80, 24);
        assert_eq!(lines[2], "PID 2  work2");
        assert_eq!(lines[3], "faults      168200 minor, 0 major");
        assert!(lines[5].contains("block I/O n/a"), "{}", lines[5]);
        assert_eq!(lines[8], "faults/s: 11400, at most 11400");
        assert!(lines[11].contains('█'), "{}", lines[11]);
        assert!(lines[17].contains("       7 S helper"), "{}", lines[17]);
    }

    #[test]
    fn states_are_said_in_words() {
        let mut model = model(2);
        model.lost = 12;
        let mut app = app(&model);
        (app.frozen, app.filter, app.origin) =
            (true, "work".into(), Origin::Recording(65_000_000_000, 3_600_000_000_000));
        let first = &lines(&mut app, &model, 120, 10)[0];
        assert!(first.contains("recording 00:01:05 of 01:00:00"), "{first}");
        assert!(first.ends_with("FROZEN  filter: work  lost: 12 records"), "{first}");
        app.prompt = Some(Prompt::Register("12".into()));
        assert_eq!(lines(&mut app, &model, 80, 10)[9], "register PID: 12_");
    }

    #[test]
    fn nothing_to_show_says_what_to_do() {
        let model = Model::default();
        let mut app = app(&model);
        assert!(lines(&mut app, &model, 80, 24)[2].contains("a: register one by its PID"));
        app.filter = "x".into();
        assert!(lines(&mut app, &model, 80, 24)[2].contains("No process matches"));
    }

    #[test]
    fn every_size_can_be_drawn() {
        let model = model(30);
        for view in [View::Table, View::Details(3), View::Details(999), View::Help] {
            for (width, height) in [(1, 1), (30, 6), (79, 3), (80, 24), (81, 25), (300, 100)] {
                let mut app = app(&model);
                app.view = view;
                lines(&mut app, &model, width, height);
            }
        }
    }
}
