// SPDX-License-Identifier: GPL-2.0

//! What one user can take from the others: a share, and no more.

use super::commands::{as_user, in_child};
use crate::attack::{self, Attack};
use crate::programs::{comment, lost, program, ticks};
use crate::test::Outcome;
use crate::tests;
use abi::header::word;
use abi::words::ReadWords;
use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::signal::Signal;
use nix::unistd::{setresgid, setresuid, Gid, Uid};
use std::fs;
use std::time::{Duration, Instant};
use testkit::child::{exit, Child, Pages};
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::running::{run, Running};
use testkit::{kernel, status};

tests![
    one_user_cannot_fill_the_table,
    users_of_a_namespace_count_as_the_one_who_made_it,
    one_user_cannot_overwrite_the_ring,
    a_profile_survives_a_stranger_who_registers_as_fast_as_he_can,
    registrations_are_charged_to_the_writers_cgroup,
    a_strangers_processes_neither_end_nor_are_in_a_profile,
    a_user_wakes_readers_hardly_more_often_than_ticks_do,
    an_attack_costs_anothers_profile_no_record_and_no_fault,
];

/// A child of user 1000 that does nothing.
fn child_of_user() -> anyhow::Result<Child> {
    let mut child = Child::spawn(|parent| {
        let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
        if setresgid(group, group, group).and(setresuid(user, user, user)).is_err() {
            exit(7);
        }
        let _ = nix::sys::prctl::set_dumpable(true);
        parent.done();
        parent.wait();
    })?;
    child.wait_done()?;
    Ok(child)
}

fn one_user_cannot_fill_the_table() -> Outcome {
    let _module = Module::load("max_processes=80")?;
    let children = (0..12).map(|_| child_of_user()).collect::<anyhow::Result<Vec<_>>>()?;
    let pids: Vec<_> = children.iter().map(Child::pid).collect();
    let register = |pid: i32| as_user(move || status::write(format!("R {pid}").as_bytes()).map(drop));
    for &pid in &pids[..10] {
        register(pid)?.with_context(|| format!("R {pid}"))?;
    }
    let one_more = register(pids[10])?;
    ensure!(one_more == Err(Errno::EDQUOT), "{one_more:?}");
    // Others have their own, and what is given back can be used again.
    let child = Child::idle()?;
    status::register(child.pid())?;
    status::register(pids[11])?;
    let first = pids[0];
    as_user(move || status::write(format!("U {first}").as_bytes()).map(drop))?.context("U")?;
    register(pids[10])?.context("R after U")?;
    ensure!(status::read()?.len() == 12);
    // A death gives back, too.
    let second = children.into_iter().nth(1).context("a child")?;
    let (mut samples, pid) = (Samples::from_here()?, second.pid());
    drop(second);
    samples.until_final(pid)?;
    Ok(())
}

fn users_of_a_namespace_count_as_the_one_who_made_it() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    as_user(|| {
        nix::sys::prctl::set_dumpable(true)?;
        let map = |file: &str, line: &str| fs::write(file, line).map_err(|_| Errno::EIO);
        unshare(CloneFlags::CLONE_NEWUSER)?;
        map("/proc/self/setgroups", "deny")?;
        map("/proc/self/uid_map", "0 1000 1")?;
        map("/proc/self/gid_map", "0 1000 1")?;
        status::write(format!("R {}", std::process::id()).as_bytes()).map(drop)
    })?
    .context("R in a namespace")?;
    let record = *samples.read()?.first().context("a record")?;
    ensure!(record.user == 1000, "{}", record.user);
    Ok(())
}

/// Registers and unregisters itself for `time` as fast as it can, and exits. What a `write` answers is of no concern.
fn storm(time: Duration) -> ! {
    let (mine, begun) = (std::process::id(), Instant::now());
    while begun.elapsed() < time {
        let _ = status::write(format!("R {mine}\nU {mine}\n").as_bytes());
    }
    exit(0);
}

/// A child of user 1000 in a [`storm`].
fn stormy(time: Duration) -> anyhow::Result<Child> {
    Child::spawn(|parent| {
        let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
        if setresgid(group, group, group).and(setresuid(user, user, user)).is_err() {
            exit(7);
        }
        parent.wait();
        storm(time);
    })
}

fn one_user_cannot_overwrite_the_ring() -> Outcome {
    const RING: u64 = 4096;
    let _module = Module::load(&format!("ring_records={RING}"))?;
    let samples = Samples::from_here()?;
    let mut stranger = stormy(Duration::from_secs(4))?;
    let (before, begun) = (samples.memory.load_acquire(word::COMMITTED), Instant::now());
    stranger.go()?;
    stranger.wait()?;
    let written = samples.memory.load_acquire(word::COMMITTED) - before;
    // An eighth of the ring at once, an eighth a second, and a record per tick.
    let seconds = begun.elapsed().as_secs() + 1;
    let most = RING / 8 * (seconds + 1) + 20 * seconds;
    ensure!(written <= most, "{written} records in {seconds} s, at most {most} are the user's share");
    ensure!(written > RING / 8, "{written} records: the share can be used");
    Ok(())
}

fn a_profile_survives_a_stranger_who_registers_as_fast_as_he_can() -> Outcome {
    let _module = Module::load("ring_records=1024")?;
    let child = Child::idle()?;
    let mut samples = Samples::from_here()?;
    let mut strangers = [stormy(Duration::from_secs(3))?, stormy(Duration::from_secs(3))?];
    status::register(child.pid())?;
    for stranger in &mut strangers {
        stranger.go()?;
    }
    let begun = Instant::now();
    let mut records = vec![];
    while begun.elapsed() < Duration::from_secs(4) {
        records.extend(samples.wait()?);
        // As slow as a reader may be that polls once a tick.
        std::thread::sleep(Duration::from_millis(50));
    }
    records.extend(samples.read()?);
    ensure!(samples.reader.lost() == 0, "{} records lost", samples.reader.lost());
    let missed = samples.memory.load_acquire(word::MISSED_TICKS);
    let mine = records.iter().filter(|record| record.pid == child.pid()).count();
    ensure!(mine as u64 + missed >= 60, "{mine} of the profile's own records, {missed} ticks missed");
    Ok(())
}

fn registrations_are_charged_to_the_writers_cgroup() -> Outcome {
    const PROCESSES: usize = 3000;
    let _module = Module::load("")?;
    fs::create_dir_all("/sys/fs/cgroup")?;
    let mount =
        nix::mount::mount(Some("none"), "/sys/fs/cgroup", Some("cgroup2"), nix::mount::MsFlags::empty(), None::<&str>);
    ensure!(matches!(mount, Ok(()) | Err(Errno::EBUSY)), "{mount:?}");
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").context("the memory controller")?;
    let group = "/sys/fs/cgroup/mp3-fairness";
    fs::create_dir_all(group)?;
    let crowd = Crowd::new(PROCESSES)?;
    let lines: Vec<String> =
        crowd.pids().chunks(100).map(|pids| pids.iter().map(|pid| format!("R {pid}\n")).collect()).collect();
    let charged = || -> anyhow::Result<u64> {
        let stat = fs::read_to_string(format!("{group}/memory.stat"))?;
        let kernel = stat.lines().find_map(|line| line.strip_prefix("kernel "));
        Ok(kernel.context("kernel memory")?.parse()?)
    };
    let before = charged()?;
    in_child(|| {
        fs::write(format!("{group}/cgroup.procs"), "0").map_err(|_| Errno::EIO)?;
        lines.iter().try_for_each(|lines| status::write(lines.as_bytes()).map(drop))
    })?
    .context("registering")?;
    ensure!(status::read()?.len() == PROCESSES);
    let bytes = charged()?.saturating_sub(before);
    drop(crowd);
    ensure!(bytes >= PROCESSES as u64 * 512, "{bytes} bytes charged for {PROCESSES} processes");
    Ok(())
}

/// A child that touches `pages` pages for each `go`, and its minor faults until the first.
fn toucher(pages: usize, times: usize) -> anyhow::Result<(Child, u64)> {
    let child = Child::spawn(|parent| {
        let memory = Pages::new(pages * times);
        for time in 0..times {
            parent.wait();
            memory.touch(time * pages..(time + 1) * pages);
            parent.done();
        }
        parent.wait();
    })?;
    kernel::wait_until_asleep(child.pid())?;
    let before = kernel::faults(child.pid())?.0;
    Ok((child, before))
}

fn a_strangers_processes_neither_end_nor_are_in_a_profile() -> Outcome {
    let _module = Module::load("")?;
    // He is there before the profile begins, and stays when it has ended.
    let stranger = child_of_user()?;
    let (pid, mut storm) = (stranger.pid(), stormy(Duration::from_secs(600))?);
    as_user(move || status::write(format!("R {pid}").as_bytes()).map(drop))?.context("R of the stranger")?;
    storm.go()?;

    let mut monitor = Running::start(&mut program("monitor", "--per-process"))?;
    let message = monitor.message()?;
    ensure!(message.contains("no process is registered by root") && message.contains("--all-users"), "{message}");
    let (mut child, before) = toucher(500, 4)?;
    status::register(child.pid())?;
    for _ in 0..4 {
        child.go()?;
        child.wait_done()?;
    }
    let pid_of_child = child.pid();
    child.kill(Signal::SIGKILL)?;
    let used = child.wait()?;
    // It ends by itself, though the stranger goes on.
    let ended = monitor.end()?;
    ensure!(ended.status.success() && lost(&ended.stderr)? == 0, "{ended:?}");
    ensure!(comment(&ended.stdout, "processes")? == 1, "{}", ended.stdout);
    ensure!(comment(&ended.stdout, "minor")? == used.minor_faults - before, "{} {used:?}", ended.stdout);
    ensure!(ended.stdout.contains("\n# users: root\n"), "{}", ended.stdout);
    let rows = ended.stdout.lines().filter(|line| !line.starts_with('#')).skip(1);
    for row in rows {
        ensure!(row.split(',').nth(3) == Some(&pid_of_child.to_string()), "{row}");
    }
    // It can be read again, and the stranger's as well.
    let again = run(&mut program("monitor", ""))?;
    let sum: u64 = ticks(&again.stdout)?.iter().map(|tick| tick[1]).sum();
    ensure!(sum == used.minor_faults - before && comment(&again.stdout, "processes")? == 1, "{again:?}");
    let of_user = run(&mut program("monitor", "--drain --user 1000"))?;
    let of_all = run(&mut program("monitor", "--drain --all-users"))?;
    ensure!(comment(&of_user.stdout, "processes")? > 1, "{of_user:?}");
    ensure!(comment(&of_all.stdout, "processes")? > comment(&of_user.stdout, "processes")?, "{of_all:?}");
    Ok(())
}

fn a_user_wakes_readers_hardly_more_often_than_ticks_do() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    // At rest, and while a profile is running.
    for is_running in [false, true] {
        let child = Child::idle()?;
        if is_running {
            status::register(child.pid())?;
        }
        let mut stranger = stormy(Duration::from_secs(600))?;
        stranger.go()?;
        samples.wait()?;
        let sleeps = || getrusage(UsageWho::RUSAGE_SELF).map(|usage| usage.voluntary_context_switches() as u64);
        let (before, begun, mut records) = (sleeps()?, Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(3) {
            records += samples.wait()?.len() as u64;
        }
        let (woken, intervals) = (sleeps()? - before, begun.elapsed().as_millis() as u64 / 50 + 1);
        println!("    {woken} times in {intervals} intervals, for {records} records");
        // By the tick, and by the end of a session that comes before its tick; a few by other locks and page faults.
        ensure!(woken <= 3 * intervals + 30, "woken {woken} times in {intervals} intervals");
        ensure!(records > intervals, "{records} records in {intervals} intervals: there was no storm");
    }
    Ok(())
}

fn an_attack_costs_anothers_profile_no_record_and_no_fault() -> Outcome {
    // The attacker can fill an eighth of it a second. A reader that polls at every tick has all records. The smaller it is, the
    // longer the attacker waits for his share, and the longer he holds whatever he holds meanwhile.
    let _module = Module::load("ring_records=2048")?;
    let mut samples = Samples::from_here()?;
    let attack = Attack::begin()?;
    let monitor = Running::start(&mut program("monitor", "--next"))?;
    let (mut child, before) = toucher(200, 40)?;
    status::register(child.pid())?;
    for _ in 0..40 {
        child.go()?;
        child.wait_done()?;
        // Two ticks long.
        let mut own = 0;
        while own < 2 {
            own += samples.wait()?.iter().filter(|record| record.pid == child.pid()).count();
        }
    }
    ensure!(samples.reader.lost() == 0, "{} records lost", samples.reader.lost());
    let other = Child::idle()?;
    // In the profile it has no fault.
    kernel::wait_until_asleep(other.pid())?;
    let begun = Instant::now();
    status::register(other.pid())?;
    status::unregister(other.pid())?;
    let answered = begun.elapsed();
    println!("    R and U of another took {} us", answered.as_micros());
    child.kill(Signal::SIGKILL)?;
    let used = child.wait()?;
    let ended = monitor.end()?;
    ensure!(attack.goes_on(), "the attack was over");
    drop(attack);
    ensure!(ended.status.success() && lost(&ended.stderr)? == 0, "{ended:?}");
    ensure!(comment(&ended.stdout, "minor")? == used.minor_faults - before, "{ended:?} {used:?}");
    ensure!(comment(&ended.stdout, "processes")? <= 2, "{ended:?}");
    let records = samples.memory.load_acquire(word::COMMITTED);
    let missed = comment(&ended.stdout, "missed_ticks")?;
    println!("    {records} records in all; missed ticks: {missed}");
    // By a clock that a busy host does not disturb.
    if std::env::var_os("MP3_EXACT_CLOCK").is_some() {
        ensure!(missed == 0, "{missed} ticks missed");
        ensure!(answered < Duration::from_millis(100), "R and U of another took {answered:?}");
    }
    let of_user = run(&mut program("monitor", &format!("--drain --all --user {}", attack::USER)))?;
    ensure!(comment(&of_user.stdout, "processes")? > 100, "{of_user:?}: there was no attack");
    Ok(())
}
