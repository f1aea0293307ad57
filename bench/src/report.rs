// SPDX-License-Identifier: GPL-2.0

//! `out/bench.json`: every figure of a run, with its spread and what it was measured on.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The first value in the file.
pub const FORMAT: &str = "mp3-bench 1";

/// The subject that the others are compared with.
pub const MP3: &str = "mp3";

/// A file of figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// What was compared: program or part to its version.
    pub versions: BTreeMap<String, String>,
    /// Single figures.
    pub rows: Vec<Row>,
    /// Distributions of many values.
    pub distributions: Vec<Distribution>,
}

/// What a measurement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Cost of one tick for each registered process of one thread; the parameter is the number of processes.
    Sampling,
    /// The same for processes of 64 threads.
    Threads,
    /// What the profiled program pays; the parameter is the sampling rate in Hz.
    Profiled,
    /// What the machine pays for a whole profiler; the parameter is the number of processes.
    Machine,
    /// What a loaded module without work does.
    Idle,
    /// From the mapped ring into a file.
    Reading,
    /// Memory of a reader over time; the parameter is minutes.
    Memory,
    /// How late samples are.
    Lateness,
    /// Drawing; the parameter is the number of samples.
    Plot,
    /// What a context switch and a wake-up pay for being recorded, both on one CPU.
    Tracing,
    /// What two switches and a wake-up pay for being recorded: those by which one CPU hands over to another.
    TracingBetween,
    /// What a page fault pays for being recorded.
    Faults,
    /// The writer's cost against busy CPUs; the parameter is the number of virtual CPUs.
    Scaling,
}

/// How time was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The guest's clock counts instructions, 1 ns each: the same on every machine.
    Instructions,
    /// Time that passed, on the machine that the file was made on.
    Wall,
    /// Not a time: bytes, events.
    None,
}

/// One figure: the median of `runs` runs, and what they lay between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it belongs to.
    pub section: Section,
    /// Who was measured: `mp3`, `perf stat`, ...
    pub subject: String,
    /// The parameter that was varied, if there is one.
    pub parameter: Option<f64>,
    /// What the figure is of, for example `per process and tick`.
    pub quantity: String,
    /// Its unit: `instructions`, `ns`, `records/s`, `KiB`, ...
    pub unit: String,
    /// How time was measured.
    pub clock: Clock,
    /// The median.
    pub value: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// The number of runs.
    pub runs: u32,
    /// `value` divided by that of `mp3` for the same section, parameter, quantity and clock; `None` where there is none.
    pub ratio: Option<f64>,
}

/// The spread of something that was measured often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// What it belongs to.
    pub section: Section,
    /// Who was measured.
    pub subject: String,
    /// Under which circumstances: `20 Hz, idle`, ...
    pub condition: String,
    /// Unit of the values.
    pub unit: String,
    /// How time was measured.
    pub clock: Clock,
    /// How many values.
    pub count: u64,
    /// Pairs of a fraction (0 to 1, rising) and the value that this fraction of the values does not exceed.
    pub quantiles: Vec<(f64, f64)>,
}

/// Why figures cannot be read, written or put together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened, read or written.
    #[error("{path}: {why}")]
    Io {
        /// The file, as the user named it.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The file holds nothing.
    #[error("{path}: empty: no figures")]
    Empty {
        /// The file, as the user named it.
        path: PathBuf,
    },
    /// The file is not JSON, or has other fields.
    #[error("{path}: not a file of mp3-bench: {why}")]
    Shape {
        /// The file, as the user named it.
        path: PathBuf,
        /// What the parser said, with line and column.
        why: serde_json::Error,
    },
    /// A format that this program does not read.
    #[error("{path}: format '{found}', where '{FORMAT}' is read")]
    Format {
        /// The file, as the user named it.
        path: PathBuf,
        /// The format as written in the file.
        found: String,
    },
    /// A figure that contradicts itself.
    #[error("{path}: {figure}: {why}")]
    Figure {
        /// The file, as the user named it.
        path: PathBuf,
        /// Which figure.
        figure: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The same figure twice: it is not known which one is right.
    #[error("two figures for {figure}")]
    Twice {
        /// Which figure.
        figure: String,
    },
}

/// What makes a row the only one of its kind. Parameters are compared bit by bit: they are set, not measured.
type Key<'a> = (Section, &'a str, Option<u64>, &'a str, Clock);

impl Report {
    /// Reads a file that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// It cannot be read, is of another format, or a figure contradicts itself.
    pub fn read(path: &Path) -> Result<Self, Error> {
        /// What tells a wrong file from a damaged one.
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let of = || path.to_owned();
        let text = fs::read_to_string(path).map_err(|why| Error::Io { path: of(), why })?;
        if text.trim().is_empty() {
            return Err(Error::Empty { path: of() });
        }
        let head: Head = serde_json::from_str(&text).map_err(|why| Error::Shape { path: of(), why })?;
        if head.format != FORMAT {
            let found = head.format.chars().take(40).flat_map(char::escape_debug).collect();
            return Err(Error::Format { path: of(), found });
        }
        let report: Self = serde_json::from_str(&text).map_err(|why| Error::Shape { path: of(), why })?;
        report.check().map_err(|(figure, why)| Error::Figure { path: of(), figure, why })?;
        Ok(report)
    }

    /// Writes the file, whatever `format` says in the format of this program.
    ///
    /// # Errors
    /// It cannot be written, or a figure contradicts itself.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        self.check().map_err(|(figure, why)| Error::Figure { path: path.to_owned(), figure, why })?;
        let report = Self { format: FORMAT.to_owned(), ..self.clone() };
        let mut text =
            serde_json::to_string_pretty(&report).map_err(|why| Error::Shape { path: path.to_owned(), why })?;
        text.push('\n');
        fs::write(path, text).map_err(|why| Error::Io { path: path.to_owned(), why })
    }

    /// Adds from `base` what this report has no figures of at all: of a section, by a clock.
    pub fn complete(&mut self, base: Self) {
        let rows = self.rows.iter().map(|row| (row.section, row.clock));
        let measured: HashSet<_> = rows.chain(self.distributions.iter().map(|of| (of.section, of.clock))).collect();
        self.rows.extend(base.rows.into_iter().filter(|row| !measured.contains(&(row.section, row.clock))));
        let distributions = base.distributions.into_iter();
        self.distributions.extend(distributions.filter(|of| !measured.contains(&(of.section, of.clock))));
        self.add_versions(base.versions);
    }

    /// Where two versions of the same thing are named, both are kept.
    fn add_versions(&mut self, versions: BTreeMap<String, String>) {
        for (name, version) in versions {
            let known = self.versions.entry(name).or_insert_with(|| version.clone());
            if !known.split("; ").any(|known| known == version) {
                known.push_str("; ");
                known.push_str(&version);
            }
        }
    }

    /// Several reports as one, in their order. Where they name different versions of the same thing, all are kept.
    ///
    /// # Errors
    /// Something was measured twice.
    pub fn merge(reports: impl IntoIterator<Item = Self>) -> Result<Self, Error> {
        let mut all = Self { format: FORMAT.to_owned(), ..Self::default() };
        for report in reports {
            all.add_versions(report.versions);
            all.rows.extend(report.rows);
            all.distributions.extend(report.distributions);
        }
        let mut seen = HashSet::new();
        if let Some(row) = all.rows.iter().find(|row| !seen.insert(row.key())) {
            return Err(Error::Twice { figure: row.name() });
        }
        let mut seen = HashSet::new();
        let key = |of: &Distribution| (of.section, of.subject.clone(), of.condition.clone(), of.clock);
        if let Some(of) = all.distributions.iter().find(|of| !seen.insert(key(of))) {
            return Err(Error::Twice { figure: of.name() });
        }
        Ok(all)
    }

    /// Computes the ratios of all rows. Where mp3's cost or the other's cannot be distinguished from nothing, there is none: noise
    /// divided by noise would look like a result.
    pub fn set_ratios(&mut self) {
        let base: HashMap<_, f64> = self
            .rows
            .iter()
            .filter(|row| row.subject == MP3 && row.is_cost())
            .map(|row| (row.comparable(), row.value))
            .collect();
        let ratio = |row: &Row| Some(row.value / base.get(&row.comparable()).filter(|_| row.is_cost())?);
        let ratios: Vec<Option<f64>> = self.rows.iter().map(ratio).collect();
        for (row, ratio) in self.rows.iter_mut().zip(ratios) {
            row.ratio = ratio;
        }
    }

    /// The first figure that contradicts itself, and how.
    fn check(&self) -> Result<(), (String, &'static str)> {
        for row in &self.rows {
            let numbers = [row.value, row.low, row.high];
            let others = [row.parameter, row.ratio];
            if !numbers.iter().chain(others.iter().flatten()).all(|number| number.is_finite()) {
                return Err((row.name(), "not a finite number"));
            }
            if !(row.low <= row.value && row.value <= row.high) {
                return Err((row.name(), "the median lies outside the spread"));
            }
        }
        for of in &self.distributions {
            if of.quantiles.is_empty() {
                return Err((of.name(), "no quantiles"));
            }
            if !of.quantiles.iter().all(|&(fraction, value)| (0.0..=1.0).contains(&fraction) && value.is_finite()) {
                return Err((of.name(), "a quantile is not a pair of a fraction and a number"));
            }
            if !of.quantiles.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1) {
                return Err((of.name(), "the quantiles do not rise"));
            }
        }
        Ok(())
    }
}

impl Row {
    /// The figure that `values` make, one value a run.
    ///
    /// # Panics
    /// There are no values, or one is not finite. The measurement then has no result, which must show.
    pub fn of(
        section: Section,
        subject: &str,
        parameter: Option<f64>,
        quantity: &str,
        unit: &str,
        clock: Clock,
        values: &[f64],
    ) -> Self {
        let mut values = values.to_vec();
        sort(&mut values, quantity);
        let (half, last) = (values.len() / 2, values.len() - 1);
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Self {
            section,
            subject: subject.to_owned(),
            parameter,
            quantity: quantity.to_owned(),
            unit: unit.to_owned(),
            clock,
            value: median,
            low: values[0],
            high: values[last],
            runs: u32::try_from(values.len()).unwrap_or(u32::MAX),
            ratio: None,
        }
    }

    /// Whether it can be distinguished from nothing: every run was above zero, or those below were as far from it as noise is
    /// from a median that is several times as large.
    fn is_cost(&self) -> bool {
        self.value > 0.0 && self.value > -3.0 * self.low
    }

    fn key(&self) -> Key<'_> {
        (self.section, &self.subject, self.parameter.map(f64::to_bits), &self.quantity, self.clock)
    }

    /// The same for rows of different subjects that may be compared. The unit belongs to it: nanoseconds divided by
    /// microseconds would be off by a thousand, unnoticed.
    fn comparable(&self) -> (Section, Option<u64>, String, String, Clock) {
        (self.section, self.parameter.map(f64::to_bits), self.quantity.clone(), self.unit.clone(), self.clock)
    }

    /// For messages.
    fn name(&self) -> String {
        let parameter = self.parameter.map_or(String::new(), |parameter| format!(" at {parameter}"));
        format!("{:?}, {}{parameter}, {} ({:?})", self.section, self.subject, self.quantity, self.clock)
    }
}

impl Distribution {
    /// The spread of `values`, which it sorts: every percent, and every thousandth of the last one.
    ///
    /// # Panics
    /// There are no values, or one is not finite.
    pub fn of(section: Section, subject: &str, condition: &str, unit: &str, clock: Clock, values: &mut [f64]) -> Self {
        sort(values, condition);
        let thousandths = (0..990).step_by(10).chain(990..=1000);
        let quantiles = thousandths.map(|thousandth: usize| {
            // In whole numbers: 0.07 × 100 is more than 7 in floating point.
            let rank = (thousandth * values.len()).div_ceil(1000).max(1);
            (thousandth as f64 / 1000.0, values[rank - 1])
        });
        Self {
            section,
            subject: subject.to_owned(),
            condition: condition.to_owned(),
            unit: unit.to_owned(),
            clock,
            count: values.len() as u64,
            quantiles: quantiles.collect(),
        }
    }

    /// The least known value that at least `fraction` of the values do not exceed.
    pub fn quantile(&self, fraction: f64) -> Option<f64> {
        self.quantiles.iter().find(|&&(of, _)| of >= fraction).map(|&(_, value)| value)
    }

    /// For messages.
    fn name(&self) -> String {
        format!("{:?}, {}, {} ({:?})", self.section, self.subject, self.condition, self.clock)
    }
}

/// Sorts what was measured.
fn sort(values: &mut [f64], what: &str) {
    assert!(!values.is_empty(), "{what}: nothing was measured");
    assert!(values.iter().all(|value| value.is_finite()), "{what}: not a finite number");
    values.sort_by(f64::total_cmp);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &str, parameter: f64, values: &[f64]) -> Row {
        Row::of(Section::Sampling, subject, Some(parameter), "per process and tick", "ns", Clock::Wall, values)
    }

    fn report(rows: Vec<Row>) -> Report {
        Report { format: FORMAT.into(), rows, ..Report::default() }
    }

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mp3-bench-{}-{name}.json", std::process::id()))
    }

    fn read(name: &str, text: &str) -> Result<Report, Error> {
        let path = file(name);
        fs::write(&path, text).unwrap();
        let report = Report::read(&path);
        fs::remove_file(&path).unwrap();
        report
    }

    fn why(name: &str, text: &str) -> String {
        let path = file(name).display().to_string();
        let message = read(name, text).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message.strip_prefix(&(path + ": ")).expect("the path comes first").to_owned()
    }

    #[test]
    fn a_row_is_the_median_and_what_the_runs_lay_between() {
        let odd = row("mp3", 1.0, &[7.0, 1.0, 3.0]);
        assert_eq!((odd.low, odd.value, odd.high, odd.runs), (1.0, 3.0, 7.0, 3));
        let even = row("mp3", 1.0, &[4.0, 1.0, 2.0, 9.0]);
        assert_eq!((even.low, even.value, even.high, even.runs), (1.0, 3.0, 9.0, 4));
    }

    #[test]
    #[should_panic(expected = "nothing was measured")]
    fn no_runs_make_no_row() {
        row("mp3", 1.0, &[]);
    }

    #[test]
    #[should_panic(expected = "not a finite number")]
    fn what_is_no_number_makes_no_row() {
        row("mp3", 1.0, &[1.0, f64::NAN]);
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let mut values: Vec<f64> = (1..=10_000).rev().map(f64::from).collect();
        let of = Distribution::of(Section::Lateness, "mp3", "20 Hz, idle", "ns", Clock::Wall, &mut values);
        let known: Vec<_> = [0.0, 0.07, 0.5, 0.9, 0.99, 0.999, 1.0].map(|q| of.quantile(q).unwrap()).to_vec();
        assert_eq!(known, [1.0, 700.0, 5000.0, 9000.0, 9900.0, 9990.0, 10_000.0]);
        assert_eq!(of.count, 10_000);
        assert!(of.quantiles.len() >= 100);
        let one = Distribution::of(Section::Lateness, "mp3", "", "ns", Clock::Wall, &mut [5.0]);
        assert!(one.quantiles.iter().all(|&(_, value)| value == 5.0));
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let mut report = report(vec![row("mp3", 10.0, &[0.1, 0.3, 123_456.789])]);
        report.versions.insert("perf".into(), "6.12".into());
        let mut values = [0.7, 0.1];
        report.distributions.push(Distribution::of(
            Section::Lateness,
            "mp3",
            "20 Hz, idle",
            "µs",
            Clock::Wall,
            &mut values,
        ));
        report.set_ratios();
        let path = file("written");
        Report { format: String::new(), ..report.clone() }.write(&path).unwrap();
        let read = Report::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read, report);
    }

    #[test]
    fn a_wrong_file_is_described_in_one_line() {
        assert_eq!(why("empty", "\n"), "empty: no figures");
        assert_eq!(
            why("later", r#"{"format": "mp3-bench 2", "rows": 1}"#),
            "format 'mp3-bench 2', where 'mp3-bench 1' is read"
        );
        assert!(why("other", "{}").starts_with("not a file of mp3-bench: missing field `format`"));
        assert!(why("text", "jiffies minor").starts_with("not a file of mp3-bench: expected"));
        let cut = r#"{"format": "mp3-bench 1", "versions": {}, "rows": [], "distributions": ["#;
        assert!(why("cut", cut).contains("EOF"));
        assert!(Report::read(Path::new("/nowhere/bench.json")).unwrap_err().to_string().contains("No such file"));
    }

    #[test]
    fn a_figure_that_contradicts_itself_is_named() {
        let with = |change: fn(&mut Row)| {
            let mut row = row("mp3", 10.0, &[1.0, 2.0, 3.0]);
            change(&mut row);
            serde_json::to_string(&report(vec![row])).unwrap()
        };
        assert!(read("sound", &with(|_| ())).is_ok());
        let message = why("outside", &with(|row| row.value = 4.0));
        assert_eq!(message, "Sampling, mp3 at 10, per process and tick (Wall): the median lies outside the spread");
        let mut falling = report(Vec::new());
        let mut of = Distribution::of(Section::Lateness, "mp3", "idle", "ns", Clock::Wall, &mut [1.0, 2.0]);
        of.quantiles.reverse();
        falling.distributions.push(of);
        let message = why("falling", &serde_json::to_string(&falling).unwrap());
        assert_eq!(message, "Lateness, mp3, idle (Wall): the quantiles do not rise");
        let mut nothing = report(vec![row("mp3", 1.0, &[1.0])]);
        nothing.rows[0].high = f64::INFINITY;
        assert!(matches!(nothing.write(&file("infinite")), Err(Error::Figure { .. })));
    }

    #[test]
    fn reports_are_put_together() {
        let mut first = report(vec![row("mp3", 1.0, &[1.0])]);
        first.versions.insert("perf".into(), "6.12".into());
        let mut second = report(vec![row("mp3", 10.0, &[1.0]), row("perf stat", 1.0, &[1.0])]);
        second.versions.insert("perf".into(), "6.13".into());
        second.versions.insert("mp3".into(), "0.1.0".into());
        let third = Report { rows: Vec::new(), ..first.clone() };
        let all = Report::merge([first.clone(), second, third]).unwrap();
        assert_eq!(all.rows.len(), 3);
        assert_eq!(all.versions["perf"], "6.12; 6.13");
        assert_eq!(all.versions["mp3"], "0.1.0");
        assert_eq!(all.format, FORMAT);
        let twice = Report::merge([first.clone(), first]).unwrap_err().to_string();
        assert_eq!(twice, "two figures for Sampling, mp3 at 1, per process and tick (Wall)");
    }

    #[test]
    fn the_same_lateness_twice_is_refused() {
        let mut one = report(Vec::new());
        let of = Distribution::of(Section::Lateness, "mp3", "idle", "ns", Clock::Wall, &mut [1.0]);
        one.distributions.push(of);
        assert!(matches!(Report::merge([one.clone(), one]), Err(Error::Twice { .. })));
    }

    #[test]
    fn ratios_compare_what_is_comparable() {
        let mut report = report(vec![
            row("perf stat", 1.0, &[50.0]),
            row("mp3", 1.0, &[4.0]),
            row("perf stat", 10.0, &[9.0]),
            Row { clock: Clock::Instructions, ..row("perf stat", 1.0, &[8.0]) },
            Row { quantity: "at all".into(), ..row("perf stat", 1.0, &[8.0]) },
            Row { unit: "µs".into(), ..row("taskstats", 1.0, &[8.0]) },
            row("taskstats", 1.0, &[-3.0]),
            row("mp3", 100.0, &[-1.0, 1.0, 2.0]),
            row("perf stat", 100.0, &[8.0]),
            // One run below zero makes no noise of a median of 99; nor is what is noise three times anything.
            row("mp3", 1000.0, &[-18.0, 99.0, 108.0]),
            row("perf stat", 1000.0, &[198.0]),
            row("taskstats", 1000.0, &[-14.0, 1.0, 10.0]),
        ]);
        report.rows[2].ratio = Some(3.0);
        report.set_ratios();
        let ratios: Vec<_> = report.rows.iter().map(|row| row.ratio).collect();
        assert_eq!(
            ratios,
            [Some(12.5), Some(1.0), None, None, None, None, None, None, None, Some(1.0), Some(2.0), None]
        );
    }
}
