// SPDX-License-Identifier: GPL-2.0

//! One run of a study: its description, its programs' reports, its samples.

use super::StudyError;
use format::input::Lines;
use plot::processes::{self, Process, Processes};
use plot::profile::{self, Profile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use work::{Locality, Workload};

/// Version of the layout.
pub const FORMAT: u32 = 1;

/// What makes a directory a run.
pub const DESCRIPTION: &str = "run.json";
const REPORTS: &str = "userapp.jsonl";
const PROFILE: &str = "profile.data";
const PROCESSES: &str = "processes.csv";

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Version of the layout: 1.
    pub format: u32,
    /// When the run began (RFC 3339).
    pub started: String,
    /// Completion time: from the start of the first program to the end of the last, in seconds of the guest's clock.
    pub wall_s: f64,
    /// The machine. `cpus` must be there; everything else is shown as it stands.
    pub machine: Machine,
}

/// The machine of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// CPUs that the programs could run on.
    pub cpus: u32,
    /// Whatever else describes it: memory, swap, kernel, accelerator, host.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

impl Machine {
    /// Every key with its value as text, `cpus` first.
    pub fn entries(&self) -> Vec<(String, String)> {
        let more = self.more.iter().map(|(key, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (key.replace('_', " "), value)
        });
        std::iter::once(("cpus".to_owned(), self.cpus.to_string())).chain(more).collect()
    }
}

/// A line of `userapp.jsonl`: what `userapp --json` printed, and the workload it was given.
#[derive(Debug, Clone, Deserialize)]
pub struct Userapp {
    /// Size, pattern and accesses as typed: `1024 R 50000`.
    pub workload: String,
    /// Its PID.
    pub pid: u64,
    /// Wall-clock time, s.
    pub real_s: f64,
    /// CPU time in user mode, s.
    pub user_s: f64,
    /// CPU time in the kernel, s.
    pub system_s: f64,
    /// What getrusage counted while it was registered.
    pub profiled: Profiled,
    /// Pages that its accesses touched.
    #[serde(default)]
    pub distinct_pages: Option<u64>,
    /// Seed of its accesses.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Counts of getrusage between registration and its end.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Profiled {
    /// Minor page faults.
    pub minor_faults: u64,
    /// Major page faults.
    pub major_faults: u64,
    /// CPU time in user mode, ns.
    pub user_ns: u64,
    /// CPU time in the kernel, ns.
    pub system_ns: u64,
}

impl Userapp {
    /// The workload, if `workload` is one: MB, R or L, accesses; with `--iterations N` if given.
    pub fn parsed(&self) -> Option<Workload> {
        let mut words = self.workload.split_whitespace();
        let megabytes = words.next()?.parse().ok()?;
        let locality = match words.next()? {
            "R" | "r" => Locality::Random,
            "L" | "l" => Locality::Local,
            _ => return None,
        };
        let mut workload = Workload::classic(megabytes, locality, words.next()?.parse().ok()?);
        while let Some(option) = words.next() {
            let value = words.next()?;
            if option == "--iterations" {
                workload.iterations = value.parse().ok()?;
            }
        }
        Some(workload)
    }

    /// Pages that such a workload touches on average over all seeds: `P (1 - e^(-A/P))`.
    pub fn expected_pages(&self) -> Option<f64> {
        self.parsed().map(|workload| work::expected_pages(&workload, workload.iterations))
    }
}

impl Description {
    /// Reads that of the run in `dir`.
    ///
    /// # Errors
    /// It is missing, or not as FORMAT.md says.
    pub fn load(dir: &Path) -> Result<Self, StudyError> {
        let path = dir.join(DESCRIPTION);
        let description: Description = serde_json::from_str(&text(&path)?).map_err(|why| json(&path, 0, &why))?;
        if description.format != FORMAT {
            let why = format!("format {}: this program reads format {FORMAT}", description.format);
            return Err(StudyError::Json { path, line: 1, why });
        }
        if !(description.wall_s.is_finite() && description.wall_s > 0.0 && description.machine.cpus > 0) {
            return Err(StudyError::Json { path, line: 1, why: "wall_s and cpus must be above 0".into() });
        }
        Ok(description)
    }

    /// Writes it to the run in `dir`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), StudyError> {
        let path = dir.join(DESCRIPTION);
        let json = serde_json::to_string_pretty(self).map_err(|why| json(&path, 0, &why))?;
        fs::write(&path, json + "\n").map_err(|why| StudyError::Io { path, why })
    }
}

/// The reports of the programs of the run in `dir`.
///
/// # Errors
/// The file is missing, or not as FORMAT.md says.
pub fn userapps(dir: &Path) -> Result<Vec<Userapp>, StudyError> {
    let path = dir.join(REPORTS);
    let text = text(&path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| serde_json::from_str(line).map_err(|why| json(&path, index, &why))).collect()
}

/// A run.
#[derive(Debug)]
pub struct Run {
    /// Its directory's name.
    pub name: String,
    /// Its description.
    pub description: Description,
    /// Its programs.
    pub userapps: Vec<Userapp>,
    /// Sums over all its processes.
    pub profile: Profile,
    /// Its processes one by one.
    pub processes: Processes,
}

impl Run {
    /// Reads the run in `dir`.
    ///
    /// # Errors
    /// A file is missing, or not as FORMAT.md says.
    pub fn load(dir: &Path) -> Result<Self, StudyError> {
        let description = Description::load(dir)?;
        let userapps = userapps(dir)?;
        let mut lines = open(dir, PROFILE)?;
        let opening = profile::opening(&mut lines)?;
        let profile = profile::read(lines, opening, None)?;
        let mut lines = open(dir, PROCESSES)?;
        let opening = profile::opening(&mut lines)?;
        let processes = processes::read(lines, opening)?;
        Ok(Self { name: super::name(dir), description, userapps, profile, processes })
    }

    /// How much later the times of `processes` are than those of `profile`, in seconds: theirs begin with the first
    /// registration, the profile's with the interval in which it falls. At most an interval, and seldom above 0.
    pub fn lag_s(&self) -> f64 {
        let Some(jiffies) = self.processes.column("jiffies") else { return 0.0 };
        let same_tick = self.processes.list.iter().flat_map(|process| &process.rows).filter(|row| {
            row.time_s > 0.0 && row.values[jiffies].is_some_and(|jiffies| jiffies >= self.profile.first_jiffies)
        });
        let first_s = same_tick.map(|row| row.time_s).fold(f64::INFINITY, f64::min);
        if first_s.is_finite() {
            first_s - self.profile.clock.nominal_s()
        } else {
            0.0
        }
    }

    /// What a process is called: its workload, or its command's name if it is none of the study's programs.
    pub fn label(&self, process: &Process) -> String {
        match self.userapps.iter().find(|userapp| userapp.pid == process.pid) {
            Some(userapp) => userapp.workload.clone(),
            None => process.comm.clone(),
        }
    }
}

fn text(path: &Path) -> Result<String, StudyError> {
    fs::read_to_string(path).map_err(|why| StudyError::Io { path: path.to_owned(), why })
}

fn json(path: &Path, lines_before: usize, why: &serde_json::Error) -> StudyError {
    StudyError::Json { path: path.to_owned(), line: lines_before + why.line().max(1), why: why.to_string() }
}

fn open(dir: &Path, name: &'static str) -> Result<Lines, StudyError> {
    let candidates: [PathBuf; 2] = [dir.join(name), dir.join(format!("{name}.gz"))];
    match candidates.iter().find(|path| path.exists()) {
        Some(path) => Ok(Lines::open(path)?),
        None => Err(StudyError::Missing { dir: dir.to_owned(), name }),
    }
}
