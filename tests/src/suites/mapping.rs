// SPDX-License-Identifier: GPL-2.0

//! `/dev/mp3`: mmap's conditions, ioctl, poll, and mappings that are torn about.

use crate::test::Outcome;
use crate::tests;
use abi::classic::CLASSIC_BYTES;
use abi::device::{CLASSIC_OFFSET, PAGE_BYTES, SAMPLES_OFFSET};
use abi::header::{word, HEADER_BYTES};
use abi::record::SAMPLE_BYTES;
use abi::words::ReadWords;
use anyhow::ensure;
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::mman::{mprotect, mremap, MRemapFlags, MapFlags, ProtFlags};
use std::os::fd::AsRawFd;
use testkit::child::Child;
use testkit::device::{self, Mapping, Samples};
use testkit::module::Module;
use testkit::status;

tests![
    the_classic_buffer_maps_from_0_up_to_128_pages,
    the_ring_maps_from_its_offset_up_to_its_size,
    nothing_maps_anywhere_else,
    private_mappings_are_refused,
    the_ring_cannot_be_written,
    mappings_cannot_grow,
    a_torn_mapping_keeps_its_rest,
    a_fork_sees_the_same_pages,
    the_header_says_what_the_parameters_said,
    unknown_ioctls,
    positions_are_checked,
    poll_wakes_for_what_is_new,
];

const READ: ProtFlags = ProtFlags::PROT_READ;
const SHARED: MapFlags = MapFlags::MAP_SHARED;

fn both() -> ProtFlags {
    ProtFlags::PROT_READ | ProtFlags::PROT_WRITE
}

fn the_classic_buffer_maps_from_0_up_to_128_pages() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(true)?;
    for pages in [1, 64, 128] {
        let mapping = Mapping::new(&file, CLASSIC_OFFSET, pages * PAGE_BYTES, both(), SHARED)?;
        ensure!((0..mapping.word_count()).all(|index| mapping.load_relaxed(index) == u64::MAX));
    }
    ensure!(Mapping::new(&file, 0, CLASSIC_BYTES + 1, both(), SHARED).unwrap_err() == Errno::EINVAL);
    ensure!(Mapping::new(&file, 0, 1 << 30, both(), SHARED).unwrap_err() == Errno::EINVAL);
    // What one reader stores, another finds.
    let (one, other) =
        (Mapping::new(&file, 0, CLASSIC_BYTES, both(), SHARED)?, Mapping::new(&file, 0, CLASSIC_BYTES, READ, SHARED)?);
    one.store(65_535, 7);
    ensure!(other.load_acquire(65_535) == 7);
    Ok(())
}

fn the_ring_maps_from_its_offset_up_to_its_size() -> Outcome {
    let _module = Module::load("ring_records=128")?;
    let file = device::open(false)?;
    let bytes = HEADER_BYTES + 128 * SAMPLE_BYTES;
    ensure!(bytes % PAGE_BYTES == 0);
    for length in [HEADER_BYTES, bytes] {
        Mapping::new(&file, SAMPLES_OFFSET, length, READ, SHARED)?;
    }
    ensure!(Mapping::new(&file, SAMPLES_OFFSET, bytes + 1, READ, SHARED).unwrap_err() == Errno::EINVAL);
    Ok(())
}

fn nothing_maps_anywhere_else() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(true)?;
    let page = PAGE_BYTES as u64;
    for offset in
        [page, 127 * page, SAMPLES_OFFSET - page, SAMPLES_OFFSET + page, 2 * SAMPLES_OFFSET, i64::MAX as u64 & !0xfff]
    {
        ensure!(Mapping::new(&file, offset, PAGE_BYTES, READ, SHARED).unwrap_err() == Errno::EINVAL, "{offset:#x}");
    }
    Ok(())
}

fn private_mappings_are_refused() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(true)?;
    for offset in [CLASSIC_OFFSET, SAMPLES_OFFSET] {
        let error = Mapping::new(&file, offset, PAGE_BYTES, READ, MapFlags::MAP_PRIVATE).unwrap_err();
        ensure!(error == Errno::EINVAL);
    }
    Ok(())
}

fn the_ring_cannot_be_written() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(true)?;
    for prot in [both(), ProtFlags::PROT_WRITE, READ | ProtFlags::PROT_EXEC] {
        let error = Mapping::new(&file, SAMPLES_OFFSET, HEADER_BYTES, prot, SHARED).unwrap_err();
        ensure!(error == Errno::EACCES, "{prot:?}: {error}");
    }
    let mapping = Mapping::new(&file, SAMPLES_OFFSET, HEADER_BYTES, READ, SHARED)?;
    for prot in [both(), ProtFlags::PROT_EXEC] {
        // SAFETY: The mapping is not used while its protection is in question.
        let error = unsafe { mprotect(mapping.address(), HEADER_BYTES, prot) }.unwrap_err();
        ensure!(error == Errno::EACCES, "{prot:?}: {error}");
    }
    // Opened for reading only, the classic buffer is not writable either: that is the VFS.
    let file = device::open(false)?;
    ensure!(Mapping::new(&file, CLASSIC_OFFSET, PAGE_BYTES, both(), SHARED).unwrap_err() == Errno::EACCES);
    Ok(())
}

fn mappings_cannot_grow() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(false)?;
    for offset in [CLASSIC_OFFSET, SAMPLES_OFFSET] {
        let mapping = Mapping::new(&file, offset, PAGE_BYTES, READ, SHARED)?;
        // SAFETY: If it fails, as it must, the mapping is what it was.
        let result =
            unsafe { mremap(mapping.address(), PAGE_BYTES, 2 * PAGE_BYTES, MRemapFlags::MREMAP_MAYMOVE, None) };
        ensure!(result.is_err(), "grown past what was mapped");
    }
    Ok(())
}

fn a_torn_mapping_keeps_its_rest() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(false)?;
    let mapping = Mapping::new(&file, CLASSIC_OFFSET, CLASSIC_BYTES, READ, SHARED)?;
    let middle = mapping.address().as_ptr().wrapping_byte_add(64 * PAGE_BYTES);
    // SAFETY: The middle page is not looked at from here on.
    ensure!(unsafe { libc::munmap(middle, PAGE_BYTES) } == 0);
    ensure!(mapping.load_relaxed(0) == u64::MAX && mapping.load_relaxed(65_535) == u64::MAX);
    Ok(())
}

fn a_fork_sees_the_same_pages() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(true)?;
    let mapping = Mapping::new(&file, CLASSIC_OFFSET, CLASSIC_BYTES, both(), SHARED)?;
    let mut child = Child::spawn(|parent| {
        parent.wait();
        let seen = mapping.load_acquire(100);
        mapping.store(200, seen + 1);
    })?;
    mapping.store(100, 41);
    child.go()?;
    ensure!(child.wait()?.status == 0);
    ensure!(mapping.load_acquire(200) == 42);
    Ok(())
}

fn the_header_says_what_the_parameters_said() -> Outcome {
    let _module = Module::load("rate_hz=100 ring_records=256")?;
    let samples = Samples::at(0)?;
    let header = samples.header;
    ensure!((header.rate_hz, header.capacity, header.record_bytes) == (100, 256, 192));
    // The kernel's jiffies and the header's are the same when ticks are on the grid of the start.
    ensure!([100, 250, 300, 1000].contains(&header.hz));
    ensure!(samples.memory.load_acquire(word::REGISTERED) == 0);
    let child = Child::idle()?;
    status::register(child.pid())?;
    ensure!(samples.memory.load_acquire(word::REGISTERED) == 1);
    Ok(())
}

fn unknown_ioctls() -> Outcome {
    let _module = Module::load("")?;
    let file = device::open(true)?;
    for number in [0, 0x5401, 0x4008_7034, 0x8008_7033, 0xffff_ffff_u32] {
        // SAFETY: The device takes none of these, so the argument is not looked at.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), number as _, 0) };
        ensure!(Errno::result(result) == Err(Errno::ENOTTY), "{number:#x}");
    }
    Ok(())
}

fn positions_are_checked() -> Outcome {
    let _module = Module::load("")?;
    let samples = Samples::at(0)?;
    ensure!(samples.set_position(0).is_ok());
    ensure!(samples.set_position(1) == Err(Errno::EINVAL));
    ensure!(samples.set_position(u64::MAX) == Err(Errno::EINVAL));
    // SAFETY: The kernel is what looks at the address, and it must not find anything there.
    let result = unsafe { libc::ioctl(samples.file.as_raw_fd(), abi::device::MP3_IOC_SET_POSITION as _, 8) };
    ensure!(Errno::result(result) == Err(Errno::EFAULT));
    Ok(())
}

fn poll_wakes_for_what_is_new() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::at(0)?;
    ensure!(!samples.readable(PollTimeout::ZERO)?, "readable before anything was registered");
    let child = Child::idle()?;
    status::register(child.pid())?;
    // The record of the registration itself, and then one a tick.
    for _ in 0..5 {
        ensure!(samples.readable(PollTimeout::from(20_000_u16))?);
        samples.read()?;
        samples.set_position(samples.reader.position())?;
    }
    status::unregister(child.pid())?;
    ensure!(samples.readable(PollTimeout::ZERO)?, "the final record");
    samples.read()?;
    samples.set_position(samples.reader.position())?;
    ensure!(!samples.readable(PollTimeout::ZERO)?, "readable with nothing new");
    // Back to the beginning: old records are there to be read.
    samples.set_position(0)?;
    ensure!(samples.readable(PollTimeout::ZERO)?);
    Ok(())
}
