// SPDX-License-Identifier: GPL-2.0

//! What the probes of tracepoints.c call: from the kernel's structures to records.
//!
//! A crate of its own, and so an object of its own, for one reason: nothing in it may panic. The scheduler's locks are held
//! here, and a panic would be the machine's end. `xtask` checks that the object refers to no panic.
//!
//! Forbidden here: anything that sleeps, wakes, allocates, prints, takes a lock or puts a reference, and user memory.
//! Everything runs on the recorder's own CPU with interrupts off, which makes it the only one in its [`Own`].

#[path = "../abi.rs"]
mod abi;
mod clock;
mod fault_records;
mod filter;
mod layout;
mod recorder;

use crate::abi::events::header::word;
use crate::abi::events::kind::Kind;
use crate::abi::events::life::{Exec, Exit, Name, NewTask, Text, CLONE_THREAD, PATH_BYTES_MAX, TEXT_BYTES};
use crate::abi::events::migrate::Migrate;
use crate::abi::events::priority::Priority;
use crate::abi::events::record::head;
use crate::abi::events::room::Attended;
use crate::abi::events::switch::{Switch, SwitchFlags};
use crate::abi::events::task::{Context, Prio, State, Tid};
use crate::abi::events::waking::Waking;
use crate::clock::now;
use crate::filter::Comm;
use crate::recorder::{OpenIrq, Own, Recorder, RecorderPtr, RingWords};
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering;
use kernel::bindings;
use kernel::ffi::{c_char, c_int, c_uint};

type Task = *const bindings::task_struct;

extern "C" {
    /// tracepoints.c
    fn mp3_trace_wake();
}

/// Reads `$pointer.$field` once: other CPUs may write it meanwhile.
macro_rules! read_once {
    ($pointer:ident . $($field:ident).+) => {
        (&raw const (*$pointer).$($field).+).read_volatile()
    };
}

/// As [`read_once`], the low bits of an integer that are an integer of `$type`.
#[cfg(target_endian = "little")]
macro_rules! low {
    ($pointer:ident . $($field:ident).+ as $type:ty) => {
        (&raw const (*$pointer).$($field).+).cast::<$type>().read_volatile()
    };
}
#[cfg(target_endian = "big")]
macro_rules! low {
    ($pointer:ident . $($field:ident).+ as $type:ty) => {
        read_once!($pointer.$($field).+) as $type
    };
}

/// # Safety
///
/// It is of a valid recorder other than [`Recorder::none`], this is its CPU, interrupts are off, and the answer is dropped
/// before they are on. No function calls it that has an answer of it already.
#[inline(always)]
unsafe fn own<'a>(own: &UnsafeCell<Own>) -> &'a mut Own {
    // SAFETY: The caller promises that nothing else has it.
    unsafe { &mut *own.get() }
}

/// Whether there is more to do than to write. True of a recorder that takes nothing.
#[inline(always)]
fn needs_attention(own: &Own) -> bool {
    own.room.needs_attention(own.writer.position())
}

/// Has readers woken where it is time, and makes sure that there is room for `records`. False: they are dropped.
fn make_room(recorder: RecorderPtr, own: &mut Own, records: u64) -> bool {
    // The owner has read what may be overwritten now.
    let limit = recorder.limit.load(Ordering::Acquire);
    let Attended { wake, fits } = own.room.attend(own.writer.position(), records, limit);
    if wake {
        // SAFETY: Callable with interrupts off.
        unsafe { mp3_trace_wake() };
    }
    if !fits {
        recorder.count_dropped(records);
    }
    fits
}

/// What has become of an event.
#[derive(PartialEq, Eq)]
enum Outcome {
    /// It is counted, and recorded where it is to be.
    Done,
    /// Nothing has changed: this is for the form that attends to everything.
    Unusual,
}

/// Writes one record, whose words after the first are `rest`. The clock is read once its place is reserved: so a reader that
/// finds all reserved places filled has everything up to the time before it looked.
///
/// `ATTEND` is false where `Room::needs_attention` is. It has to be the last thing that is done.
#[inline(always)]
fn write<const ATTEND: bool>(recorder: RecorderPtr, own: &mut Own, kind: Kind, [w1, w2, w3]: [u64; 3]) {
    if ATTEND && !make_room(recorder, own, 1) {
        return;
    }
    let words = recorder.words();
    let position = own.writer.reserve(&words);
    let place = recorder.place(position);
    // The clock last: so little has to be kept meanwhile.
    place.store(1, w1);
    place.store(2, w2);
    place.store(3, w3);
    if !clock::quick(|time| place.store(0, head(kind, time))) {
        return write_head(recorder, kind);
    }
    own.writer.advance(position);
    own.writer.commit(&words);
}

/// The end of [`write`] where the kernel's own clock has to be called. Out of the way, so that no register has to be saved
/// where it has not. It asks for the position again, so that no register has to keep it.
#[cold]
#[inline(never)]
fn write_head(recorder: RecorderPtr, kind: Kind) {
    // SAFETY: As for the only caller, which has come to its end.
    let own = unsafe { own(&recorder.own) };
    let position = own.writer.position();
    recorder.place(position).store(0, head(kind, now()));
    own.writer.advance(position);
    own.writer.commit(&recorder.words());
}

/// # Safety
///
/// The filtered probes are registered only where recorders have a filter, which outlives the probes.
#[inline(always)]
unsafe fn passes(recorder: RecorderPtr, tgid: c_int) -> bool {
    // SAFETY: The caller promises it.
    unsafe { &*recorder.filter }.passes(tgid)
}

/// `task->prio`.
///
/// # Safety
///
/// `task` is valid.
#[inline(always)]
unsafe fn prio(task: Task) -> Prio {
    // SAFETY: The caller promises it.
    Prio::from_field(u64::from(unsafe { low!(task.prio as u8) }))
}

/// # Safety
///
/// `task` is valid.
#[inline(always)]
unsafe fn tid(task: Task) -> Tid {
    // SAFETY: The caller promises it. An ID never changes but for execve of another thread, which waits for this one.
    unsafe { read_once!(task.pid) as Tid }
}

/// # Safety
///
/// `task` is valid.
#[inline(always)]
unsafe fn tgid(task: Task) -> Tid {
    // SAFETY: As above.
    unsafe { read_once!(task.tgid) as Tid }
}

/// # Safety
///
/// `task` is valid.
#[inline(always)]
unsafe fn is_kernel(task: Task) -> bool {
    // SAFETY: The caller promises it.
    unsafe { read_once!(task.flags) & bindings::PF_KTHREAD != 0 }
}

/// Defines the two functions that the two probes of a tracepoint call, both made of the same inlined one. A third and a
/// fourth one, out of the way, are for when there is more to do than to write.
macro_rules! encoders {
    ($all:ident, $filtered:ident = $body:ident($($name:ident: $type:ty),*)) => {
        /// # Safety
        ///
        /// Called by the probe of tracepoints.c only, on the recorder's CPU, with interrupts off and valid tasks.
        #[no_mangle]
        unsafe extern "C" fn $all(recorder: *const Recorder, $($name: $type),*) {
            // SAFETY: The caller promises it.
            unsafe { $body::entry::<false>(recorder, $($name),*) }
        }

        /// # Safety
        ///
        /// As above, and the recorder has a filter.
        #[no_mangle]
        unsafe extern "C" fn $filtered(recorder: *const Recorder, $($name: $type),*) {
            // SAFETY: The caller promises it.
            unsafe { $body::entry::<true>(recorder, $($name),*) }
        }

        mod $body {
            use super::*;

            /// # Safety
            ///
            /// As for the two functions.
            #[inline(always)]
            pub(super) unsafe fn entry<const FILTERED: bool>(recorder: *const Recorder, $($name: $type),*) {
                // SAFETY: The caller promises all of it.
                unsafe {
                    let recorder = RecorderPtr::new(recorder);
                    // The recorder that takes nothing is shared by all CPUs: it is only read, and always needs attention.
                    let is_usual = !needs_attention(&*recorder.own.get())
                        && super::$body::<FILTERED, false>(recorder, own(&recorder.own), $($name),*) == Outcome::Done;
                    if !is_usual {
                        // Its own view of `own` follows those of above, which end here.
                        attend::<FILTERED>(recorder, $($name),*);
                    }
                }
            }

            /// # Safety
            ///
            /// As above.
            #[cold]
            #[inline(never)]
            unsafe fn attend<const FILTERED: bool>(recorder: RecorderPtr, $($name: $type),*) {
                if recorder.is_none() {
                    return;
                }
                // SAFETY: The caller promises it.
                unsafe { super::$body::<FILTERED, true>(recorder, own(&recorder.own), $($name),*) };
            }
        }
    };
}

// This object's own idea of what it shares with the module's: see `layout`.
core::arch::global_asm!(".globl mp3_layout_{0}", ".set mp3_layout_{0}, 0", const layout::SOURCES);

/// What C has for [`Recorder::none`].
struct Nothing(#[allow(dead_code)] Recorder);

// SAFETY: Nothing of it ever changes.
unsafe impl Sync for Nothing {}

#[no_mangle]
static mp3_recorder_none: Nothing = Nothing(Recorder::none());

/// The CPU begins to record switches while it runs `task`; NULL stands for its idle task, before it is online.
///
/// # Safety
///
/// As for the encoders, or the CPU is not online.
#[no_mangle]
unsafe extern "C" fn mp3_trace_switch_from(recorder: *const Recorder, running: Task) {
    // SAFETY: The caller promises it.
    let own = unsafe { own(&(*recorder).own) };
    own.voluntary_before = if running.is_null() {
        0
    } else {
        // SAFETY: As above.
        unsafe { read_once!(running.nvcsw) as u64 }
    };
}

/// Those of the flags that a switch has rarely.
///
/// # Safety
///
/// As for [`encoders`].
unsafe fn rare_flags(prev: Task, next: Task, state: c_uint) -> SwitchFlags {
    let mut flags = SwitchFlags::NONE;
    // SAFETY: The caller promises it.
    unsafe {
        if is_in_iowait(prev) {
            flags |= SwitchFlags::IO_WAIT;
        }
        if is_throttled(prev) {
            flags |= SwitchFlags::THROTTLED;
        }
        if is_served(next) {
            flags |= SwitchFlags::FAIR_SERVER;
        }
    }
    if state & bindings::TASK_DEAD != 0 {
        flags |= SwitchFlags::DEAD;
    }
    flags
}

/// # Safety
///
/// `task` is valid.
#[inline(always)]
unsafe fn is_in_iowait(task: Task) -> bool {
    // SAFETY: The caller promises it. The task itself changes it, which does not run or is the current one.
    unsafe { bindings::task_struct::in_iowait_raw(task) != 0 }
}

/// # Safety
///
/// `task` is valid, and its run queue's lock is held.
#[inline(always)]
unsafe fn is_throttled(task: Task) -> bool {
    #[cfg(CONFIG_CFS_BANDWIDTH)]
    // SAFETY: The caller promises it.
    return unsafe { (*task).throttled };
    #[cfg(not(CONFIG_CFS_BANDWIDTH))]
    return false;
}

/// Whether it runs on time that the deadline server keeps.
///
/// # Safety
///
/// `task` is valid, and its run queue's lock is held.
#[inline(always)]
unsafe fn is_served(task: Task) -> bool {
    // SAFETY: The caller promises it.
    unsafe { !(*task).dl_server.is_null() }
}

/// Counts a switch. Whether the kernel has counted it as voluntary.
///
/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn count_switch(words: &RingWords, own: &mut Own, prev: Task, next: Task) -> bool {
    // SAFETY: The caller promises it. The run queue's lock is held: nothing of either task changes.
    let (voluntary, voluntary_of_next, tid_of_prev) = unsafe { ((*prev).nvcsw, (*next).nvcsw, (*prev).pid) };
    let is_voluntary = voluntary as u64 != own.voluntary_before;
    own.voluntary_before = voluntary_of_next as u64;
    words.count(word::SWITCHES, 1);
    if is_voluntary {
        words.count(word::VOLUNTARY, 1);
    } else if tid_of_prev == 0 {
        words.count(word::FROM_IDLE, 1);
    }
    is_voluntary
}

/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn switch<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    preempt: bool,
    prev: Task,
    next: Task,
    state: c_uint,
) -> Outcome {
    // SAFETY: The caller promises it. The run queue's lock is held: nothing of either task changes.
    unsafe {
        let words = recorder.words();
        if FILTERED && !passes(recorder, (*prev).tgid) && !passes(recorder, (*next).tgid) {
            count_switch(&words, own, prev, next);
            return Outcome::Done;
        }
        let (index, rare) = if ATTEND {
            (State::index_from_kernel(state), rare_flags(prev, next, state))
        } else {
            if is_in_iowait(prev) || is_throttled(prev) || is_served(next) {
                return Outcome::Unusual;
            }
            // Neither has a dead thread a usual state.
            let Some(index) = State::usual_index_from_kernel(state) else { return Outcome::Unusual };
            (index, SwitchFlags::NONE)
        };
        let mut flags = rare;
        if count_switch(&words, own, prev, next) {
            flags |= SwitchFlags::VOLUNTARY;
        }
        if preempt {
            flags |= SwitchFlags::PREEMPTED;
        }
        if (*prev).nr_cpus_allowed == 1 || (*prev).migration_disabled != 0 {
            flags |= SwitchFlags::PINNED;
        }
        let record = Switch {
            prev: (*prev).pid as Tid,
            next: (*next).pid as Tid,
            state: State::Running,
            flags,
            involuntary: (*prev).nivcsw as u8,
            run_ns: (*prev).se.sum_exec_runtime,
            voluntary: (*prev).nvcsw as u16,
            delay_ns: (*prev).sched_info.run_delay,
            prev_prio: prio(prev),
            next_prio: prio(next),
        };
        write::<ATTEND>(recorder, own, Kind::Switch, record.encode_with(index));
    }
    Outcome::Done
}
encoders!(mp3_trace_switch, mp3_trace_switch_filtered =
    switch(preempt: bool, prev: Task, next: Task, state: c_uint));

/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn flagged_waking<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    wakee: Task,
    waker: Task,
    calls: u64,
    argument: u64,
    flags: c_uint,
) -> Outcome {
    // SAFETY: The caller promises it. The wakee's pi_lock is held.
    unsafe {
        let words = recorder.words();
        if FILTERED && !passes(recorder, (*wakee).tgid) && !passes(recorder, (*waker).tgid) {
            words.count(word::WAKINGS, 1);
            return Outcome::Done;
        }
        let state = read_once!(wakee.__state);
        let index = match State::usual_index_from_kernel(state) {
            Some(index) => index,
            None if !ATTEND => return Outcome::Unusual,
            None => State::index_from_kernel(state),
        };
        words.count(word::WAKINGS, 1);
        // What is left at its default is in `flags` and `calls`.
        let record = Waking {
            wakee: tid(wakee),
            waker: tid(waker),
            wakee_prio: prio(wakee),
            waker_prio: prio(waker),
            previous_cpu: low!(wakee.thread_info.cpu as u16),
            argument,
            ..Waking::default()
        };
        write::<ATTEND>(recorder, own, Kind::Waking, record.encode_with(index, u64::from(flags), calls));
    }
    Outcome::Done
}
encoders!(mp3_trace_flagged_waking, mp3_trace_flagged_waking_filtered =
    flagged_waking(wakee: Task, waker: Task, calls: u64, argument: u64, flags: c_uint));

/// As [`flagged_waking`], without flags.
///
/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn waking<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    wakee: Task,
    waker: Task,
    calls: u64,
    argument: u64,
) -> Outcome {
    // SAFETY: The caller promises it.
    unsafe { flagged_waking::<FILTERED, ATTEND>(recorder, own, wakee, waker, calls, argument, 0) }
}
encoders!(mp3_trace_waking, mp3_trace_waking_filtered = waking(wakee: Task, waker: Task, calls: u64, argument: u64));

/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn migrate<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    task: Task,
    by: Task,
    places: u64,
) -> Outcome {
    // SAFETY: The caller promises it.
    unsafe {
        let (from, to) = (places as u16, (places >> 16) as u16);
        if from != to {
            recorder.words().count(word::MIGRATIONS, 1);
        }
        if FILTERED && !passes(recorder, (*task).tgid) {
            return Outcome::Done;
        }
        let record = Migrate {
            tid: tid(task),
            tgid: tgid(task),
            by: tid(by),
            context: Context::from_bits((places >> 33) as u8),
            from,
            to,
            prio: prio(task),
            forced: places & 1 << 32 != 0,
            allowed_cpus: read_once!(task.nr_cpus_allowed) as u16,
            migrations: read_once!(task.se.nr_migrations) as u32,
        };
        write::<ATTEND>(recorder, own, Kind::Migrate, record.encode());
    }
    Outcome::Done
}
encoders!(mp3_trace_migrate, mp3_trace_migrate_filtered = migrate(task: Task, by: Task, places: u64));

/// # Safety
///
/// As for [`encoders`]; `donor` may be NULL.
#[inline(always)]
unsafe fn priority<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    task: Task,
    donor: Task,
    by: Task,
    context: c_uint,
) -> Outcome {
    // SAFETY: The caller promises it.
    unsafe {
        if FILTERED && !passes(recorder, (*task).tgid) && (donor.is_null() || !passes(recorder, (*donor).tgid)) {
            return Outcome::Done;
        }
        let normal = Prio::from_kernel(read_once!(task.normal_prio));
        let (new, donor) = if donor.is_null() { (normal, 0) } else { (normal.min(prio(donor)), tid(donor)) };
        let record = Priority {
            tid: tid(task),
            tgid: tgid(task),
            by: tid(by),
            context: Context::from_bits(context as u8),
            old: prio(task),
            new,
            donor,
        };
        write::<ATTEND>(recorder, own, Kind::Priority, record.encode());
    }
    Outcome::Done
}
encoders!(mp3_trace_priority, mp3_trace_priority_filtered =
    priority(task: Task, donor: Task, by: Task, context: c_uint));

/// # Safety
///
/// As for [`encoders`]; `comm` points to 16 bytes.
#[inline(always)]
unsafe fn newtask<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    child: Task,
    parent: Task,
    clone_flags: u64,
    comm: *const Comm,
) -> Outcome {
    // SAFETY: The caller promises it. The child is on the list of tasks, and does not run before this is over.
    unsafe {
        let comm = &*comm;
        if FILTERED {
            let filter = &*recorder.filter;
            if clone_flags & CLONE_THREAD == 0 {
                filter.born((*child).tgid, (*parent).tgid, comm);
            } else {
                filter.named((*child).tgid, comm);
            }
            // A watched parent's children are recorded, also where they are not followed.
            if !filter.passes((*child).tgid) && !filter.passes((*parent).tgid) {
                return Outcome::Done;
            }
        }
        if ATTEND && !make_room(recorder, own, 2) {
            return Outcome::Done;
        }
        let born = NewTask {
            tid: tid(child),
            tgid: tgid(child),
            parent: tid(parent),
            parent_tgid: tgid(parent),
            clone_flags,
            prio: prio(child),
            kernel: is_kernel(child),
        };
        let name = Name { tid: tid(child), tgid: tgid(child), kernel: is_kernel(child), comm: *comm };
        let mut time = 0;
        own.writer.push(&recorder.words(), |_| {
            time = now();
            let [w1, w2, w3] = born.encode();
            [head(Kind::NewTask, time), w1, w2, w3]
        });
        let [w1, w2, w3] = name.encode();
        own.writer.push(&recorder.words(), |_| [head(Kind::Name, time), w1, w2, w3]);
        own.writer.commit(&recorder.words());
    }
    Outcome::Done
}
encoders!(mp3_trace_newtask, mp3_trace_newtask_filtered =
    newtask(child: Task, parent: Task, clone_flags: u64, comm: *const Comm));

/// Longest path there is (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// # Safety
///
/// As for [`encoders`]; `path` is a string that ends with NUL.
#[inline(always)]
unsafe fn exec<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    task: Task,
    old_tid: c_int,
    path: *const c_char,
) -> Outcome {
    // SAFETY: The caller promises it.
    unsafe {
        if FILTERED && !passes(recorder, (*task).tgid) {
            return Outcome::Done;
        }
        let path = path.cast::<u8>();
        let mut length = 0_usize;
        while length < PATH_MAX && path.add(length).read() != 0 {
            length = length.wrapping_add(1);
        }
        let text = length.min(PATH_BYTES_MAX);
        let mut at = length.wrapping_sub(text);
        let record = Exec {
            tid: tid(task),
            tgid: tgid(task),
            old_tid: old_tid as Tid,
            text_bytes: text as u8,
            path_bytes: length as u16,
        };
        if ATTEND && !make_room(recorder, own, (record.text_records() as u64).wrapping_add(1)) {
            return Outcome::Done;
        }
        let mut time = 0;
        own.writer.push(&recorder.words(), |_| {
            time = now();
            let [w1, w2, w3] = record.encode();
            [head(Kind::Exec, time), w1, w2, w3]
        });
        while at < length {
            let mut bytes = [0; TEXT_BYTES];
            for byte in &mut bytes {
                if at < length {
                    *byte = path.add(at).read();
                    at = at.wrapping_add(1);
                }
            }
            let [w1, w2, w3] = Text { bytes }.encode();
            own.writer.push(&recorder.words(), |_| [head(Kind::Text, time), w1, w2, w3]);
        }
        own.writer.commit(&recorder.words());
    }
    Outcome::Done
}
encoders!(mp3_trace_exec, mp3_trace_exec_filtered = exec(task: Task, old_tid: c_int, path: *const c_char));

/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn exit<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    task: Task,
    parent: Task,
    group_dead: bool,
) -> Outcome {
    // SAFETY: The caller promises it. The task is the current one, so its `signal` stays.
    unsafe {
        if FILTERED && !passes(recorder, (*task).tgid) {
            return Outcome::Done;
        }
        let signal = (*task).signal;
        let record = Exit {
            tid: tid(task),
            tgid: tgid(task),
            parent_tgid: tgid(parent),
            group_dead,
            code: read_once!(task.exit_code),
            group_code: if signal.is_null() { 0 } else { read_once!(signal.group_exit_code) },
        };
        write::<ATTEND>(recorder, own, Kind::Exit, record.encode());
    }
    Outcome::Done
}
encoders!(mp3_trace_exit, mp3_trace_exit_filtered = exit(task: Task, parent: Task, group_dead: bool));

/// # Safety
///
/// As for [`encoders`]; `comm` points to 16 bytes.
#[inline(always)]
unsafe fn rename<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    task: Task,
    comm: *const Comm,
) -> Outcome {
    // SAFETY: The caller promises it.
    unsafe {
        let comm = &*comm;
        if FILTERED {
            let filter = &*recorder.filter;
            filter.named((*task).tgid, comm);
            if !filter.passes((*task).tgid) {
                return Outcome::Done;
            }
        }
        let record = Name { tid: tid(task), tgid: tgid(task), kernel: is_kernel(task), comm: *comm };
        write::<ATTEND>(recorder, own, Kind::Name, record.encode());
    }
    Outcome::Done
}
encoders!(mp3_trace_rename, mp3_trace_rename_filtered = rename(task: Task, comm: *const Comm));

/// An interrupt begins; `irq` is its class and number, as in word 1 of its record.
///
/// # Safety
///
/// As for [`encoders`].
#[no_mangle]
unsafe extern "C" fn mp3_trace_irq_entry(recorder: *const Recorder, irq: c_uint) {
    // SAFETY: The caller promises it.
    let recorder = unsafe { RecorderPtr::new(recorder) };
    if recorder.is_none() {
        return;
    }
    // SAFETY: The caller promises it.
    let own = unsafe { own(&recorder.own) };
    if let Some(open) = own.irqs.get_mut(own.irq_depth) {
        *open = OpenIrq { irq, began: now(), nested: 0 };
        own.irq_depth = own.irq_depth.wrapping_add(1);
    }
}

/// # Safety
///
/// As for [`encoders`].
#[inline(always)]
unsafe fn irq_exit<const FILTERED: bool, const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    irq: c_uint,
    interrupted: Task,
) -> Outcome {
    let innermost = own.irq_depth.wrapping_sub(1);
    let Some(open) = own.irqs.get(innermost).copied() else {
        // It had begun before recording did.
        return Outcome::Done;
    };
    if open.irq != irq {
        // An end without its beginning.
        return Outcome::Done;
    }
    own.irq_depth = innermost;
    recorder.words().count(word::INTERRUPTS, 1);
    // SAFETY: The caller promises it.
    let recorded = !FILTERED || unsafe { passes(recorder, (*interrupted).tgid) };
    // The number of the record, the thread's ID behind it: `Irq::encode`, of which C has prepared the half.
    // SAFETY: The caller promises it.
    let w1 = u64::from(irq) | u64::from(unsafe { tid(interrupted) }) << 24;
    let mut duration = 0;
    if recorded && (!ATTEND || make_room(recorder, own, 1)) {
        own.writer.push(&recorder.words(), |_| {
            let time = now();
            duration = time.wrapping_sub(open.began);
            // The fast clock may step back a little.
            if duration > i64::MAX as u64 {
                duration = 0;
            }
            [head(Kind::Irq, time), w1, duration, open.nested]
        });
        own.writer.commit(&recorder.words());
    } else {
        duration = now().saturating_sub(open.began);
    }
    if let Some(outer) = own.irqs.get_mut(innermost.wrapping_sub(1)) {
        outer.nested = outer.nested.wrapping_add(duration);
    }
    Outcome::Done
}
encoders!(mp3_trace_irq_exit, mp3_trace_irq_exit_filtered = irq_exit(irq: c_uint, interrupted: Task));
