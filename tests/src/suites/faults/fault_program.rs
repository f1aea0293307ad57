// SPDX-License-Identifier: GPL-2.0

//! `faults` as it is typed, with the real module: planted page faults are found where they were planted.

use crate::programs::{directory, json, number, program};
use crate::seccomp;
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::ioctl::MP3_IOC_TRACE_START;
use anyhow::{ensure, Context, Result};
use nix::sys::mman::{mmap_anonymous, MapFlags, ProtFlags};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use testkit::child::{Child, Parent};
use testkit::module::Module;
use testkit::running::{run, Running};

tests![
    top_names_the_mapping_the_function_the_thread_and_the_kind_of_planted_faults,
    the_faults_of_a_process_are_those_that_the_kernel_counts_for_it,
    a_recording_gives_what_the_live_views_give,
    code_of_processes_that_are_gone_has_its_names,
    the_map_has_the_planted_addresses,
    pages_that_are_touched_are_counted_and_nothing_comes_back_without_eviction,
    a_recording_without_latency_has_the_same_faults_and_says_no_times,
    faults_that_were_overwritten_are_said_to_the_fault,
    faults_while_the_kernel_may_not_trace_are_said_to_the_fault,
    who_may_not_trace_is_told_what_is_missing,
    a_module_that_knows_no_faults_is_named_and_nothing_is_run_or_written,
    a_reader_that_has_read_enough_ends_it_well,
    bad_arguments_get_an_answer_that_says_what_to_do,
];

const PAGE: usize = 4096;
/// Pages that are planted.
const PAGES: usize = 300;

fn faults(line: &str, command: &[&str]) -> Command {
    let mut faults = program("faults", line);
    if !command.is_empty() {
        faults.arg("--").args(command);
    }
    faults
}

/// A `faults` that has said that it records.
fn recording(line: &str) -> Result<Running> {
    let mut running = Running::start(&mut faults(line, &[]))?;
    let message = running.message()?;
    ensure!(message.contains("recording"), "{message}");
    Ok(running)
}

/// Ends it with SIGINT, and returns what it printed.
fn interrupted(running: Running) -> Result<String> {
    running.kill(Signal::SIGINT)?;
    let ended = running.end()?;
    ensure!(ended.status.success(), "{ended:?}");
    Ok(ended.stdout)
}

/// The rows of one kind.
fn rows(text: &str, kind: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = text.lines().filter(|line| line.starts_with('{')).map(json).collect::<Result<_>>()?;
    Ok(all.into_iter().filter(|row| row["row"] == kind).collect())
}

fn nothing_lost(text: &str) -> Outcome {
    ensure!(text.contains("lost: 0 records"), "{text}");
    ensure!(!text.contains("have no record"), "{text}");
    Ok(())
}

/// The sum of a column.
fn sum(rows: &[Value], column: &str) -> Result<u64> {
    rows.iter().map(|row| number(&row[column])).sum()
}

/// Memory that was never touched; its address.
fn untouched(pages: usize) -> usize {
    let length = NonZeroUsize::new(pages * PAGE).expect("some pages");
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let memory = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) };
    let memory = memory.expect("memory");
    // SAFETY: the range is the mapping just made. A huge page would be one fault for all.
    unsafe { libc::madvise(memory.as_ptr(), pages * PAGE, libc::MADV_NOHUGEPAGE) };
    memory.as_ptr() as usize
}

/// The function that has the planted faults: a write to each page.
#[inline(never)]
#[no_mangle]
extern "C" fn planted_first_touches(address: usize, pages: usize) {
    for page in 0..pages {
        // SAFETY: the caller's mapping has so many pages there, which may be written.
        unsafe { ((address + page * PAGE) as *mut u8).write_volatile(1) };
    }
    black_box(address);
}

/// A child that touches `PAGES` pages at an address that is known before, when it is told to.
fn toucher() -> Result<(Child, usize)> {
    let address = untouched(PAGES);
    let child = Child::spawn(move |parent: &mut Parent| {
        // The child's copy of the stack's page is made here, and not when the function is called in earnest.
        planted_first_touches(address, 0);
        parent.wait();
        planted_first_touches(address, PAGES);
        parent.done();
        parent.wait();
    })?;
    Ok((child, address))
}

/// What a live view says of planted faults.
fn watched(line: &str) -> Result<(String, usize, i32)> {
    let (mut child, address) = toucher()?;
    let pid = child.pid();
    let running = recording(&format!("{line} --json --pid {pid}"))?;
    child.go()?;
    child.wait_done()?;
    let text = interrupted(running)?;
    child.go()?;
    child.wait()?;
    nothing_lost(&text)?;
    Ok((text, address, pid))
}

fn top_names_the_mapping_the_function_the_thread_and_the_kind_of_planted_faults() -> Outcome {
    let module = Module::load("")?;
    let (text, address, pid) = watched("top --by mapping")?;
    let mappings = rows(&text, "top_mapping")?;
    let start = format!("{address:#x}");
    let at = |row: &&Value| {
        let hex = |name: &str| usize::from_str_radix(row[name].as_str()?.trim_start_matches("0x"), 16).ok();
        Some(hex("start")? <= address && address < hex("end")?)
    };
    let planted = mappings.iter().find(|row| at(row).unwrap_or(false)).with_context(|| format!("{start}: {text}"))?;
    // What it joins may have been touched before, by the parent.
    ensure!(number(&planted["faults"])? >= PAGES as u64 && number(&planted["pid"])? == pid as u64, "{planted}");
    ensure!(number(&planted["time_ns"])? > 0, "{planted}");

    let (text, ..) = watched("top --by function")?;
    let functions = rows(&text, "top_function")?;
    let first = functions.first().context("no functions")?;
    ensure!(first["function"].as_str().is_some_and(|name| name.contains("planted_first_touches")), "{text}");
    ensure!(number(&first["faults"])? == PAGES as u64, "{text}");

    let (text, _, pid) = watched("top --by thread")?;
    let threads = rows(&text, "top_thread")?;
    ensure!(threads.len() == 1 && number(&threads[0]["tid"])? == pid as u64, "{text}");

    let (text, ..) = watched("top --by kind")?;
    let kinds = rows(&text, "top_kind")?;
    let touched = kinds.iter().find(|row| row["kind"] == "first-touch" && row["access"] == "write");
    ensure!(number(&touched.context("no first touches")?["faults"])? >= PAGES as u64, "{text}");
    module.unload()
}

/// `work`: 500 stores to random places of 8 MiB.
fn work() -> Vec<String> {
    let path = testkit::files::program("work").get_program().to_string_lossy().into_owned();
    [path.as_str(), "8", "R", "500"].map(str::to_owned).into()
}

fn the_faults_of_a_process_are_those_that_the_kernel_counts_for_it() -> Outcome {
    let module = Module::load("")?;
    // It stands still when its counts are read.
    let (mut child, _) = toucher()?;
    let pid = child.pid();
    let running = recording(&format!("top --by kind --json --pid {pid}"))?;
    let before = stat(pid)?;
    child.go()?;
    child.wait_done()?;
    let after = stat(pid)?;
    let text = interrupted(running)?;
    child.go()?;
    child.wait()?;
    nothing_lost(&text)?;
    let kinds = rows(&text, "top_kind")?;
    let (all, major) = (sum(&kinds, "faults")?, sum(&kinds, "major")?);
    let counted = (after.0 - before.0, after.1 - before.1);
    ensure!(all - major == counted.0 && major == counted.1, "{all} of which {major}, and {counted:?}: {text}");
    ensure!(counted.0 >= PAGES as u64, "{counted:?}");
    module.unload()
}

/// Minor and major faults of a process so far: the tenth and twelfth field of `/proc/PID/stat`.
fn stat(pid: i32) -> Result<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    Ok((fields.get(7).context("stat")?.parse()?, fields.get(9).context("stat")?.parse()?))
}

fn a_recording_gives_what_the_live_views_give() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("faults-recording")?;
    let file = directory.join("run.faults");
    let path = file.to_str().context("a path")?;
    let command = work();
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let ended = run(&mut faults(&format!("record -o {path}"), &words))?;
    ensure!(ended.status.success(), "{ended:?}");
    nothing_lost(&ended.stderr)?;
    let report = |view: &str| -> Result<String> {
        let ended = run(&mut faults(&format!("report {path} {view} --json"), &[]))?;
        ensure!(ended.status.success(), "{ended:?}");
        nothing_lost(&ended.stdout)?;
        Ok(ended.stdout)
    };
    let mut sums = vec![];
    for by in ["mapping", "function", "line", "thread", "kind"] {
        let rows = rows(&report(&format!("top --by {by} -n 1000"))?, &format!("top_{by}"))?;
        sums.push(sum(&rows, "faults")?);
    }
    ensure!(sums.iter().all(|count| *count == sums[0]) && sums[0] > 500, "{sums:?}");
    let latency = report("latency")?;
    let histogram = rows(&latency, "fault_histogram")?;
    ensure!(sum(&histogram, "faults")? == sums[0], "{latency}");
    let slow = rows(&latency, "slow_fault")?;
    ensure!(slow.len() == 10 && slow.iter().all(|row| row["cpu_ns"].is_u64()), "{latency}");
    ensure!(number(&slow[0]["took_ns"])? >= number(&slow[9]["took_ns"])?, "{latency}");
    let bands = rows(&report("map")?, "map_band")?;
    ensure!(sum(&bands, "faults")? <= sums[0] && sum(&bands, "faults")? > 500, "{bands:?}");
    let trace = directory.join("run.pftrace");
    let to = trace.to_str().context("a path")?;
    let ended = run(&mut faults(&format!("export {path} --perfetto {to} --over 1us"), &[]))?;
    ensure!(ended.status.success() && fs::metadata(&trace)?.len() > 10_000, "{ended:?}");

    // Cut off, it is read as far as it goes.
    let whole = fs::read(&file)?;
    fs::write(&file, &whole[..whole.len() - 9])?;
    let ended = run(&mut faults(&format!("report {path} top"), &[]))?;
    ensure!(ended.status.success() && ended.stdout.contains("cut off"), "{ended:?}");
    module.unload()
}

fn code_of_processes_that_are_gone_has_its_names() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("faults-gone")?;
    let path = directory.join("run.faults").to_str().context("a path")?.to_owned();
    // Processes that live for a few milliseconds each: gone long before the report.
    let script = "i=0; while [ $i -lt 20 ]; do /bin/busybox true; i=$((i+1)); done";
    let ended = run(&mut faults(&format!("record -o {path}"), &["sh", "-c", script]))?;
    ensure!(ended.status.success(), "{ended:?}");
    let ended = run(&mut faults(&format!("report {path} top --by function --json -n 1000"), &[]))?;
    let functions = rows(&ended.stdout, "top_function")?;
    let all = sum(&functions, "faults")?;
    let of_files: Vec<Value> =
        functions.iter().filter(|row| row["module"].as_str().is_some_and(|name| !name.is_empty())).cloned().collect();
    // A stripped program has no names for its functions, and is named itself.
    ensure!(sum(&of_files, "faults")? * 100 >= all * 95, "{} of {all}: {}", sum(&of_files, "faults")?, ended.stdout);
    let threads = run(&mut faults(&format!("report {path} top --by thread --json -n 1000"), &[]))?;
    let threads = rows(&threads.stdout, "top_thread")?;
    ensure!(threads.len() >= 20, "{} threads", threads.len());
    module.unload()
}

fn the_map_has_the_planted_addresses() -> Outcome {
    let module = Module::load("")?;
    let (text, address, _) = watched("map")?;
    let bands = rows(&text, "map_band")?;
    let start = format!("{address:#x}");
    let planted =
        bands.iter().find(|row| row["start"] == start.as_str()).with_context(|| format!("{start}: {text}"))?;
    ensure!(number(&planted["touched_pages"])? >= PAGES as u64, "{planted}");
    ensure!(planted["kind"] == "first-touch", "{planted}");
    module.unload()
}

fn pages_that_are_touched_are_counted_and_nothing_comes_back_without_eviction() -> Outcome {
    let module = Module::load("")?;
    let (text, ..) = watched("wss")?;
    let mappings = rows(&text, "wss_mapping")?;
    ensure!(sum(&mappings, "touched_pages")? >= PAGES as u64, "{text}");
    ensure!(sum(&mappings, "again_disk")? == 0, "{text}");
    ensure!(text.contains("uses without a fault are not seen"), "{text}");
    module.unload()
}

fn a_recording_without_latency_has_the_same_faults_and_says_no_times() -> Outcome {
    let module = Module::load("")?;
    let (text, address, _) = watched("top --by mapping --no-latency")?;
    let mappings = rows(&text, "top_mapping")?;
    let most = mappings.first().context("no mappings")?;
    ensure!(number(&most["faults"])? >= PAGES as u64, "{address:#x}: {text}");
    ensure!(most["time_ns"].is_null(), "{most}");
    module.unload()
}

fn faults_that_were_overwritten_are_said_to_the_fault() -> Outcome {
    let module = Module::load("")?;
    let address = untouched(PAGES + 1);
    let mut child = Child::spawn(move |parent: &mut Parent| {
        for (page, pages) in [(0, 1), (1, PAGES)] {
            parent.wait();
            planted_first_touches(address + page * PAGE, pages);
            parent.done();
        }
        parent.wait();
    })?;
    let pid = child.pid();
    // A ring for 128 faults, and a reader that does not come to it.
    let mut running = recording(&format!("latency --over 1ns --no-switches --ring 256 --json --pid {pid}"))?;
    let before = stat(pid)?;
    child.go()?;
    let mut text = String::new();
    while !text.contains(&format!("{address:#x}")) {
        text = running.line()?;
    }
    child.wait_done()?;
    running.stop()?;
    child.go()?;
    child.wait_done()?;
    let after = stat(pid)?;
    running.go_on()?;
    let text = interrupted(running)?;
    child.go()?;
    child.wait()?;
    let seen = sum(&rows(&text, "fault_histogram")?, "faults")?;
    let missed = number_before(&text, " faults that the kernel counted")?;
    let lost = number_before(&text, " records in ")?;
    let counted = after.0 + after.1 - before.0 - before.1;
    ensure!(seen + missed == counted, "{seen} seen and {missed} missed, of {counted}: {text}");
    // Two records a fault, and two or more for a mapping.
    ensure!(lost >= 2 * missed && missed >= PAGES as u64 - 128, "{lost} records, {missed} faults: {text}");
    module.unload()
}

/// The number before these words.
fn number_before(text: &str, words: &str) -> Result<u64> {
    let (before, _) = text.split_once(words).with_context(|| format!("no '{words}': {text}"))?;
    let digits = before.rsplit(|letter: char| !letter.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).with_context(|| format!("no number before '{words}': {text}"))
}

/// `kernel.ftrace_enabled`, which keeps all that traces functions from it, until this is dropped.
struct Silence;

impl Silence {
    const PATH: &str = "/proc/sys/kernel/ftrace_enabled";

    /// [`Skip`] where the kernel has given that up, as Linux 7.3 has.
    fn begin() -> Result<Self> {
        match fs::write(Self::PATH, "0") {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                Err(Skip("this kernel does not switch the tracing of functions off (kernel.ftrace_enabled)").into())
            }
            written => written.map(|()| Silence).map_err(Into::into),
        }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = fs::write(Self::PATH, "1");
    }
}

fn faults_while_the_kernel_may_not_trace_are_said_to_the_fault() -> Outcome {
    if !Path::new(Silence::PATH).exists() {
        return Err(Skip("this kernel does not trace functions (CONFIG_FUNCTION_TRACER)").into());
    }
    let module = Module::load("")?;
    let address = untouched(3 * PAGES);
    let mut child = Child::spawn(move |parent: &mut Parent| {
        planted_first_touches(address, 0);
        for part in 0..3 {
            parent.wait();
            planted_first_touches(address + part * PAGES * PAGE, PAGES);
            parent.done();
        }
        parent.wait();
    })?;
    let pid = child.pid();
    let running = recording(&format!("top --by kind --json --pid {pid}"))?;
    let before = stat(pid)?;
    let mut touch = || child.go().and_then(|()| child.wait_done());
    touch()?;
    let silence = Silence::begin()?;
    touch()?;
    drop(silence);
    touch()?;
    let after = stat(pid)?;
    let text = interrupted(running)?;
    child.go()?;
    child.wait()?;
    let seen = sum(&rows(&text, "top_kind")?, "faults")?;
    let missed = number_before(&text, " faults that the kernel counted")?;
    let counted = after.0 + after.1 - before.0 - before.1;
    ensure!(seen + missed == counted, "{seen} seen and {missed} missed, of {counted}: {text}");
    ensure!(missed >= PAGES as u64 && seen >= 2 * PAGES as u64, "{seen} seen and {missed} missed: {text}");
    ensure!(text.contains("lost: 0 records"), "{text}");
    module.unload()
}

fn who_may_not_trace_is_told_what_is_missing() -> Outcome {
    let module = Module::load("")?;
    let as_user = |line: &str| run(program("faults", line).uid(1000).gid(1000));
    let ended = as_user("top --pid 1")?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.contains("permission denied"), "{ended:?}");
    // Who may open the device sees its own processes' samples, and still no events.
    fs::set_permissions("/dev/mp3", fs::Permissions::from_mode(0o666))?;
    let directory = directory("faults-of-a-user")?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
    let file = directory.join("run.faults").to_str().context("a path")?.to_owned();
    for line in ["top --pid 1", &format!("record -o {file} --pid 1"), "map --name init"] {
        let ended = as_user(line)?;
        ensure!(ended.status.code() == Some(1) && ended.stderr.contains("CAP_PERFMON"), "{line}: {ended:?}");
    }
    ensure!(!Path::new(&file).exists(), "a file of nothing, or an older one overwritten");
    // Its own process is no exception; and COMMAND has not run.
    let ended = run(program("faults", "top -- touch /tmp/faults-ran").uid(1000).gid(1000))?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.contains("CAP_PERFMON"), "{ended:?}");
    ensure!(!Path::new("/tmp/faults-ran").exists(), "COMMAND ran");
    module.unload()
}

fn a_module_that_knows_no_faults_is_named_and_nothing_is_run_or_written() -> Outcome {
    if !seccomp::is_there() {
        return Err(Skip("this kernel has no filters of system calls (CONFIG_SECCOMP_FILTER)").into());
    }
    let module = Module::load("")?;
    let directory = directory("faults-of-an-old-module")?;
    let path = |name: &str| Ok::<_, anyhow::Error>(directory.join(name).to_str().context("a path")?.to_owned());
    let (file, ran) = (path("run.faults")?, path("ran")?);
    let command = ["touch", ran.as_str()];
    for (line, command) in [
        ("top --pid 1", &[][..]),
        ("latency --name init", &[]),
        (&format!("record -o {file} --pid 1"), &[]),
        (&format!("record -o {file}"), &command),
        ("wss", &command),
    ] {
        let mut faults = faults(line, command);
        // What the tracer answers to kinds of events that it does not know (`sessions`).
        seccomp::refuse_ioctl(&mut faults, MP3_IOC_TRACE_START, libc::EINVAL);
        let ended = run(&mut faults)?;
        ensure!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{line}: {ended:?}");
        ensure!(ended.stderr.contains("does not record page faults"), "{line}: {ended:?}");
        ensure!(ended.stderr.contains("take module and programs from the same release"), "{line}: {ended:?}");
        // Nor does what would have become COMMAND say anything.
        ensure!(ended.stderr.lines().count() == 1, "{line}: {ended:?}");
        ensure!(!Path::new(&file).exists() && !Path::new(&ran).exists(), "{line}: written or run");
    }
    // The same program, without the refusal.
    let ended = run(&mut faults("wss", &command))?;
    ensure!(ended.status.success() && Path::new(&ran).exists(), "{ended:?}");
    module.unload()
}

fn a_reader_that_has_read_enough_ends_it_well() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("faults-pipe")?;
    let path = directory.join("run.faults").to_str().context("a path")?.to_owned();
    let ended = run(&mut faults(&format!("record -o {path}"), &["sh", "-c", "echo $(echo 1)"]))?;
    ensure!(ended.status.success(), "{ended:?}");
    let mut running = Running::start(&mut faults(&format!("report {path} latency --over 1ns --json"), &[]))?;
    running.line()?;
    running.close_stdout();
    let ended = running.end()?;
    ensure!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    module.unload()
}

fn bad_arguments_get_an_answer_that_says_what_to_do() -> Outcome {
    let refused = |line: &str, words: &str| -> Outcome {
        let ended = run(&mut faults(line, &[]))?;
        ensure!(!ended.status.success() && ended.stderr.contains(words), "{line}: {ended:?}");
        Ok(())
    };
    // Without the module.
    refused("top --pid 1", "the mp3 module")?;
    let module = Module::load("")?;
    refused("top", "--pid PID, --name NAME")?;
    refused("record -o /nowhere/x --pid 1", "/nowhere/x")?;
    refused("report /nowhere top", "/nowhere")?;
    refused("latency --no-latency --pid 1", "exclude")?;
    refused("top --pid 1 --ring 1000", "a power of two from 256")?;
    refused("top --pid 4194303", "no such process")?;
    refused("top --pid 0", "0")?;
    refused("top --name a-name-of-17-bytes", "1 to 15 bytes")?;
    refused("top --pid 1 --interval 0", "0")?;
    refused("map -o x.pdf --pid 1", "built without figures")?;
    let directory = directory("faults-other")?;
    let path = directory.join("s").to_str().context("a path")?.to_owned();
    let ended = run(program("sched", &format!("record -o {path}")).args(["--", "true"]))?;
    ensure!(ended.status.success(), "{ended:?}");
    refused(&format!("report {path} top"), "faults record -o FILE")?;
    for (name, bytes) in [("empty", &b""[..]), ("text", b"#!/bin/sh\nexit 0\n"), ("begun", b"mp3sched")] {
        let other = directory.join(name);
        fs::write(&other, bytes)?;
        let other = other.to_str().context("a path")?;
        let words = if name == "begun" { "damaged in its header" } else { "not a recording" };
        refused(&format!("report {other} wss"), words)?;
        refused(&format!("report {other} wss"), other)?;
        refused(&format!("export {other} --perfetto {path}.pftrace"), words)?;
    }
    refused(&format!("report {} top", directory.display()), "directory")?;
    ensure!(!Path::new(&format!("{path}.pftrace")).exists(), "a trace of nothing was written");
    let ended = run(&mut faults("top", &["/no/such/program"]))?;
    ensure!(ended.status.code() == Some(127) && ended.stderr.contains("cannot run"), "{ended:?}");
    let ended = run(&mut faults("top", &["sh", "-c", "exit 7"]))?;
    ensure!(ended.status.code() == Some(7), "{ended:?}");
    ensure!(!Path::new("/nowhere").exists());
    module.unload()
}
