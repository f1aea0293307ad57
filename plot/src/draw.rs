// SPDX-License-Identifier: GPL-2.0

//! Profiles to files.

use anyhow::{bail, Context, Result};
use format::comments::Comments;
use format::input::Lines;
use plot::cli::Arguments;
use plot::figure::profile::{figure, Source};
use plot::save::has_extension;
use plot::{processes, profile, save};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Processes drawn of a file that holds many: as many as there are colours.
const PROCESSES: usize = 7;

/// Draws the profiles; returns the text for standard output.
pub fn profiles(arguments: &Arguments) -> Result<String> {
    let outputs = outputs(arguments)?;
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    let mut origin = None;
    for path in &arguments.files {
        let (read, not_drawn, comments) = read(path, arguments)?;
        if arguments.files.len() == 1 {
            origin = machine(&comments);
        }
        sources.extend(read);
        left_out.extend(not_drawn);
    }
    let svg = figure(&sources, &left_out, origin).svg()?;
    if outputs == [Path::new(STDOUT)] {
        return Ok(svg);
    }
    let mut said = String::new();
    for source in &sources {
        writeln!(said, "{}: {}", source.name, source.totals())?;
    }
    for output in &outputs {
        save::figure(&svg, output)?;
        writeln!(said, "{}", output.display())?;
    }
    Ok(said)
}

fn read(path: &Path, arguments: &Arguments) -> Result<(Vec<Source>, Vec<Source>, Comments)> {
    let mut lines = Lines::open(path)?;
    let opening = profile::opening(&mut lines)?;
    if opening.first.as_ref().is_some_and(|(line, _)| processes::is_header_row(line)) {
        let read = processes::read(lines, opening)?;
        notify(&read.path, &read.notices);
        let (drawn, left_out) = of_processes(&read)?;
        return Ok((drawn, left_out, read.comments));
    }
    let read = profile::read(lines, opening, arguments.hz)?;
    notify(&read.path, &read.notices);
    let source = Source {
        name: name(path, &arguments.files),
        samples: read.samples,
        rate_reached_hz: read.rate_reached_hz(),
        length_error_percent: Some(100.0 / read.clock.nominal_jiffies()),
        trace: read.trace,
    };
    Ok((vec![source], Vec::new(), read.comments))
}

/// The processes that are drawn, and the others.
fn of_processes(read: &processes::Processes) -> Result<(Vec<Source>, Vec<Source>)> {
    let mut sources = Vec::new();
    for process in &read.list {
        let trace = read.trace(process).with_context(|| read.path.clone())?;
        let name = format!("{} {}", process.pid, process.comm);
        sources.push(Source {
            name,
            samples: process.samples,
            rate_reached_hz: None,
            length_error_percent: None,
            trace,
        });
    }
    let mut left_out = Vec::new();
    if sources.len() > PROCESSES {
        sources.sort_by_key(|source| std::cmp::Reverse(source.trace.totals().faults()));
        left_out = sources.split_off(PROCESSES);
        let count = left_out.len();
        notify(&read.path, &[format!("the {PROCESSES} processes with most faults are drawn, {count} others are not")]);
    }
    Ok((sources, left_out))
}

fn notify(path: &str, notices: &[String]) {
    for notice in notices {
        // Where stderr is gone, the figure is what counts.
        let _ = writeln!(io::stderr(), "plot: {path}: {notice}");
    }
}

/// The file's name, or its whole path where two files have the same name.
fn name(path: &Path, all: &[PathBuf]) -> String {
    let short = path.file_name();
    if path == Path::new("-") {
        return "standard input".into();
    }
    match short {
        Some(short) if all.iter().filter(|other| other.file_name() == Some(short)).count() == 1 => {
            short.to_string_lossy().into_owned()
        }
        _ => path.display().to_string(),
    }
}

fn machine(Comments { preamble, .. }: &Comments) -> Option<String> {
    let kernel = preamble.kernel.as_ref().map(|kernel| format!("Linux {}", kernel.trim_start_matches("Linux ")));
    let start = preamble.start.as_deref().map(to_the_second);
    let known: Vec<String> = [preamble.host.clone(), kernel, start].into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(" · "))
}

/// `2026-11-20T23:14:00.123Z` for readers: `2026-11-20 23:14:00 UTC`.
fn to_the_second(start: &str) -> String {
    match start.strip_suffix('Z').and_then(|start| start.split_once('T')) {
        Some((day, time)) => format!("{day} {} UTC", time.split('.').next().unwrap_or(time)),
        None => start.to_owned(),
    }
}

/// Files to write. `-` is standard output, for one SVG.
fn outputs(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    let first = &arguments.files[0];
    let default = if first == Path::new("-") { PathBuf::from("profile") } else { stem(first) };
    let outputs = match &arguments.output {
        Some(path) if path == Path::new(STDOUT) => vec![path.clone()],
        Some(path) if is_directory(path) => each(&path.join(default.file_name().unwrap_or_default())),
        Some(path) if has_extension(path, "svg") || has_extension(path, "png") => vec![path.clone()],
        Some(path) => match OTHERS.iter().find(|other| has_extension(path, other)) {
            Some(other) => bail!("{}: no figure is drawn as .{other}; there are .svg and .png", path.display()),
            None => each(path),
        },
        None => each(&default),
    };
    if let Some(clash) =
        outputs.iter().filter(|path| *path != Path::new(STDOUT)).find(|output| arguments.files.contains(output))
    {
        bail!("{}: would be overwritten by its own picture; name another with -o", clash.display());
    }
    Ok(outputs)
}

/// What stands for standard input and standard output.
const STDOUT: &str = "-";

/// Extensions of what is not drawn: they are no part of a name.
const OTHERS: [&str; 7] = ["pdf", "jpg", "jpeg", "html", "eps", "ps", "webp"];

/// Whether `path` names a directory, by its end or because it is one.
fn is_directory(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

fn each(stem: &Path) -> Vec<PathBuf> {
    save::EXTENSIONS
        .iter()
        .map(|extension| {
            let mut path = stem.as_os_str().to_owned();
            path.push(".");
            path.push(extension);
            path.into()
        })
        .collect()
}

/// `a/b.data.gz` without its extensions: `a/b`.
fn stem(path: &Path) -> PathBuf {
    let plain = if has_extension(path, "gz") { path.with_extension("") } else { path.to_owned() };
    plain.with_extension("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(files: &[&str], output: Option<&str>) -> Arguments {
        Arguments { files: files.iter().map(PathBuf::from).collect(), output: output.map(PathBuf::from), hz: None }
    }

    fn written(files: &[&str], output: Option<&str>) -> Vec<String> {
        outputs(&arguments(files, output)).unwrap().iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    #[cfg(feature = "png")]
    fn outputs_stand_beside_the_first_file() {
        assert_eq!(written(&["out/profile.data", "b.data"], None), ["out/profile.svg", "out/profile.png"]);
        assert_eq!(written(&["a.b.data.gz"], None), ["a.b.svg", "a.b.png"]);
        assert_eq!(written(&["-"], None), ["profile.svg", "profile.png"]);
        assert_eq!(written(&["a.data"], Some("x/y.png")), ["x/y.png"]);
        assert_eq!(written(&["a.data"], Some("x/v1.2")), ["x/v1.2.svg", "x/v1.2.png"]);
        assert_eq!(written(&["in/a.data.gz"], Some("out/")), ["out/a.svg", "out/a.png"]);
        assert_eq!(written(&["-"], Some("/tmp")), ["/tmp/profile.svg", "/tmp/profile.png"]);
        assert_eq!(written(&["a.data"], Some("-")), ["-"]);
        let refused = outputs(&arguments(&["a.data"], Some("a.pdf"))).unwrap_err().to_string();
        assert_eq!(refused, "a.pdf: no figure is drawn as .pdf; there are .svg and .png");
        assert!(outputs(&arguments(&["a.svg"], None)).is_err());
    }

    #[test]
    fn a_start_is_written_to_the_second() {
        assert_eq!(to_the_second("2026-11-20T23:14:00.123456Z"), "2026-11-20 23:14:00 UTC");
        assert_eq!(to_the_second("yesterday"), "yesterday");
    }

    #[test]
    fn files_are_called_by_name_unless_that_is_taken() {
        let files = ["a/p.data", "b/p.data", "q.data"].map(PathBuf::from);
        let names: Vec<String> = files.iter().map(|path| name(path, &files)).collect();
        assert_eq!(names, ["a/p.data", "b/p.data", "q.data"]);
    }
}
