// SPDX-License-Identifier: GPL-2.0

//! libFuzzer on the readers of foreign data: every target in turn, from the corpus that is kept and into it.

use crate::stage::{check, Stage};
use anyhow::{ensure, Context, Result};
use clap::{Args, Subcommand};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Looks for inputs that a reader does not withstand
    Run {
        #[command(flatten)]
        targets: Targets,
        /// How long each, s
        #[arg(long, default_value_t = 300)]
        seconds: u64,
    },
    /// Keeps the smallest set of inputs that reaches all that was reached, in fuzz/corpus/
    Keep {
        #[command(flatten)]
        targets: Targets,
    },
}

/// Which targets.
#[derive(Args)]
pub struct Targets {
    /// Only these (all without)
    targets: Vec<String>,
}

impl Targets {
    /// Those that were asked for, and exist.
    fn names(&self) -> Result<Vec<String>> {
        let mut known: Vec<_> = fs::read_dir("fuzz/libfuzzer/fuzz_targets")
            .context("fuzz/libfuzzer/fuzz_targets")?
            .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
            .collect();
        known.sort();
        for target in &self.targets {
            ensure!(known.contains(target), "{target}: no such target; there are {}", known.join(", "));
        }
        Ok(if self.targets.is_empty() { known } else { self.targets.clone() })
    }
}

/// Where inputs are: what is kept as files with names, what is kept as an archive, what was found here, what is left of it.
struct Places {
    named: PathBuf,
    archive: PathBuf,
    found: PathBuf,
    kept: PathBuf,
}

impl Places {
    fn of(target: &str) -> Result<Self> {
        let top = std::env::current_dir()?;
        Ok(Places {
            named: top.join("fuzz/corpus").join(target),
            archive: top.join("fuzz/corpus").join(format!("{target}.tar.gz")),
            found: top.join("target/fuzz-corpus").join(target),
            kept: top.join("target/fuzz-kept").join(target),
        })
    }
}

/// Does it, target after target.
///
/// # Errors
///
/// A target does not exist or does not build, or an input was found.
pub fn run(command: &Command) -> Result<()> {
    let cargo_fuzz = install()?;
    match command {
        Command::Run { targets, seconds } => {
            for target in targets.names()? {
                let stage = Stage::begin(&format!("fuzzing {target}"));
                let places = Places::of(&target)?;
                fs::create_dir_all(&places.found)?;
                if places.archive.exists() {
                    check(Process::new("tar").arg("-xf").arg(&places.archive).arg("-C").arg(&places.found))?;
                }
                let mut fuzzer = fuzzer(&cargo_fuzz, &target)?;
                fuzzer.args([&places.found, &places.named]);
                fuzzer.args(["--", &format!("-max_total_time={seconds}"), "-print_final_stats=1"]);
                check(&mut fuzzer)?;
                stage.end("no finding");
            }
        }
        Command::Keep { targets } => {
            for target in targets.names()? {
                let stage = Stage::begin(&format!("keeping what {target} has reached"));
                let places = Places::of(&target)?;
                if places.kept.exists() {
                    fs::remove_dir_all(&places.kept)?;
                }
                fs::create_dir_all(&places.kept)?;
                let mut fuzzer = fuzzer(&cargo_fuzz, &target)?;
                fuzzer.args(["--", "-set_cover_merge=1"]).args([&places.kept, &places.found, &places.named]);
                check(&mut fuzzer)?;
                pack(&places.kept, &places.archive)?;
                stage.end("done");
            }
        }
    }
    Ok(())
}

/// cargo-fuzz, installed below `target/` where it is not yet.
fn install() -> Result<PathBuf> {
    let root = std::env::current_dir()?.join("target/tools");
    let program = root.join("bin/cargo-fuzz");
    if !program.exists() {
        check(Process::new("cargo").args(["install", "--quiet", "--locked", "cargo-fuzz", "--root"]).arg(&root))?;
    }
    Ok(program)
}

/// `cargo +nightly fuzz run TARGET`, to be given its corpora and options.
fn fuzzer(cargo_fuzz: &Path, target: &str) -> Result<Process> {
    let bin = cargo_fuzz.parent().context("a directory")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path)))?;
    let mut command = Process::new("cargo");
    command.args(["+nightly", "fuzz", "run", "--fuzz-dir", ".", "--target-dir", "../../target/fuzz", target]);
    command.current_dir("fuzz/libfuzzer").env("PATH", path);
    Ok(command)
}

/// The same inputs make the same archive, byte for byte.
fn pack(directory: &Path, archive: &Path) -> Result<()> {
    let mut tar = Process::new("tar");
    tar.arg("-C").arg(directory);
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf", "-", "."]);
    let mut tar = tar.stdout(Stdio::piped()).spawn().context("tar")?;
    let contents = tar.stdout.take().context("a pipe")?;
    let partial = archive.with_extension("partial");
    check(Process::new("gzip").arg("-9n").stdin(contents).stdout(File::create(&partial)?))?;
    ensure!(tar.wait()?.success(), "tar fails");
    Ok(fs::rename(&partial, archive)?)
}
