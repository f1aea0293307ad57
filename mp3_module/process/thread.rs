// SPDX-License-Identifier: GPL-2.0

//! One thread, while it is looked at.

use crate::abi::samples::cputime::RawTimes;
use crate::abi::samples::COMM_BYTES;
use crate::ffi;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::container_of;
use kernel::sync::aref::ARef;
use kernel::task::Task;

/// Reads `$pointer.$field` once. Other CPUs write everything that is read this way meanwhile.
macro_rules! read_once {
    ($pointer:ident . $($field:ident).+) => {
        (&raw const (*$pointer).$($field).+).read_volatile()
    };
}
pub(super) use read_once;

/// A `task_struct` that can be read, though it may be on its way out.
///
/// # Invariants
///
/// The task is not freed before `'a` ends: a reference is held, or an RCU section lasts as long in which the task was on its
/// group's list.
#[derive(Clone, Copy)]
pub(super) struct Thread<'a> {
    task: NonNull<bindings::task_struct>,
    lives: PhantomData<&'a bindings::task_struct>,
}

/// The place of a thread in the list of its group, remembered to be found there again. The thread may be freed meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Node(pub(super) *mut bindings::list_head);

// SAFETY: It is an address to compare with until a thread is known to be there, which any thread may do.
unsafe impl Send for Node {}

/// Makes methods that read one field of the task each.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $($field:ident).+;)+) => {
        $(
            $(#[$doc])*
            #[inline]
            // For the numbers among them; for the pointers it changes nothing.
            #[allow(clippy::ptr_as_ptr)]
            pub(super) fn $name(self) -> $type {
                let task = self.task.as_ptr();
                // SAFETY: By the type invariant the task is valid.
                unsafe { read_once!(task.$($field).+) as $type }
            }
        )+
    };
}

impl<'a> Thread<'a> {
    /// # Safety
    ///
    /// `task` is not freed before `'a` ends.
    pub(super) unsafe fn from_task(task: NonNull<bindings::task_struct>) -> Self {
        // INVARIANT: The caller promises it.
        Thread { task, lives: PhantomData }
    }

    /// # Safety
    ///
    /// `node` is the `thread_node` of a task that is not freed before `'a` ends.
    #[inline]
    pub(super) unsafe fn from_node(node: *mut bindings::list_head) -> Self {
        // SAFETY: The caller promises that a task is around the node, so its address is not 0.
        let task = unsafe { NonNull::new_unchecked(container_of!(node, bindings::task_struct, thread_node)) };
        // INVARIANT: The caller promises it.
        Thread { task, lives: PhantomData }
    }

    /// For functions of C.
    #[inline]
    pub(super) fn as_ptr(self) -> *mut bindings::task_struct {
        self.task.as_ptr()
    }

    /// Its place in the list of its group.
    #[inline]
    pub(super) fn node(self) -> Node {
        // SAFETY: By the type invariant the task is valid.
        Node(unsafe { &raw mut (*self.task.as_ptr()).thread_node })
    }

    fields! {
        /// Not 0 once the thread is dead.
        exit_state: i32 = exit_state;
        /// `PF_*` bits.
        flags: u32 = flags;
        /// User time as it is sampled, ns.
        utime: u64 = utime;
        /// System time as it is sampled, ns.
        stime: u64 = stime;
        /// Run time, ns.
        runtime: u64 = se.sum_exec_runtime;
        /// Time runnable and not running, ns.
        run_delay: u64 = sched_info.run_delay;
        /// Changes with every `execve` of the thread.
        exec_id: u64 = self_exec_id;
        /// Its credentials, which are replaced as a whole; they may be freed at any time unless they are held.
        credentials: *const bindings::cred = real_cred;
        /// Not 0 while it runs.
        on_cpu: u8 = on_cpu;
        /// The address space, if it has one; it may be freed at any time unless it is held.
        mm: *mut bindings::mm_struct = mm;
    }

    /// Whether it runs at the moment. Its times are as old as its CPU's last timer interrupt then.
    #[inline]
    pub(super) fn is_on_cpu(self) -> bool {
        self.on_cpu() != 0
    }

    /// User, system and run time.
    #[inline]
    pub(super) fn times(self) -> RawTimes {
        if self.is_on_cpu() {
            return self.times_while_running();
        }
        RawTimes { utime: self.utime(), stime: self.stime(), runtime: self.runtime() }
    }

    /// As [`Thread::times`], for a thread that runs. A CPU in `nohz_full` has no timer interrupt for up to a second; the
    /// kernel's own functions say what its thread has used since.
    #[cold]
    fn times_while_running(self) -> RawTimes {
        let mut times = RawTimes { utime: self.utime(), stime: self.stime(), runtime: self.runtime() };
        // SAFETY: By the type invariant the task is valid, and the pointers are to locals.
        if unsafe { ffi::mp3_task_times_if_tickless(self.as_ptr(), &mut times.utime, &mut times.stime) } {
            times.runtime = times.utime.wrapping_add(times.stime);
        }
        times
    }

    /// A reference to the task.
    pub(super) fn hold(self) -> ARef<Task> {
        // SAFETY: By the type invariant the task is valid, and `Task` is a transparent wrapper. A task that can still be found
        // on its group's list within an RCU section, or is held, has references.
        unsafe { &*self.as_ptr().cast::<Task>() }.into()
    }

    /// Whether the thread is on its way out: it may have added its delays to the group's already.
    #[inline]
    pub(super) fn is_exiting(self) -> bool {
        self.flags() & bindings::PF_EXITING != 0
    }

    /// Its command name as the two words that it is. It may change while it is read, and is NUL-padded at any moment.
    #[inline]
    pub(super) fn comm(self) -> Comm {
        let task = self.task.as_ptr();
        // SAFETY: By the type invariant the task is valid.
        let comm = unsafe { &raw const (*task).comm };
        if core::mem::offset_of!(bindings::task_struct, comm) % align_of::<u64>() == 0 {
            // SAFETY: As above; the array has as many bytes as two words, and lies at a multiple of their size in a task,
            // which is aligned to more than that.
            Comm(unsafe { comm.cast::<[u64; 2]>().read_volatile() })
        } else {
            // SAFETY: As above. Byte by byte.
            let bytes = unsafe { comm.cast::<[[u8; 8]; 2]>().read_volatile() };
            Comm(bytes.map(u64::from_ne_bytes))
        }
    }
}

/// A command name as the kernel has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Comm([u64; 2]);

const _: () = assert!(size_of::<[u64; 2]>() == COMM_BYTES);

impl Comm {
    /// The name as a record has it: the first byte lowest, the last one NUL.
    #[inline]
    pub(super) fn to_words(self) -> [u64; 2] {
        let [low, high] = self.0.map(u64::from_le);
        [low, high & (u64::MAX >> u8::BITS)]
    }
}
