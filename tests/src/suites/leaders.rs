// SPDX-License-Identifier: GPL-2.0

//! Processes whose first thread is gone.

use crate::test::Outcome;
use crate::tests;
use abi::samples::Flags;
use anyhow::{ensure, Context};
use nix::sys::signal::Signal;
use nix::unistd::execv;
use testkit::child::{exit, Child, Pages};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![a_reaped_process_has_the_name_of_its_last_program, pages_are_those_of_the_threads_that_live];

fn a_reaped_process_has_the_name_of_its_last_program() -> Outcome {
    // Time between two ticks in which the process dies and is reaped.
    let _module = Module::load("rate_hz=2")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        std::thread::spawn(|| {
            let _ = execv(c"/bin/busybox", &[c"busybox", c"sleep", c"1000"]);
            exit(8);
        });
        loop {
            std::thread::park();
        }
    })?;
    status::register(child.pid())?;
    child.go()?;
    let mut records = vec![];
    while !records.iter().any(|record: &abi::samples::SampleRecord| record.flags.contains(Flags::EXECED)) {
        records.extend(samples.wait()?);
    }
    // From here on the thread that led the process at its registration is gone.
    records.extend(samples.wait()?);
    child.kill(Signal::SIGKILL)?;
    let pid = child.pid();
    child.wait()?;
    records.extend(samples.until_final(pid)?);

    let last = records.last().context("a record")?;
    ensure!(last.flags.contains(Flags::FINAL | Flags::EXITED), "{last:?}");
    ensure!(last.comm_bytes() == b"busybox", "{:?}", String::from_utf8_lossy(last.comm_bytes()));
    let execs = records.iter().filter(|record| record.flags.contains(Flags::EXECED)).count();
    ensure!(execs == 1, "{execs} records say exec");
    Ok(())
}

fn pages_are_those_of_the_threads_that_live() -> Outcome {
    const PAGES: usize = 2000;
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = Child::spawn(|parent| {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let pages = Pages::new(PAGES);
            pages.touch(0..PAGES);
            let _ = tell.send(());
            loop {
                std::thread::park();
            }
        });
        let _ = told.recv();
        parent.done();
        // SAFETY: Ends this thread, which is the process' first one, and nothing else.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    })?;
    child.wait_done()?;
    status::register(child.pid())?;
    samples.wait()?;
    samples.wait()?;
    let record = *samples.wait()?.last().context("a record")?;
    ensure!(record.threads == 2 && !record.flags.contains(Flags::FINAL), "{record:?}");
    ensure!(record.levels.resident_pages >= PAGES as u64, "{} pages", record.levels.resident_pages);
    Ok(())
}
