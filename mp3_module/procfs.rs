// SPDX-License-Identifier: GPL-2.0

//! `/proc/mp3/status`: commands in, registered processes out.
//!
//! A read takes the profiler's mutex once per line. So tables and reads can have any size, and a slow reader delays no other
//! program. It shows every process that stays registered from the
//! first read to the last.

use crate::abi::command::Script;
use crate::abi::device::PAGE_BYTES;
use crate::ffi::{self, ProcDirEntry};
use crate::profiler::Profiler;
use core::ptr::{self, NonNull};
use kernel::bindings;
use kernel::ffi::{c_char, c_int, c_void};
use kernel::fs::File;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::{Arc, ArcBorrow};
use kernel::uaccess::{UserPtr, UserSlice};

/// The directory and the file in it.
///
/// # Invariants
///
/// `directory` was made by `proc_mkdir` and is removed by this value. The file's data is the pointer of `_profiler`.
pub(crate) struct StatusFile {
    directory: NonNull<ProcDirEntry>,
    _profiler: Arc<Profiler>,
}

// SAFETY: Entries of procfs may be removed from any thread.
unsafe impl Send for StatusFile {}
// SAFETY: There is nothing to do with a shared reference.
unsafe impl Sync for StatusFile {}

impl StatusFile {
    /// Makes the file. Commands arrive from here on.
    pub(crate) fn new(profiler: Arc<Profiler>) -> Result<Self> {
        // SAFETY: Callable in process context.
        let directory = NonNull::new(unsafe { ffi::mp3_proc_mkdir() }).ok_or(ENOMEM)?;
        // INVARIANT: The directory is new. From here on, dropping `status` removes it.
        let status = StatusFile { directory, _profiler: profiler };
        let data = Arc::as_ptr(&status._profiler).cast_mut().cast::<c_void>();
        // SAFETY: The directory is there. `data` stays valid for as long as the file can be called: `drop` waits for
        // callers before it lets go of the profiler.
        let file = unsafe { ffi::mp3_proc_create_status(directory.as_ptr(), data) };
        if file.is_null() {
            return Err(ENOMEM);
        }
        Ok(status)
    }
}

impl Drop for StatusFile {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the directory is ours. This removes what is in it too, waits for calls that are under
        // way, and lets none follow.
        unsafe { ffi::proc_remove(self.directory.as_ptr()) };
    }
}

/// `proc_ops::proc_write`.
///
/// # Safety
///
/// Called by procfs only, with an open file of [`StatusFile`].
#[no_mangle]
unsafe extern "C" fn mp3_status_write(
    file: *mut bindings::file,
    buffer: *const c_char,
    length: usize,
    _offset: *mut bindings::loff_t,
) -> isize {
    // SAFETY: The file is open for the duration of the call, its `private_data` is the `seq_file` that `status_open` made,
    // and that one's `private` the profiler, which outlives every call.
    let profiler = unsafe { profiler_of((*file).private_data.cast()) };
    // SAFETY: As above; procfs files have no shared file position that we would use.
    let file = unsafe { File::from_raw_file(file) };
    match write(profiler, file, UserPtr::from_ptr(buffer.cast_mut().cast()), length) {
        Ok(written) => written as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Checks all of the input, then carries out line by line. Returns the bytes of the lines that were carried out.
fn write(profiler: ArcBorrow<'_, Profiler>, file: &File, buffer: UserPtr, length: usize) -> Result<usize> {
    if length > PAGE_BYTES {
        return Err(E2BIG);
    }
    let mut input = KVec::new();
    UserSlice::new(buffer, length).read_all(&mut input, GFP_KERNEL)?;

    let mut script = Script::parse(&input).map_err(|_| EINVAL)?;
    let mut done = 0;
    while let Some(command) = script.next() {
        match profiler.execute(command, file) {
            Ok(()) => done = script.consumed(),
            // A short write: the caller learns of the error when it writes the rest.
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    if done > 0 {
        profiler.notify_of_commands(file);
    }
    Ok(done)
}

/// `seq_operations::start`: the token of the first line at or behind `position`, which is a number of registrations.
///
/// # Safety
///
/// Called by seq_file only.
#[no_mangle]
unsafe extern "C" fn mp3_status_start(seq: *mut bindings::seq_file, position: *mut bindings::loff_t) -> *mut c_void {
    // SAFETY: seq_file passes the file that `status_open` made, and a position that is ours to change.
    let (profiler, position) = unsafe { (profiler_of(seq), &mut *position) };
    let registration = u64::try_from(*position).ok().and_then(|position| profiler.next_status(position));
    match registration {
        Some(registration) => {
            *position = registration as bindings::loff_t;
            // Numbers begin with 1, so the token is not NULL.
            ptr::without_provenance_mut(registration as usize)
        }
        None => ptr::null_mut(),
    }
}

/// `seq_operations::next`.
///
/// # Safety
///
/// Called by seq_file only.
#[no_mangle]
unsafe extern "C" fn mp3_status_next(
    seq: *mut bindings::seq_file,
    _token: *mut c_void,
    position: *mut bindings::loff_t,
) -> *mut c_void {
    // SAFETY: The position is ours to change.
    unsafe { *position = (*position).saturating_add(1) };
    // SAFETY: As for this function.
    unsafe { mp3_status_start(seq, position) }
}

/// `seq_operations::stop`: nothing is held between two lines.
///
/// # Safety
///
/// Called by seq_file only.
#[no_mangle]
unsafe extern "C" fn mp3_status_stop(_seq: *mut bindings::seq_file, _token: *mut c_void) {}

/// `seq_operations::show`: one line, or none if the process went away meanwhile.
///
/// # Safety
///
/// Called by seq_file only, with a token of `start` or `next`.
#[no_mangle]
unsafe extern "C" fn mp3_status_show(seq: *mut bindings::seq_file, token: *mut c_void) -> c_int {
    // SAFETY: seq_file passes the file that `status_open` made.
    let profiler = unsafe { profiler_of(seq) };
    if let Some((pid, user_ns)) = profiler.status(token.addr() as u64) {
        // SAFETY: The seq_file is valid, and seq_file's own mutex keeps other threads from it.
        let seq = unsafe { SeqFile::from_raw(seq) };
        seq_print!(seq, "{pid}: {user_ns}\n");
    }
    0
}

/// # Safety
///
/// `seq` was made by `status_open`, and the call is one that procfs lets `proc_remove` wait for.
unsafe fn profiler_of<'a>(seq: *mut bindings::seq_file) -> ArcBorrow<'a, Profiler> {
    // SAFETY: By the invariant of `StatusFile` the data of the file, which `status_open` put there, is the pointer of an
    // `Arc<Profiler>` that lives until procfs has let go of the file.
    unsafe { ArcBorrow::from_raw((*seq).private.cast::<Profiler>()) }
}
