// SPDX-License-Identifier: GPL-2.0

//! Whose processes a user may profile: those that he may trace.

use super::commands::as_user;
use crate::test::Outcome;
use crate::tests;
use abi::samples::{Flags, SampleRecord};
use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::sys::prctl::{set_dumpable, set_keepcaps};
use nix::unistd::{execv, setgroups, setresgid, setresuid, Gid, Uid};
use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use testkit::child::{exit, Child, Parent};
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![
    an_ordinary_process_of_the_same_user_may_be_profiled,
    other_saved_ids_than_ones_own_are_refused,
    other_group_ids_than_ones_own_are_refused,
    capabilities_that_one_lacks_are_refused,
    an_undumpable_process_is_refused,
    a_set_user_id_program_ends_the_profile,
    a_set_user_id_program_stays_in_the_profile_of_the_privileged,
    a_descriptor_that_is_passed_on_gives_no_rights,
];

const USER: u32 = 1000;
const OTHER: u32 = 1001;

/// What user 1000 gets for `R` of a child that has become what `become_other` makes of it.
fn answer(become_other: fn() -> nix::Result<()>) -> anyhow::Result<Result<(), Errno>> {
    let _module = Module::load("")?;
    let mut child = Child::spawn(|parent| {
        if become_other().is_err() {
            exit(7);
        }
        parent.done();
        parent.wait();
    })?;
    child.wait_done()?;
    let pid = child.pid();
    as_user(|| status::write(format!("R {pid}").as_bytes()).map(drop))
}

fn groups(real: u32, effective: u32, saved: u32) -> nix::Result<()> {
    setgroups(&[])?;
    setresgid(Gid::from_raw(real), Gid::from_raw(effective), Gid::from_raw(saved))
}

fn users(real: u32, effective: u32, saved: u32) -> nix::Result<()> {
    setresuid(Uid::from_raw(real), Uid::from_raw(effective), Uid::from_raw(saved))
}

fn an_ordinary_process_of_the_same_user_may_be_profiled() -> Outcome {
    let answer = answer(|| {
        groups(USER, USER, USER)?;
        users(USER, USER, USER)?;
        set_dumpable(true)
    })?;
    ensure!(answer == Ok(()), "{answer:?}");
    Ok(())
}

fn other_saved_ids_than_ones_own_are_refused() -> Outcome {
    // As a daemon after `seteuid`: it can go back.
    let answer = answer(|| {
        groups(USER, USER, USER)?;
        users(USER, USER, OTHER)?;
        set_dumpable(true)
    })?;
    ensure!(answer == Err(Errno::EPERM), "{answer:?}");
    Ok(())
}

fn other_group_ids_than_ones_own_are_refused() -> Outcome {
    // As a set-group-ID program.
    let answer = answer(|| {
        groups(USER, OTHER, OTHER)?;
        users(USER, USER, USER)?;
        set_dumpable(true)
    })?;
    ensure!(answer == Err(Errno::EPERM), "{answer:?}");
    Ok(())
}

fn capabilities_that_one_lacks_are_refused() -> Outcome {
    let answer = answer(|| {
        groups(USER, USER, USER)?;
        set_keepcaps(true)?;
        users(USER, USER, USER)?;
        set_dumpable(true)
    })?;
    ensure!(answer == Err(Errno::EPERM), "{answer:?}");
    Ok(())
}

fn an_undumpable_process_is_refused() -> Outcome {
    let answer = answer(|| {
        groups(USER, USER, USER)?;
        users(USER, USER, USER)?;
        set_dumpable(false)
    })?;
    ensure!(answer == Err(Errno::EPERM), "{answer:?}");
    Ok(())
}

/// A child of user 1000 that becomes a set-user-ID program of root, with these arguments, when it is let go.
pub fn child_that_gains_rights(arguments: &'static [&CStr]) -> anyhow::Result<Child> {
    fs::copy("/bin/busybox", "/run-as-root").context("copying busybox")?;
    fs::set_permissions("/run-as-root", Permissions::from_mode(0o4755))?;
    let mut child = Child::spawn(move |parent: &mut Parent| {
        if groups(USER, USER, USER).and(users(USER, USER, USER)).and(set_dumpable(true)).is_err() {
            exit(7);
        }
        parent.done();
        parent.wait();
        let _ = execv(c"/run-as-root", arguments);
        exit(8);
    })?;
    child.wait_done()?;
    Ok(child)
}

fn a_set_user_id_program_ends_the_profile() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = child_that_gains_rights(&[c"sleep", c"1000"])?;
    let pid = child.pid();
    as_user(|| status::write(format!("R {pid}").as_bytes()).map(drop))?.context("R by the same user")?;
    let mut records = samples.read()?;
    records.extend(samples.wait()?);
    child.go()?;
    while !records.iter().any(|record| record.flags.contains(Flags::EXECED)) {
        records.extend(samples.wait()?);
    }

    let [.., before, last] = records.as_slice() else { anyhow::bail!("{} records", records.len()) };
    ensure!(last.flags.contains(Flags::FINAL | Flags::REVOKED), "{:?}", last.flags);
    ensure!(!last.flags.contains(Flags::EXITED));
    // Nothing is told of the program.
    ensure!(last.totals == before.totals && last.comm == before.comm && last.levels == before.levels);
    ensure!(status::read()?.is_empty());
    ensure!(last.user == USER);
    let again = as_user(|| status::write(format!("R {pid}").as_bytes()).map(drop))?;
    ensure!(again == Err(Errno::EPERM), "{again:?}");
    Ok(())
}

fn a_set_user_id_program_stays_in_the_profile_of_the_privileged() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let mut child = child_that_gains_rights(&[c"sleep", c"1000"])?;
    status::register(child.pid())?;
    child.go()?;
    let mut records: Vec<SampleRecord> = vec![];
    while !records.iter().any(|record| record.flags.contains(Flags::EXECED)) {
        records.extend(samples.wait()?);
    }
    records.extend(samples.wait()?);
    ensure!(records.iter().all(|record| !record.flags.contains(Flags::FINAL)));
    ensure!(records.iter().all(|record| record.user == 0));
    ensure!(status::read()?.len() == 1);
    Ok(())
}

fn a_descriptor_that_is_passed_on_gives_no_rights() -> Outcome {
    let _module = Module::load("")?;
    // Opened by root, used by a user: as the user's own command. Opened by a user and used after `execve` of a
    // set-user-ID program is in `commands`.
    let file = fs::OpenOptions::new().write(true).open(abi::device::STATUS_PATH)?;
    let answer = as_user(|| {
        use std::io::Write;
        (&file).write(format!("R {}", std::process::id()).as_bytes()).map(drop).map_err(|_| Errno::EPERM)
    })?;
    // The opener was root, whose rights count.
    ensure!(answer == Ok(()), "{answer:?}");
    Ok(())
}
