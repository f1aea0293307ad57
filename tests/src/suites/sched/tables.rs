// SPDX-License-Identifier: GPL-2.0

//! What the views show live, against what was planted and what the kernel counts.

use super::{interrupted, nothing_lost, planted_wait, rows, sched, tracing, BUSY};
use crate::interrupts;
use crate::programs::{directory, number};
use crate::test::{Outcome, Skip};
use crate::tests;
use anyhow::{ensure, Context, Result};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::ClockId;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use testkit::child::Child;
use testkit::files;
use testkit::futex::FutexLock;
use testkit::kernel;
use testkit::module::Module;
use testkit::priority::pin;
use testkit::running::run;

tests![
    switches_add_up_and_are_no_more_than_the_kernel_counts,
    events_of_a_cpu_form_a_chain,
    top_has_the_run_time_of_a_command,
    a_program_watched_by_name_is_told_from_its_start_to_the_interrupt,
    a_hundred_migrations_are_a_hundred_migrations,
    a_planted_wait_is_found_with_its_cause,
    time_in_timer_interrupts_is_told_of_the_process_that_they_interrupt,
    what_a_thread_slept_for_is_told_with_its_waker,
    waits_for_a_disk_are_block_io,
    intervals_add_up_and_formats_say_the_same,
    bad_arguments_get_an_answer_that_says_what_to_do,
];

fn ctxt() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("ctxt ")).context("no ctxt")?;
    Ok(line.trim().parse()?)
}

fn switches_add_up_and_are_no_more_than_the_kernel_counts() -> Outcome {
    let module = Module::load("")?;
    let before = ctxt()?;
    let ended = run(&mut sched("switches --json", &BUSY))?;
    let counted = ctxt()? - before;
    ensure!(ended.status.success(), "{ended:?}");
    let rows = rows(&ended.stdout, "switches")?;
    let (all, cpus) = rows.split_last().context("no rows")?;
    let mut sum = 0;
    for cpu in cpus {
        let parts = number(&cpu["voluntary"])? + number(&cpu["involuntary"])? + number(&cpu["from_idle"])?;
        ensure!(parts == number(&cpu["switches"])?, "{cpu}");
        sum += parts;
    }
    ensure!(sum == number(&all["switches"])?, "{rows:?}");
    ensure!(sum > 120 && sum <= counted, "{sum} of {counted}");
    nothing_lost(&ended.stdout)?;
    module.unload()
}

fn events_of_a_cpu_form_a_chain() -> Outcome {
    let module = Module::load("")?;
    let events = tracing("events --json")?;
    ensure!(Command::new(BUSY[0]).args(&BUSY[1..]).status()?.success());
    let text = interrupted(events)?;
    let events = rows(&text, "event")?;
    ensure!(events.len() > 120, "{} events", events.len());
    let mut last: HashMap<u64, (u64, u64)> = HashMap::new();
    for event in &events {
        let (cpu, time) = (number(&event["cpu"])?, number(&event["time_ns"])?);
        if let Some((next, at)) = last.insert(cpu, (number(&event["next_tid"])?, time)) {
            ensure!(next == number(&event["prev_tid"])? && at <= time, "{event}, after {next}");
            ensure!(number(&event["ran_ns"])? == time - at, "{event}, after {at}");
        }
    }
    nothing_lost(&text)?;
    module.unload()
}

fn top_has_the_run_time_of_a_command() -> Outcome {
    let module = Module::load("")?;
    let burn = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; cat /proc/$$/schedstat; exit 0";
    let ended = run(&mut sched("top --json", &["sh", "-c", burn]))?;
    ensure!(ended.status.success(), "{ended:?}");
    // The shell sleeps while cat reads: the first number is its run time, to the ns. Then it only exits.
    let stat = ended.stdout.lines().find(|line| !line.starts_with('{')).context("no schedstat")?;
    let run_ns: u64 = stat.split(' ').next().unwrap_or_default().parse()?;
    let top = rows(&ended.stdout, "top")?;
    let shell = top.iter().find(|row| row["comm"] == "sh").context("no sh")?;
    let counted = number(&shell["run_ns"])?;
    ensure!(counted >= run_ns && counted - run_ns < 200_000_000, "{counted}, and schedstat said {run_ns}");
    nothing_lost(&ended.stdout)?;
    module.unload()
}

fn a_program_watched_by_name_is_told_from_its_start_to_the_interrupt() -> Outcome {
    let module = Module::load("")?;
    let directory = directory("sched-watch")?;
    let stress = directory.join("stress");
    fs::copy(files::program("work").get_program(), &stress)?;
    let mut watch = tracing("watch stress")?;
    let mut child = Command::new(&stress).args(["8", "R", "2000"]).stdout(std::process::Stdio::null()).spawn()?;
    let executed = format!("PID {} executed {}", child.id(), stress.display());
    loop {
        let line = watch.line()?;
        if line.ends_with(&executed) {
            break;
        }
        ensure!(!line.contains("lost"), "{line}");
    }
    kernel::wait_until_asleep_in(child.id() as i32, nix::libc::SYS_clock_nanosleep)?;
    let text = interrupted(watch)?;
    child.kill()?;
    child.wait()?;
    let pid = child.id().to_string();
    let row = text.lines().find(|line| line.split_whitespace().nth(1) == Some(&pid)).context(text.clone())?;
    let words: Vec<&str> = row.split_whitespace().collect();
    let [_, _, run_ms, timer_ms, "stress"] = words[..] else { anyhow::bail!("{row}") };
    let (run_ms, timer_ms): (f64, f64) = (run_ms.parse()?, timer_ms.parse()?);
    ensure!(run_ms > 0.0 && timer_ms < run_ms, "{row}");
    nothing_lost(&text)?;
    module.unload()
}

fn a_hundred_migrations_are_a_hundred_migrations() -> Outcome {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err(crate::test::Skip("it takes two CPUs to migrate").into());
    }
    let module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        pin(0).expect("two CPUs");
        parent.done();
        parent.wait();
        for n in 1..=100 {
            pin(n % 2).expect("two CPUs");
        }
        parent.done();
        parent.wait();
    })?;
    child.wait_done()?;
    let pid = child.pid();
    let affinity = tracing(&format!("affinity --json --pid {pid}"))?;
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(pid)?;
    let text = interrupted(affinity)?;
    let rows = rows(&text, "affinity")?;
    let row = rows.first().context(text.clone())?;
    ensure!(number(&row["migrations"])? == 100 && number(&row["forced"])? == 100, "{row}");
    // Too much is 100 in a second of run time, and so many are a matter of the machine's speed.
    let is_much = number(&row["run_ns"])? <= 1_000_000_000;
    ensure!(row["verdict"] == if is_much { "migrates much, forced by its mask" } else { "" }, "{row}");
    nothing_lost(&text)?;
    drop(child);
    module.unload()
}

fn a_planted_wait_is_found_with_its_cause() -> Outcome {
    let module = Module::load("")?;
    let mut latency = None;
    let victim = planted_wait(|victim| {
        latency = Some(tracing(&format!("latency --json --pid {} --over 40ms", victim.pid()))?);
        Ok(())
    })?;
    let text = interrupted(latency.context("latency")?)?;
    let waits = rows(&text, "wait")?;
    let wait = waits.first().context(text.clone())?;
    let ns = number(&wait["wait_ns"])?;
    ensure!(ns >= 79_000_000, "{wait}");
    ensure!(wait["cpu"] == 0 && wait["from"] == "wake-up", "{wait}");
    // As long as was planted. The rest of the wait is the machine's.
    ensure!(number(&wait["instead_ns"])? >= 79_000_000, "{wait}");
    ensure!(rows(&text, "meanwhile")?.iter().any(|row| row["rank"] == "rt 50"), "{text}");
    nothing_lost(&text)?;
    drop(victim);
    module.unload()
}

/// Keeps its CPU for 300 ms of CPU time, in which its timers expire by the hundred.
fn loaded_with_timers() -> Result<Child> {
    Child::spawn(move |parent| {
        parent.done();
        parent.wait();
        let timer = |n: u64| {
            let timer = TimerFd::new(TimerClock::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).expect("a timer");
            let interval = Expiration::Interval(TimeSpec::from(Duration::from_micros(150 + n)));
            timer.set(interval, TimerSetTimeFlags::empty()).expect("a timer");
            timer
        };
        let all: Vec<TimerFd> = (0..16).map(timer).collect();
        while cpu_time() < Duration::from_millis(300) {
            // Each is armed again by being read.
            for timer in &all {
                let _ = nix::unistd::read(timer.as_fd(), &mut [0; 8]);
            }
        }
        parent.done();
        parent.wait();
    })
}

fn cpu_time() -> Duration {
    nix::time::clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn time_in_timer_interrupts_is_told_of_the_process_that_they_interrupt() -> Outcome {
    let module = Module::load("")?;
    let mut child = loaded_with_timers()?;
    child.wait_done()?;
    let interrupts_before = interrupts::local_timers()?;
    let pid = u64::from(child.pid().unsigned_abs());
    let name = fs::read_to_string(format!("/proc/{pid}/comm"))?;
    let watch = tracing(&format!("watch --json {}", name.trim()))?;
    child.go()?;
    child.wait_done()?;
    kernel::wait_until_asleep(child.pid())?;
    let text = interrupted(watch)?;
    if interrupts::local_timers()? == interrupts_before {
        // Where the kernel could not calibrate it, on a host that was too busy, another timer's interrupts take its place.
        return Err(Skip("the local timer is not used").into());
    }
    let mine: Vec<Value> = rows(&text, "watch")?.into_iter().filter(|row| row["pid"] == pid).collect();
    let sum = |column: &str| mine.iter().map(|row| number(&row[column])).sum::<Result<u64>>();
    // How much it is depends on the machine; the tick is part of it.
    let (run, timer) = (sum("run_ns")?, sum("hrtimer_ns")?);
    ensure!(run >= 250_000_000 && timer > 0 && timer < run, "{mine:?}");
    nothing_lost(&text)?;
    drop(child);
    module.unload()
}

fn what_a_thread_slept_for_is_told_with_its_waker() -> Outcome {
    let module = Module::load("")?;
    let lock = Arc::new(FutexLock::plain());
    let blocked = tracing("blocked --json -n 1000")?;
    lock.lock();
    let waiter = {
        let lock = Arc::clone(&lock);
        std::thread::Builder::new().name("waiter".into()).spawn(move || {
            let tid = nix::unistd::gettid().as_raw();
            lock.lock();
            lock.unlock();
            tid
        })?
    };
    // Until it sleeps in the futex call: then the lock is given back.
    let tasks = || fs::read_dir("/proc/self/task").context("tasks");
    let sleeps = || -> Result<bool> {
        for task in tasks()? {
            let task = task?.path();
            let is_waiter = fs::read_to_string(task.join("comm"))?.trim() == "waiter";
            let call = format!("{} ", nix::libc::SYS_futex);
            if is_waiter && fs::read_to_string(task.join("syscall"))?.starts_with(&call) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    while !sleeps()? {
        std::thread::yield_now();
    }
    lock.unlock();
    waiter.join().map_err(|_| anyhow::anyhow!("the waiter panicked"))?;
    let text = interrupted(blocked)?;
    let address = format!("{:#x}", lock.address());
    let slept = rows(&text, "blocked")?;
    let row = slept.iter().find(|row| row["address"] == address.as_str()).context(text.clone())?;
    ensure!(row["reason"] == "futex" && row["state"] == "S" && number(&row["count"])? == 1, "{row}");
    let me = std::process::id().to_string();
    ensure!(row["woken_by"].as_str().is_some_and(|waker| waker.starts_with(&me)), "{row}, and I am {me}");
    nothing_lost(&text)?;
    module.unload()
}

fn waits_for_a_disk_are_block_io() -> Outcome {
    let disk = "/dev/vda";
    if !std::path::Path::new(disk).exists() {
        return Err(Skip("no disk: vm/run --swap 64M").into());
    }
    let module = Module::load("")?;
    let read = ["dd", &format!("if={disk}"), "of=/dev/null", "bs=4096", "count=50", "iflag=direct"].map(str::to_owned);
    let read: Vec<&str> = read.iter().map(String::as_str).collect();
    let ended = run(&mut sched("blocked --json", &read))?;
    ensure!(ended.status.success(), "{ended:?}");
    let slept = rows(&ended.stdout, "blocked")?;
    let row = slept.iter().find(|row| row["comm"] == "dd" && row["reason"] == "block I/O");
    let row = row.with_context(|| ended.stdout.clone())?;
    // A read whose data has come before dd sleeps is not among them; how many, depends on the machine.
    ensure!(number(&row["count"])? > 0 && row["state"] == "D" && row["woken_by"] == "interrupt", "{row}");
    nothing_lost(&ended.stdout)?;
    module.unload()
}

fn intervals_add_up_and_formats_say_the_same() -> Outcome {
    let module = Module::load("")?;
    let file = directory("sched-intervals")?.join("events");
    let path = file.display();
    let ended = run(&mut sched(&format!("record -o {path}"), &BUSY))?;
    ensure!(ended.status.success(), "{ended:?}");
    let report = |options: &str| -> Result<String> {
        let ended = run(&mut sched(&format!("report {path} {options}"), &[]))?;
        ensure!(ended.status.success(), "{options}: {ended:?}");
        Ok(ended.stdout)
    };
    let switches = |text: &str, cpu: &str| -> Result<Vec<u64>> {
        let rows = rows(text, "switches")?;
        rows.iter().filter(|row| row["cpu"] == cpu).map(|row| number(&row["switches"])).collect()
    };
    let whole = report("switches --json")?;
    let parts = report("switches --json --interval 0.5")?;
    let (whole_of_0, parts_of_0) = (switches(&whole, "0")?, switches(&parts, "0")?);
    ensure!(whole_of_0.len() == 1 && parts_of_0.len() > 1, "{whole_of_0:?} {parts_of_0:?}");
    ensure!(whole_of_0[0] == parts_of_0.iter().sum::<u64>(), "{whole_of_0:?} {parts_of_0:?}");
    // Only this CPU, and its sum is that of all.
    let one = report("switches --json --cpu 0")?;
    let cpus: Vec<String> = rows(&one, "switches")?.iter().map(|row| row["cpu"].to_string()).collect();
    ensure!(cpus.iter().all(|cpu| cpu.contains('0') || cpu.contains("all")), "{cpus:?}");
    ensure!(switches(&one, "0")? == whole_of_0, "{one}");
    let events = |options: &str| -> Result<usize> { Ok(rows(&report(options)?, "event")?.len()) };
    let of_each = events("events --json --cpu 0")? + events("events --json --cpu 1")?;
    ensure!(of_each == events("events --json")?, "{of_each}");
    // CSV has the columns that JSON has, and the same values.
    for view in ["switches", "top", "latency", "blocked", "affinity"] {
        let csv = report(&format!("{view} --csv"))?;
        let (mut names, mut name, mut tables): (Vec<&str>, &str, usize) = (vec![], "", 0);
        let json = report(&format!("{view} --json"))?;
        let mut left: HashMap<&str, Vec<Value>> = HashMap::new();
        for line in csv.lines().filter(|line| !line.is_empty()) {
            if let Some(table) = line.strip_prefix("# table: ") {
                (name, names) = (table, vec![]);
                left.insert(name, rows(&json, name)?);
                tables += 1;
            } else if line.starts_with('#') {
                continue;
            } else if names.is_empty() {
                names = line.split(',').collect();
            } else {
                let row = left.get_mut(name).filter(|rows| !rows.is_empty()).context("more rows than JSON")?.remove(0);
                // Names of commands may have commas; numbers are the point here.
                for (column, cell) in names.iter().zip(line.split(',')) {
                    let value = &row[*column];
                    let text = value.to_string();
                    ensure!(!value.is_u64() || text == cell, "{view} {column}: {cell}, {row}");
                }
                ensure!(row.as_object().is_some_and(|row| row.len() == names.len() + 1), "{names:?} {row}");
            }
        }
        ensure!(tables > 0 && left.values().all(Vec::is_empty), "{view}: {left:?}");
    }
    module.unload()
}

fn bad_arguments_get_an_answer_that_says_what_to_do() -> Outcome {
    let module = Module::load("")?;
    let nothing = directory("sched-bad")?.join("nothing");
    fs::write(&nothing, "#!/bin/sh\nthis is no recording at all\n")?;
    for (line, code, message) in [
        ("latency --over soon", 2, "10ms"),
        ("top --pid 0", 2, "--pid"),
        (&format!("report {} top", nothing.display()), 1, "not a recording of sched"),
        ("report /nowhere top", 1, "/nowhere"),
        ("top --device /nowhere", 1, "is mp3.ko loaded?"),
        ("record -o /nowhere/file", 1, "/nowhere/file"),
        ("top --ring 1000 --duration 1", 1, "a power of two from 256"),
    ] {
        let ended = run(&mut sched(line, &[]))?;
        ensure!(ended.status.code() == Some(code) && ended.stderr.contains(message), "{line}: {ended:?}");
    }
    let ended = run(&mut sched("top", &["/nowhere/program"]))?;
    ensure!(ended.status.code() == Some(1) && ended.stderr.contains("/nowhere/program"), "{ended:?}");
    module.unload()
}
