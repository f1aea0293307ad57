// SPDX-License-Identifier: GPL-2.0

//! System calls that reach into the memory of other processes.

use crate::test::Skip;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::uio::{process_vm_writev, RemoteIoVec};
use nix::unistd::Pid;
use std::io::IoSlice;

/// # Errors
///
/// [`Skip`] where the kernel has none of them.
pub fn required() -> Result<()> {
    let nothing = [RemoteIoVec { base: 0, len: 0 }];
    match process_vm_writev(Pid::this(), &[IoSlice::new(&[])], &nothing) {
        Err(Errno::ENOSYS) => {
            Err(Skip("this kernel lets no process write another's memory (CONFIG_CROSS_MEMORY_ATTACH)").into())
        }
        _ => Ok(()),
    }
}
