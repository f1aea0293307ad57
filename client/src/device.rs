// SPDX-License-Identifier: GPL-2.0

//! `/dev/mp3`: the ring of samples, mapped read-only and read in place.

use abi::device::{MP3_IOC_SET_POSITION_NR, MP3_IOC_TYPE, SAMPLES_OFFSET};
use abi::header::{Header, HeaderError, HEADER_BYTES};
use abi::stream::Stream;
use abi::words::ReadWords;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{fence, Ordering};

mod ioctl {
    use super::{MP3_IOC_SET_POSITION_NR, MP3_IOC_TYPE};

    nix::ioctl_write_ptr! {
        /// [`abi::device::MP3_IOC_SET_POSITION`].
        set_position, MP3_IOC_TYPE, MP3_IOC_SET_POSITION_NR, u64
    }
}

/// The device, open, with its ring of samples mapped.
///
/// A plain file with the same contents will do as well (an image of the ring, at the same offset): it is read in the same
/// way, and only has nothing to wait for.
#[derive(Debug)]
pub struct Device {
    file: File,
    samples: Region,
    header: Header,
    is_image: bool,
}

/// The device cannot be used. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no such file.
    #[error("{0}: not there; is mp3.ko loaded?")]
    Absent(PathBuf),
    /// It is not open to this user.
    #[error("{0}: permission denied; the device is root's alone (mode 0600) unless a udev rule opens it to a group")]
    Permission(PathBuf),
    /// A directory, a socket: nothing that could be mapped.
    #[error("{0}: neither the mp3 module's device nor an image of its ring")]
    Kind(PathBuf),
    /// Opening or mapping failed.
    #[error("{path}: cannot {action}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What failed.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// An image of a ring that was not copied to its end.
    #[error("{0}: shorter than the ring that its header describes")]
    Truncated(PathBuf),
    /// Another device, or a module of another release.
    #[error("{path}")]
    Header {
        /// Which file.
        path: PathBuf,
        /// What is wrong with its first page.
        source: HeaderError,
    },
}

impl Device {
    /// Opens the device at `path`, checks its header and maps its ring.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let io = |action| move |source| DeviceError::Io { path: path.to_owned(), action, source };
        let file = OpenOptions::new().read(true).open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DeviceError::Absent(path.to_owned()),
            io::ErrorKind::PermissionDenied => DeviceError::Permission(path.to_owned()),
            _ => io("open")(source),
        })?;
        let metadata = file.metadata().map_err(io("look at it"))?;
        let is_image = metadata.is_file();
        if !is_image && !metadata.file_type().is_char_device() {
            return Err(DeviceError::Kind(path.to_owned()));
        }
        // The device refuses what is beyond its ring; of a file, nothing that is beyond its end may be mapped.
        let available = is_image.then(|| metadata.len().saturating_sub(SAMPLES_OFFSET));
        let wrong = |source| DeviceError::Header { path: path.to_owned(), source };
        let map = |bytes: usize, short: DeviceError| {
            if available.is_some_and(|available| (bytes as u64) > available) {
                return Err(short);
            }
            Region::map(&file, SAMPLES_OFFSET, bytes).map_err(io("map its ring"))
        };
        let page = map(HEADER_BYTES, wrong(HeaderError::Short))?;
        let header = Header::read(&page, Stream::Samples).map_err(wrong)?;
        let bytes = header.region_bytes().ok_or(wrong(HeaderError::Geometry))?;
        let samples = map(bytes, DeviceError::Truncated(path.to_owned()))?;
        Ok(Device { file, samples, header, is_image })
    }

    /// What never changes of the ring's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The ring of samples.
    pub fn samples(&self) -> &Region {
        &self.samples
    }

    /// A plain file: nothing will wake whoever waits for it.
    pub fn is_image(&self) -> bool {
        self.is_image
    }

    /// Has `poll` report the device readable when there are records from `position` on.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a position that the writer has not reached.
    pub fn set_position(&self, position: u64) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self` is, and the ioctl reads 8 bytes, which are `position`'s.
        unsafe { ioctl::set_position(self.file.as_raw_fd(), &position) }?;
        Ok(())
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A part of the device, mapped read-only, as words.
///
/// # Invariants
///
/// `words` words from `map`'s start on are mapped and readable as long as `map` lives, and the start is aligned to a page.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
    words: usize,
}

impl Region {
    fn map(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(bytes).map_raw_read_only(file)?;
        // INVARIANT: `bytes` bytes are mapped, and the offset is that of a page.
        Ok(Region { map, words: bytes / size_of::<u64>() })
    }
}

impl ReadWords for Region {
    fn word_count(&self) -> usize {
        self.words
    }

    #[inline]
    fn load_relaxed(&self, index: usize) -> u64 {
        if index >= self.words {
            return 0;
        }
        // SAFETY: by the invariant this word is mapped, readable and aligned. The kernel may be storing to it: volatile, so
        // that it is loaded once and in one piece, and never through a reference.
        unsafe { self.map.as_ptr().cast::<u64>().add(index).read_volatile() }
    }

    #[inline]
    fn load_acquire(&self, index: usize) -> u64 {
        let word = self.load_relaxed(index);
        // A fence and not an atomic load: an AtomicU64 is not to be had from memory that cannot be written to.
        fence(Ordering::Acquire);
        word
    }

    #[inline]
    fn load_block(&self, index: usize, block: &mut [u64]) {
        if index > self.words || block.len() > self.words - index {
            // As a word at a time: what is not there is 0.
            for (offset, word) in block.iter_mut().enumerate() {
                *word = self.load_relaxed(index.saturating_add(offset));
            }
            return;
        }
        for (offset, word) in block.iter_mut().enumerate() {
            // SAFETY: as in `load_relaxed`; the whole block is in the region, which was looked at once.
            *word = unsafe { self.map.as_ptr().cast::<u64>().add(index + offset).read_volatile() };
        }
    }

    #[inline]
    fn fence_acquire(&self) {
        fence(Ordering::Acquire);
    }
}
