// SPDX-License-Identifier: GPL-2.0

//! Delayed work that can be ended.
//!
//! The kernel crate's `DelayedWork` can be queued and not cancelled. [`disable`] waits for a run to end and lets none follow.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::container_of;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};
use kernel::workqueue::{self, HasDelayedWork, HasWork, Queue, Work, WorkItem};

/// A work queue of the module's own.
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
        // SAFETY: By the type invariant the queue is ours. Works that are queued hold
        // the item that holds this value; so there are none.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Runs `item` when a timer fires that expires in `expiry` jiffies, unless it is to run before that anyway.
pub(crate) fn arm<T, const ID: u64>(queue: &WorkQueue, item: ArcBorrow<'_, T>, expiry: u64)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID> + Send + Sync + 'static,
{
    // A delay of 0 would not wait for a timer at all. One jiffy ago is an expiry too, and fires with the next jiffy.
    const ONE_JIFFY_AGO: usize = usize::MAX;
    let delay = if expiry == 0 { ONE_JIFFY_AGO } else { usize::try_from(expiry).unwrap_or(ONE_JIFFY_AGO) };
    // An error means that it was queued already, which is enough.
    let _ = queue.queue().enqueue_delayed::<Arc<T>, ID>(Arc::from(item), delay);
}

/// Runs `item` soon, in a thread that may wait for memory and for the locks of others.
pub(crate) fn run_apart<T, const ID: u64>(item: ArcBorrow<'_, T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID> + Send + Sync + 'static,
{
    // As above.
    let _ = workqueue::system_unbound().enqueue_delayed::<Arc<T>, ID>(Arc::from(item), 0);
}

/// Waits for a run that is under way, and lets none follow. Not to be called by a run, which would wait for itself.
pub(crate) fn disable<T, const ID: u64>(item: &Arc<T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID>,
{
    // SAFETY: The item is valid, and with it its work; it may sleep here.
    if unsafe { bindings::disable_delayed_work_sync(raw_work::<T, ID>(item)) } {
        // SAFETY: The work was queued, and disabling it passed the queue's reference on to us, which `enqueue_delayed` made of
        // an `Arc` to this very item by `into_raw`.
        drop(unsafe { Arc::from_raw(Arc::as_ptr(item)) });
    }
}

/// The C side of the item's work.
fn raw_work<T: HasDelayedWork<T, ID>, const ID: u64>(item: &Arc<T>) -> *mut bindings::delayed_work {
    let item = Arc::as_ptr(item).cast_mut();
    // SAFETY: The pointer is to a valid item, whose work is the `work` of a `delayed_work`.
    unsafe { container_of!(Work::raw_get(<T as HasWork<T, ID>>::raw_get_work(item)), bindings::delayed_work, work) }
}
