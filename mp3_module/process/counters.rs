// SPDX-License-Identifier: GPL-2.0

//! Counters that the kernel keeps in each thread and, for threads that are gone, in the `signal_struct`.

use super::group::ThreadGroup;
use super::thread::{read_once, Thread};
use crate::abi::samples::Totals;

/// Makes a struct of counters from a table: the field of [`Totals`], that of a thread, and that of the dead threads.
macro_rules! thread_counters {
    ($($total:ident: $thread:ident, $dead:ident;)+) => {
        /// What one thread, or several, have counted. Sums wrap, as the kernel's own do.
        #[derive(Clone, Copy)]
        pub(super) struct ThreadCounters {
            $($total: u64,)+
        }

        impl ThreadCounters {
            /// Of one thread.
            #[inline]
            pub(super) fn of(thread: Thread<'_>) -> Self {
                let task = thread.as_ptr();
                ThreadCounters {
                    // SAFETY: A `Thread` is valid.
                    $($total: unsafe { read_once!(task.$thread) as u64 },)+
                }
            }

            /// Of the threads of `group` that are gone.
            #[inline]
            pub(super) fn of_dead(group: &ThreadGroup) -> Self {
                let signal = group.signal();
                ThreadCounters {
                    // SAFETY: The group's `signal_struct` is valid.
                    $($total: unsafe { read_once!(signal.$dead) as u64 },)+
                }
            }

            /// Whether they are what `thread` has now.
            #[inline]
            pub(super) fn are_those_of(&self, thread: Thread<'_>) -> bool {
                let task = thread.as_ptr();
                // SAFETY: A `Thread` is valid.
                true $(&& unsafe { read_once!(task.$thread) as u64 } == self.$total)+
            }

            /// Adds those of another thread.
            #[inline]
            pub(super) fn add(&mut self, other: &ThreadCounters) {
                $(self.$total = self.$total.wrapping_add(other.$total);)+
            }

            /// Fills them into `totals`.
            #[inline]
            pub(super) fn fill(&self, totals: &mut Totals) {
                $(totals.$total = self.$total;)+
            }
        }
    };
}

thread_counters! {
    // in a record: in a task_struct, in the signal_struct
    minor_faults: min_flt, min_flt;
    major_faults: maj_flt, maj_flt;
    voluntary_switches: nvcsw, nvcsw;
    involuntary_switches: nivcsw, nivcsw;
}
