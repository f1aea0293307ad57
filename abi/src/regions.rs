// SPDX-License-Identifier: GPL-2.0

//! What can be mapped from the device, and at which offsets.
//!
//! ```text
//! number  region                 offset = number * 4 GiB
//!    0    the classic buffer     0
//!    1    the sample ring        0x1_0000_0000
//!  2..15  (none)
//!   16+n  the events of CPU n    0x10_0000_0000 + n * 0x1_0000_0000
//! ```
//!
//! A region begins at its offset. It has 4 GiB of offsets to itself, so that a ring can have any size and the next region
//! stays where it is.

use super::stream::Stream;

/// Offsets that belong to one region, and so the most bytes that a region may have.
pub const REGION_BYTES: u64 = 1 << 32;

/// The number of the region of CPU 0's events. The numbers below it are for regions of which there is one.
const FIRST_EVENTS: u64 = 16;

/// CPUs that can have a region: `CONFIG_NR_CPUS` has a maximum of 8192 on every architecture.
pub const MAX_CPUS: u32 = 8192;

/// Something that the device lets programs map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Region {
    /// The buffer of the original MP3 ([`super::classic`]): no header, no positions.
    Classic,
    /// A ring: its header page, then its records.
    Ring(Stream),
}

impl Region {
    /// The sample ring.
    pub const SAMPLES: Region = Region::Ring(Stream::Samples);

    /// The events of `cpu`, which is less than [`MAX_CPUS`].
    pub const fn events(cpu: u32) -> Region {
        Region::Ring(Stream::Events { cpu })
    }

    /// Where it begins: `mmap`'s offset, in bytes.
    pub const fn offset(self) -> u64 {
        let number = match self {
            Region::Classic => 0,
            Region::Ring(Stream::Samples) => 1,
            Region::Ring(Stream::Events { cpu }) => FIRST_EVENTS.saturating_add(cpu as u64),
        };
        number.saturating_mul(REGION_BYTES)
    }

    /// The region that begins at `offset`. `None` where none does, also in the middle of one.
    pub const fn at(offset: u64) -> Option<Region> {
        if offset % REGION_BYTES != 0 {
            return None;
        }
        match offset / REGION_BYTES {
            0 => Some(Region::Classic),
            1 => Some(Region::SAMPLES),
            number => {
                let cpu = number.wrapping_sub(FIRST_EVENTS);
                if cpu < MAX_CPUS as u64 {
                    Some(Region::events(cpu as u32))
                } else {
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::PAGE_BYTES;

    #[test]
    fn every_region_is_found_at_its_offset() {
        let events = [0, 1, 255, MAX_CPUS - 1].map(Region::events);
        for region in [Region::Classic, Region::SAMPLES].into_iter().chain(events) {
            assert_eq!(Region::at(region.offset()), Some(region));
            assert_eq!(region.offset() % PAGE_BYTES as u64, 0);
            // `mmap` and `lseek` take signed offsets.
            assert!(i64::try_from(region.offset() + REGION_BYTES).is_ok());
        }
    }

    #[test]
    fn other_offsets_are_no_region() {
        let beyond = Region::events(MAX_CPUS - 1).offset() + REGION_BYTES;
        for offset in [1, 4096, REGION_BYTES - 4096, REGION_BYTES + 4096, 2 * REGION_BYTES, 15 * REGION_BYTES, beyond] {
            assert_eq!(Region::at(offset), None, "{offset:#x}");
        }
        assert_eq!(Region::at(!(REGION_BYTES - 1)), None);
    }

    #[test]
    fn offsets_are_what_they_have_always_been() {
        assert_eq!(Region::Classic.offset(), 0);
        assert_eq!(Region::SAMPLES.offset(), 0x1_0000_0000);
        assert_eq!(Region::events(0).offset(), 0x10_0000_0000);
        assert_eq!(Region::events(3).offset(), 0x13_0000_0000);
    }
}
