// SPDX-License-Identifier: GPL-2.0

//! An unprivileged user tries every file and every call of the module.

use crate::test::Outcome;
use abi::device::{DEVICE_PATH, MP3_IOC_SET_POSITION, SAMPLES_OFFSET, STATUS_PATH};
use abi::header::word;
use abi::words::ReadWords;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{open, OFlag};
use nix::sched::{unshare, CloneFlags};
use nix::sys::stat::Mode;
use nix::unistd::{fork, getpid, setresgid, setresuid, ForkResult, Gid, Uid};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use testkit::child::{exit, Child};
use testkit::device::{self, Samples};
use testkit::module::Module;
use testkit::status;

/// Where the module shows itself beside its device.
const PLACES: [&str; 5] =
    ["/proc/mp3", "/sys/module/mp3", "/sys/class/misc/mp3", "/sys/devices/virtual/misc/mp3", DEVICE_PATH];

pub fn a_user_changes_nothing() -> Outcome {
    let _module = Module::load("")?;
    let samples = Samples::from_here()?;
    let victims = [Child::idle()?, Child::idle()?];
    // One is registered and one is not: neither U nor R may work. Words of the header that ticks change are not compared.
    status::register(victims[0].pid())?;
    let pids = [victims[0].pid(), victims[1].pid(), getpid().as_raw(), 1, 2];
    for name in ["as a user", "as root of a user namespace", "as init of a user's PID namespace"] {
        let before = state(&samples)?;
        let child = Child::spawn(|parent| {
            become_user();
            let outcome = match name {
                "as a user" => sweep(&pids),
                "as root of a user namespace" => enter(CloneFlags::CLONE_NEWUSER).and_then(|()| sweep(&pids)),
                _ => enter(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
                    .and_then(|()| in_new_pid_namespace(&pids)),
            };
            if let Err(error) = outcome {
                println!("    {name}: {error:#}");
                exit(1);
            }
            parent.done();
        })?;
        ensure!(child.wait()?.status == 0, "{name}");
        let after = state(&samples)?;
        ensure!(before == after, "{name}: {before:?} became {after:?}");
    }
    Ok(())
}

/// What only ticks and privileged users may change: the list, the constant part of the header, how many are registered,
/// the session's start, and what sysfs says.
fn state(samples: &Samples) -> Result<(Vec<i32>, Vec<u64>, Vec<String>)> {
    let pids = status::read()?.into_iter().map(|(pid, _)| pid).collect();
    // The wall clock at the start follows steps of that clock.
    let constants = (0..=word::FEATURES).filter(|&index| index != word::START_REALTIME_NS);
    let indices = constants.chain([word::REGISTERED, word::SESSION_START]);
    let words = indices.map(|index| samples.memory.load_acquire(index)).collect();
    let (module, node) = ("/sys/module/mp3/initstate", "/sys/class/misc/mp3/dev");
    let files = [module, node].iter().map(|path| fs::read_to_string(path).context(*path)).collect::<Result<_>>()?;
    Ok((pids, words, files))
}

fn become_user() {
    let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
    setresgid(group, group, group).expect("root may");
    setresuid(user, user, user).expect("root may");
    // Else what changes its user may not even write its own files in /proc.
    nix::sys::prctl::set_dumpable(true).expect("always");
}

/// Enters new namespaces, as root of the user namespace.
fn enter(namespaces: CloneFlags) -> Result<()> {
    unshare(namespaces).context("unshare")?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", "0 1000 1")?;
    fs::write("/proc/self/gid_map", "0 1000 1")?;
    ensure!(Uid::current().is_root());
    Ok(())
}

fn in_new_pid_namespace(pids: &[i32]) -> Result<()> {
    // SAFETY: One thread.
    match unsafe { fork()? } {
        ForkResult::Child => {
            let outcome = sweep(&[]).and_then(|()| {
                // No process outside has a number in this namespace, so none is listed and none of the numbers can be used.
                ensure!(status::read()?.is_empty(), "processes of another namespace are listed");
                for pid in pids.iter().filter(|&&pid| pid > 1) {
                    ensure!(status::write(format!("R {pid}").as_bytes()) == Err(Errno::ESRCH));
                    ensure!(status::write(format!("U {pid}").as_bytes()) == Err(Errno::ENOENT));
                }
                Ok(())
            });
            if let Err(error) = &outcome {
                println!("    {error:#}");
            }
            exit(i32::from(outcome.is_err()));
        }
        ForkResult::Parent { child } => {
            let status = testkit::child::wait4(child)?.status;
            ensure!(status == 0, "the namespace's init ended with {status}");
            Ok(())
        }
    }
}

/// Tries everything. `pids` are of processes that are not the user's.
fn sweep(pids: &[i32]) -> Result<()> {
    // Others' processes.
    for pid in pids {
        for verb in ['R', 'U'] {
            let answer = status::write(format!("{verb} {pid}\n").as_bytes());
            ensure!(answer == Err(Errno::EPERM), "{verb} {pid}: {answer:?}");
        }
    }
    // One's own, together with another's: only as far as that.
    let me = format!("R {}\n", getpid());
    ensure!(status::write(me.as_bytes()) == Ok(me.len()));
    if let Some(pid) = pids.first() {
        let both = format!("U {}\nU {pid}\n", getpid());
        ensure!(status::write(both.as_bytes()) == Ok(me.len()), "the other's line was carried out");
    } else {
        status::unregister(getpid().as_raw())?;
    }

    // The device: not in any way.
    let modes = [OFlag::O_RDONLY, OFlag::O_WRONLY, OFlag::O_RDWR];
    let more = [
        OFlag::empty(),
        OFlag::O_NONBLOCK,
        OFlag::O_SYNC,
        OFlag::O_CREAT,
        OFlag::O_TRUNC,
        OFlag::O_APPEND,
        OFlag::O_DIRECT,
        OFlag::O_NOATIME,
    ];
    for flags in modes.iter().flat_map(|mode| more.iter().map(move |more| *mode | *more)) {
        match open(DEVICE_PATH, flags, Mode::empty()) {
            Err(Errno::EACCES | Errno::EPERM) => {}
            answer => anyhow::bail!("opening the device with {flags:?}: {answer:?}"),
        }
    }
    // A descriptor that is only a name can do nothing.
    let name = open(DEVICE_PATH, OFlag::O_PATH, Mode::empty())?;
    for command in (0..4096).chain([u64::from(MP3_IOC_SET_POSITION)]) {
        ensure!(ioctl(&name, command) == Err(Errno::EBADF), "ioctl {command:#x} of a name");
    }
    ensure!(map(&name, SAMPLES_OFFSET) == Err(Errno::EBADF));
    ensure!(nix::unistd::read(&name, &mut [0; 8]) == Err(Errno::EBADF));

    // The list, opened in every mode: no ioctl and no mmap works, and nothing is changed.
    for flags in modes {
        let file = open(STATUS_PATH, flags, Mode::empty()).with_context(|| format!("the list with {flags:?}"))?;
        for command in (0..4096).chain([u64::from(MP3_IOC_SET_POSITION), 0x8008_7033]) {
            let answer = ioctl(&file, command);
            // The VFS answers some itself, for any file; none of them says anything of ours.
            // FIGETBSZ: the block size of procfs.
            let generic = [2];
            ensure!(generic.contains(&command) || answer.is_err(), "ioctl {command:#x}: {answer:?}");
        }
        for offset in [0, 4096, SAMPLES_OFFSET] {
            let answer = map(&file, offset);
            ensure!(
                matches!(answer, Err(Errno::ENODEV | Errno::EIO | Errno::EACCES)),
                "mmap at {offset:#x}: {answer:?}"
            );
        }
        // procfs lets it pass, and does nothing.
        let _ = nix::unistd::ftruncate(&file, 0);
    }

    // Whatever else shows the module: not to be written, renamed, removed, given away.
    let mut files = vec![];
    for place in PLACES {
        collect(Path::new(place), &mut files);
    }
    ensure!(files.iter().any(|file| file.ends_with("mp3/initstate")), "{files:?}");
    for file in files.iter().filter(|file| *file != Path::new(STATUS_PATH)) {
        for flags in [OFlag::O_WRONLY, OFlag::O_RDWR] {
            let answer = open(file, flags | OFlag::O_NONBLOCK, Mode::empty());
            ensure!(answer.is_err(), "{} can be opened for writing", file.display());
        }
    }
    for file in &files {
        let shown = file.display();
        ensure!(
            nix::sys::stat::fchmodat(
                nix::fcntl::AT_FDCWD,
                file,
                Mode::all(),
                nix::sys::stat::FchmodatFlags::FollowSymlink
            )
            .is_err(),
            "chmod {shown}"
        );
        ensure!(nix::unistd::chown(file, Some(Uid::current()), None).is_err(), "chown {shown}");
        ensure!(fs::remove_file(file).is_err(), "removed {shown}");
        ensure!(fs::rename(file, file.with_extension("away")).is_err(), "renamed {shown}");
    }
    // Nor is the module itself for users.
    let unload = nix::kmod::delete_module(c"mp3", nix::kmod::DeleteModuleFlags::O_NONBLOCK);
    ensure!(unload == Err(Errno::EPERM), "unloading: {unload:?}");
    ensure!(device::open(false).is_err());
    Ok(())
}

fn ioctl(file: &OwnedFd, command: u64) -> Result<i32, Errno> {
    let mut argument = [0_u64; 64];
    // SAFETY: The argument has room for whatever one of the VFS' own ioctls stores.
    Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), command as _, argument.as_mut_ptr()) })
}

fn map(file: &OwnedFd, offset: u64) -> Result<(), Errno> {
    // SAFETY: A new mapping, at an address of the kernel's choice, replaces nothing. It is not used.
    let address = unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), offset as i64)
    };
    if address == libc::MAP_FAILED {
        Err(Errno::last())
    } else {
        Ok(())
    }
}

/// All files below `place`, without following symbolic links.
fn collect(place: &Path, files: &mut Vec<PathBuf>) {
    match fs::read_dir(place) {
        Ok(entries) => {
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink())) {
                collect(&entry.path(), files);
            }
        }
        Err(_) => files.push(place.into()),
    }
}
