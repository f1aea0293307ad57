// SPDX-License-Identifier: GPL-2.0

//! `work`: the workload alone, not registered with anything.

use anyhow::Context;
use clap::Parser;
use serde::Serialize;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;
use work::cli::Cli;
use work::{
    distinct_pages, expected_iterations, expected_pages, fresh_pages, resident, Buffer, Uninterrupted, Usage, Workload,
};

/// What the accesses touch.
#[derive(Serialize)]
struct Expectation {
    /// Pages of 4 KiB in the memory.
    pages: u64,
    /// Different pages that these accesses touch, exactly.
    distinct_pages: u64,
    /// Those of the first iteration.
    distinct_pages_first: u64,
    /// What that is on average over all seeds.
    expected_pages: f64,
    /// Likewise.
    expected_pages_first: f64,
    seed: u64,
}

/// What the kernel counted while the accesses were made.
#[derive(Serialize)]
struct Outcome {
    real_s: f64,
    #[serde(flatten)]
    usage: Usage,
    distinct_pages: u64,
    seed: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.reached {
        Some(pages) => reached(&cli, pages),
        None if cli.expect => expect(&cli),
        None => run(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<io::Error>() {
            // The reader has closed the output: no failure of this program.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            _ => {
                let _ = writeln!(io::stderr(), "work: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn reached(cli: &Cli, pages: u64) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{:.1}", expected_iterations(&cli.workload.workload(), pages as f64))?;
    Ok(())
}

fn expect(cli: &Cli) -> anyhow::Result<()> {
    let workload = cli.workload.workload();
    let mut fresh = fresh_pages(&workload);
    let first = fresh.next().unwrap_or(0);
    let expectation = Expectation {
        pages: workload.pages(),
        distinct_pages: first + fresh.sum::<u64>(),
        distinct_pages_first: first,
        expected_pages: expected_pages(&workload, workload.iterations),
        expected_pages_first: expected_pages(&workload, workload.iterations.min(1)),
        seed: workload.seed,
    };
    let mut out = io::stdout().lock();
    if cli.json {
        serde_json::to_writer(&mut out, &expectation).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let Expectation { pages, distinct_pages, distinct_pages_first, expected_pages, expected_pages_first, seed } =
            expectation;
        writeln!(out, "pages            {pages}")?;
        writeln!(
            out,
            "touched          {distinct_pages} ({distinct_pages_first} in the first iteration), seed {seed}"
        )?;
        writeln!(out, "P(1 - e^(-V/P))  {expected_pages:.1} ({expected_pages_first:.1} in the first iteration)")?;
    }
    Ok(())
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let workload: Workload = cli.workload.workload();
    if let Some(cpus) = &cli.workload.cpu {
        cpus.pin_current_thread().with_context(|| format!("cannot run on CPU {cpus}"))?;
    }
    resident::make_resident();
    let mut buffer = Buffer::new(&workload)?;

    let start = Instant::now();
    let before = Usage::own()?;
    let ControlFlow::Continue(()) = work::run(&workload, &mut buffer, &mut Uninterrupted);
    let usage = Usage::own()?.since(&before);
    let real_s = start.elapsed().as_secs_f64();

    let outcome = Outcome { real_s, usage, distinct_pages: distinct_pages(&workload), seed: workload.seed };
    let mut out = io::stdout().lock();
    if cli.json {
        serde_json::to_writer(&mut out, &outcome).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let Usage { minor_faults, major_faults, user_ns, system_ns } = usage;
        writeln!(out, "real    {real_s:.3} s")?;
        writeln!(out, "user    {:.3} s", user_ns as f64 / 1e9)?;
        writeln!(out, "system  {:.3} s", system_ns as f64 / 1e9)?;
        writeln!(out, "faults  {minor_faults} minor, {major_faults} major")?;
        writeln!(out, "pages   {} touched, seed {}", outcome.distinct_pages, outcome.seed)?;
    }
    Ok(())
}
