// SPDX-License-Identifier: GPL-2.0

//! The command that is traced, and whose PIDs mean what.

use anyhow::Context;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};

/// The inode of the initial PID namespace (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether PIDs here are those of the records, which are the initial namespace's. Where /proc does not say, they are.
pub fn is_initial_pid_namespace() -> bool {
    let here = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    here.as_os_str() == INITIAL_PID_NAMESPACE || here.as_os_str().is_empty()
}

/// Starts a command, if there is one.
///
/// # Errors
///
/// It cannot be run.
pub fn spawn(command: &[OsString]) -> anyhow::Result<Option<Child>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    // The library gives the child an empty signal mask and the usual SIGPIPE.
    let child = Command::new(program).args(arguments).spawn();
    Ok(Some(child.with_context(|| format!("cannot run {}", program.to_string_lossy()))?))
}

/// The exit status of `program`, whose error is told. That its reader has read enough is none.
pub fn exit(program: &str, done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        let mut errors = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        if errors.any(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("{program}: {error:#}");
        ExitCode::FAILURE
    })
}

/// The exit status of a command, as a shell gives it.
pub fn code(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(code as u8),
        (None, Some(signal)) => ExitCode::from(128_u8.wrapping_add(signal as u8)),
        _ => ExitCode::FAILURE,
    }
}
