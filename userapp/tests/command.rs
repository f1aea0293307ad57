// SPDX-License-Identifier: GPL-2.0

//! `userapp` as a user runs it, with a plain file in place of the module's: the commands written there, and what the caller
//! sees.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A directory with a file that takes commands.
struct Module {
    directory: PathBuf,
}

impl Module {
    fn loaded() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("userapp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let module = Module { directory };
        fs::write(module.status(), "").unwrap();
        module
    }

    fn status(&self) -> PathBuf {
        self.directory.join("status")
    }

    fn commands(&self) -> String {
        fs::read_to_string(self.status()).unwrap()
    }

    fn userapp(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_userapp"));
        command.env("MP3_STATUS", self.status()).args(line.split_whitespace());
        command
    }

    fn output(&self, line: &str) -> Output {
        self.userapp(line).output().unwrap()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ends a child that a failed test leaves behind.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn registers_works_and_unregisters() {
    let module = Module::loaded();
    let output = module.output("16 R 2000 --pause 0 --seed 9 --json");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pid = &report["pid"];
    assert_eq!(module.commands(), format!("R {pid}\nU {pid}\n"));
    assert_eq!(report["profiled"]["minor_faults"], report["distinct_pages"]);
    assert_eq!(report["profiled"]["major_faults"], 0);
    assert_eq!(report["seed"], 9);
    assert_eq!(report["stopped_by"], Value::Null);
    let process = report["minor_faults"].as_u64().unwrap();
    assert!(process > report["distinct_pages"].as_u64().unwrap());
    for field in ["real_s", "user_s", "system_s"] {
        assert!(report[field].as_f64().unwrap() >= 0.0, "{report}");
    }
}

#[test]
fn prints_process_times_for_people() {
    let output = Module::loaded().output("1 L 100 --pause 0 --iterations 2");
    let text = String::from_utf8(output.stdout).unwrap();
    let labels: Vec<_> = text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(labels, ["real", "user", "system", "faults", "times()", "profiled"]);
}

#[test]
fn unregisters_and_dies_of_the_signal_that_stops_it() {
    // Under nohup it would be ignored from the start, and userapp leaves it so.
    // SAFETY: No handler is set; nothing here waits for this signal.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    for (signal, name) in [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP")] {
        let module = Module::loaded();
        let mut child = Kill(module.userapp("1 R 10 --pause 3600 --json").stdout(Stdio::piped()).spawn().unwrap());
        let pid = child.0.id();
        let registered = format!("R {pid}\n");
        while module.commands() != registered {
            assert!(child.0.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: a signal to a child that has not been waited for, so that the number is still its own.
        unsafe { libc::kill(pid as i32, signal) };
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(child.0.wait().unwrap().signal(), Some(signal));
        assert_eq!(module.commands(), format!("R {pid}\nU {pid}\n"));
        let report: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(report["stopped_by"], name);
        assert_eq!(report["distinct_pages"], Value::Null);
    }
}

#[test]
fn without_the_module_nothing_is_done() {
    let module = Module::loaded();
    fs::remove_file(module.status()).unwrap();
    for line in ["1 R 1", "register 1", "unregister 1", "list", "run -- touch done"] {
        let output = module.userapp(line).current_dir(&module.directory).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(stderr(&output), format!("userapp: {}: not there; is mp3.ko loaded?\n", module.status().display()));
    }
    assert!(!module.directory.join("done").exists());
}

#[test]
fn run_registers_the_program_itself_and_passes_its_status_on() {
    let module = Module::loaded();
    let output = module.userapp("run --json --").args(["sh", "-c", "echo $$; exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    // The shell's own PID is the one that was registered.
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), report["pid"].to_string());
    assert_eq!(module.commands(), format!("R {}\n", report["pid"]));
    assert_eq!(report["exit_status"], 7);
    assert!(report["profiled"]["minor_faults"].as_u64() < report["minor_faults"].as_u64());

    let output = module.userapp("run --").args(["sh", "-c", "kill -TERM $$"]).output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 15));
    assert!(stderr(&output).ends_with("ended by SIGTERM\n"), "{output:?}");
}

#[test]
fn run_leaves_the_programs_signals_alone() {
    let module = Module::loaded();
    let output =
        module.userapp("run --").args(["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]).output().unwrap();
    let plain = Command::new("grep").args(["-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&plain.stdout));
}

#[test]
fn run_passes_on_that_a_real_time_signal_ended_the_program() {
    let module = Module::loaded();
    let number = nix::libc::SIGRTMIN() + 1;
    let output = module.userapp("run --json -- sh -c").arg(format!("kill -{number} $$")).output().unwrap();
    assert_eq!(output.status.code(), Some(128 + number), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(report["signal"], format!("signal {number}"));
}

#[test]
fn run_reports_the_program_and_the_processes_that_it_started_separately() {
    let module = Module::loaded();
    // A child that touches 64 MiB, which its parent does not.
    let script = "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; :";
    let output = module.userapp("run --json -- sh -c").arg(script).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    let minor = |part: &Value| part["minor_faults"].as_u64().unwrap();
    let (all, profiled, children) = (minor(&report), minor(&report["profiled"]), minor(&report["children"]));
    assert!(children > 64 << 20 >> 12 && profiled < 10_000, "{report}");
    assert!(all >= profiled + children, "{report}");

    let said = stderr(&module.userapp("run -- sh -c").arg(script).output().unwrap());
    assert!(said.contains("\nchildren  ") && said.contains("they were not profiled (run --follow does)\n"), "{said}");
    let output = module.userapp("run --follow --json -- sh -c").arg(script).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(minor(&report["profiled"]) > 64 << 20 >> 12, "followed, children are profiled as well: {report}");
    // A program without children has no such line.
    let output = module.output("run --json -- true");
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(report["children"], Value::Null);
}

#[test]
fn what_cannot_be_said_does_not_change_the_status() {
    let module = Module::loaded();
    for (line, code) in [("run -- false", 1), ("run -- /nowhere/program", 127)] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = module.userapp(line).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    }
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    fs::write(module.status(), "").unwrap();
    assert_eq!(module.userapp("list").stderr(full).output().unwrap().status.code(), Some(0));
}

#[test]
fn run_says_what_it_could_not_start() {
    let module = Module::loaded();
    let output = module.output("run -- /nowhere/program");
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(127), "userapp: /nowhere/program: no such program\n".into())
    );
    let commands = module.commands();
    let lines: Vec<_> = commands.lines().collect();
    assert!(
        matches!(lines[..], [r, u] if r.starts_with("R ") && u.starts_with("U ") && r[2..] == u[2..]),
        "{commands}"
    );

    let file = module.directory.join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = module.userapp("run --").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    assert_eq!(stderr(&output), format!("userapp: {}: cannot be executed: Permission denied\n", file.display()));
}

#[test]
fn register_and_unregister_write_a_line_for_each() {
    let module = Module::loaded();
    assert!(module.output("register 12 34").status.success());
    assert_eq!(module.commands(), "R 12\nR 34\n");
    fs::write(module.status(), "").unwrap();
    assert!(module.output("unregister 2147483647").status.success());
    assert_eq!(module.commands(), "U 2147483647\n");
}

#[test]
fn a_refused_pid_does_not_keep_the_others_from_being_registered() {
    // /dev/full refuses every write.
    let full = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_userapp"));
        command.env("MP3_STATUS", "/dev/full").args(line.split_whitespace()).output().unwrap()
    };
    let output = full("register 12 34");
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    let lines: Vec<_> = text.lines().collect();
    assert!(matches!(lines[..], [a, b] if a.contains("PID 12: ") && b.contains("PID 34: ")), "{text}");
    assert!(text.contains("max_processes"));

    let output = full("run true");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("max_processes"), "{output:?}");
}

#[test]
fn lists_what_is_registered() {
    let module = Module::loaded();
    let output = module.output("list");
    assert!(output.status.success() && output.stdout.is_empty());
    assert_eq!(stderr(&output), "userapp: no process is registered\n");

    fs::write(module.status(), format!("{}: 1500000\n2147483647: 0\n", std::process::id())).unwrap();
    let output = module.output("list");
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["PID", "USER_S", "COMMAND"]);
    assert_eq!(rows[1][..2], [std::process::id().to_string().as_str(), "0.001500"]);
    assert_eq!(rows[1].len(), 3);
    assert_eq!(rows[2], ["2147483647", "0.000000"]);

    fs::write(module.status(), "nonsense\n").unwrap();
    let output = module.output("list");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("line 1"), "{output:?}");
}

#[test]
fn lists_as_json_for_other_programs() {
    let module = Module::loaded();
    assert_eq!(module.output("list --json").stdout, b"", "no process, no line, and no remark");
    let own = std::process::id();
    fs::write(module.status(), format!("{own}: 3400\n2147483647: 5\n")).unwrap();
    let output = module.output("list --json");
    let lines: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert_eq!((&lines[0]["pid"], &lines[0]["user_ns"]), (&Value::from(own), &Value::from(3400)));
    assert!(!lines[0]["comm"].as_str().unwrap().is_empty());
    assert_eq!(lines[1]["comm"], "");
}

#[test]
fn unregister_all_writes_a_line_for_each_that_is_registered() {
    let module = Module::loaded();
    fs::write(module.status(), "12: 3400\n4194304: 5\n").unwrap();
    let output = module.output("unregister --all");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    // A plain file keeps what lies behind.
    assert!(module.commands().starts_with("U 12\nU 4194304\n"), "{}", module.commands());
    for line in ["unregister", "unregister --all 3"] {
        assert_eq!(module.output(line).status.code(), Some(2), "{line}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let module = Module::loaded();
    fs::write(module.status(), "1: 0\n".repeat(100_000)).unwrap();
    let mut child = Kill(module.userapp("list").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    drop(child.0.stdout.take());
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn wrong_usage_is_2() {
    let module = Module::loaded();
    for line in
        ["", "200 R", "200 X 1", "register", "register 0", "unregister -1", "register x", "run", "run --", "1 R 1 list"]
    {
        let output = module.output(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert_eq!(module.commands(), "", "{line}");
    }
}
