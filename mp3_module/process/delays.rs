// SPDX-License-Identifier: GPL-2.0

//! What threads waited for: for a CPU in any case, for memory and disks where the kernel counts that.

use super::group::ThreadGroup;
#[cfg(CONFIG_TASKSTATS)]
use super::thread::read_once;
use super::thread::Thread;
use crate::abi::samples::Totals;
use crate::ffi;

/// Makes the delays that delay accounting counts, from a table: the field of [`Totals`], that of `struct mp3_delays`, and
/// that of the `taskstats` in which the kernel sums up the dead threads of a group.
macro_rules! delays {
    ($($total:ident: $task:ident, $taskstats:ident;)+) => {
        impl Delays {
            /// Of the threads of `group` that are gone, which the kernel keeps for taskstats; `None` while no thread of a
            /// multi-threaded group has exited.
            #[cfg(CONFIG_TASKSTATS)]
            #[inline]
            pub(super) fn of_dead(group: &ThreadGroup) -> Option<Self> {
                let signal = group.signal();
                // SAFETY: The group's `signal_struct` is valid. Once set, `stats` stays until it is freed.
                let stats = unsafe { read_once!(signal.stats) };
                if stats.is_null() {
                    return None;
                }
                // SAFETY: As above.
                Some(unsafe {
                    Delays {
                        run: read_once!(stats.cpu_delay_total),
                        accounted: ffi::Delays { $($task: read_once!(stats.$taskstats),)+ },
                    }
                })
            }

            /// Adds those of another thread, modulo 2^64.
            #[inline]
            pub(super) fn add(&mut self, other: &Delays) {
                self.run = self.run.wrapping_add(other.run);
                $(self.accounted.$task = self.accounted.$task.wrapping_add(other.accounted.$task);)+
            }

            /// Fills them into `totals`.
            #[inline]
            pub(super) fn fill(&self, totals: &mut Totals) {
                totals.run_delay_ns = self.run;
                $(totals.$total = self.accounted.$task;)+
            }
        }
    };
}

delays! {
    // in a record: of one task, of dead threads
    blkio_delay_ns: blkio, blkio_delay_total;
    swapin_delay_ns: swapin, swapin_delay_total;
    reclaim_delay_ns: reclaim, freepages_delay_total;
    thrashing_delay_ns: thrashing, thrashing_delay_total;
    compact_delay_ns: compact, compact_delay_total;
    wpcopy_delay_ns: wpcopy, wpcopy_delay_total;
}

/// What one thread, or several, waited for; ns.
#[derive(Clone, Copy, Default)]
pub(super) struct Delays {
    /// For a CPU.
    run: u64,
    /// For memory and disks. 0 where the kernel does not count it.
    accounted: ffi::Delays,
}

impl Delays {
    /// Of one thread. `is_counted` says whether the kernel counts more than the time waiting for a CPU.
    #[inline]
    pub(super) fn of(thread: Thread<'_>, is_counted: bool) -> Self {
        let mut delays = Delays::default();
        delays.add_of(thread, is_counted);
        delays
    }

    /// Takes those of one thread instead; `is_counted` as above, and as before.
    #[inline]
    pub(super) fn renew(&mut self, thread: Thread<'_>, is_counted: bool) {
        self.run = 0;
        if is_counted {
            self.accounted = ffi::Delays::default();
        }
        self.add_of(thread, is_counted);
    }

    /// Adds those of one thread, modulo 2^64; `is_counted` as above.
    #[inline]
    pub(super) fn add_of(&mut self, thread: Thread<'_>, is_counted: bool) {
        self.run = self.run.wrapping_add(thread.run_delay());
        if is_counted {
            // SAFETY: A `Thread` is valid, and the second pointer is to a struct of the right type. A task that has no delays
            // adds nothing.
            unsafe { ffi::mp3_task_add_delays(thread.as_ptr(), &mut self.accounted) };
        }
    }

    /// Whether they are what `thread` has now; `is_counted` as it was when they were read.
    #[inline]
    pub(super) fn are_those_of(&self, thread: Thread<'_>, is_counted: bool) -> bool {
        thread.run_delay() == self.run && (!is_counted || Delays::of(thread, is_counted).accounted == self.accounted)
    }

    /// The same without what delay accounting counts.
    #[inline]
    pub(super) fn run_only(&self) -> Self {
        Delays { run: self.run, accounted: ffi::Delays::default() }
    }

    #[cfg(not(CONFIG_TASKSTATS))]
    pub(super) fn of_dead(_group: &ThreadGroup) -> Option<Self> {
        None
    }

    /// Whether the kernel counts delays for `thread`, which is decided when it is forked.
    #[cfg(CONFIG_TASK_DELAY_ACCT)]
    #[inline]
    pub(super) fn are_counted(thread: Thread<'_>) -> bool {
        let task = thread.as_ptr();
        // SAFETY: A `Thread` is valid.
        !unsafe { read_once!(task.delays) }.is_null()
    }

    #[cfg(not(CONFIG_TASK_DELAY_ACCT))]
    pub(super) fn are_counted(_thread: Thread<'_>) -> bool {
        false
    }
}
