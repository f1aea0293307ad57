// SPDX-License-Identifier: GPL-2.0

//! `mp3-bench`: measures in the virtual machine, and merges, tabulates and draws the figures. `vm/bench` runs all of it.

mod clock;
mod handover;
mod herd;
mod measure;
mod peers;
mod spare_cpu;

use anyhow::{Context, Result};
use bench::report::{Clock, Report, FORMAT};
use clap::{Parser, Subcommand, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Measures what mp3 costs, beside what people would use instead.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, as root, in a virtual machine where nothing else runs
    Guest(Guest),
    /// Measure `plot`, anywhere
    Plot {
        /// The program
        #[arg(long, default_value = "out/plot")]
        plot: PathBuf,
        /// The file of figures to write
        #[arg(long, value_name = "FILE")]
        into: PathBuf,
    },
    /// Merge files of figures, and compute the ratios
    Merge {
        /// The file to write
        out: PathBuf,
        /// The files to read
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to take what none of them measured
        #[arg(long, value_name = "FILE")]
        base: Option<PathBuf>,
    },
    /// Draw the cost of a tick (bench-sampling), of a whole profiler (bench-machine), to the profiled program
    /// (bench-profiled), and how late samples are (bench-lateness), each as SVG and PNG
    Figures {
        /// The file of figures: bench.json
        file: PathBuf,
        /// Directory of the pictures [default: that of FILE]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Take a file of figures as the ones that the repository's texts quote: copy it, make the texts' tables anew, and draw its
    /// figures
    Keep {
        /// The file
        file: PathBuf,
        /// The repository
        #[arg(long, value_name = "DIR", default_value = ".")]
        top: PathBuf,
    },
    /// Print a file of figures as Markdown tables
    Table {
        /// The file
        file: PathBuf,
    },
}

#[derive(clap::Args)]
struct Guest {
    /// What to measure
    #[arg(required = true)]
    sections: Vec<Measurement>,
    /// What the guest's clock counts (vm/run --icount: instructions)
    #[arg(long, default_value = "wall")]
    clock: GuestClock,
    /// The file of figures to write
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
    /// Versions of the programs, a line NAME VERSION for each
    #[arg(long, value_name = "FILE")]
    versions: Option<PathBuf>,
    /// Only the subjects with this in their names, where a part has several; "" is in all of them
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// The module
    #[arg(long, default_value = "/root/mp3.ko")]
    module: PathBuf,
    /// The directory of `monitor`
    #[arg(long, default_value = "/root")]
    programs: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum GuestClock {
    Instructions,
    Wall,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Measurement {
    /// The cost of a tick for each process
    Sampling,
    /// What the profiled program pays
    Profiled,
    /// What the machine pays
    Machine,
    /// What a module does while nothing is registered
    Idle,
    /// From the ring into a file
    Reading,
    /// An hour of `monitor`
    Memory,
    /// How late samples are
    Lateness,
    /// What a context switch and a wake-up pay for being recorded
    Tracing,
    /// What a page fault pays for being recorded
    Faults,
    /// A tick's cost while every CPU handles page faults
    Scaling,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mp3-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Guest(guest) => measure_in_guest(guest),
        Command::Plot { plot, into } => {
            let mut report = empty();
            measure::plot::measure(&plot, &mut report)?;
            Ok(report.write(&into)?)
        }
        Command::Merge { out, files, base } => bench::host::merge(&out, &files, base.as_deref()),
        Command::Figures { file, output } => {
            print!("{}", bench::draw::draw(&file, output.as_deref())?);
            Ok(())
        }
        Command::Keep { file, top } => bench::texts::keep(&file, &top),
        Command::Table { file } => {
            print!("{}", bench::host::table(&file)?);
            Ok(())
        }
    }
}

fn empty() -> Report {
    Report { format: FORMAT.into(), ..Report::default() }
}

fn measure_in_guest(guest: Guest) -> Result<()> {
    testkit::files::set(guest.module, guest.programs);
    let clock = match guest.clock {
        GuestClock::Instructions => Clock::Instructions,
        GuestClock::Wall => Clock::Wall,
    };
    let mut report = empty();
    if let Some(file) = &guest.versions {
        versions(file, &mut report)?;
    }
    // A kernel that has just booted is busy with itself: some of the first figures were several times the others.
    std::thread::sleep(Duration::from_secs(10));
    for section in guest.sections {
        eprintln!("measuring: {section:?}");
        let begun = clock::now_ns();
        match section {
            Measurement::Sampling => measure::sampling::measure(clock, &guest.only, &mut report),
            Measurement::Profiled => measure::profiled::measure(clock, &mut report),
            Measurement::Machine => measure::machine::measure(clock, &guest.only, &mut report),
            Measurement::Idle => measure::idle::measure(&mut report),
            Measurement::Reading => measure::reading::measure(clock, &mut report),
            Measurement::Memory => measure::memory::measure(&mut report),
            Measurement::Lateness => measure::lateness::measure(clock, &mut report),
            Measurement::Tracing => measure::tracing::measure(clock, &guest.only, &mut report),
            Measurement::Faults => measure::faults::measure(clock, &guest.only, &mut report),
            Measurement::Scaling => measure::scaling::measure(clock, &mut report),
        }
        .with_context(|| format!("{section:?}"))?;
        eprintln!("    {:.1} s of the guest's time", (clock::now_ns() - begun) as f64 / 1e9);
        // After each section, so that a failure of the next one loses nothing.
        report.write(&guest.into)?;
    }
    Ok(())
}

fn versions(file: &Path, report: &mut Report) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    for line in text.lines() {
        let (name, version) = line.split_once(' ').with_context(|| format!("{}: {line:?}", file.display()))?;
        report.versions.insert(name.into(), version.into());
    }
    Ok(())
}
