// SPDX-License-Identifier: GPL-2.0

//! The BPF programs of bench/bpf: loaded by bpftool, used by bpf(2). Layouts: `linux/bpf.h`.

use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::running::run;

const BPFFS: &str = "/sys/fs/bpf";
/// Where vm/lib/peers.sh puts them.
const OBJECTS: &str = "/usr/lib/mp3";

const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_OBJ_GET: libc::c_int = 7;

/// Mounts the BPF file system, unless it is mounted.
pub fn mount_bpffs() -> Result<()> {
    // It has no file before a program is pinned, and tmpfs does not know its attributes: ask for its number.
    const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
    if nix::sys::statfs::statfs(BPFFS).context(BPFFS)?.filesystem_type().0 != BPF_FS_MAGIC {
        mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>).context(BPFFS)?;
    }
    Ok(())
}

/// The path of an object in the guest.
pub fn object(name: &str) -> String {
    format!("{OBJECTS}/{name}.bpf.o")
}

/// Programs and maps of an object, pinned; dropping it removes and so detaches them.
pub struct Object {
    directory: PathBuf,
}

impl Object {
    /// Loads `name`.bpf.o; `attached`: to where its sections say.
    pub fn load(name: &str, attached: bool) -> Result<Self> {
        mount_bpffs()?;
        let directory = Path::new(BPFFS).join(name);
        let object = Object { directory };
        let mut command = Command::new("bpftool");
        command.args(["prog", "loadall", &self::object(name)]).arg(object.directory.join("programs"));
        command.arg("pinmaps").arg(object.directory.join("maps"));
        if attached {
            command.arg("autoattach");
        }
        fs::create_dir(&object.directory).with_context(|| object.directory.display().to_string())?;
        let ended = run(&mut command)?;
        ensure!(ended.status.success(), "bpftool prog loadall {name}: {}{}", ended.stdout, ended.stderr);
        Ok(object)
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> Result<OwnedFd> {
        get(&self.directory.join("programs").join(name))
    }

    /// One of its maps.
    pub fn map(&self, name: &str) -> Result<OwnedFd> {
        get(&self.directory.join("maps").join(name))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        for below in ["programs", "maps", ""] {
            let directory = self.directory.join(below);
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let _ = fs::remove_file(entry.path());
            }
            let _ = fs::remove_dir(directory);
        }
    }
}

/// bpf(2) with `attributes`, its union's words.
fn bpf(command: libc::c_int, attributes: &mut [u64]) -> Result<i64, Errno> {
    // SAFETY: The attributes are valid for their whole size. Each caller passes addresses of memory that outlives the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of_val(attributes)) })
}

/// What is pinned at `path`.
fn get(path: &Path) -> Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())?;
    let fd = bpf(BPF_OBJ_GET, &mut [name.as_ptr() as u64, 0]).with_context(|| path.display().to_string())?;
    // SAFETY: A new descriptor, which nothing else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Runs a program of the section `syscall` with `argument` as its context.
pub fn call(program: &OwnedFd, argument: &[u64]) -> Result<()> {
    let mut attributes = [0; 10];
    // { prog_fd, retval }, { data sizes }, data in, data out, { repeat, duration }, { ctx_size_in, out }, ctx_in, ctx_out, ...
    attributes[0] = program.as_raw_fd() as u64;
    attributes[5] = size_of_val(argument) as u64;
    attributes[6] = argument.as_ptr() as u64;
    bpf(BPF_PROG_TEST_RUN, &mut attributes).context("running a BPF program")?;
    let returned = attributes[0] >> 32;
    ensure!(returned == 0, "a BPF program returned {returned}");
    Ok(())
}
