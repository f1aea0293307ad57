// SPDX-License-Identifier: GPL-2.0

//! The case studies' data, as committed: a directory of runs, laid out as FORMAT.md says.

pub mod metrics;
pub mod published;
pub mod run;
pub mod summary;

use run::Run;
use std::fs;
use std::path::{Path, PathBuf};

/// Why a directory is no study.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A file or directory cannot be read.
    #[error("{path}: {why}")]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// A JSON file is not as FORMAT.md says.
    #[error("{path}: line {line}: {why}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Samples that cannot be read.
    #[error(transparent)]
    Samples(#[from] format::error::Error),
    /// A file that belongs to a run is not there.
    #[error("{dir}: has no {name}, nor {name}.gz")]
    Missing {
        /// The run's directory.
        dir: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A directory without runs.
    #[error("{dir}: no runs in it (a run is a directory with a run.json; see case_studies/FORMAT.md)")]
    NoRuns {
        /// The directory.
        dir: PathBuf,
    },
}

/// Runs that belong together.
#[derive(Debug)]
pub struct Study {
    /// Its directory's name.
    pub name: String,
    /// Its runs: by number of processes, then by name.
    pub runs: Vec<Run>,
}

impl Study {
    /// Reads all runs in `dir`, or the one that `dir` is.
    ///
    /// # Errors
    /// No run, or one that is not as FORMAT.md says.
    pub fn load(dir: &Path) -> Result<Self, StudyError> {
        let mut dirs = directories(dir)?;
        dirs.push(dir.to_owned());
        dirs.retain(|dir| dir.join(run::DESCRIPTION).exists());
        let mut runs = dirs.iter().map(|dir| Run::load(dir)).collect::<Result<Vec<_>, _>>()?;
        if runs.is_empty() {
            return Err(StudyError::NoRuns { dir: dir.to_owned() });
        }
        runs.sort_by(|a, b| (a.userapps.len(), &a.name).cmp(&(b.userapps.len(), &b.name)));
        Ok(Self { name: name(dir), runs })
    }

    /// The study's name for readers: `case1` is "Case study 1".
    pub fn title(&self) -> String {
        match self.name.strip_prefix("case") {
            Some(number) if number.parse::<u32>().is_ok() => format!("Case study {number}"),
            _ => self.name.clone(),
        }
    }

    /// Reads the study that `dir` is, or else every study in it, by name.
    ///
    /// # Errors
    /// As [`Study::load`].
    pub fn load_all(dir: &Path) -> Result<Vec<Self>, StudyError> {
        match Self::load(dir) {
            Err(StudyError::NoRuns { dir: none }) => {
                let mut studies = Vec::new();
                for dir in directories(dir)? {
                    match Self::load(&dir) {
                        Err(StudyError::NoRuns { .. }) => {}
                        study => studies.push(study?),
                    }
                }
                if studies.is_empty() {
                    return Err(StudyError::NoRuns { dir: none });
                }
                Ok(studies)
            }
            study => Ok(vec![study?]),
        }
    }
}

/// The directories in `dir`, by name.
fn directories(dir: &Path) -> Result<Vec<PathBuf>, StudyError> {
    let failed = |why| StudyError::Io { path: dir.to_owned(), why };
    let mut dirs = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            dirs.push(path);
        }
    }
    dirs.sort();
    Ok(dirs)
}

/// The directory's own name, also of `.`.
fn name(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    whole.file_name().map_or_else(|| "study".into(), |name| name.to_string_lossy().into_owned())
}
