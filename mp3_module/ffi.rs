// SPDX-License-Identifier: GPL-2.0

//! C that the kernel crate's bindings lack: the functions of `shim.c`, and exported ones whose headers the bindings do
//! not include.
//!
//! Declarations only. Each has one user among the files that own an interface to C, which states why the call is sound.

// `struct lock_class_key`, deep inside of the kernel's structs, is empty without lockdep. We pass pointers to it only.
#![allow(improper_ctypes)]

use kernel::bindings;
use kernel::ffi::{c_int, c_uint, c_ulong, c_void};

/// A `struct proc_dir_entry`, which only procfs looks into.
#[repr(C)]
pub(crate) struct ProcDirEntry {
    opaque: [u8; 0],
}

/// `struct mp3_delays`: delay accounting of one task, all in ns.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delays {
    pub(crate) blkio: u64,
    pub(crate) swapin: u64,
    pub(crate) reclaim: u64,
    pub(crate) thrashing: u64,
    pub(crate) compact: u64,
    pub(crate) wpcopy: u64,
}

extern "C" {
    // shim.c
    pub(crate) fn mp3_task_add_delays(task: *const bindings::task_struct, delays: *mut Delays);
    pub(crate) fn mp3_task_dumpable(task: *const bindings::task_struct) -> c_int;
    pub(crate) fn mp3_task_times_if_tickless(
        task: *mut bindings::task_struct,
        utime: *mut u64,
        stime: *mut u64,
    ) -> bool;
    pub(crate) fn mp3_task_mm_grab(task: *mut bindings::task_struct) -> *mut bindings::mm_struct;
    pub(crate) fn mp3_read_seqbegin(lock: *const bindings::seqlock_t) -> c_uint;
    pub(crate) fn mp3_read_seqretry(lock: *const bindings::seqlock_t, start: c_uint) -> bool;
    pub(crate) fn mp3_read_seqlock_excl_irqsave(lock: *mut bindings::seqlock_t) -> c_ulong;
    pub(crate) fn mp3_read_sequnlock_excl_irqrestore(lock: *mut bindings::seqlock_t, flags: c_ulong);
    pub(crate) fn mp3_vma_is_shared(vma: *const bindings::vm_area_struct) -> bool;
    pub(crate) fn mp3_vmalloc_user(size: c_ulong) -> *mut c_void;
    pub(crate) fn mp3_proc_mkdir() -> *mut ProcDirEntry;
    pub(crate) fn mp3_proc_create_status(directory: *mut ProcDirEntry, data: *mut c_void) -> *mut ProcDirEntry;

    pub(crate) fn mp3_fs_reclaim_acquire();
    pub(crate) fn mp3_fs_reclaim_release();

    pub(crate) fn mp3_follow_register(profiler: *const c_void) -> c_int;
    pub(crate) fn mp3_follow_unregister();
    pub(crate) fn mp3_follow_synchronize();

    // linux/vmalloc.h
    pub(crate) fn remap_vmalloc_range(
        vma: *mut bindings::vm_area_struct,
        address: *mut c_void,
        pgoff: c_ulong,
    ) -> c_int;
    pub(crate) fn vfree(address: *const c_void);

    // linux/proc_fs.h
    pub(crate) fn proc_remove(entry: *mut ProcDirEntry);
}
