// SPDX-License-Identifier: GPL-2.0

//! `/dev/mp3`: open, map a ring, positions.

use crate::ring::{Region, Ring};
use abi::device::{MP3_IOC_SET_POSITION_NR, MP3_IOC_SET_REGION_POSITION_NR, MP3_IOC_TYPE};
use abi::events::EVENT_WORDS;
use abi::header::{Header, HeaderError, HEADER_BYTES};
use abi::regions::Region as Place;
use abi::samples::SAMPLE_WORDS;
use abi::stream::Stream;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

mod ioctl {
    use super::{MP3_IOC_SET_POSITION_NR, MP3_IOC_SET_REGION_POSITION_NR, MP3_IOC_TYPE};

    nix::ioctl_write_ptr! {
        /// [`abi::device::MP3_IOC_SET_POSITION`].
        set_position, MP3_IOC_TYPE, MP3_IOC_SET_POSITION_NR, u64
    }
    nix::ioctl_write_ptr! {
        /// [`abi::device::MP3_IOC_SET_REGION_POSITION`].
        set_region_position, MP3_IOC_TYPE, MP3_IOC_SET_REGION_POSITION_NR, [u64; 2]
    }
}

/// The device, open.
///
/// A plain file with the same contents will do as well (an image of the rings, at the same offsets): it is read in the same
/// way, and only has nothing to wait for.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    file: File,
    /// Bytes of a plain file.
    image_bytes: Option<u64>,
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
        /// What is wrong with the first page of the ring.
        source: HeaderError,
    },
}

impl Device {
    /// Opens the device at `path`. Maps nothing yet.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or is neither a char device nor a plain file.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let io = |action| move |source| DeviceError::Io { path: path.to_owned(), action, source };
        let file = OpenOptions::new().read(true).open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DeviceError::Absent(path.to_owned()),
            io::ErrorKind::PermissionDenied => DeviceError::Permission(path.to_owned()),
            _ => io("open")(source),
        })?;
        let metadata = file.metadata().map_err(io("look at it"))?;
        if !metadata.is_file() && !metadata.file_type().is_char_device() {
            return Err(DeviceError::Kind(path.to_owned()));
        }
        let image_bytes = metadata.is_file().then_some(metadata.len());
        Ok(Device { path: path.to_owned(), file, image_bytes })
    }

    /// Maps the ring of samples.
    ///
    /// # Errors
    ///
    /// The mapping is refused, or what is there is not a ring of samples of this ABI version.
    pub fn samples(&self) -> Result<Ring<SAMPLE_WORDS>, DeviceError> {
        self.map(Stream::Samples)
    }

    /// Maps the ring of the events of `cpu`.
    ///
    /// # Errors
    ///
    /// As [`Device::samples`]; `ENXIO` without a session, or where that CPU has no ring.
    pub fn events(&self, cpu: u32) -> Result<Ring<EVENT_WORDS>, DeviceError> {
        self.map(Stream::Events { cpu })
    }

    /// Maps the header page of the ring of `stream`, checks it, and then maps all of the ring. The header says that
    /// records have the size of the stream's; it is for the callers here that `WORDS` is that size.
    fn map<const WORDS: usize>(&self, stream: Stream) -> Result<Ring<WORDS>, DeviceError> {
        debug_assert_eq!(stream.record_bytes(), 8 * WORDS as u64);
        let offset = Place::Ring(stream).offset();
        let path = || self.path.clone();
        // The device refuses what is beyond its ring; of a file, nothing that is beyond its end may be mapped.
        let available = self.image_bytes.map(|bytes| bytes.saturating_sub(offset));
        let wrong = |source| DeviceError::Header { path: path(), source };
        let map = |bytes: usize, short: DeviceError| {
            if available.is_some_and(|available| (bytes as u64) > available) {
                return Err(short);
            }
            let failed = |source| DeviceError::Io { path: path(), action: "map its ring", source };
            Region::map(&self.file, offset, bytes).map_err(failed)
        };
        let page = map(HEADER_BYTES, wrong(HeaderError::Short))?;
        let header = Header::read(&page, stream).map_err(wrong)?;
        let bytes = header.region_bytes().ok_or(wrong(HeaderError::Geometry))?;
        Ok(Ring::new(map(bytes, DeviceError::Truncated(path()))?, header))
    }

    /// Whether this is a plain file: `poll` does not wait for it.
    pub fn is_image(&self) -> bool {
        self.image_bytes.is_some()
    }

    /// Has `poll` report the device readable when there are samples from `position` on.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a position that the writer has not reached.
    pub fn set_position(&self, position: u64) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self` is, and the ioctl reads 8 bytes, which are `position`'s.
        unsafe { ioctl::set_position(self.file.as_raw_fd(), &position) }?;
        Ok(())
    }

    /// Has `poll` report the device readable when there are records of `stream` from `position` on. From the first call
    /// for another stream than samples on, `poll` is for the streams that such a call was made for.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a position that the writer has not reached, or where the stream has no ring.
    pub fn set_stream_position(&self, stream: Stream, position: u64) -> io::Result<()> {
        let argument = [Place::Ring(stream).offset(), position];
        // SAFETY: the descriptor is open as long as `self` is, and the ioctl reads 16 bytes, which are `argument`'s.
        unsafe { ioctl::set_region_position(self.file.as_raw_fd(), &argument) }?;
        Ok(())
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_no_device_and_no_image_is_refused_with_a_reason() {
        assert!(matches!(Device::open(Path::new("/nowhere/mp3")), Err(DeviceError::Absent(_))));
        assert!(matches!(Device::open(Path::new("/")), Err(DeviceError::Kind(_))));
        assert!(!Device::open(Path::new("/dev/null")).unwrap().is_image());
        let path = std::env::temp_dir().join(format!("mp3-client-{}-image", std::process::id()));
        fs::write(&path, [0; 100]).unwrap();
        let device = Device::open(&path).unwrap();
        assert!(device.is_image());
        assert!(matches!(device.samples(), Err(DeviceError::Header { source: HeaderError::Short, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        // Root may open it all the same.
        if !nix::unistd::geteuid().is_root() {
            assert!(matches!(Device::open(&path), Err(DeviceError::Permission(_))));
        }
        fs::remove_file(&path).unwrap();
    }
}
