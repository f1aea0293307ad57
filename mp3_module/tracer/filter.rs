// SPDX-License-Identifier: GPL-2.0

//! Which processes are recorded: a bit for each thread group.
//!
//! Groups are marked before their children are looked at, both when a session begins and when a child is born; so no child
//! of a marked parent is missed. A child's bit is first cleared, since a process before it may have had its number. Bits are
//! not cleared when a process ends: what its parent hears of it may still be of interest, and the number's next owner clears
//! its own.
//!
//! When several sessions share the rings, the filter is their union, and each reader takes what it asked for.

// Each of the two crates that are made of this file uses one half; both must agree on the structure's layout.
#![allow(dead_code)]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Thread IDs are below this (`PID_MAX_LIMIT`).
const IDS: usize = 1 << 22;

/// Words of bits: 512 KiB of them.
pub(crate) const FILTER_WORDS: usize = IDS / 64;

/// Names that can be asked for at a time.
pub(crate) const NAMES_MAX: usize = 16;

/// A command name, or a part of one: up to 15 bytes, padded with NUL.
pub(crate) type Comm = [u8; 16];

/// # Invariants
///
/// `bits` is followed by [`FILTER_WORDS`] words that live as long as this value, and are only touched atomically.
#[repr(C)]
pub(crate) struct Filter {
    bits: *const AtomicU64,
    /// Parts of names, as two words each; 0 for none. A name is seen half-written at most while its session begins.
    names: [[AtomicU64; 2]; NAMES_MAX],
    /// Children of marked processes are marked.
    follow: AtomicBool,
    /// Every process is marked: a session without a filter has joined.
    everything: AtomicBool,
}

// SAFETY: All of it is atomic.
unsafe impl Send for Filter {}
// SAFETY: As above.
unsafe impl Sync for Filter {}

impl Filter {
    /// A filter that nothing passes.
    ///
    /// # Safety
    ///
    /// `bits` is aligned and followed by [`FILTER_WORDS`] zeroed words for as long as the filter is used.
    pub(crate) unsafe fn new(bits: *const u64) -> Self {
        Filter {
            // INVARIANT: The caller promises it.
            bits: bits.cast(),
            names: [const { [const { AtomicU64::new(0) }; 2] }; NAMES_MAX],
            follow: AtomicBool::new(false),
            everything: AtomicBool::new(false),
        }
    }

    /// The bits: [`FILTER_WORDS`] words, for as long as this value is.
    pub(crate) fn bits(&self) -> *const AtomicU64 {
        self.bits
    }

    #[inline(always)]
    fn word(&self, tgid: i32) -> &AtomicU64 {
        // SAFETY: By the type invariant: the index is less than `FILTER_WORDS`.
        unsafe { &*self.bits.add((tgid as usize & const { IDS - 1 }) / 64) }
    }

    /// Whether the group is recorded.
    #[inline(always)]
    pub(crate) fn passes(&self, tgid: i32) -> bool {
        self.word(tgid).load(Ordering::Relaxed) & bit(tgid) != 0
    }

    /// Has the group recorded from now on.
    pub(crate) fn mark(&self, tgid: i32) {
        self.word(tgid).fetch_or(bit(tgid), Ordering::SeqCst);
    }

    fn clear(&self, tgid: i32) {
        self.word(tgid).fetch_and(!bit(tgid), Ordering::SeqCst);
    }

    /// Has everything recorded from now on.
    pub(crate) fn mark_everything(&self) {
        self.everything.store(true, Ordering::SeqCst);
        for index in 0..FILTER_WORDS {
            // SAFETY: By the type invariant.
            unsafe { &*self.bits.add(index) }.store(u64::MAX, Ordering::SeqCst);
        }
    }

    /// Has the children of marked groups marked from now on.
    pub(crate) fn follow(&self) {
        self.follow.store(true, Ordering::SeqCst);
    }

    /// Has groups marked whose name contains `part` from now on. False where there are too many names.
    pub(crate) fn add_name(&self, part: &Comm) -> bool {
        let [low, high] = words(part);
        for name in &self.names {
            let [first, second] = name;
            if (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)) == (low, high) {
                return true;
            }
            if first.load(Ordering::Relaxed) == 0 {
                second.store(high, Ordering::Relaxed);
                first.store(low, Ordering::SeqCst);
                return true;
            }
        }
        false
    }

    /// A group that `parent` has made, with its name. Its bit was not visible before.
    pub(crate) fn born(&self, tgid: i32, parent: i32, comm: &Comm) {
        self.clear(tgid);
        let follows = self.follow.load(Ordering::Relaxed) && self.passes(parent);
        if follows || self.everything.load(Ordering::Relaxed) {
            self.mark(tgid);
        }
        self.named(tgid, comm);
    }

    /// Has the group marked if `comm` contains `part`.
    pub(crate) fn named_like(&self, tgid: i32, comm: &Comm, part: &Comm) {
        if contains(words(comm), words(part)) {
            self.mark(tgid);
        }
    }

    /// A thread of the group is called `comm` from now on.
    pub(crate) fn named(&self, tgid: i32, comm: &Comm) {
        for [first, second] in &self.names {
            let low = first.load(Ordering::Relaxed);
            if low == 0 {
                return;
            }
            if contains(words(comm), [low, second.load(Ordering::Relaxed)]) {
                self.mark(tgid);
                return;
            }
        }
    }
}

#[inline(always)]
const fn bit(tgid: i32) -> u64 {
    1 << (tgid as u32 % u64::BITS)
}

fn words(comm: &Comm) -> [u64; 2] {
    let both = u128::from_le_bytes(*comm);
    [both as u64, (both >> u64::BITS) as u64]
}

/// Whether the bytes of `part` before its first NUL stand somewhere in `comm`, both as words.
fn contains(comm: [u64; 2], part: [u64; 2]) -> bool {
    let whole = |[low, high]: [u64; 2]| u128::from(low) | u128::from(high) << u64::BITS;
    let (mut comm, part) = (whole(comm), whole(part));
    // All bits of the bytes that are part of it: names have no NUL inside.
    let mut mask: u128 = 0;
    let mut byte: u128 = 0xff;
    while byte != 0 && part & byte != 0 {
        mask |= byte;
        byte <<= u8::BITS;
    }
    while comm != 0 {
        if comm & mask == part & mask {
            return true;
        }
        comm >>= u8::BITS;
    }
    false
}
