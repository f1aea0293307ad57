// SPDX-License-Identifier: GPL-2.0

//! Tests that go wrong on purpose (`mp3-tests --planted`), with which [`crate::suites::harness`] shows that the harness notices.

use crate::test::{Outcome, Skip};
use crate::tests;
use nix::sys::signal::{raise, Signal};
use nix::unistd::{fork, pause, setsid, ForkResult};
use testkit::child::{exit, Child};
use testkit::module::Module;
use testkit::{device, status};

tests![
    one_that_hangs within 2,
    one_that_hangs_with_the_module_in_use within 2,
    one_that_dies_of_a_signal,
    one_that_exits,
    one_that_panics,
    one_that_fails,
    one_that_leaves_processes_behind,
    one_that_cannot_be_made,
    one_that_passes,
];

fn one_that_hangs() -> Outcome {
    loop {
        pause();
    }
}

/// With a child in a session of its own, which a signal to the process group does not reach.
fn one_that_hangs_with_the_module_in_use() -> Outcome {
    let _module = Module::load("")?;
    let _device = device::open(false)?;
    let child = Child::spawn(|parent| {
        let _ = setsid();
        let _device = device::open(false);
        parent.done();
        loop {
            pause();
        }
    })?;
    status::register(child.pid())?;
    loop {
        pause();
    }
}

fn one_that_dies_of_a_signal() -> Outcome {
    Ok(raise(Signal::SIGKILL)?)
}

fn one_that_exits() -> Outcome {
    exit(0)
}

fn one_that_panics() -> Outcome {
    panic!("as planted")
}

fn one_that_fails() -> Outcome {
    anyhow::bail!("as planted")
}

fn one_that_leaves_processes_behind() -> Outcome {
    for _ in 0..3 {
        // SAFETY: This process has one thread.
        if let ForkResult::Child = unsafe { fork()? } {
            let _ = setsid();
            // SAFETY: As above.
            let _ = unsafe { fork() };
            loop {
                pause();
            }
        }
    }
    Ok(())
}

fn one_that_cannot_be_made() -> Outcome {
    Err(Skip("as planted").into())
}

fn one_that_passes() -> Outcome {
    Ok(())
}
