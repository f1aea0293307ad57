// SPDX-License-Identifier: GPL-2.0

//! A user without rights who does what he may as fast as he can: registers, follows and unregisters, forks, executes, maps.

use anyhow::Result;
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};
use nix::sys::wait::waitpid;
use nix::unistd::{execv, fork, setresgid, setresuid, ForkResult, Gid, Uid};
use std::num::NonZeroUsize;
use testkit::child::{exit, Child};
use testkit::status;

/// The attacker's ID.
pub const USER: u32 = 1000;

/// His processes, of which each does one thing until this is dropped.
pub struct Attack {
    processes: Vec<Child>,
}

impl Attack {
    /// Begins it.
    pub fn begin() -> Result<Self> {
        let ways: [fn(); 8] = [registers, registers, follows, follows, follows, forks, executes, maps];
        let mut processes = ways.into_iter().map(attacker).collect::<Result<Vec<_>>>()?;
        // All of them have come as far as their first round.
        processes.iter_mut().try_for_each(Child::wait_done)?;
        Ok(Attack { processes })
    }

    /// All of them are still at it.
    pub fn goes_on(&self) -> bool {
        let is_alive = |child: &Child| nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.pid()), None).is_ok();
        !self.processes.is_empty() && self.processes.iter().all(is_alive)
    }
}

/// A child of [`USER`] that does `round` for ever.
fn attacker(round: fn()) -> Result<Child> {
    Child::spawn(|parent| {
        let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
        if setresgid(group, group, group).and(setresuid(user, user, user)).is_err() {
            exit(7);
        }
        let _ = nix::sys::prctl::set_dumpable(true);
        round();
        parent.done();
        loop {
            round();
        }
    })
}

/// What a `write` answers is of no concern here.
fn write(line: &str) {
    let _ = status::write(line.as_bytes());
}

fn registers() {
    let mine = std::process::id();
    write(&format!("R {mine}\nU {mine}\n"));
    write("U 1\n");
}

/// Has a probe registered and unregistered each time, where nothing else is followed.
fn follows() {
    let mine = std::process::id();
    write(&format!("F {mine}\nU {mine}\n"));
}

/// Forks a child for `body`, and waits for it.
fn in_child(body: fn()) {
    // SAFETY: This process has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            body();
            exit(0);
        }
        Ok(ForkResult::Parent { child }) => drop(waitpid(child, None)),
        Err(_) => {}
    }
}

fn register_myself() {
    write(&format!("R {}\n", std::process::id()));
}

fn forks() {
    in_child(register_myself);
}

fn executes() {
    in_child(|| {
        register_myself();
        let _ = execv(c"/bin/busybox", &[c"busybox", c"true"]);
    });
}

fn maps() {
    const BYTES: usize = 1 << 20;
    register_myself();
    let Some(length) = NonZeroUsize::new(BYTES) else { return };
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing.
    let Ok(start) = (unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }) else { return };
    for at in (0..BYTES).step_by(4096) {
        // SAFETY: Inside of what was mapped.
        unsafe { start.cast::<u8>().as_ptr().add(at).write_volatile(1) };
    }
    // SAFETY: It is this mapping, and nothing points there any more.
    let _ = unsafe { munmap(start, BYTES) };
    let _ = testkit::device::open(false);
}
