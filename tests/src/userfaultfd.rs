// SPDX-License-Identifier: GPL-2.0

//! userfaultfd(2): page faults that user space resolves.

use nix::errno::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The descriptor.
pub struct Userfaultfd {
    file: File,
}

/// `struct uffdio_api`.
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct Register {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

/// `struct uffdio_zeropage`.
#[repr(C)]
struct Zeropage {
    start: u64,
    length: u64,
    mode: u64,
    done: i64,
}

// The numbers and constants of linux/userfaultfd.h.
const UFFD_API: u64 = 0xaa;
const REGISTER_MODE_MISSING: u64 = 1;
const EVENT_PAGEFAULT: u8 = 0x12;
nix::ioctl_readwrite!(uffdio_api, 0xaa, 0x3f, Api);
nix::ioctl_readwrite!(uffdio_register, 0xaa, 0x00, Register);
nix::ioctl_readwrite!(uffdio_zeropage, 0xaa, 0x04, Zeropage);

impl Userfaultfd {
    /// A new one, for faults of user and kernel.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: The call takes flags only.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) })?;
        // SAFETY: A descriptor that was just made; nothing else owns it.
        let file = unsafe { OwnedFd::from_raw_fd(fd as i32) }.into();
        let mut api = Api { api: UFFD_API, features: 0, ioctls: 0 };
        let this = Userfaultfd { file };
        // SAFETY: The argument is what the ioctl expects.
        unsafe { uffdio_api(this.file.as_raw_fd(), &mut api)? };
        Ok(this)
    }

    /// Has the first touch of each page of this range wait for [`Userfaultfd::resolve_one`].
    pub fn watch(&self, start: usize, length: usize) -> Result<(), Errno> {
        let mut range = Register { start: start as u64, length: length as u64, mode: REGISTER_MODE_MISSING, ioctls: 0 };
        // SAFETY: The argument is what the ioctl expects. Only when a page appears is changed, not what is in it.
        unsafe { uffdio_register(self.file.as_raw_fd(), &mut range) }.map(drop)
    }

    /// Waits for a fault and maps a page of zeros there.
    pub fn resolve_one(&self) -> std::io::Result<()> {
        self.resolve_one_after(Duration::ZERO)
    }

    /// The same, `wait` after the fault was told of.
    pub fn resolve_one_after(&self, wait: Duration) -> std::io::Result<()> {
        // struct uffd_msg: the event, and for a page fault, flags and address from byte 8 on.
        let mut message = [0; 32];
        (&self.file).read_exact(&mut message)?;
        assert_eq!(message[0], EVENT_PAGEFAULT);
        let mut address = [0; 8];
        address.copy_from_slice(&message[16..24]);
        let start = u64::from_ne_bytes(address) & !4095;
        std::thread::sleep(wait);
        let mut page = Zeropage { start, length: 4096, mode: 0, done: 0 };
        // SAFETY: The argument is what the ioctl expects. It is a page that nothing has been stored to.
        unsafe { uffdio_zeropage(self.file.as_raw_fd(), &mut page) }?;
        Ok(())
    }
}
