// SPDX-License-Identifier: GPL-2.0

//! What processes do in their lives besides faulting: vfork, tracing, asynchronous I/O, another user, hundreds of threads, odd names.

use crate::before::{Before, Life};
use crate::programs::{json, program, records as records_of};
use crate::test::{Outcome, Skip};
use crate::tests;
use abi::samples::SampleRecord;
use anyhow::{ensure, Context};
use io_uring::{opcode, squeue, types, IoUring};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{setresgid, setresuid, Gid, Pid, Uid};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Barrier;
use testkit::child::{exit, Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::running::run;
use testkit::{kernel, status};

tests![
    what_a_vforked_child_does_is_its_own,
    a_traced_process_is_counted_across_its_stops,
    faults_of_io_uring_workers_are_their_process_own,
    a_process_that_gives_its_rights_up_is_counted_on,
    hundreds_of_threads_are_counted_to_the_fault,
    threads_that_leave_faster_than_they_are_read_are_counted_once within 600,
    any_name_is_recorded_and_printed,
];

/// A vforked child's life: it has its parent's memory, and a stack of its own.
extern "C" fn vforked(pages: *mut libc::c_void) -> i32 {
    // SAFETY: The parent, which waits until this child is gone, passed a pointer to its pages.
    unsafe { &*pages.cast::<Pages>() }.touch(0..200);
    exit(0)
}

fn what_a_vforked_child_does_is_its_own() -> Outcome {
    let _module = Module::load("")?;
    let life = Life::live(|parent| {
        let pages = Pages::new(300);
        let mut stack = vec![0_u128; 4096];
        parent.wait();
        pages.touch(200..300);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: The stack outlives the child, which this thread waits for inside of the call.
        let child = unsafe {
            libc::clone(
                vforked,
                stack.as_mut_ptr_range().end.cast(),
                flags,
                std::ptr::from_ref(&pages).cast_mut().cast(),
            )
        };
        // It is not waited for: wait4 would add its usage to ours.
        exit(i32::from(child < 0));
    })?;
    let faults = life.totals().minor_faults;
    ensure!(
        life.usage.status == 0 && (100..200).contains(&faults),
        "{faults} faults, 200 of them the child's; {life:?}"
    );
    Ok(())
}

fn a_traced_process_is_counted_across_its_stops() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(300);
        parent.wait();
        for round in 0..3 {
            pages.touch(round * 100..round * 100 + 100);
            parent.done();
            parent.wait();
        }
    })?;
    kernel::wait_until_asleep(child.pid())?;
    let pid = Pid::from_raw(child.pid());
    ptrace::attach(pid)?;
    ensure!(matches!(waitpid(pid, None)?, WaitStatus::Stopped(_, Signal::SIGSTOP)));
    // Registered in a stop, which the read that it slept in has been left for.
    let before =
        Before { pid: child.pid(), faults: kernel::faults(child.pid())?, runtime_ns: kernel::runtime_ns(child.pid())? };
    status::register(child.pid())?;
    ptrace::cont(pid, None)?;
    let mut records = vec![];
    for round in 1..=3 {
        child.go()?;
        child.wait_done()?;
        child.kill(Signal::SIGUSR1)?;
        ensure!(matches!(waitpid(pid, None)?, WaitStatus::Stopped(_, Signal::SIGUSR1)));
        let faults = kernel::faults(child.pid())?.0 - before.faults.0;
        ensure!(faults >= round * 100, "round {round}: {faults} faults");
        let now = samples.reader.position() + samples.reader.pending(&samples.memory);
        while records.last().is_none_or(|record: &SampleRecord| record.sequence <= now) {
            records.extend(samples.wait()?);
        }
        let recorded = records[records.len() - 1].totals.minor_faults;
        ensure!(recorded == faults, "round {round}: {recorded} recorded, {faults} in /proc");
        // The signal is not delivered.
        ptrace::cont(pid, None)?;
    }
    // The last `wait` of the child's is over with this; it exits.
    child.go()?;
    child.wait_dead()?;
    records.extend(samples.until_final(before.pid)?);
    before.compare(&records, &child.wait()?)
}

fn faults_of_io_uring_workers_are_their_process_own() -> Outcome {
    const PAGES: usize = 100;
    if let Err(error) = IoUring::new(8) {
        println!("    io_uring: {error}");
        return Err(Skip("this kernel has no io_uring, or does not let us").into());
    }
    let _module = Module::load("")?;
    let life = Life::live(|parent| {
        let buffer = Pages::new(PAGES);
        let mut ring = IoUring::new(8).expect("it was there a moment ago");
        let file = File::open("/bin/busybox").expect("the guest's shell");
        parent.wait();
        let length = PAGES * Pages::BYTES;
        let read = opcode::Read::new(types::Fd(file.as_raw_fd()), buffer.address() as *mut u8, length as u32)
            .build()
            // In a worker thread, which then takes the faults.
            .flags(squeue::Flags::ASYNC);
        // SAFETY: File and buffer outlive the request, whose end is waited for.
        unsafe { ring.submission().push(&read) }.expect("room for one");
        ring.submit_and_wait(1).expect("one to submit");
        let result = ring.completion().next().map_or(-1, |done| done.result());
        exit(i32::from(result != length as i32));
    })?;
    ensure!(life.usage.status == 0, "the read failed");
    ensure!(life.totals().minor_faults >= PAGES as u64, "{:?}", life.totals());
    Ok(())
}

fn a_process_that_gives_its_rights_up_is_counted_on() -> Outcome {
    let _module = Module::load("")?;
    let life = Life::live(|parent| {
        let pages = Pages::new(200);
        parent.wait();
        pages.touch(0..100);
        let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
        let changed = setresgid(group, group, group).and_then(|()| setresuid(user, user, user));
        pages.touch(100..200);
        exit(i32::from(changed.is_err()));
    })?;
    ensure!(life.usage.status == 0 && life.totals().minor_faults >= 200, "{life:?}");
    Ok(())
}

fn hundreds_of_threads_are_counted_to_the_fault() -> Outcome {
    const THREADS: usize = 400;
    const PAGES: usize = 20;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(THREADS * PAGES);
        let all = Barrier::new(THREADS + 1);
        parent.wait();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (pages, all) = (&pages, &all);
                let body = move || {
                    pages.touch(thread * PAGES..thread * PAGES + PAGES);
                    all.wait();
                };
                std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, body).expect("a thread");
            }
            parent.done();
            parent.wait();
            all.wait();
        });
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_done()?;
    let mut records = vec![];
    while !records.iter().any(|record: &SampleRecord| record.threads as usize > THREADS) {
        records.extend(samples.wait()?);
    }
    child.go()?;
    child.wait_dead()?;
    records.extend(samples.until_final(before.pid)?);
    ensure!(records[records.len() - 1].totals.minor_faults as usize >= THREADS * PAGES);
    before.compare(&records, &child.wait()?)
}

/// Threads leave faster than a tick reads the thousands that stay, so that readings without a lock fail.
fn threads_that_leave_faster_than_they_are_read_are_counted_once() -> Outcome {
    const STAYING: usize = 3_000;
    const LEAVING: usize = 2_000;
    const MAKERS: usize = 4;
    let _module = Module::load("rate_hz=250")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(STAYING + LEAVING);
        let all = Barrier::new(STAYING + 1);
        let touch = |page: usize| pages.touch(page..page + 1);
        let thread = || std::thread::Builder::new().stack_size(16 << 10);
        parent.wait();
        std::thread::scope(|scope| {
            for page in 0..STAYING {
                let (touch, all) = (&touch, &all);
                let body = move || {
                    touch(page);
                    all.wait();
                };
                thread().spawn_scoped(scope, body).expect("a thread");
            }
            std::thread::scope(|scope| {
                for maker in 0..MAKERS {
                    let (touch, thread) = (&touch, &thread);
                    scope.spawn(move || {
                        for page in (STAYING + maker..STAYING + LEAVING).step_by(MAKERS) {
                            thread().spawn_scoped(scope, move || touch(page)).expect("a thread");
                        }
                    });
                }
            });
            all.wait();
        });
    })?;
    let before = Before::register(&child)?;
    child.go()?;
    child.wait_dead()?;
    let records = samples.until_final(before.pid)?;
    let totals = |record: &SampleRecord| record.totals.to_array();
    for pair in records.windows(2) {
        ensure!(totals(&pair[0]).iter().zip(totals(&pair[1])).all(|(was, is)| *was <= is), "{pair:?}");
    }
    ensure!(records[records.len() - 1].totals.minor_faults as usize >= STAYING + LEAVING);
    before.compare(&records, &child.wait()?)
}

fn any_name_is_recorded_and_printed() -> Outcome {
    let names: [&[u8]; 8] = [
        b"fifteen bytes!!",
        b"",
        b"a b",
        b"a,b\"c\\d",
        b"line\nfeed\ttab",
        b") R 1 1 1",
        b"\xff\xfe\x80\xc3",
        "h\u{fc}bsch \u{2713}".as_bytes(),
    ];
    for name in names {
        let _module = Module::load("")?;
        let mut samples = Samples::from_here()?;
        let c_name = CString::new(name)?;
        let child = Child::spawn(|parent| {
            nix::sys::prctl::set_name(&c_name).expect("any name will do");
            parent.wait();
        })?;
        kernel::wait_until_asleep(child.pid())?;
        status::register(child.pid())?;
        let records = samples.wait()?;
        ensure!(records[0].comm_bytes() == name, "{:?} instead of {:?}", records[0].comm_bytes(), c_name);
        ensure!(status::read()?.len() == 1, "{c_name:?}");
        status::unregister(child.pid())?;
        let count = records.len() + samples.read()?.len();

        let ended = run(&mut program("monitor", "--drain --json"))?;
        ensure!(ended.status.success() && records_of(&ended.stdout).len() == count, "{c_name:?}: {ended:?}");
        for line in records_of(&ended.stdout) {
            let object = json(line)?;
            let printed = object["comm"].as_str().context("a name")?;
            // What is no text is escaped, and so is the backslash.
            if let Some(text) = std::str::from_utf8(name).ok().filter(|name| !name.contains(char::is_control)) {
                ensure!(printed == text.replace('\\', r"\\"), "{c_name:?}: {line}");
            } else {
                ensure!(printed.contains('\\') && !printed.contains(char::is_control), "{c_name:?}: {line}");
            }
        }
        let ended = run(&mut program("monitor", "--drain --per-process"))?;
        let rows = ended.stdout.lines().filter(|line| !line.starts_with('#')).count();
        ensure!(ended.status.success() && rows == 1 + count, "{c_name:?}: {ended:?}");
    }
    Ok(())
}
