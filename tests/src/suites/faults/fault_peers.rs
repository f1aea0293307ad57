// SPDX-License-Identifier: GPL-2.0

//! The same run, seen by perf: where the guest has it (`vm/run --add PEERS/tree:/`, where PEERS is what `vm/prepare-peers` prints).

use super::seen::Seen;
use crate::programs::directory;
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::{Attempt, Counted, Event, FaultFlags, Kinds, Whole};
use anyhow::{ensure, Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::module::Module;
use testkit::running::run;
use testkit::tracing::{Ask, Tracing};

tests![perf_says_the_same_addresses within 600];

/// A fault of `perf record -d -e page-faults`: address, and where the processor was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    address: u64,
    ip: u64,
}

/// What `perf script -F comm,pid,addr,ip` prints of processes called `comm`, and their PID.
fn samples(text: &str, comm: &str) -> Result<(Vec<Sample>, u32)> {
    let (mut samples, mut only) = (vec![], None);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, pid, address, ip] = words[..] else { anyhow::bail!("perf script: {line}") };
        if name != comm {
            continue;
        }
        let hex = |word| u64::from_str_radix(word, 16).with_context(|| line.to_owned());
        let pid: u32 = pid.parse()?;
        ensure!(*only.get_or_insert(pid) == pid, "two processes: {line}");
        samples.push(Sample { address: hex(address)?, ip: hex(ip)? });
    }
    Ok((samples, only.with_context(|| format!("no {comm}: {text}"))?))
}

/// What `perf trace -F all` prints of the thread `tid`: whether the fault was major, and the number that it says for the address.
fn traced(text: &str, tid: u32) -> Result<Vec<(bool, u64)>> {
    let mut faults = vec![];
    for line in text.lines().filter(|line| line.contains(&format!("/{tid} "))) {
        let (_, after) = line.split_once(&format!("/{tid} ")).context("a thread")?;
        let is_major = after.starts_with("majfault");
        ensure!(is_major || after.starts_with("minfault"), "{line}");
        let (_, target) = after.split_once("] => ").with_context(|| line.to_owned())?;
        let target = target.split(" (").next().unwrap_or_default();
        // `file@0xoffset`, or `0xaddress` where perf knows no mapping.
        let number = target.rsplit("0x").next().unwrap_or_default();
        faults.push((is_major, u64::from_str_radix(number, 16).with_context(|| line.to_owned())?));
    }
    Ok(faults)
}

/// What perf does not see: `get_user_pages` finds a page for the kernel without an access, and so without an exception.
fn has_access(whole: &Whole) -> bool {
    !whole.first.fault.flags.contains(FaultFlags::NO_ACCESS)
}

/// How often each occurs on the left less on the right; what occurs as often is left out.
fn difference<T: Ord>(left: impl IntoIterator<Item = T>, right: impl IntoIterator<Item = T>) -> BTreeMap<T, i64> {
    let mut counts = BTreeMap::new();
    left.into_iter().for_each(|one| *counts.entry(one).or_default() += 1);
    right.into_iter().for_each(|one| *counts.entry(one).or_default() -= 1);
    counts.retain(|_, count| *count != 0);
    counts
}

fn perf_says_the_same_addresses() -> Outcome {
    if !Path::new("/usr/bin/perf").exists() {
        return Err(Skip("the guest has no perf (vm/run --add PEERS/tree:/)").into());
    }
    let directory = directory("faults-perf")?;
    let path = |name: &str| directory.join(name);
    let _module = Module::load("")?;
    let mut tracing =
        Tracing::start(Ask::for_kinds(Kinds::FAULTS).pids(&[std::process::id() as i32]).follow().records(1 << 20))?;
    // Both at once: the one that traces runs the one that samples, which runs the workload.
    let work = testkit::files::program("work");
    let ended = run(Command::new("/usr/bin/perf")
        .args(["trace", "-F", "all", "--no-syscalls", "-o"])
        .arg(path("trace"))
        .args(["--", "/usr/bin/perf", "record", "-e", "page-faults", "-c", "1", "-d", "-o"])
        .arg(path("data"))
        .arg("--")
        .arg(work.get_program())
        .args(["8", "R", "1500"]))?;
    ensure!(ended.status.success(), "{ended:?}");
    tracing.stop()?;
    let mut seen = Seen::default();
    // When each thread got its last name: by execve, which is when perf begins to sample.
    let mut renamed: BTreeMap<u32, u64> = BTreeMap::new();
    for ring in &mut tracing.rings {
        let events = ring.read()?;
        for happened in &events {
            if let Event::Name(name) = &happened.event {
                let last = renamed.entry(name.tid).or_default();
                *last = happened.ns.max(*last);
            }
        }
        seen.take(events)?;
    }
    ensure!(tracing.lost() == 0, "{} lost", tracing.lost());
    seen.attempts.sort_by_key(|attempt| attempt.end_ns);

    let script = run(Command::new("/usr/bin/perf").args(["script", "-F", "comm,pid,addr,ip", "-i"]).arg(path("data")))?;
    ensure!(script.status.success(), "{script:?}");
    let (sampled, pid) = samples(&script.stdout, "work")?;
    let began = |whole: &Whole| whole.end_ns() - whole.latency_ns();
    let executed = *renamed.get(&pid).with_context(|| format!("no name of {pid}"))?;
    let wholes: Vec<Whole> = seen.wholes().into_iter().filter(|whole| whole.first.fault.tgid == pid).collect();
    let ours: Vec<&Whole> = wholes.iter().filter(|whole| began(whole) >= executed && has_access(whole)).collect();
    let apart =
        difference(ours.iter().map(|whole| whole.first.fault.address), sampled.iter().map(|sample| sample.address));
    ensure!(apart.is_empty(), "{} here, {} by perf record: {apart:x?}", ours.len(), sampled.len());
    // Where the kernel faulted, perf has its address in the kernel, and the record where the program had called it.
    let users = |whole: &&&Whole| !whole.first.fault.flags.contains(FaultFlags::KERNEL);
    let apart = difference(
        ours.iter().filter(users).map(|whole| Sample { address: whole.first.fault.address, ip: whole.first.place.ip }),
        sampled.iter().copied().filter(|sample| sample.ip >> 63 == 0),
    );
    ensure!(apart.is_empty(), "code: {apart:x?}");

    // perf trace begins with the thread, and not with its program.
    let text = fs::read_to_string(path("trace"))?;
    ensure!(!text.contains("LOST"), "perf trace has lost events");
    let theirs = traced(&text, pid)?;
    let mut counted: Vec<&Whole> =
        wholes.iter().filter(|whole| has_access(whole) && whole.last.fault.counted != Counted::Nothing).collect();
    let all = counted.len();
    for &(is_major, number) in &theirs {
        // An address of a file is said as an offset in it; of other memory, as perf's map has it, which is the address.
        let is_it = |Attempt { fault, place, .. }: &Attempt| {
            fault.address == number || place.page << 12 | fault.address & 0xfff == number
        };
        let index = counted
            .iter()
            .position(|whole| is_it(&whole.first) && (whole.last.fault.counted == Counted::Major) == is_major);
        counted.swap_remove(index.with_context(|| format!("perf trace has one more: {number:#x}"))?);
    }
    ensure!(counted.is_empty(), "perf trace has not: {counted:x?}");
    let without = wholes.iter().filter(|whole| !has_access(whole)).count();
    println!(
        "    {} faults of {pid} after execve as perf record has them, {} of them by the kernel; {all} in all as perf trace has them; \
         {without} more without an access",
        ours.len(),
        ours.len() - ours.iter().filter(users).count(),
    );
    Ok(())
}
