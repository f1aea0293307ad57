// SPDX-License-Identifier: GPL-2.0

//! What makes the profiler tick: a delayed work, armed only while something is registered.
//!
//! The kernel crate's `DelayedWork` can be queued and not cancelled. Both ends of cancelling are here: [`disarm`], which
//! does not wait and so may be called under the profiler's mutex, and the drop of [`Sampler`], which waits for a tick that
//! is running and lets none follow.

use crate::profiler::Profiler;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::container_of;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};
use kernel::workqueue::{impl_has_delayed_work, HasWork, Queue, Work, WorkItem};

/// A work queue of our own.
///
/// # Invariants
///
/// The pointer is to a work queue that this value owns.
pub(crate) struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Work queues may be used from any thread.
unsafe impl Send for WorkQueue {}
// SAFETY: As above, also in parallel.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// Allocates the queue.
    ///
    /// High priority and unbound: a tick is short, and on a busy machine it should neither wait its turn nor for one
    /// certain CPU. With a rescuer thread (`WQ_MEM_RECLAIM`): a machine that thrashes is what one wants to see sampled,
    /// and there a new worker may not be had for a long time.
    pub(crate) fn new() -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_HIGHPRI | bindings::wq_flags_WQ_MEM_RECLAIM;
        // SAFETY: The format has no directives, so no arguments follow; it may sleep here.
        let queue = unsafe { bindings::alloc_workqueue_noprof(c"mp3".as_char_ptr(), flags, 1) };
        // INVARIANT: The queue is new and ours.
        NonNull::new(queue).map(WorkQueue).ok_or(ENOMEM)
    }

    fn queue(&self) -> &Queue {
        // SAFETY: By the type invariant the queue is valid for as long as `self` is.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the queue is ours. Works that are queued hold the profiler, and with it this value;
        // so there are none.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Profiler> for Profiler { self.work }
}

impl WorkItem for Profiler {
    type Pointer = Arc<Profiler>;

    fn run(this: Arc<Profiler>) {
        this.as_arc_borrow().tick();
    }
}

/// Has the profiler tick when a timer fires that expires in `expiry` jiffies, unless it is to tick before that anyway.
pub(crate) fn arm(profiler: ArcBorrow<'_, Profiler>, expiry: u64) {
    // A delay of 0 would not wait for a timer at all. One jiffy ago is an expiry too, and fires with the next jiffy.
    const ONE_JIFFY_AGO: usize = usize::MAX;
    let delay = if expiry == 0 { ONE_JIFFY_AGO } else { usize::try_from(expiry).unwrap_or(ONE_JIFFY_AGO) };
    // An error means that it was queued already, which is all we want.
    let _ = profiler.queue.queue().enqueue_delayed(Arc::from(profiler), delay);
}

/// Takes back an [`arm`], without waiting: a tick that runs at the moment runs to its end.
pub(crate) fn disarm(profiler: &Profiler) {
    // SAFETY: The profiler is valid, and with it its work; cancelling is allowed from any context.
    if unsafe { bindings::cancel_delayed_work(raw_work(profiler)) } {
        // SAFETY: The work was queued, so the queue owned a reference, and cancelling passed that on to us.
        drop(unsafe { Arc::from_raw(profiler) });
    }
}

/// The running sampler: from here on the profiler may be armed, until this is dropped.
pub(crate) struct Sampler(Arc<Profiler>);

impl Sampler {
    pub(crate) fn new(profiler: Arc<Profiler>) -> Self {
        Sampler(profiler)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: The profiler is valid, and this is not its work that waits for itself: the work holds no `Sampler`.
        if unsafe { bindings::disable_delayed_work_sync(raw_work(&self.0)) } {
            // SAFETY: As in `disarm`.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.0)) });
        }
        self.0.clear();
    }
}

/// The C side of the profiler's work.
fn raw_work(profiler: &Profiler) -> *mut bindings::delayed_work {
    let profiler = core::ptr::from_ref(profiler).cast_mut();
    // SAFETY: The pointer is to a valid profiler, whose work is the `work` of a `delayed_work`.
    unsafe { container_of!(Work::raw_get(Profiler::raw_get_work(profiler)), bindings::delayed_work, work) }
}
