// SPDX-License-Identifier: GPL-2.0

//! Recordings of many machines as Parquet in one place, and the queries over all of them.

use super::guests::ROLES;
use super::prometheus::IN_FLEET;
use crate::stage::{check, Stage};
use anyhow::{ensure, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Asks one query of the files below a directory.
const ASK: &str = "\
import duckdb, sys
connection = duckdb.connect()
connection.execute(\"SET VARIABLE traces = ?\", [sys.argv[2]])
print(connection.sql(open(sys.argv[1]).read()))
";

/// Writes the recordings in `into` as `traces/machine=NAME/TABLE.parquet`, asks every query of `fleet/queries`, and checks what
/// is known beforehand.
///
/// # Errors
///
/// A recording cannot be exported, a query fails or answers with something else.
pub fn ask(sched: &Path, into: &Path) -> Result<()> {
    let stage = Stage::begin("traces of all machines: Parquet, and DuckDB's answers");
    let traces = into.join("traces");
    let _ = fs::remove_dir_all(&traces);
    for role in &ROLES {
        let recording = into.join(role.name).join(format!("{}.sched", role.name));
        let directory = traces.join(format!("machine={}", role.name));
        check(Command::new(sched).arg("export").arg(&recording).arg("--parquet").arg(&directory))?;
    }
    let mut queries: Vec<PathBuf> =
        fs::read_dir("fleet/queries")?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    queries.sort();
    ensure!(!queries.is_empty(), "no queries in fleet/queries");
    for query in &queries {
        let answer = answer(query, &traces)?;
        println!("\n{}:\n{answer}", query.display());
        let first =
            answer.lines().find(|line| line.starts_with('│') && ROLES.iter().any(|role| line.contains(role.name)));
        let first = first.with_context(|| format!("{}: no machine is in the answer", query.display()))?;
        // What was planted comes first.
        let expected = match query.file_stem().and_then(|stem| stem.to_str()) {
            Some("thrashing") => "short",
            Some("top-waiters") => "crowded",
            _ => continue,
        };
        ensure!(first.contains(expected), "{}: {expected} should come first", query.display());
    }
    stage.end(&format!("{} queries answer", queries.len()));
    Ok(())
}

fn answer(query: &Path, traces: &Path) -> Result<String> {
    let output =
        Command::new(IN_FLEET).args(["python3", "-c", ASK]).arg(query).arg(traces).output().context(IN_FLEET)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", query.display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
