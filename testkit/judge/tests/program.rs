// SPDX-License-Identifier: GPL-2.0

//! The program: what it reads, what it says, and its exit status.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A directory of its own with the four files that `vm/run` leaves.
fn files(name: &str, log: &str, stdout: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    let status = "tainted_before 0\nstdout 5\nstderr 0\nexit 7\ntainted 12288\nend\n";
    for (name, text) in [("log", log), ("status", status), ("stdout", stdout), ("stderr", "")] {
        fs::write(dir.join(name), text).unwrap();
    }
    dir
}

fn judge(dir: &PathBuf, arguments: &[&str]) -> (i32, String) {
    let Output { status, stderr, .. } =
        Command::new(env!("CARGO_BIN_EXE_judge")).args(arguments).current_dir(dir).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn its_status_is_the_judgements() {
    let dir = files("clean", "[    1.0] mp3: loaded\n", "12345");
    assert_eq!(judge(&dir, &["log", "status", "stdout", "stderr"]), (7, String::new()));
    assert_eq!(judge(&dir, &["log", "status"]), (7, String::new()));
    let dir = files("warned", "[    1.0] WARNING: x\n", "12345");
    let (status, message) = judge(&dir, &["log", "status", "stdout", "stderr"]);
    assert_eq!((status, message.contains("WARNING: x")), (123, true));
}

#[test]
fn streams_that_did_not_arrive_whole_are_125() {
    let dir = files("short", "", "1234");
    let (status, message) = judge(&dir, &["log", "status", "stdout", "stderr"]);
    assert_eq!((status, &*message), (125, "run: not all of the command's stdout arrived\n"));
}

#[test]
fn what_cannot_be_read_is_125_with_its_name() {
    let dir = files("usage", "", "");
    for arguments in [&["log"][..], &["log", "status", "stdout"], &[]] {
        assert_eq!(judge(&dir, arguments), (125, "run: usage: judge LOG STATUS [STDOUT STDERR]\n".into()));
    }
    let (status, message) = judge(&dir, &["log", "nothing"]);
    assert!(status == 125 && message.starts_with("run: nothing: No such file"), "{message}");
}
