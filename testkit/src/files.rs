// SPDX-License-Identifier: GPL-2.0

//! Where the module and the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static FILES: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();

/// Says where they are, once.
pub fn set(module: PathBuf, programs: PathBuf) {
    FILES.set((module, programs)).expect("set once, by main");
}

fn get() -> &'static (PathBuf, PathBuf) {
    FILES.get().expect("set by main")
}

/// `mp3.ko`.
pub fn module() -> &'static Path {
    &get().0
}

/// One of the programs, ready to be given arguments.
pub fn program(name: &str) -> Command {
    Command::new(get().1.join(name))
}
