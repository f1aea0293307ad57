// SPDX-License-Identifier: GPL-2.0

//! `judge LOG STATUS [STDOUT STDERR]`: what `vm/run` ends with. The files are the kernel's log, what the guest reported, and what
//! of the command's streams arrived (without these two: an interactive shell).

use judge::run::{Run, BROKE};
use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match judge(&arguments) {
        Ok(status) => ExitCode::from(status),
        Err(why) => {
            eprintln!("run: {why}");
            ExitCode::from(BROKE)
        }
    }
}

fn judge(arguments: &[String]) -> Result<u8, String> {
    let (log_path, status, streams) = match arguments {
        [log, status] => (log, status, None),
        [log, status, stdout, stderr] => (log, status, Some([stdout, stderr])),
        _ => return Err("usage: judge LOG STATUS [STDOUT STDERR]".into()),
    };
    let read = |path: &String| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let size = |path: &String| fs::metadata(path).map(|file| file.len()).map_err(|error| format!("{path}: {error}"));
    let arrived = match streams {
        Some([stdout, stderr]) => Some([size(stdout)?, size(stderr)?]),
        None => None,
    };
    let (log, status) = (read(log_path)?, read(status)?);
    let (log, status) = (String::from_utf8_lossy(&log), String::from_utf8_lossy(&status));
    let judgement = Run { log: &log, log_path, status: &status, arrived }.judge();
    eprint!("{}", judgement.message);
    Ok(judgement.status)
}
