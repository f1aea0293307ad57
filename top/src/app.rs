// SPDX-License-Identifier: GPL-2.0

//! What is shown, and what a key does to it.

use crate::column::Column;
use crate::model::{Model, Process};
use crate::threads::Thread;
use format::columns::Counted;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All processes.
    Table,
    /// One of them: its registration.
    Details(u64),
    /// What the keys do.
    Help,
}

/// A line that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text that names or PIDs contain.
    Filter(String),
    /// A PID to register.
    Register(String),
}

/// What the caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing but a new picture.
    Draw,
    /// End.
    Quit,
    /// Register this PID.
    Register(i32),
    /// Unregister this PID.
    Unregister(i32),
    /// Go so many seconds on in the recording, or back.
    Seek(i64),
    /// Go to the beginning of the recording.
    Rewind,
    /// Stop until continued, as a shell's Ctrl-Z does.
    Suspend,
}

/// Where the samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The module.
    Module,
    /// `/proc`.
    Proc,
    /// A recording: where it stands and how long it is, ns.
    Recording(u64, u64),
}

/// The state of the screen.
#[derive(Debug)]
pub struct App {
    /// What is on the screen.
    pub view: View,
    /// The view that help came from.
    behind: View,
    /// Rows are sorted by this column.
    pub sort: Column,
    /// The other way round.
    pub reverse: bool,
    /// Names or PIDs contain this.
    pub filter: String,
    /// A line that is being typed.
    pub prompt: Option<Prompt>,
    /// Nothing moves.
    pub frozen: bool,
    /// The selected process: the one in the top row, until the user has chosen another.
    pub selected: Option<u64>,
    /// The user has chosen it: it stays selected wherever its row goes.
    chosen: bool,
    /// The registrations shown, in order.
    pub rows: Vec<u64>,
    /// Rows that fit on the screen, for whole pages.
    pub page: usize,
    /// The last thing that happened.
    pub message: Option<String>,
    /// Where samples come from.
    pub origin: Origin,
    /// The machine they are of.
    pub host: String,
    /// What the source lacks, or why it is not the module.
    pub remark: Option<String>,
    /// Counters that the source has.
    pub counted: Counted,
    /// The tracer's events are read, too.
    pub is_traced: bool,
    /// The threads of the process whose details are shown.
    pub threads: Vec<Thread>,
}

impl App {
    /// All processes, those with most faults first.
    pub fn new(origin: Origin, host: &str, counted: Counted) -> Self {
        App {
            view: View::Table,
            behind: View::Table,
            sort: Column::Minor,
            reverse: false,
            filter: String::new(),
            prompt: None,
            frozen: false,
            selected: None,
            chosen: false,
            rows: vec![],
            page: 10,
            message: None,
            origin,
            host: host.to_owned(),
            remark: None,
            counted,
            is_traced: false,
            threads: vec![],
        }
    }

    /// Puts the rows in order. To be called after a picture and after a key.
    pub fn arrange(&mut self, model: &Model) {
        let mut rows: Vec<&Process> = model.processes().filter(|process| self.is_shown(process)).collect();
        rows.sort_by(|one, other| {
            let order = self.sort.compare(one, other);
            if self.reverse {
                order.reverse()
            } else {
                order
            }
        });
        self.rows = rows.iter().map(|process| process.last.registration).collect();
        self.chosen &= self.selected.is_some_and(|selected| self.rows.contains(&selected));
        if !self.chosen {
            self.selected = self.rows.first().copied();
        }
    }

    fn is_shown(&self, process: &Process) -> bool {
        let wanted = match &self.prompt {
            Some(Prompt::Filter(typed)) => typed,
            _ => &self.filter,
        };
        wanted.is_empty()
            || process.name().to_lowercase().contains(&wanted.to_lowercase())
            || process.last.pid.to_string().contains(wanted)
    }

    /// The row that is selected.
    pub fn place(&self) -> Option<usize> {
        self.rows.iter().position(|row| Some(*row) == self.selected)
    }

    fn step(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        let place = self.place().unwrap_or(0).saturating_add_signed(by).min(last);
        self.selected = self.rows.get(place).copied();
        // Who goes to the top wants to see what is there.
        self.chosen = place > 0;
    }

    fn sort_by_next(&mut self, forward: bool) {
        let columns = Column::all(self.is_traced);
        let place = columns.iter().position(|column| *column == self.sort).unwrap_or(0);
        self.sort = columns[(place + if forward { 1 } else { columns.len() - 1 }) % columns.len()];
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, model: &Model) -> Action {
        self.message = None;
        let action = self.act(key, model);
        self.arrange(model);
        action
    }

    fn act(&mut self, key: KeyEvent, model: &Model) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Action::Quit,
                KeyCode::Char('z') => Action::Suspend,
                _ => Action::Draw,
            };
        }
        if let Some(prompt) = self.prompt.take() {
            return self.typed(prompt, key.code);
        }
        let is_recording = matches!(self.origin, Origin::Recording(..));
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Esc | KeyCode::Backspace => match self.view {
                View::Help => self.view = self.behind,
                View::Details(_) => self.view = View::Table,
                View::Table => self.filter.clear(),
            },
            KeyCode::Char('?' | 'h') if self.view != View::Help => {
                self.behind = self.view;
                self.view = View::Help;
            }
            KeyCode::Char(' ') => self.frozen = !self.frozen,
            KeyCode::Char('/') => self.prompt = Some(Prompt::Filter(self.filter.clone())),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-(self.page as isize)),
            KeyCode::PageDown => self.step(self.page as isize),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.step(isize::MAX),
            KeyCode::Left | KeyCode::Char('<') => self.sort_by_next(false),
            KeyCode::Right | KeyCode::Char('>') => self.sort_by_next(true),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Enter => {
                if let (View::Table, Some(selected)) = (self.view, self.selected) {
                    self.chosen = true;
                    self.view = View::Details(selected);
                }
            }
            KeyCode::Char('[') if is_recording => return Action::Seek(-10),
            KeyCode::Char(']') if is_recording => return Action::Seek(10),
            KeyCode::Char('{') if is_recording => return Action::Seek(-60),
            KeyCode::Char('}') if is_recording => return Action::Seek(60),
            KeyCode::Char('0') if is_recording => return Action::Rewind,
            KeyCode::Char('a' | 'd') if is_recording => {
                self.message = Some("a recording cannot be changed".into());
            }
            KeyCode::Char('a' | 'd') if self.origin == Origin::Proc => {
                self.message = Some("without the module, every process is shown: none is registered".into());
            }
            KeyCode::Char('a') => self.prompt = Some(Prompt::Register(String::new())),
            KeyCode::Char('d') => {
                let registration = match self.view {
                    View::Details(registration) => Some(registration),
                    _ => self.selected,
                };
                if let Some(process) = registration.and_then(|registration| model.process(registration)) {
                    return Action::Unregister(process.last.pid);
                }
            }
            _ => {}
        }
        Action::Draw
    }

    fn typed(&mut self, prompt: Prompt, key: KeyCode) -> Action {
        let (is_filter, mut text) = match prompt {
            Prompt::Filter(text) => (true, text),
            Prompt::Register(text) => (false, text),
        };
        match key {
            KeyCode::Esc => return Action::Draw,
            KeyCode::Enter if is_filter => {
                self.filter = text;
                return Action::Draw;
            }
            KeyCode::Enter => match text.trim().parse::<i32>() {
                Ok(pid) if pid > 0 => return Action::Register(pid),
                _ => {
                    self.message = Some(format!("'{text}' is no PID"));
                    return Action::Draw;
                }
            },
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(letter) if text.len() < 64 => text.push(letter),
            _ => {}
        }
        self.prompt = Some(if is_filter { Prompt::Filter(text) } else { Prompt::Register(text) });
        Action::Draw
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::record;
    use abi::record::Flags;

    fn model() -> Model {
        let mut model = Model::default();
        for pid in 1..=20 {
            model.take(&record(pid, 0, 0, 0, Flags::FIRST));
        }
        model.picture();
        for pid in 1..=20 {
            model.take(&record(pid, 1000, 10 * pid as u64, 100 - pid as u64, Flags::default()));
        }
        model.picture();
        model
    }

    fn press(app: &mut App, model: &Model, keys: &str) -> Action {
        let mut action = Action::Draw;
        for letter in keys.chars() {
            let code = match letter {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                '↓' => KeyCode::Down,
                '→' => KeyCode::Right,
                '←' => KeyCode::Left,
                letter => KeyCode::Char(letter),
            };
            action = app.key(KeyEvent::new(code, KeyModifiers::NONE), model);
        }
        action
    }

    fn app(model: &Model) -> App {
        let mut app = App::new(Origin::Module, "box", Counted::ALL);
        app.arrange(model);
        app
    }

    #[test]
    fn the_top_row_is_selected_until_another_is_chosen() {
        let mut model = model();
        let mut app = App::new(Origin::Proc, "host", Counted::ALL);
        app.arrange(&model);
        assert_eq!(app.selected, Some(20));
        model.take(&record(5, 2000, 5000, 0, Flags::default()));
        model.picture();
        app.arrange(&model);
        assert_eq!((app.selected, app.place()), (Some(5), Some(0)));
        press(&mut app, &model, "↓");
        let chosen = app.selected;
        model.take(&record(7, 3000, 90_000, 0, Flags::default()));
        model.picture();
        app.arrange(&model);
        assert_eq!(app.selected, chosen);
        app.key(KeyEvent::new(KeyCode::Home, KeyModifiers::NONE), &model);
        assert_eq!((app.selected, app.place()), (Some(7), Some(0)));
    }

    #[test]
    fn rows_are_sorted_and_the_selected_process_stays_selected() {
        let model = model();
        let mut app = app(&model);
        assert_eq!((app.rows[0], app.selected), (20, Some(20)));
        press(&mut app, &model, "↓↓");
        assert_eq!(app.selected, Some(18));
        press(&mut app, &model, "r");
        assert_eq!((app.rows[0], app.selected, app.place()), (1, Some(18), Some(17)));
        press(&mut app, &model, "r←");
        assert_eq!((app.sort, app.rows[0], app.selected), (Column::Cpu, 1, Some(18)));
    }

    #[test]
    fn a_filter_is_seen_while_it_is_typed_and_can_be_left() {
        let model = model();
        let mut app = app(&model);
        press(&mut app, &model, "/RK1");
        assert_eq!(app.rows.len(), 11);
        press(&mut app, &model, "9\n");
        assert_eq!((app.rows.as_slice(), app.filter.as_str(), app.selected), (&[19][..], "RK19", Some(19)));
        press(&mut app, &model, "/x\x1b");
        assert_eq!((app.filter.as_str(), app.rows.len()), ("RK19", 1));
        press(&mut app, &model, "\x1b");
        assert_eq!(app.rows.len(), 20);
    }

    #[test]
    fn keys_register_and_unregister() {
        let model = model();
        let mut app = app(&model);
        assert_eq!(press(&mut app, &model, "a123\n"), Action::Register(123));
        assert_eq!(press(&mut app, &model, "ax\n"), Action::Draw);
        assert_eq!(app.message.as_deref(), Some("'x' is no PID"));
        assert_eq!(press(&mut app, &model, "d"), Action::Unregister(20));
        app.origin = Origin::Proc;
        assert_eq!(press(&mut app, &model, "d"), Action::Draw);
        assert!(app.message.unwrap().contains("without the module"));
    }

    #[test]
    fn details_and_help_are_left_the_way_they_were_entered() {
        let model = model();
        let mut app = app(&model);
        press(&mut app, &model, "\n?");
        assert_eq!(app.view, View::Help);
        press(&mut app, &model, "\x1b");
        assert_eq!(app.view, View::Details(20));
        press(&mut app, &model, "\x1b");
        assert_eq!(app.view, View::Table);
        assert_eq!(press(&mut app, &model, "]"), Action::Draw);
        app.origin = Origin::Recording(0, 1);
        assert_eq!(press(&mut app, &model, "]"), Action::Seek(10));
        assert_eq!(press(&mut app, &model, "q"), Action::Quit);
    }

    #[test]
    fn no_key_is_wrong_where_there_is_no_process() {
        let model = Model::default();
        let mut app = app(&model);
        for key in "jk\nd r<>?\x1b↓/x\n".chars() {
            assert_eq!(press(&mut app, &model, &key.to_string()), Action::Draw);
        }
        assert_eq!(app.selected, None);
    }
}
