// SPDX-License-Identifier: GPL-2.0

//! `monitor` as a user runs it, on an image of a ring that the test writes as the module would.

use abi::device::SAMPLES_OFFSET;
use abi::header::{word, Header, HEADER_BYTES};
use abi::record::{Flags, SampleRecord, Totals, SAMPLE_BYTES, SAMPLE_WORDS};
use abi::ring::Writer;
use abi::stream::Stream;
use abi::words::{ReadWords, WriteWords};
use memmap2::{MmapOptions, MmapRaw};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

/// The image, mapped.
struct Memory(MmapRaw);

impl Memory {
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.0.len() / 8);
        // SAFETY: within the mapping, which is writable, aligned to a page, and borrowed with `self`; all access is atomic.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().cast::<u64>().add(index)) }
    }
}

impl ReadWords for Memory {
    fn word_count(&self) -> usize {
        self.0.len() / 8
    }
    fn load_relaxed(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::Relaxed)
    }
    fn load_acquire(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::Acquire)
    }
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
}

impl WriteWords for Memory {
    fn store_relaxed(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::Relaxed);
    }
    fn store_release(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::Release);
    }
    fn fence_release(&self) {
        fence(Ordering::Release);
    }
}

/// A module, as far as its ring goes.
struct Module {
    directory: PathBuf,
    memory: Memory,
    writer: Writer<SAMPLE_WORDS>,
}

impl Module {
    fn loaded(capacity: u64) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("monitor-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let bytes = HEADER_BYTES + SAMPLE_BYTES * capacity as usize;
        let file = File::options().read(true).write(true).create_new(true).open(directory.join("mp3")).unwrap();
        file.set_len(SAMPLES_OFFSET + bytes as u64).unwrap();
        let memory = Memory(MmapOptions::new().offset(SAMPLES_OFFSET).len(bytes).map_raw(&file).unwrap());
        let header = Header {
            stream: Stream::Samples,
            record_bytes: SAMPLE_BYTES as u64,
            capacity,
            hz: 250,
            rate_hz: 20,
            start_monotonic_ns: 0,
            start_realtime_ns: 1_798_761_600_000_000_000,
            start_jiffies: 0,
            features: 0,
        };
        let writer = Writer::new(&memory, &header);
        Module { directory, memory, writer }
    }

    fn device(&self) -> PathBuf {
        self.directory.join("mp3")
    }

    fn push(&mut self, pid: i32, tick: u64, minor_faults: u64, flags: Flags) {
        let record = SampleRecord {
            sequence: self.writer.position(),
            time_ns: tick * 50_000_000,
            tick,
            jiffies: tick * 12,
            pid,
            flags,
            threads: 1,
            comm: *b"work\0\0\0\0\0\0\0\0\0\0\0\0",
            registration: pid as u64,
            // Who runs the test: a monitor takes the registrations of its own user.
            user: nix::unistd::getuid().as_raw(),
            totals: Totals { minor_faults, user_ns: minor_faults * 100, ..Totals::default() },
            ..SampleRecord::default()
        };
        self.writer.push(&self.memory, |_| record.to_words());
        self.writer.commit(&self.memory);
    }

    fn registered(&self, count: u64) {
        self.memory.store_release(word::REGISTERED, count);
    }

    fn completed(&self, tick: u64) {
        self.memory.store_release(word::COMPLETED_TICK, tick);
    }

    /// A profile that is over: 3 ticks, 60 faults.
    fn profile(&mut self) {
        self.push(7, 1, 0, Flags::FIRST);
        for tick in 1..=3 {
            self.push(7, tick, 20 * tick, Flags::default());
        }
        self.push(7, 4, 60, Flags::FINAL | Flags::EXITED);
    }

    fn monitor(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
        command.arg("--device").arg(self.device()).args(line.split_whitespace());
        command
    }

    fn output(&self, line: &str) -> Output {
        self.monitor(line).output().unwrap()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A monitor that a failed test does not leave behind.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines that are no comments.
fn data(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn prints_a_profile_and_a_summary() {
    let mut module = Module::loaded(64);
    module.profile();
    let output = module.output("");
    assert!(output.status.success(), "{output:?}");
    let profile = text(&output.stdout);
    assert!(profile.starts_with("# mp3 profile 1\n"), "{profile}");
    assert!(profile.contains("\n# start: 2027-01-01T00:00:00.050000Z\n"), "{profile}");
    assert_eq!(data(&profile), ["12 20 0 2000", "24 20 0 2000", "36 20 0 2000", "48 0 0 0"]);
    assert!(profile.contains("\n# samples: 5\n") && profile.contains("\n# lost: 0\n"), "{profile}");
    assert_eq!(
        text(&output.stderr),
        "samples       5 of 1 process in 4 ticks, 0.150 s\nfaults        60 minor, 0 major\n\
         CPU time      0.000 s (0.000 user, 0.000 system)\nrate reached  20.00 Hz of 20; missed: 0 ticks\nlost: 0\n"
    );
}

#[test]
fn every_format_says_the_same() {
    let mut module = Module::loaded(64);
    module.profile();
    let csv = text(&module.output("--per-process").stdout);
    let json = text(&module.output("--json").stdout);
    let rows = data(&csv);
    let columns: Vec<_> = rows[0].split(',').collect();
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), objects.len()), (6, 7));
    for (row, object) in rows[1..].iter().zip(&objects[1..]) {
        let values: Vec<_> = row.split(',').collect();
        assert_eq!(values.len(), columns.len());
        assert_eq!(object.as_object().unwrap().len(), columns.len());
        for (column, value) in columns.iter().zip(values) {
            match &object[column] {
                Value::Null => assert_eq!(value, "n/a"),
                Value::String(string) => assert_eq!(value, string),
                number => assert_eq!(value, number.to_string(), "{column}"),
            }
        }
    }
    assert_eq!(objects[5]["flags"], "final|exited");
    // What stands in comments there, stands in the first and the last object here.
    for comment in csv.lines().filter_map(|line| line.strip_prefix("# ")) {
        let Some((key, value)) = comment.split_once(": ") else { continue };
        let said = [&objects[0]["preamble"][key], &objects[6]["trailer"][key]];
        let is_said = |said: &&Value| match said {
            Value::Number(number) => number.as_f64() == value.parse().ok(),
            said => said.as_str() == Some(value),
        };
        assert!(["units", "sampling_ns"].contains(&key) || said.iter().any(is_said), "{comment}: {json}");
    }
}

#[test]
fn waits_follows_live_and_ends_with_the_last_process() {
    let mut module = Module::loaded(64);
    let mut running = Running::start(&mut module.monitor(""));
    let mut said = BufReader::new(running.0.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.ends_with("mp3: no process is registered; waiting for one (userapp register PID)\n"), "{line}");

    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut next = || loop {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if !line.starts_with('#') {
            return line;
        }
    };
    module.push(7, 1, 0, Flags::FIRST);
    module.registered(1);
    module.push(7, 1, 5, Flags::default());
    module.completed(1);
    // Comes while the next tick is still far.
    assert_eq!(next(), "12 5 0 500\n");
    module.push(7, 2, 6, Flags::default());
    module.completed(2);
    assert_eq!(next(), "24 1 0 100\n");
    module.push(7, 3, 9, Flags::FINAL);
    module.registered(0);
    assert_eq!(next(), "36 3 0 300\n");
    assert_eq!(next(), "");
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn interrupted_it_ends_with_a_complete_line_and_its_summary() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut module = Module::loaded(64);
        module.push(7, 1, 0, Flags::FIRST);
        module.registered(1);
        module.push(7, 1, 5, Flags::default());
        let mut running = Running::start(&mut module.monitor("--follow"));
        let mut out = BufReader::new(running.0.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        running.signal(signal);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert!(running.0.wait().unwrap().success());
        assert_eq!(data(&rest), ["12 5 0 500"]);
        assert!(rest.contains("\n# samples: 2\n") && rest.ends_with('\n'), "{rest}");
        let mut said = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.ends_with("lost: 0\n"), "{said}");
    }
}

#[test]
fn interrupted_while_its_output_is_not_read_it_says_that_the_end_is_missing() {
    let mut module = Module::loaded(1024);
    module.registered(1);
    for tick in 0..1000 {
        module.push(7, tick, tick, Flags::default());
    }
    // More than a pipe holds, without a reader.
    let mut running = Running::start(&mut module.monitor("--json"));
    let mut first = [0; 1];
    running.0.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    running.signal(Signal::SIGINT);
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.starts_with("monitor: standard output: cannot write: interrupted"), "{said}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut module = Module::loaded(1024);
    for tick in 0..1000 {
        module.push(7, tick, tick, Flags::default());
    }
    let ends_quietly = |mut running: Running| {
        assert!(running.0.wait().unwrap().success());
        let mut said = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
    };
    let mut running = Running::start(&mut module.monitor("--json --drain"));
    let mut out = running.0.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    drop(out);
    ends_quietly(running);

    // Also when there is nothing more to write: it has to notice by itself.
    let mut running = Running::start(&mut module.monitor("--follow"));
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("11988 ") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    drop(out);
    ends_quietly(running);
}

#[test]
fn a_socket_whose_peer_closed_is_no_error_either() {
    let mut module = Module::loaded(64);
    module.push(7, 1, 0, Flags::FIRST);
    module.registered(1);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = module.monitor("--follow");
    command.stdin(Stdio::null()).stdout(OwnedFd::from(theirs)).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    // The command keeps a copy of its end.
    drop(command);
    let mut out = BufReader::new(ours);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "# mp3 profile 1\n");
    drop(out);
    // It ends by itself, without anything more to write.
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn what_cannot_be_said_does_not_keep_it_from_recording() {
    let mut module = Module::loaded(64);
    module.profile();
    let expected = module.output("").stdout;
    for stderr in ["/dev/full", "/dev/null"] {
        let stderr = File::options().write(true).open(stderr).unwrap();
        let output = module.monitor("").stderr(stderr).output().unwrap();
        assert_eq!((output.status.code(), &output.stdout), (Some(0), &expected));
    }
    // Also with a pipe that has no reader, and before anything is registered.
    let empty = Module::loaded(64);
    let (reader, writer) = nix::unistd::pipe().unwrap();
    drop(reader);
    let mut running = Running(empty.monitor("--follow").stdout(Stdio::piped()).stderr(writer).spawn().unwrap());
    let mut module = empty;
    module.profile();
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("48 ") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    running.signal(Signal::SIGTERM);
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn an_old_file_stays_until_something_is_recorded() {
    let mut module = Module::loaded(64);
    let path = module.directory.join("profile.data");
    fs::write(&path, "an earlier recording, longer than what comes\n".repeat(100)).unwrap();
    let old = fs::read(&path).unwrap();
    let mut running = Running::start(module.monitor("-o").arg(&path));
    let mut said = BufReader::new(running.0.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), old);
    module.profile();
    assert!(running.0.wait().unwrap().success());
    let new = fs::read_to_string(&path).unwrap();
    assert!(new.starts_with("# mp3 profile 1\n") && !new.contains("earlier"), "{new}");
}

#[test]
fn counts_what_was_overwritten_before_it_came() {
    let mut module = Module::loaded(8);
    for tick in 1..=20 {
        module.push(7, tick, 10 * tick, Flags::default());
    }
    let output = module.output("");
    assert!(text(&output.stderr).ends_with("lost: 12\n"), "{output:?}");
    let profile = text(&output.stdout);
    assert_eq!(data(&profile).len(), 8);
    assert!(profile.contains("\n# minor: 200\n") && profile.contains("\n# lost: 12\n"), "{profile}");
    // It was told to begin with the oldest record that is there: nothing is lost.
    assert!(text(&module.output("--all").stderr).ends_with("lost: 0\n"));
}

#[test]
fn writes_to_a_file() {
    let mut module = Module::loaded(64);
    module.profile();
    let path = module.directory.join("profile.data");
    let output = module.monitor("--drain -o").arg(&path).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text(&module.output("--drain").stdout));

    let output = module.output("--drain -o /nowhere/file");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("monitor: /nowhere/file: "), "{output:?}");
    let output = module.output("--drain -o /dev/full");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("monitor: /dev/full: cannot write: No space left"), "{output:?}");
}

#[test]
fn says_what_is_wrong_with_the_device() {
    let module = Module::loaded(64);
    let said = |path: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_monitor")).arg("--device").arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let text = text(&output.stderr);
        text.strip_prefix(&format!("monitor: {}: ", path.display())).unwrap_or(&text).trim_end().to_owned()
    };
    assert_eq!(said(&module.directory.join("none")), "not there; is mp3.ko loaded? Without the module: --source proc");
    assert_eq!(said(&module.directory), "neither the mp3 module's device nor an image of its ring");
    let short = module.directory.join("short");
    fs::write(&short, "short").unwrap();
    assert_eq!(said(&short), "shorter than its header of 4096 bytes");
    assert!(said(Path::new("/dev/zero")).starts_with("not an mp3 ring"));

    // A header that promises more than is there.
    module.memory.store_relaxed(word::CAPACITY, 128);
    assert_eq!(said(&module.device()), "shorter than the ring that its header describes");
    module.memory.store_relaxed(word::ABI_VERSION, 2);
    assert!(said(&module.device()).starts_with("ABI version 2, and this program reads version 1: "));
}

#[test]
fn wrong_usage_is_2() {
    let module = Module::loaded(8);
    for line in ["--json --per-process", "--drain --follow", "--all --next", "file", "--rate 0"] {
        assert_eq!(module.output(line).status.code(), Some(2), "{line}");
    }
}

#[test]
fn a_recording_prints_what_the_ring_would_have_in_every_format() {
    let mut module = Module::loaded(64);
    module.profile();
    let path = module.directory.join("profile.mp3");
    let output = module.monitor("--record").arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.starts_with("samples       5 in 4 ticks, 0.150 s\nfile "), "{said}");
    assert!(said.ends_with("lost: 0\n"), "{said}");
    for format in ["", "--per-process", "--json"] {
        let from = Command::new(env!("CARGO_BIN_EXE_monitor"))
            .args(format.split_whitespace())
            .arg("--from")
            .arg(&path)
            .output()
            .unwrap();
        assert!(from.status.success(), "{from:?}");
        let live = module.output(format);
        assert_eq!(text(&from.stdout), text(&live.stdout));
        assert_eq!(text(&from.stderr), text(&live.stderr));
        if format == "--per-process" {
            // Programs that read text have the same rows of it.
            let mut rows = String::new();
            format::recording::Rows::new(File::open(&path).unwrap()).unwrap().read_to_string(&mut rows).unwrap();
            assert_eq!(data(&rows), data(&text(&live.stdout)));
            assert!(rows.ends_with("# samples: 5\n# lost: 0\n"), "{rows}");
        }
    }
}

#[test]
fn a_recorder_that_is_killed_leaves_what_it_had_written() {
    let mut module = Module::loaded(1024);
    module.push(7, 1, 0, Flags::FIRST);
    module.registered(1);
    for tick in 1..=200 {
        module.push(7, tick, 10 * tick, Flags::default());
    }
    let path = module.directory.join("killed.mp3");
    let mut running = Running::start(module.monitor("--record").arg(&path));
    // 200 ticks are 10 s, and a chunk is of 2 s: the first look writes.
    let has_a_chunk = |file: Vec<u8>| {
        let header = file.get(12..16).map_or(0, |length| u32::from_le_bytes(length.try_into().unwrap()));
        file.len() > 16 + header as usize + 40
    };
    while !has_a_chunk(fs::read(&path).unwrap_or_default()) {
        std::thread::yield_now();
    }
    running.signal(Signal::SIGKILL);
    running.0.wait().unwrap();
    let from = Command::new(env!("CARGO_BIN_EXE_monitor")).arg("--from").arg(&path).output().unwrap();
    assert!(from.status.success(), "{from:?}");
    assert!(text(&from.stderr).contains("killed.mp3: has no end: its recorder was killed"), "{from:?}");
    assert_eq!(data(&text(&from.stdout)).last(), Some(&"2400 10 0 1000"));
}

#[test]
fn a_file_that_is_no_recording_is_refused_with_its_name() {
    let module = Module::loaded(8);
    let path = module.directory.join("other");
    fs::write(&path, "# mp3 profile 1\n1 2 3 4\n").unwrap();
    let from = Command::new(env!("CARGO_BIN_EXE_monitor")).arg("--from").arg(&path).output().unwrap();
    assert_eq!(from.status.code(), Some(1));
    let expected =
        format!("monitor: {}: not a recording of samples: it does not begin with \"mp3sampl\"\n", path.display());
    assert_eq!(text(&from.stderr), expected);
}

/// The objects of a program that was run under `monitor --json --source proc`.
fn of_proc(command: &[&str]) -> (Vec<Value>, Option<i32>) {
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = monitor.args(["--json", "--source", "proc", "--"]).args(command).output().unwrap();
    assert!(text(&output.stderr).contains("what a process counts between its last tick and its end"), "{output:?}");
    let objects = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    (objects.into_iter().filter(|object| object.get("pid").is_some()).collect(), output.status.code())
}

#[test]
fn without_the_module_a_program_is_counted_to_its_end_and_its_status_passed_on() {
    let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; exit 7";
    let (objects, code) = of_proc(&["sh", "-c", script]);
    assert_eq!(code, Some(7));
    let last = objects.last().unwrap();
    // It was a zombie when it was read: nothing is missing.
    assert_eq!((&last["flags"], &last["comm"]), (&Value::from("final|exited"), &Value::from("sh")));
    assert!(last["minor_total"].as_u64().unwrap() > 20 && last["user_ns_total"].as_u64().unwrap() > 0, "{last}");
    assert!(last["blkio_delay_ns_total"].is_null() && !last["run_delay_ns_total"].is_null(), "{last}");
}

#[test]
fn without_the_module_descendants_are_followed() {
    let module = Module::loaded(8);
    let fifo = module.directory.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
    command.args(["--json", "--source", "proc", "--", "sh", "-c", "cat \"$0\" & wait"]).arg(&fifo);
    let mut running = Running::start(&mut command);
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"comm\":\"cat\"") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    // Its child reads the end of the file now, and both end.
    drop(File::options().write(true).open(&fifo).unwrap());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(running.0.wait().unwrap().success());
    assert!(rest.contains("\"comm\":\"sh\"") && rest.contains("\"flags\":\"final"), "{rest}");
}

#[test]
fn without_the_module_it_asks_which_processes_and_can_be_recorded() {
    let module = Module::loaded(8);
    let monitor = || Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = monitor().args(["--source", "proc"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("which processes? --pid PID"), "{output:?}");
    let absent = module.directory.join("none");
    let path = module.directory.join("proc.mp3");
    let mut auto = monitor();
    auto.arg("--device").arg(&absent).args(["--source", "auto", "--record"]).arg(&path).args(["--", "sleep", "0.2"]);
    let output = auto.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stderr).contains("is mp3.ko loaded?; reading /proc instead"), "{output:?}");
    let from = monitor().arg("--from").arg(&path).arg("--per-process").output().unwrap();
    let csv = text(&from.stdout);
    assert!(csv.contains("\n# source: /proc: what a process counts") && csv.contains(",sleep,"), "{csv}");
    assert!(csv.contains("# delays: off (/proc does not have them)"), "{csv}");
}
