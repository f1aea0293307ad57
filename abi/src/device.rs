// SPDX-License-Identifier: GPL-2.0

//! Where user space finds the module: paths and ioctl numbers. For mmap offsets see [`super::regions`].

use super::regions::Region;

/// Commands are written here; the registered processes are read here. Mode 0666.
pub const STATUS_PATH: &str = "/proc/mp3/status";

/// The char device. Mode 0600.
pub const DEVICE_PATH: &str = "/dev/mp3";

/// Bytes in a page, as far as offsets and headers are concerned.
pub const PAGE_BYTES: usize = 4096;

/// mmap offset of the classic buffer.
pub const CLASSIC_OFFSET: u64 = Region::Classic.offset();

/// mmap offset of the sample ring.
pub const SAMPLES_OFFSET: u64 = Region::SAMPLES.offset();

/// `ioctl(fd, MP3_IOC_SET_POSITION, &u64)`: tells the device how far this open file has read the sample ring.
///
/// `poll` reports the file readable while the writer is past this position. A position beyond the writer's is `EINVAL`.
/// The number is `_IOW('p', 0x33, __u64)`: writing direction, 8 bytes, type `p`, number `0x33`.
pub const MP3_IOC_SET_POSITION: u32 = ioc_write::<u64>(MP3_IOC_TYPE, MP3_IOC_SET_POSITION_NR);

/// `ioctl(fd, MP3_IOC_SET_REGION_POSITION, &[u64; 2])`: as [`MP3_IOC_SET_POSITION`], for any ring.
///
/// The first word is the ring's mmap offset ([`Region::offset`]), the second the position. `EINVAL` where no ring is at
/// that offset, or for a position beyond its writer's. A file that was opened polls for samples. From its first call for
/// another ring on it polls for the rings that it has set a position of, and for samples only if they are one of them.
/// The number is `_IOW('p', 0x37, __u64[2])`.
pub const MP3_IOC_SET_REGION_POSITION: u32 = ioc_write::<[u64; 2]>(MP3_IOC_TYPE, MP3_IOC_SET_REGION_POSITION_NR);

/// The `type` byte of all of the device's ioctls.
pub const MP3_IOC_TYPE: u8 = b'p';

/// The `nr` byte of [`MP3_IOC_SET_POSITION`].
pub const MP3_IOC_SET_POSITION_NR: u8 = 0x33;

/// The `nr` byte of [`MP3_IOC_SET_REGION_POSITION`].
pub const MP3_IOC_SET_REGION_POSITION_NR: u8 = 0x37;

/// `_IOW(kind, number, T)` of `asm-generic/ioctl.h`.
pub(super) const fn ioc_write<T>(kind: u8, number: u8) -> u32 {
    const WRITE: u32 = 1;
    (WRITE << 30) | ((core::mem::size_of::<T>() as u32) << 16) | ((kind as u32) << 8) | number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ioctl_numbers_are_what_the_c_macro_gives() {
        // printf("%#lx", _IOW('p', 0x33, __u64)), and with 0x37 and __u64[2], on x86-64.
        assert_eq!(MP3_IOC_SET_POSITION, 0x4008_7033);
        assert_eq!(MP3_IOC_SET_REGION_POSITION, 0x4010_7037);
    }
}
