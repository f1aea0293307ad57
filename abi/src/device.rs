// SPDX-License-Identifier: GPL-2.0

//! Where user space finds the module: paths, mmap offsets, ioctl numbers.

/// Commands are written here; the registered processes are read here. Mode 0666.
pub const STATUS_PATH: &str = "/proc/mp3/status";

/// The char device. Mode 0600.
pub const DEVICE_PATH: &str = "/dev/mp3";

/// Bytes in a page, as far as offsets and headers are concerned.
pub const PAGE_BYTES: usize = 4096;

/// mmap offset of the classic buffer (see [`super::classic`]).
pub const CLASSIC_OFFSET: u64 = 0;

/// mmap offset of the sample ring: a header page (see [`super::header`]), then the records.
///
/// Every region of the device has 4 GiB of offsets to itself, so that a ring can have any size and the next region stays
/// where it is.
pub const SAMPLES_OFFSET: u64 = 1 << 32;

/// `ioctl(fd, MP3_IOC_SET_POSITION, &u64)`: tells the device how far this open file has read the sample ring.
///
/// `poll` reports the file readable while the writer is past this position. A position beyond the writer's is `EINVAL`.
/// The number is `_IOW('p', 0x33, __u64)`: writing direction, 8 bytes, type `p`, number `0x33`.
pub const MP3_IOC_SET_POSITION: u32 = ioc_write::<u64>(MP3_IOC_TYPE, 0x33);

/// The `type` byte of all of the device's ioctls.
pub const MP3_IOC_TYPE: u8 = b'p';

/// The `nr` byte of [`MP3_IOC_SET_POSITION`].
pub const MP3_IOC_SET_POSITION_NR: u8 = 0x33;

/// `_IOW(kind, number, T)` of `asm-generic/ioctl.h`.
const fn ioc_write<T>(kind: u8, number: u8) -> u32 {
    const WRITE: u32 = 1;
    (WRITE << 30) | ((core::mem::size_of::<T>() as u32) << 16) | ((kind as u32) << 8) | number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ioctl_number_is_what_the_c_macro_gives() {
        // printf("%#lx", _IOW('p', 0x33, __u64)) on x86-64.
        assert_eq!(MP3_IOC_SET_POSITION, 0x4008_7033);
    }

    #[test]
    fn offsets_are_page_aligned() {
        assert_eq!(SAMPLES_OFFSET % PAGE_BYTES as u64, 0);
    }
}
