// SPDX-License-Identifier: GPL-2.0

//! A look at a thread group without a lock, during which no thread has left it.
//!
//! A thread that leaves adds its counters to the group's and goes off the group's list, both between two steps of a sequence
//! that is odd meanwhile. A look is of one moment if the sequence was the same before it and after it.
//!
//! | load | pairs with | and guarantees |
//! |---|---|---|
//! | L1 sequence, then acquire fence, then the look | the leaving thread's last step | a look that begins with the new sequence sees the group's counters with the thread's in them |
//! | L2 the look, then acquire fence, then sequence | its first step, then release fence | a look that finds the thread gone, or a part of its counters moved, sees that the sequence has changed |

/// The sequence of a thread group.
pub trait Sequence {
    /// Loads it, in no order with anything else. Odd while a thread leaves the group.
    fn load_relaxed(&self) -> u32;

    /// Keeps every load above this fence before every load below it.
    fn fence_acquire(&self);
}

/// What `look` found, and the sequence during it; `None` where a thread left meanwhile, or `look` found nothing.
#[inline]
pub fn first<T>(group: &impl Sequence, look: impl FnOnce() -> Option<T>) -> Option<(u32, T)> {
    // L1: before the look.
    let sequence = group.load_relaxed();
    group.fence_acquire();
    if sequence % 2 != 0 {
        return None;
    }
    again(group, sequence, look).map(|found| (sequence, found))
}

/// What `look` found, if no thread has left since the sequence was `sequence`.
#[inline(always)]
pub fn again<T>(group: &impl Sequence, sequence: u32, look: impl FnOnce() -> Option<T>) -> Option<T> {
    let found = look()?;
    // L2: after the look. A sequence that was loaded before it says nothing of a thread that leaves in between.
    group.fence_acquire();
    (group.load_relaxed() == sequence).then_some(found)
}
