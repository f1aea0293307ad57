// SPDX-License-Identifier: GPL-2.0

//! `/proc/mp3/status`: grammar, errors, rights, namespaces, reading.

use crate::test::Outcome;
use crate::tests;
use abi::device::{DEVICE_PATH, STATUS_PATH};
use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, getpid, gettid, setresgid, setresuid, ForkResult, Gid, Uid};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use testkit::child::{exit, Child};
use testkit::module::Module;
use testkit::status;

tests![
    every_line_that_is_no_command_is_refused,
    separators_blanks_and_line_feeds,
    one_bad_line_changes_nothing,
    a_failing_line_ends_the_write_before_it,
    no_such_process,
    registered_already,
    not_registered,
    the_table_is_full,
    overlong_writes,
    unreadable_memory,
    any_thread_stands_for_its_process,
    zombies_are_not_registered,
    status_lists_every_process_once,
    status_reads_the_same_in_any_steps,
    modes_are_as_documented,
    users_profile_their_own_processes_only,
    the_opener_counts_and_not_the_writer,
    a_container_registers_its_own_init,
    reaped_processes_are_not_listed,
];

/// Runs `body` in a child as user and group 1000, without capabilities. It returns 0 or the error's number.
pub fn as_user(body: impl FnOnce() -> Result<(), Errno>) -> Result<Result<(), Errno>, anyhow::Error> {
    in_child(|| {
        setresgid(Gid::from_raw(1000), Gid::from_raw(1000), Gid::from_raw(1000))?;
        setresuid(Uid::from_raw(1000), Uid::from_raw(1000), Uid::from_raw(1000))?;
        body()
    })
}

pub fn in_child(body: impl FnOnce() -> Result<(), Errno>) -> Result<Result<(), Errno>, anyhow::Error> {
    // SAFETY: This program has one thread here.
    match unsafe { fork()? } {
        ForkResult::Child => exit(body().map_or_else(|errno| errno as i32, |()| 0)),
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(Ok(())),
            WaitStatus::Exited(_, errno) => Ok(Err(Errno::from_raw(errno))),
            status => anyhow::bail!("child ended with {status:?}"),
        },
    }
}

fn every_line_that_is_no_command_is_refused() -> Outcome {
    let _module = Module::load("")?;
    let pid = getpid();
    let lines = [
        "\n".into(),
        " ".into(),
        "R".into(),
        "R ".into(),
        format!("R{pid}"),
        format!("r {pid}"),
        format!("R  {pid}"),
        format!("R, {pid}"),
        format!("R {pid} {pid}"),
        format!("R -{pid}"),
        format!("R +{pid}"),
        "R 0".into(),
        "R 0x1".into(),
        "R 2147483648".into(),
        "R 4294967297".into(),
        "R 18446744073709551617".into(),
        format!("R {pid}\0"),
        format!("X {pid}"),
        "register me".into(),
    ];
    for line in &lines {
        ensure!(status::write(line.as_bytes()) == Err(Errno::EINVAL), "{line:?}");
    }
    ensure!(status::read()?.is_empty());
    Ok(())
}

fn separators_blanks_and_line_feeds() -> Outcome {
    let _module = Module::load("")?;
    let pid = getpid();
    for (verb, line) in [
        ('R', format!("R {pid}")),
        ('U', format!("U,{pid}")),
        ('R', format!("\t R\t{pid} \n")),
        ('U', format!("U {pid}\n")),
        ('R', format!("R,000{pid}")),
        ('U', format!("  U {pid}  ")),
    ] {
        ensure!(status::write(line.as_bytes()) == Ok(line.len()), "{line:?}");
        ensure!(status::read()?.len() == usize::from(verb == 'R'), "{line:?}");
    }
    ensure!(status::write(b"") == Ok(0));
    Ok(())
}

fn one_bad_line_changes_nothing() -> Outcome {
    let _module = Module::load("")?;
    let child = Child::idle()?;
    let input = format!("R {}\nR {}\nnonsense\n", getpid(), child.pid());
    ensure!(status::write(input.as_bytes()) == Err(Errno::EINVAL));
    ensure!(status::read()?.is_empty());
    Ok(())
}

fn a_failing_line_ends_the_write_before_it() -> Outcome {
    let _module = Module::load("")?;
    let child = Child::idle()?;
    let (first, second) = (format!("R {}\n", getpid()), format!("R {}\n", child.pid()));
    // The second line fails: a short write. What is left then fails by itself, as write(2) promises.
    let input = format!("{first}{first}{second}");
    ensure!(status::write(input.as_bytes()) == Ok(first.len()));
    ensure!(status::read()?.len() == 1);
    ensure!(status::write(&input.as_bytes()[first.len()..]) == Err(Errno::EEXIST));
    // In order: out and in again.
    let input = format!("U {0}\nR {0}\n{second}", getpid());
    ensure!(status::write(input.as_bytes()) == Ok(input.len()));
    ensure!(status::read()?.len() == 2);
    Ok(())
}

fn no_such_process() -> Outcome {
    let _module = Module::load("")?;
    let child = Child::idle()?;
    let pid = child.pid();
    child.kill(Signal::SIGKILL)?;
    child.wait()?;
    ensure!(status::write(format!("R {pid}").as_bytes()) == Err(Errno::ESRCH));
    ensure!(status::write(b"R 2147483647") == Err(Errno::ESRCH));
    Ok(())
}

fn registered_already() -> Outcome {
    let _module = Module::load("")?;
    let me = format!("R {}", getpid());
    ensure!(status::write(me.as_bytes()) == Ok(me.len()));
    ensure!(status::write(me.as_bytes()) == Err(Errno::EEXIST));
    ensure!(status::read()?.len() == 1);
    Ok(())
}

fn not_registered() -> Outcome {
    let _module = Module::load("")?;
    ensure!(status::write(format!("U {}", getpid()).as_bytes()) == Err(Errno::ENOENT));
    ensure!(status::write(b"U 2147483647") == Err(Errno::ENOENT));
    Ok(())
}

fn the_table_is_full() -> Outcome {
    let _module = Module::load("max_processes=2")?;
    let children = [Child::idle()?, Child::idle()?, Child::idle()?];
    let register = |child: &Child| status::write(format!("R {}", child.pid()).as_bytes());
    ensure!(register(&children[0]).is_ok() && register(&children[1]).is_ok());
    ensure!(register(&children[2]) == Err(Errno::ENOSPC));
    ensure!(register(&children[0]) == Err(Errno::EEXIST));
    status::unregister(children[0].pid())?;
    ensure!(register(&children[2]).is_ok());
    Ok(())
}

fn overlong_writes() -> Outcome {
    let _module = Module::load("")?;
    let command = format!("R {}", getpid());
    // A page of blanks around a command is a command still; a byte more is not looked at.
    let page = format!("{command:>4096}");
    ensure!(status::write(format!("{page} ").as_bytes()) == Err(Errno::E2BIG));
    ensure!(status::read()?.is_empty());
    ensure!(status::write(page.as_bytes()) == Ok(4096));
    ensure!(status::read()?.len() == 1);
    Ok(())
}

fn unreadable_memory() -> Outcome {
    let _module = Module::load("")?;
    let file = OpenOptions::new().write(true).open(STATUS_PATH)?;
    // SAFETY: The kernel is what looks at the address, and it must not find anything there.
    let result = unsafe { libc::write(file.as_raw_fd(), std::ptr::without_provenance(1), 10) };
    ensure!(Errno::result(result) == Err(Errno::EFAULT));
    Ok(())
}

fn any_thread_stands_for_its_process() -> Outcome {
    let _module = Module::load("")?;
    std::thread::scope(|scope| {
        scope
            .spawn(|| -> Outcome {
                ensure!(gettid() != getpid());
                status::register(gettid().as_raw())?;
                let listed = status::read()?;
                ensure!(listed.len() == 1 && listed[0].0 == getpid().as_raw(), "{listed:?}");
                ensure!(status::write(format!("R {}", getpid()).as_bytes()) == Err(Errno::EEXIST));
                status::unregister(gettid().as_raw())
            })
            .join()
            .expect("the thread returns")
    })
}

fn zombies_are_not_registered() -> Outcome {
    let _module = Module::load("")?;
    let child = Child::idle()?;
    child.kill(Signal::SIGKILL)?;
    child.wait_dead()?;
    ensure!(status::write(format!("R {}", child.pid()).as_bytes()) == Err(Errno::ESRCH));
    Ok(())
}

fn status_lists_every_process_once() -> Outcome {
    let _module = Module::load("")?;
    let children = (0..300).map(|_| Child::idle()).collect::<Result<Vec<_>, _>>()?;
    for child in &children {
        status::register(child.pid())?;
    }
    // Holes in the table must not show.
    for child in children.iter().step_by(3) {
        status::unregister(child.pid())?;
    }
    let mut expected: Vec<_> =
        children.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, child)| child.pid()).collect();
    let mut listed: Vec<_> = status::read()?.iter().map(|&(pid, _)| pid).collect();
    expected.sort_unstable();
    listed.sort_unstable();
    ensure!(listed == expected);
    Ok(())
}

fn status_reads_the_same_in_any_steps() -> Outcome {
    let _module = Module::load("")?;
    let children = (0..50).map(|_| Child::idle()).collect::<Result<Vec<_>, _>>()?;
    for child in &children {
        status::register(child.pid())?;
    }
    let whole = fs::read(STATUS_PATH)?;
    for step in [1, 2, 3, 7, 64, 4096] {
        let mut file = File::open(STATUS_PATH)?;
        let mut text = vec![];
        let mut piece = vec![0; step];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                break;
            }
            text.extend_from_slice(&piece[..length]);
        }
        // The children sleep, so their user time stands still.
        ensure!(text == whole, "in steps of {step}");
    }
    Ok(())
}

fn modes_are_as_documented() -> Outcome {
    let _module = Module::load("")?;
    let mode = |path| -> anyhow::Result<u32> { Ok(fs::metadata(path)?.permissions().mode() & 0o7777) };
    ensure!(mode(STATUS_PATH)? == 0o666);
    ensure!(mode(DEVICE_PATH)? == 0o600);
    Ok(())
}

fn users_profile_their_own_processes_only() -> Outcome {
    let _module = Module::load("")?;
    let root = getpid();
    as_user(|| {
        let me = format!("R {}", getpid());
        status::write(me.as_bytes())?;
        status::write(format!("U {}", getpid()).as_bytes()).map(drop)
    })?
    .context("a user's own process")?;

    let foreign = as_user(|| status::write(format!("R {root}").as_bytes()).map(drop))?;
    ensure!(foreign == Err(Errno::EPERM), "{foreign:?}");
    status::register(root.as_raw())?;
    let foreign = as_user(|| status::write(format!("U {root}").as_bytes()).map(drop))?;
    ensure!(foreign == Err(Errno::EPERM), "{foreign:?}");
    ensure!(status::read()?.len() == 1);

    let device =
        as_user(|| File::open(DEVICE_PATH).map(drop).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap())))?;
    ensure!(device == Err(Errno::EACCES), "{device:?}");

    // In a user namespace of its own a user is root, and still not the kernel's.
    let contained = as_user(|| {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        status::write(format!("U {root}").as_bytes()).map(drop)
    })?;
    ensure!(contained == Err(Errno::EPERM), "{contained:?}");
    Ok(())
}

fn the_opener_counts_and_not_the_writer() -> Outcome {
    let _module = Module::load("")?;
    let root = getpid();
    // A descriptor that a user opened, written to by a process with all rights: as a set-user-ID program's output is.
    let result = in_child(|| {
        let user = Uid::from_raw(1000);
        setresuid(user, user, Uid::from_raw(0))?;
        let mut file = OpenOptions::new().write(true).open(STATUS_PATH).map_err(|_| Errno::EIO)?;
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
        file.write(format!("R {root}").as_bytes())
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))
            .map(drop)
    })?;
    ensure!(result == Err(Errno::EPERM), "{result:?}");
    Ok(())
}

fn a_container_registers_its_own_init() -> Outcome {
    let _module = Module::load("")?;
    let result = in_child(|| {
        unshare(CloneFlags::CLONE_NEWPID)?;
        // SAFETY: One thread.
        match unsafe { fork()? } {
            ForkResult::Child => {
                let register = status::write(b"R 1\n");
                let listed = status::read().unwrap_or_default();
                // PID 1 inside, and no other process; outside, the host's number.
                let right = register == Ok(4) && listed.len() == 1 && listed[0].0 == 1;
                exit(i32::from(!right));
            }
            ForkResult::Parent { child } => match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                _ => Err(Errno::EPROTO),
            },
        }
    })?;
    ensure!(result.is_ok(), "the container saw something else: {result:?}");
    ensure!(status::read()?.is_empty(), "dead and buried, and still listed");

    // From the host: a process of the container under the host's number.
    let mut child = Child::spawn(|parent| {
        if unshare(CloneFlags::CLONE_NEWPID).is_err() {
            exit(2);
        }
        // SAFETY: One thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let _ = status::write(b"R 1\n");
                parent.done();
                parent.wait();
            }
            Ok(ForkResult::Parent { child }) => drop(waitpid(child, None)),
            Err(_) => exit(3),
        }
    })?;
    child.wait_done()?;
    let listed = status::read()?;
    ensure!(listed.len() == 1 && listed[0].0 != 1 && listed[0].0 != child.pid(), "{listed:?}");
    child.go()?;
    child.wait()?;
    Ok(())
}

fn reaped_processes_are_not_listed() -> Outcome {
    // The tick that will find it dead is a second away.
    let _module = Module::load("rate_hz=1")?;
    let child = Child::idle()?;
    status::register(child.pid())?;
    child.kill(Signal::SIGKILL)?;
    child.wait_dead()?;
    child.wait()?;
    ensure!(status::read()?.is_empty());
    Ok(())
}
