// SPDX-License-Identifier: GPL-2.0

//! The functions of `tracepoints.c`. Declarations only; `rings`, `probes`, `snapshot` and `mod` state why a call is sound.

// Pointers to structures of the kernel are passed through, and not looked into by C.
#![allow(improper_ctypes)]

use super::recorder::Recorder;
use kernel::bindings;
use kernel::ffi::{c_int, c_uint, c_ulong, c_void};

extern "C" {
    pub(super) fn mp3_tracepoints_find();
    pub(super) fn mp3_tracepoint_register(which: c_uint, filtered: bool) -> c_int;
    pub(super) fn mp3_tracepoint_unregister(which: c_uint, filtered: bool);
    pub(super) fn mp3_tracepoints_synchronize();

    pub(super) fn mp3_recorders_prepare(prepare: unsafe extern "C" fn(cpu: c_uint) -> c_int) -> c_int;
    pub(super) fn mp3_recorders_unprepare(state: c_int);
    pub(super) fn mp3_recorder_arm(cpu: c_uint, recorder: *const Recorder);
    pub(super) fn mp3_recorders_start(switching: bool);
    pub(super) fn mp3_recorders_stop_switching();
    pub(super) fn mp3_recorders_stop();
    pub(super) fn mp3_cpu_ids() -> c_uint;

    pub(super) fn mp3_trace_wake_readers();
    pub(super) fn mp3_trace_poll_wait(file: *mut bindings::file, table: *mut bindings::poll_table_struct);

    pub(super) fn mp3_trace_memory(size: c_ulong, cpu: c_uint) -> *mut c_void;
    pub(super) fn mp3_trace_memory_map(vma: *mut bindings::vm_area_struct, start: *mut c_void) -> c_int;

    pub(super) fn mp3_task_from(nr: *mut c_int) -> *mut bindings::task_struct;
    pub(super) fn mp3_task_cgroup(task: *mut bindings::task_struct) -> u64;
}
