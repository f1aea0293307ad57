// SPDX-License-Identifier: GPL-2.0

//! seccomp(2): a program to which the kernel refuses something.

use std::io;
use std::mem::offset_of;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Whether this kernel has filters (`CONFIG_SECCOMP_FILTER`).
pub fn is_there() -> bool {
    Path::new("/proc/sys/kernel/seccomp/actions_avail").exists()
}

/// Has every `ioctl` of `command` with this request fail with `errno`. Takes root, as the tests are.
pub fn refuse_ioctl(command: &mut Command, request: u32, errno: i32) {
    let step = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset: usize| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, 0, 0);
    let equal = |value: u32, otherwise: u8| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 0, otherwise);
    let end = |value: u32| step(libc::BPF_RET | libc::BPF_K, value, 0, 0);
    let mut steps = [
        load(offset_of!(libc::seccomp_data, nr)),
        equal(libc::SYS_ioctl as u32, 3),
        // The lower half of the second argument, which is the request.
        load(offset_of!(libc::seccomp_data, args) + size_of::<u64>()),
        equal(request, 1),
        end(libc::SECCOMP_RET_ERRNO | errno as u32),
        end(libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        // SAFETY: The program and its steps live until the call returns, which copies them.
        let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: Between fork and exec there is only a system call: nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(install) };
}
