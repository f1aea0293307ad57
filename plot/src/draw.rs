// SPDX-License-Identifier: GPL-2.0

//! Profiles to files.

use anyhow::{bail, Context, Result};
use format::comments::Comments;
use format::input::Lines;
use plot::choice::{Drawn, Key, MOST};
use plot::cli::Arguments;
use plot::figure::profile::{figure, Source};
use plot::interval::CLASSIC_RATE_HZ;
use plot::page::data::{self, Group, Series};
use plot::processes::Process;
use plot::save::has_extension;
use plot::{page, processes, profile, save};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file, read.
enum Read {
    /// Four columns.
    Profile(profile::Profile),
    /// A row or an object per process and tick.
    Processes(processes::Processes),
}

/// Draws the profiles; returns the text for standard output.
pub fn profiles(arguments: &Arguments) -> Result<String> {
    let outputs = outputs(arguments)?;
    if let [output] = &outputs[..] {
        if has_extension(output, PAGE) {
            return page(arguments, output);
        }
    }
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    let mut origin = None;
    for path in &arguments.files {
        let (read, not_drawn, comments) = sources_of(path, arguments)?;
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

/// Writes the page of the files to `output`.
fn page(arguments: &Arguments, output: &Path) -> Result<String> {
    let mut groups = Vec::new();
    for path in &arguments.files {
        let called = name(path, &arguments.files);
        let (run, comments) = match read(path, arguments)? {
            Read::Profile(read) => {
                let run = data::Run {
                    name: called.clone(),
                    cpus: read.comments.preamble.cpus,
                    nominal_s: 1.0 / read.comments.preamble.rate_hz.unwrap_or(CLASSIC_RATE_HZ),
                    waits: Vec::new(),
                    delays: read.comments.preamble.delays.clone(),
                    series: vec![Series::sum(&read.trace, 0.0)],
                };
                (run, read.comments)
            }
            Read::Processes(mut read) => {
                // Before processes are chosen: the sum is that of all.
                let sum = Series::sum_of(&read);
                let drawn: Vec<Process> =
                    chosen(&read, arguments, usize::MAX)?.0.into_iter().map(|(process, _)| process.clone()).collect();
                read.list = drawn;
                let cpus = read.comments.preamble.cpus;
                let run =
                    data::Run::new(&called, cpus, &read, sum, |process| format!("{} {}", process.pid, process.comm));
                (run, read.comments)
            }
        };
        let mut said: Vec<String> = machine(&comments).into_iter().collect();
        said.extend(comments.trailer.notices());
        groups.push((Group { name: called, trends: Vec::new(), runs: vec![run] }, said));
    }
    let page = page::of_files(groups)?;
    std::fs::write(output, page).with_context(|| format!("{}: cannot be written", output.display()))?;
    Ok(format!("{}\n", output.display()))
}

fn read(path: &Path, arguments: &Arguments) -> Result<Read> {
    let mut lines = Lines::open(path)?;
    let opening = profile::opening(&mut lines)?;
    if opening.first.as_ref().is_some_and(|(line, _)| processes::is_header_row(line)) {
        let read = processes::read(lines, opening)?;
        notify(&read.path, &read.notices);
        return Ok(Read::Processes(read));
    }
    let read = profile::read(lines, opening, arguments.hz)?;
    notify(&read.path, &read.notices);
    Ok(Read::Profile(read))
}

/// The lines of a file, those that belong to its sums only, and its comments.
fn sources_of(path: &Path, arguments: &Arguments) -> Result<(Vec<Source>, Vec<Source>, Comments)> {
    match read(path, arguments)? {
        Read::Processes(read) => {
            let (drawn, left_out) = chosen(&read, arguments, MOST)?;
            let sources = |list: Vec<Drawn>| list.into_iter().map(source_of).collect();
            Ok((sources(drawn), sources(left_out), read.comments.clone()))
        }
        Read::Profile(read) => {
            let source = Source {
                name: name(path, &arguments.files),
                samples: read.samples,
                rate_reached_hz: read.rate_reached_hz(),
                length_error_percent: Some(100.0 / read.clock.nominal_jiffies()),
                trace: read.trace,
            };
            Ok((vec![source], Vec::new(), read.comments))
        }
    }
}

/// The processes that are drawn, and the others. `most` counts where the user did not say.
fn chosen<'a>(
    read: &'a processes::Processes,
    arguments: &Arguments,
    most: usize,
) -> Result<(Vec<Drawn<'a>>, Vec<Drawn<'a>>)> {
    let choice = &arguments.choice;
    if let [unknown, ..] = choice.unknown(&read.list)[..] {
        bail!("{}: no process is called '{unknown}' or has this PID", read.path);
    }
    let traced = read.list.iter().map(|process| {
        let trace = read.trace(process).with_context(|| read.path.clone())?;
        Ok((process, trace))
    });
    let (drawn, left_out) = choice.split(traced.collect::<Result<_>>()?, most);
    if !left_out.is_empty() && choice.named.is_empty() {
        let (count, others) = (drawn.len(), left_out.len());
        let first = match choice.by.unwrap_or(Key::Faults) {
            Key::Faults => "with most faults",
            Key::Major => "with most major faults",
            Key::Cpu => "with most CPU time",
            Key::Start => "that were registered first",
            Key::Pid => "with the lowest PIDs",
        };
        let notice = format!("the {count} processes {first} are drawn, {others} others are not (--most, --process)");
        notify(&read.path, &[notice]);
    }
    Ok((drawn, left_out))
}

fn source_of((process, trace): Drawn) -> Source {
    Source {
        name: format!("{} {}", process.pid, process.comm),
        samples: process.samples,
        rate_reached_hz: None,
        length_error_percent: None,
        trace,
    }
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
        Some(path) if ["svg", "png", PAGE].iter().any(|known| has_extension(path, known)) => vec![path.clone()],
        Some(path) => match OTHERS.iter().find(|other| has_extension(path, other)) {
            Some(other) => bail!("{}: no figure is drawn as .{other}; there are .svg, .png and .html", path.display()),
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
const OTHERS: [&str; 6] = ["pdf", "jpg", "jpeg", "eps", "ps", "webp"];

/// The extension of a page.
const PAGE: &str = "html";

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
    use plot::choice::Choice;

    fn arguments(files: &[&str], output: Option<&str>) -> Arguments {
        Arguments {
            files: files.iter().map(PathBuf::from).collect(),
            output: output.map(PathBuf::from),
            hz: None,
            choice: Choice::default(),
        }
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
        assert_eq!(written(&["a.data"], Some("x/a.html")), ["x/a.html"]);
        let refused = outputs(&arguments(&["a.data"], Some("a.pdf"))).unwrap_err().to_string();
        assert_eq!(refused, "a.pdf: no figure is drawn as .pdf; there are .svg, .png and .html");
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
