// SPDX-License-Identifier: GPL-2.0

//! `/dev/mp3`: open, mmap, poll, ioctl, release.
//!
//! The kernel crate's `miscdevice` leaves `file_operations::owner` unset, so that a module can be unloaded while its
//! device is open, and has no `poll`. So the module has a table of operations of its own.

use crate::abi::device::{MP3_IOC_SET_POSITION, MP3_IOC_SET_REGION_POSITION, PAGE_BYTES};
use crate::abi::events::ioctl::{MP3_IOC_TRACE_SNAPSHOT, MP3_IOC_TRACE_START, MP3_IOC_TRACE_STOP};
use crate::abi::regions::Region;
use crate::abi::stream::Stream;
use crate::compat::THIS_MODULE;
use crate::ffi;
use crate::positions::Positions;
use crate::regions::Regions;
use crate::tracer::Session;
use kernel::bindings;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_long, c_uint, c_ulong};
use kernel::fs::File;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::poll::PollTable;
use kernel::sync::{new_mutex, Mutex};
use kernel::types::{ForeignOwnable, Opaque};
use kernel::uaccess::{UserPtr, UserSlice};

/// Only the owner; packaging may give the node to a group.
const MODE: u16 = 0o600;

/// The registered device.
///
/// # Invariants
///
/// `misc` is registered, from initialisation to drop.
#[pin_data(PinnedDrop)]
pub(crate) struct Device {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    regions: Regions,
}

// SAFETY: A device may be registered and deregistered from different threads.
unsafe impl Send for Device {}
// SAFETY: Nothing is changed through a shared reference.
unsafe impl Sync for Device {}

impl Device {
    /// Registers the device. It can be opened before this returns.
    pub(crate) fn new(regions: Regions) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // First: the device can be opened as soon as it is registered.
            regions,
            misc <- Opaque::try_ffi_init(|slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: c"mp3".as_char_ptr(),
                    fops: &raw const OPERATIONS.0,
                    mode: MODE,
                    ..pin_init::zeroed()
                };
                // SAFETY: The slot is there to be written.
                unsafe { slot.write(misc) };
                // SAFETY: The slot is initialised, and pinned until `drop` deregisters it.
                // INVARIANT: If this succeeds, `misc` is registered.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Device {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the device is registered. No file is open: each would hold the module.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// An open file of the device.
#[pin_data]
struct Reader {
    regions: Regions,
    session: Session,
    #[pin]
    positions: Mutex<Positions>,
}

impl Reader {
    fn new(regions: Regions) -> Result<Pin<KBox<Self>>> {
        let positions = Positions::new()?;
        KBox::pin_init(
            pin_init!(Reader { session: regions.session(), regions, positions <- new_mutex!(positions, "mp3_positions") }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Maps the region that begins at the VMA's offset.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: no region begins there, the region is shorter, or the mapping is private.
    /// - `EACCES`: a ring, writable or executable.
    /// - `EPERM`, `ENXIO`: see [`Regions::map`].
    fn mmap(&self, file: &File, vma: &VmaNew) -> Result {
        if !is_shared(vma) {
            return Err(EINVAL);
        }
        let region = Region::at(offset_of(vma)?).ok_or(EINVAL)?;
        self.regions.map(region, file, &self.session, vma)
    }

    /// # Errors
    ///
    /// - `ENOTTY`: not an ioctl of this device.
    /// - `EFAULT`: the argument is not in user space's memory.
    /// - `EINVAL`: a position that the writer has not reached, or an offset at which there is no ring.
    /// - `ENOMEM`: no memory to remember one more position.
    /// - For those of the tracer see [`crate::abi::events::ioctl`].
    fn ioctl(&self, file: &File, command: u32, argument: usize) -> Result {
        match command {
            MP3_IOC_SET_POSITION => {
                let mut argument = UserSlice::new(UserPtr::from_addr(argument), size_of::<u64>()).reader();
                self.set_position(Stream::Samples, argument.read::<u64>()?)
            }
            MP3_IOC_SET_REGION_POSITION => {
                let mut argument = UserSlice::new(UserPtr::from_addr(argument), size_of::<[u64; 2]>()).reader();
                let (offset, position) = (argument.read::<u64>()?, argument.read::<u64>()?);
                match Region::at(offset) {
                    Some(Region::Ring(stream)) => self.set_position(stream, position),
                    Some(Region::Classic) | None => Err(EINVAL),
                }
            }
            MP3_IOC_TRACE_START => self.session.start(file, argument),
            MP3_IOC_TRACE_STOP => self.session.stop(),
            MP3_IOC_TRACE_SNAPSHOT => self.session.snapshot(file, argument),
            _ => Err(ENOTTY),
        }
    }

    fn set_position(&self, stream: Stream, position: u64) -> Result {
        if position > self.regions.committed(stream).ok_or(EINVAL)? {
            return Err(EINVAL);
        }
        self.positions.lock().set(stream, position)?;
        if let Stream::Events { cpu } = stream {
            self.session.has_read(cpu, position);
        }
        Ok(())
    }

    /// The events that there are, after `table` was told where to wait for more.
    fn poll(&self, file: &File, table: &PollTable<'_>) -> u32 {
        let mut events = 0;
        let mut waits_for_events = false;
        for (stream, position) in self.positions.lock().iter() {
            // All CPUs' readers wait in one queue.
            if stream == Stream::Samples || !core::mem::replace(&mut waits_for_events, true) {
                self.regions.wait(stream, file, table);
            }
            events |= match self.regions.committed(stream) {
                Some(committed) if committed > position => bindings::POLLIN | bindings::POLLRDNORM,
                Some(_) => 0,
                // The ring has ended.
                None => bindings::POLLHUP,
            };
        }
        events
    }
}

/// Whether user space asked for `MAP_SHARED`.
fn is_shared(vma: &VmaNew) -> bool {
    // SAFETY: The VMA is being set up by this thread.
    unsafe { ffi::mp3_vma_is_shared(vma.as_ptr()) }
}

/// The byte offset that user space gave to `mmap`.
fn offset_of(vma: &VmaNew) -> Result<u64> {
    // SAFETY: The VMA is being set up by this thread; `vm_pgoff` is not changed by anybody else.
    let pages = unsafe { (*vma.as_ptr()).vm_pgoff } as u64;
    pages.checked_mul(PAGE_BYTES as u64).ok_or(EINVAL)
}

/// The table of operations; a type of its own because raw pointers are not `Sync`.
struct Operations(bindings::file_operations);

// SAFETY: The table is never changed, and what it points to may be used from any thread.
unsafe impl Sync for Operations {}

static OPERATIONS: Operations = Operations(bindings::file_operations {
    // The module stays while the device is open or mapped.
    owner: THIS_MODULE,
    open: Some(open),
    release: Some(release),
    mmap: Some(mmap),
    poll: Some(poll),
    unlocked_ioctl: Some(ioctl),
    compat_ioctl: bindings::compat_ptr_ioctl,
    llseek: Some(bindings::noop_llseek),
    ..pin_init::zeroed()
});

/// # Safety
///
/// Called by the VFS only, for a file of this device that is being opened.
unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: misc_open() leaves the miscdevice in `private_data`.
    let misc = unsafe { (*file).private_data.cast::<bindings::miscdevice>() };
    // SAFETY: It is the `misc` of a `Device`, which lives while its device is registered.
    let device = unsafe { &*kernel::container_of!(Opaque::cast_from(misc), Device, misc) };
    match Reader::new(device.regions.clone()) {
        Ok(reader) => {
            // SAFETY: The file is being opened, so this thread alone has it. `release` takes the box back.
            unsafe { (*file).private_data = reader.into_foreign() };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Called by the VFS only, once, when the last reference to an open file is gone.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: `open` put a box there, and this is the last use of the file.
    drop(unsafe { Pin::<KBox<Reader>>::from_foreign((*file).private_data) });
    0
}

/// # Safety
///
/// Called by the VFS only, for an open file and a VMA that is being set up.
unsafe extern "C" fn mmap(file: *mut bindings::file, vma: *mut bindings::vm_area_struct) -> c_int {
    // SAFETY: The file is open for the duration of the call.
    let reader = unsafe { reader_of(file) };
    // SAFETY: As above; `mmap` does not use the file position.
    let file = unsafe { File::from_raw_file(file) };
    // SAFETY: The VMA is being set up for the duration of the call.
    let vma = unsafe { VmaNew::from_raw(vma) };
    match reader.mmap(file, vma) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Called by the VFS only, for an open file.
unsafe extern "C" fn poll(file: *mut bindings::file, table: *mut bindings::poll_table_struct) -> bindings::__poll_t {
    // SAFETY: The file is open for the duration of the call.
    let reader = unsafe { reader_of(file) };
    // SAFETY: As above; `poll` does not use the file position.
    let file = unsafe { File::from_raw_file(file) };
    // SAFETY: The table is NULL or valid for the duration of the call.
    let table = unsafe { PollTable::from_raw(table) };
    reader.poll(file, &table)
}

/// # Safety
///
/// Called by the VFS only, for an open file.
unsafe extern "C" fn ioctl(file: *mut bindings::file, command: c_uint, argument: c_ulong) -> c_long {
    // SAFETY: The file is open for the duration of the call.
    let reader = unsafe { reader_of(file) };
    // SAFETY: As above; no ioctl uses the file position.
    let file = unsafe { File::from_raw_file(file) };
    match reader.ioctl(file, command, argument) {
        Ok(()) => 0,
        Err(error) => error.to_errno() as c_long,
    }
}

/// # Safety
///
/// `file` is an open file of this device, for as long as the answer is used.
unsafe fn reader_of<'a>(file: *mut bindings::file) -> &'a Reader {
    // SAFETY: `open` put a box there, which stays until `release`.
    unsafe { &*(*file).private_data.cast::<Reader>() }
}
