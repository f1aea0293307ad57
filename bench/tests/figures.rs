// SPDX-License-Identifier: GPL-2.0

//! `mp3-bench figures`: the benchmark's file to figures. Its figures here are invented, and the file says so.

use bench::figures::{lateness, machine, profiled, sampling};
use bench::report::{Clock, Report, Row, Section};
use plot::figure::bars::{Bar, BarFigure};
use plot::panel::Item;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const NAMES: [&str; 4] = ["bench-sampling", "bench-machine", "bench-profiled", "bench-lateness"];

/// A directory of its own, removed with its owner.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mp3-bench-figures-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn draw(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mp3-bench"))
            .arg("figures")
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn invented() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invented.json")
}

fn report() -> Report {
    let mut report = Report::read(&invented()).unwrap();
    report.set_ratios();
    report
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bars(figure: &BarFigure) -> Vec<&Bar> {
    figure.groups.iter().flat_map(|group| &group.bars).collect()
}

#[test]
fn every_figure_is_drawn_twice_beside_the_file_and_always_alike() {
    let dir = Dir::new();
    fs::copy(invented(), dir.0.join("bench.json")).unwrap();
    let output = dir.draw(&["bench.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let expected: String = NAMES.iter().map(|name| format!("./{name}.svg\n./{name}.png\n")).collect();
    assert_eq!(text(&output.stdout), expected);
    let again = dir.draw(&["bench.json", "-o", "a/b"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    for name in NAMES {
        assert_eq!(dir.read(&format!("{name}.svg")), dir.read(&format!("a/b/{name}.svg")), "{name}");
        let png = fs::read(dir.0.join(format!("{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{name}: {} bytes", png.len());
        assert!(dir.read(&format!("{name}.svg")).contains("test data invented, measured nowhere"), "{name}");
    }
    let wanted = [
        (
            "bench-sampling",
            &["/proc, opened each time", "9,000 ×22.5", "45,100 ×98.0 at 100", "10k", "(instructions, "][..],
        ),
        ("bench-machine", &["21 % (20–23) ×11.1", "1.90 % (1.79–2.05)", "(% of a CPU, logarithmic)"]),
        ("bench-profiled", &["−0.0200 % (−0.0280 to −0.0096)<", "0 %<", "41 % (25–62) ×3,417"]),
        ("bench-lateness", &["20 Hz, busy", "mp3: 35, 98.8, 181", "(µs, logarithmic)", "100 %"]),
    ];
    for (name, texts) in wanted {
        // A text's end beside its last word, so that it can be asked for.
        let svg = dir.read(&format!("{name}.svg")).replace("\n</text>", "</text>");
        for text in texts {
            assert!(svg.contains(text), "{name}: {text} is missing in\n{svg}");
        }
        assert!(
            !svg.contains("\n777<") && !svg.contains("\n888 %<"),
            "{name} shows figures of another clock or quantity"
        );
    }
}

#[test]
fn sampling_is_a_line_a_subject_through_all_its_measurements() {
    let figure = sampling(&report()).unwrap();
    let panel = &figure.panels[0].0;
    assert!(panel.y.logarithmic && figure.x.axis.logarithmic);
    assert_eq!(figure.x.axis.labels, [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
    assert_eq!(panel.y.labels, [100.0, 1000.0, 10_000.0, 100_000.0]);
    let drawn = |marks: bool| -> Vec<Vec<(f64, f64)>> {
        let items = panel.items.iter().filter_map(|item| match item {
            Item::Line { points, .. } if !marks => Some(points.clone()),
            Item::Marks { points, .. } if marks => Some(points.clone()),
            _ => None,
        });
        items.collect()
    };
    let lines = drawn(false);
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], [(1.0, 2600.0), (100.0, 460.0), (10_000.0, 400.0)], "mp3 first, in order of processes");
    assert_eq!(lines, drawn(true));
    let names: Vec<(&str, &str)> = panel
        .items
        .iter()
        .filter_map(
            |item| if let Item::Name { name, detail, .. } = item { Some((&**name, detail.trim())) } else { None },
        )
        .collect();
    assert_eq!(names[0], ("mp3", "400"), "mp3 is the reference");
    assert_eq!(names[1], ("BPF task iterator", "900 ×2.25"));
}

#[test]
fn without_counted_instructions_time_is_drawn() {
    let mut report = report();
    report.rows.retain(|row| row.clock != Clock::Instructions);
    let figure = sampling(&report).unwrap();
    assert_eq!(figure.panels[0].0.unit, "(ns, logarithmic)");
    assert!(figure.caption[0].contains("Single runs, measured in time that passed"), "{:?}", figure.caption);
    assert!(figure.svg().unwrap().contains("\n777\n</text>"));
}

#[test]
fn bars_are_in_order_and_mp3_stands_out() {
    let figure = machine(&report()).unwrap();
    let names: Vec<&str> = bars(&figure).iter().map(|bar| &*bar.name).collect();
    assert_eq!(names, ["mp3", "taskstats", "pidstat 1"]);
    assert_eq!(bars(&figure).iter().filter(|bar| bar.stands_out).count(), 1);
    let axis = figure.axis();
    let parts: Vec<f64> = bars(&figure).iter().map(|bar| axis.part(bar.value)).collect();
    assert!(0.0 < parts[0] && parts.windows(2).all(|pair| pair[0] < pair[1]) && parts[2] <= 1.0, "{parts:?}");
}

#[test]
fn nought_and_less_have_a_number_and_no_bar() {
    let figure = profiled(&report()).unwrap();
    let axis = figure.axis();
    let of = |name: &str| bars(&figure).into_iter().find(|bar| bar.name == name).unwrap().clone();
    for (name, written) in [("/proc, kept open", "−0.0200 %"), ("BPF task iterator", "0 %")] {
        assert_eq!(axis.part(of(name).value), 0.0);
        assert!(of(name).text.starts_with(written) && !of(name).text.contains('×'), "{}", of(name).text);
    }
    assert!(axis.part(of("mp3").value) > 0.0);
    // A comparison with what is lost in the noise is none.
    let mut noisy = report();
    for row in noisy.rows.iter_mut().filter(|row| row.section == Section::Profiled && row.subject == "mp3") {
        row.low = -1.0;
    }
    noisy.set_ratios();
    assert!(bars(&profiled(&noisy).unwrap()).iter().all(|bar| !bar.text.contains('×')));
}

#[test]
fn each_parameter_has_bars_of_its_own() {
    let mut report = report();
    let faster: Vec<Row> = report
        .rows
        .iter()
        .filter(|row| row.section == Section::Profiled)
        .map(|row| Row { parameter: Some(1000.0), ..row.clone() })
        .collect();
    // The file's order is not the figure's.
    report.rows.splice(0..0, faster);
    let figure = profiled(&report).unwrap();
    let titles: Vec<&str> = figure.groups.iter().map(|group| &*group.title).collect();
    assert_eq!(titles, ["20 Hz", "1,000 Hz"]);
    assert!(figure.groups.iter().all(|group| group.bars.len() == 6));
    assert!(figure.svg().unwrap().contains("1,000 Hz"));
}

#[test]
fn lateness_is_a_panel_a_condition_in_microseconds() {
    let figure = lateness(&report()).unwrap();
    let titles: Vec<&str> = figure.panels.iter().map(|(panel, _)| &*panel.title).collect();
    assert_eq!(titles, ["20 Hz, idle", "20 Hz, busy", "250 Hz, idle"]);
    let counts: Vec<usize> = figure.panels.iter().map(|(panel, _)| panel.legend.len()).collect();
    assert_eq!(counts, [3, 3, 1]);
    let marks: Vec<_> = figure.panels[0]
        .0
        .items
        .iter()
        .filter_map(|item| if let Item::Marks { points, .. } = item { Some(points) } else { None })
        .collect();
    assert_eq!(marks[0].first(), Some(&(35.0, 50.0)), "35,000 ns are the median");
    assert_eq!(marks[0].last().map(|&(_, share)| share), Some(100.0));
    assert!(figure.x.axis.logarithmic && figure.x.axis.labels.len() >= 2);
}

#[test]
fn what_was_not_measured_is_not_drawn_and_said() {
    let dir = Dir::new();
    let mut report = report();
    report.rows.retain(|row| row.section == Section::Machine);
    report.distributions.clear();
    report.write(&dir.0.join("some.json")).unwrap();
    let output = dir.draw(&["some.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "./bench-machine.svg\n./bench-machine.png\n");
    assert_eq!(
        text(&output.stderr),
        "mp3-bench: some.json: bench-sampling is not drawn: nothing of section sampling in the file\n\
         mp3-bench: some.json: bench-profiled is not drawn: nothing of section profiled in the file\n\
         mp3-bench: some.json: bench-lateness is not drawn: nothing of section lateness in the file\n"
    );
}

#[test]
fn a_file_without_figures_is_an_error_of_one_line() {
    let dir = Dir::new();
    let complaint = |content: &str| {
        fs::write(dir.0.join("bad.json"), content).unwrap();
        let output = dir.draw(&["bad.json"]);
        assert_eq!(output.status.code(), Some(1), "{content}");
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        said.strip_prefix("mp3-bench: bad.json: ").unwrap_or_else(|| panic!("{said}")).trim_end().to_owned()
    };
    assert_eq!(complaint(""), "empty: no figures");
    assert_eq!(
        complaint(r#"{"format": "mp3-bench 1", "versions": {}, "rows": [], "distributions": []}"#),
        "nothing to draw: no figures of sections sampling, machine, profiled or lateness"
    );
    assert_eq!(complaint(r#"{"format": "mp3-bench 7"}"#), "format 'mp3-bench 7', where 'mp3-bench 1' is read");
    assert!(complaint("# mp3 profile 1\n").starts_with("not a file of mp3-bench: expected"));
    assert!(complaint(r#"{"format": "mp3-bench 1", "rows": 3}"#).starts_with("not a file of mp3-bench: invalid type"));
    assert!(text(&dir.draw(&["nowhere.json"]).stderr).starts_with("mp3-bench: nowhere.json: No such file"));
    assert_eq!(dir.draw(&[]).status.code(), Some(2));
}
